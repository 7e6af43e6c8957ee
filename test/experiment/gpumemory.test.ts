import { describe, expect, it, vi } from 'vitest';
import { aboveBaselineMiB, awaitGpuMemoryBack, backAtBaselineMiB } from '../../lib/experiment/gpumemory.js';
import { isColdStreamed, observerRequests, type RequestTarget } from '../../lib/experiment/requests.js';
import { sampleRecord } from '../report/sample.js';

const reading = (memoryUsedMiB: number, gpu = 0) => ({ gpu, memoryUsedMiB, atMs: 0 });

describe('GPU memory above its baseline', () => {
  it('is summed over the GPUs that were read both times', () => {
    expect(aboveBaselineMiB([reading(10), reading(20, 1)], [reading(110), reading(25, 1), reading(7, 2)])).toBe(105);
  });

  it('is absent without a GPU', () => {
    expect(aboveBaselineMiB([], [reading(5)])).toBeUndefined();
    expect(aboveBaselineMiB([{}], [{}])).toBeUndefined();
  });
});

describe('waiting for GPU memory', () => {
  it('ends as soon as it is back, and says how long that took since the last process had gone', async () => {
    let nowMs = 1000;
    const given = [5000, 300, backAtBaselineMiB];
    const readNow = vi.fn(() => {
      nowMs += 100;
      return Promise.resolve([reading(given.shift() ?? NaN)]);
    });
    expect(await awaitGpuMemoryBack({ readNow }, [reading(0)], 950, { nowMs: () => nowMs })).toBe(350);
    expect(readNow).toHaveBeenCalledTimes(3);
  });

  it('is given up after ten seconds, with the time waited', async () => {
    let nowMs = 0;
    const readNow = () => {
      nowMs += 4000;
      return Promise.resolve([reading(backAtBaselineMiB + 1)]);
    };
    expect(await awaitGpuMemoryBack({ readNow }, [reading(0)], 0, { nowMs: () => nowMs })).toBe(12_000);
  });

  it('does not wait where there is no GPU', async () => {
    const readNow = () => Promise.resolve([{ atMs: 0 }]);
    expect(await awaitGpuMemoryBack({ readNow }, [], 0, { nowMs: () => 0 })).toBeUndefined();
  });
});

describe('the plan of requests', () => {
  const target: RequestTarget = { record: sampleRecord, baseUrl: 'http://127.0.0.1:8000', launch: 3, timeoutMs: 1000 };

  it('streams cold_1 in every launch but the second: seven launches after the first give six TTFTs', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8].filter((launch) => !isColdStreamed(launch))).toEqual([2]);
  });

  it('puts one request with samplers and one without into every pair, and each first in half of the pairs', () => {
    const plan = observerRequests(target, 12);
    expect(plan).toHaveLength(24);
    const pairs = [...new Set(plan.map(({ pair }) => pair))];
    expect(pairs).toHaveLength(12);
    let onFirst = 0;
    for (const pair of pairs) {
      const [first, second, ...more] = plan.filter((one) => one.pair === pair);
      expect(more).toEqual([]);
      expect(first?.samplersOn).toBe(!second?.samplersOn);
      if (first?.samplersOn) onFirst += 1;
      expect([first, second].map((one) => one?.request.label.index)).toEqual([pair, pair]);
    }
    expect(onFirst).toBe(6);
    expect(new Set(plan.map(({ request }) => request.plan.body)).size).toBe(1);
    expect(observerRequests(target, 5)).toHaveLength(12);
  });
});
