import { describe, expect, it } from 'vitest';
import type { RunData } from '../../lib/archive/folder.js';
import type { RequestRow } from '../../lib/archive/tables.js';
import { observerFinding } from '../../lib/interpret/observer.js';
import { steadyWindow } from '../../lib/interpret/steady.js';
import { requestTimings } from '../../lib/interpret/timing.js';
import { buildRun } from './run-builder.js';
import { randomFrom } from '../../lib/statistics/random.js';

const order = ['observed', 'unobserved', 'unobserved', 'observed', 'unobserved', 'observed', 'observed', 'unobserved'];

/** Requests a second apart; `ttftMs` is asked for each with its name and place. */
function withComparison(requests: number, ttftMs: (name: string, at: number) => number, more: Partial<RunData> = {}) {
  const rows = Array.from({ length: requests }, (_, at): RequestRow => {
    const name = order[at % order.length] ?? '';
    const startAtMs = 500_000 + 1000 * at;
    const firstTokenAtMs = startAtMs + 1 + ttftMs(name, at);
    const index = Math.floor(at / 2) + 1;
    return {
      requestId: `1-${name}-${index}`,
      launch: 1,
      name,
      index,
      workload: 'long',
      streamed: true,
      outcome: 'completed',
      startAtMs,
      sentAtMs: startAtMs + 1,
      firstTokenAtMs,
      endAtMs: firstTokenAtMs + 50,
    };
  });
  const data = { ...buildRun(), samples: [], ...more, requests: rows };
  return { data, observer: observerFinding(data, requestTimings(rows, [])) };
}

const found = (observer: ReturnType<typeof observerFinding>) => {
  if (!('finding' in observer)) throw new Error(observer.absentBecause);
  return observer.finding;
};

describe('the cost of watching', () => {
  it('is the shift between neighbours, with its interval in ms and in parts of the median without samplers', () => {
    const { observer } = withComparison(24, (name, at) => (name === 'observed' ? 103 : 100) + (at % 4));
    const finding = found(observer);
    expect(finding).toMatchObject({ pairs: 12, observed: 12, launch: 1, verdict: 'slower' });
    expect(finding.differenceMs).toBeCloseTo(3, 0);
    expect(finding.differenceFraction).toBeCloseTo(finding.differenceMs / finding.unobservedTtftMs.median, 12);
    expect(finding.interval?.level).toBeCloseTo(0.9575, 3);
    expect(finding.lowerFraction).toBeGreaterThan(0);
  });

  it('says how much of it the engine saw itself, where the answers carry its figures', () => {
    const { data, observer } = withComparison(24, (name, at) => (name === 'observed' ? 103 : 100) + (at % 4));
    expect(found(observer).engineDifferenceMs).toBeUndefined();
    // The engine took 1 ms more; the client lost the other two.
    const requests = data.requests.map((row) => ({
      ...row,
      serverQueueMs: 1,
      serverFirstTokenMs: row.name === 'observed' ? 91 : 90,
    }));
    const finding = found(observerFinding({ ...data, requests }, requestTimings(requests, [])));
    expect(finding.engineDifferenceMs).toBe(1);
    expect(finding.engineInterval).toMatchObject({ lower: 1, upper: 1 });
  });

  it('is not resolved where the two sides differ by chance alone, in about 19 of 20 runs', () => {
    const random = randomFrom(51);
    let resolved = 0;
    for (let run = 0; run < 200; run += 1)
      if (found(withComparison(24, () => 20 + 5 * random()).observer).verdict !== 'not resolved') resolved += 1;
    expect(resolved).toBeLessThan(20);
  });

  it('is faster where it is, and worse evidence of slowness never makes it so', () => {
    expect(found(withComparison(24, (name) => (name === 'observed' ? 99 : 100)).observer).verdict).toBe('faster');
  });

  it('leaves out a pair that lost one side, and has no interval below six pairs', () => {
    const { data } = withComparison(12, (name) => (name === 'observed' ? 103 : 100));
    const requests = data.requests.filter(({ requestId }) => requestId !== '1-unobserved-2');
    const finding = found(observerFinding({ ...data, requests }, requestTimings(requests, [])));
    expect(finding).toMatchObject({ pairs: 5, interval: undefined, verdict: 'not resolved' });
  });

  it('counts the requests during whose TTFT a sampler read, on both sides', () => {
    const [sample] = buildRun().samples;
    if (!sample) throw new Error('no sample');
    // One reading that begins before the sending and ends inside (request 0, on), one after the first token (request 3, on), one inside an unobserved one.
    const samples = [
      { ...sample, atMs: 500_000.5, tookMs: 1 },
      { ...sample, atMs: 503_102, tookMs: 1 },
      { ...sample, atMs: 501_050, tookMs: 1 },
    ];
    const { observer } = withComparison(8, () => 100, { samples });
    expect(found(observer)).toMatchObject({ struck: 1, readingsWhileOff: 1 });
  });

  it('adds up the CPU of each of our processes, on and off apart', () => {
    const row = { launch: 1, requestId: 'r', role: 'sampler', pid: 7, fromAtMs: 0, wallMs: 500 };
    const observers = [
      { ...row, samplersOn: true, cpuMs: 10 },
      { ...row, samplersOn: true, cpuMs: 0 },
      { ...row, samplersOn: false, cpuMs: 0 },
    ];
    const { observer } = withComparison(8, () => 100, { observers });
    expect(found(observer).cpu).toEqual([
      { role: 'sampler', samplersOn: true, coreFraction: 0.01, wallMs: 1000 },
      { role: 'sampler', samplersOn: false, coreFraction: 0, wallMs: 500 },
    ]);
  });

  it('says that nothing was compared where nothing was', () => {
    const data = buildRun();
    expect(observerFinding(data, requestTimings(data.requests, []))).toEqual({
      absentBecause: 'no requests with and without samplers were sent in this run',
    });
  });

  it('is never part of a steady window: bands and interference know nothing of the pauses', () => {
    expect(steadyWindow(withComparison(24, () => 20).data.requests)).toBeUndefined();
  });
});
