import { describe, expect, it } from 'vitest';
import { sloAnchor } from '../../lib/interpret/anchor.js';
import { checkFlags } from '../../lib/interpret/checks.js';
import { knobFindings, knobThresholds as t, type KnobContext } from '../../lib/interpret/knobs.js';
import { summarize } from '../../lib/statistics/summary.js';
import { requestTimings } from '../../lib/interpret/timing.js';
import { launchFindings } from '../../lib/interpret/launches.js';
import { buildRun } from './run-builder.js';

const data = buildRun();
const context: KnobContext = {
  data,
  launches: launchFindings(data, []),
  ledgerLaunch: 1,
  bands: [],
  penalties: [],
  dominantLaunch: { window: 'launch -> ready', because: 'nothing dominates' },
  resolution: [],
};
const warmOf = (ttftMs: number) => summarize(Array.from({ length: 6 }, () => ttftMs));
const utilization = (median: number) => [{ quantity: 'GPU utilisation', unit: '%', median }];
const rule = (changes: Partial<KnobContext>, start: string) =>
  knobFindings({ ...context, ...changes }).find((found) => found.rule.startsWith(start));

describe('the batching rule', () => {
  const fired = (ttftMs: number, percent: number | undefined) =>
    rule({ warmTtftMs: warmOf(ttftMs), bands: percent === undefined ? [] : utilization(percent) }, 'warm TTFT')?.fired;

  it('fires just over the TTFT limit with a GPU just under half used, and not on the other sides', () => {
    expect(fired(t.warmTtftMs + 0.1, t.gpuUtilizationPercent - 0.1)).toBe(true);
    expect(fired(t.warmTtftMs, t.gpuUtilizationPercent - 0.1)).toBe(false);
    expect(fired(t.warmTtftMs + 0.1, t.gpuUtilizationPercent)).toBe(false);
  });

  it('is undecided without a GPU, unless the TTFT settles it', () => {
    expect(fired(t.warmTtftMs + 1, undefined)).toBeUndefined();
    expect(fired(50, undefined)).toBe(false);
  });
});

describe('the headroom rule', () => {
  const withPool = (tokens: number) => ({
    ...data,
    startup: data.startup.map((row) => ({ ...row, text: row.text.replace('40,960 tokens', `${tokens} tokens`) })),
  });
  const fired = (tokens: number) => rule({ data: withPool(tokens) }, 'out of memory')?.fired;

  it('fires when the pool holds fewer than four full-length requests, and not at four', () => {
    expect(fired(4 * 4096 - 1)).toBe(true);
    expect(fired(4 * 4096)).toBe(false);
  });

  it('fires on a launch that died for memory', () => {
    const dead = {
      ...data,
      startup: [
        ...data.startup,
        {
          launch: 2,
          atMs: 101_500,
          source: 'log',
          text: '(EngineCore pid=2) ERROR 11-24 23:09:21 [core.py:1] torch.OutOfMemoryError: CUDA out of memory.',
        },
      ],
    };
    const launches = context.launches.map((launch) => (launch.launch === 2 ? { ...launch, outcome: 'died' } : launch));
    expect(rule({ data: dead, launches }, 'out of memory')?.fired).toBe(true);
    expect(rule({ data: dead }, 'out of memory')?.fired).toBe(false);
  });

  it('fires on a preemption', () => {
    expect(
      rule({ data: { ...data, metrics: data.metrics.map((row) => ({ ...row, value: 1 })) } }, 'out of memory')?.fired,
    ).toBe(true);
  });

  it('is undecided where neither log nor metrics say', () => {
    expect(rule({ data: { ...data, startup: [], metrics: [] } }, 'out of memory')?.fired).toBeUndefined();
  });
});

describe('the pre-warm rule', () => {
  const penalty = (factor: number) => ({
    launch: 1,
    by: 'TTFT' as const,
    cold: factor * 50,
    warmMedian: 50,
    factor,
    warmOf: 'warm',
  });

  it('fires at twice the warm median and not just under', () => {
    expect(rule({ penalties: [penalty(t.coldFactor)] }, 'cold penalty')?.fired).toBe(true);
    expect(rule({ penalties: [penalty(t.coldFactor - 0.01)] }, 'cold penalty')?.fired).toBe(false);
    expect(rule({ penalties: [] }, 'cold penalty')?.fired).toBeUndefined();
  });

  it('speaks of the worst launch, and says what to expect', () => {
    expect(rule({ penalties: [penalty(2), penalty(5)] }, 'cold penalty')).toMatchObject({
      reading: expect.stringContaining('5.00 ×') as unknown,
      expectedEffect: expect.stringContaining('250 ms to about 50.0 ms') as unknown,
    });
  });
});

describe('the launch rule (ours)', () => {
  it('fires with the knob of the dominant term, and is undecided when attached', () => {
    expect(
      rule({ dominantLaunch: { window: 'launch -> ready', term: 'C', ms: 5000, share: 0.4, because: '' } }, 'one term'),
    ).toMatchObject({ fired: true, knob: expect.stringContaining('compile cache') as unknown });
    expect(rule({}, 'one term')?.fired).toBe(false);
    expect(
      rule(
        { launches: [], dominantLaunch: { window: 'launch -> ready', because: 'not observable: attached' } },
        'one term',
      )?.fired,
    ).toBeUndefined();
  });
});

describe('sloAnchor', () => {
  it('is the upper end of the interval of the warm median', () => {
    expect(sloAnchor(summarize([50, 51, 49, 50, 52, 48, 50, 51, 49, 500]))).toEqual({
      ttftMs: 52,
      rule: 'upper end of the 97.9 % interval of the warm median TTFT, n = 10',
    });
  });

  it('is refused below six warm requests', () => {
    expect(sloAnchor(summarize([1, 2, 3, 4, 5]))).toBeUndefined();
    expect(sloAnchor(undefined)).toBeUndefined();
  });
});

describe('checkFlags', () => {
  const raised = (changes: (name: string, index: number) => object) => {
    const requests = data.requests.map((row) => ({ ...row, ...changes(row.name, row.index) }));
    return checkFlags({ requests }, requestTimings(requests, [])).filter((flag) => flag.raised);
  };

  it('raise nothing on a clean run', () => {
    expect(raised(() => ({}))).toEqual([]);
  });

  it('name different token counts within a workload, with the counts', () => {
    const [flag] = raised((name, index) => (name === 'warm' && index === 3 ? { completionTokens: 63 } : {}));
    expect(flag).toMatchObject({
      flag: 'unequal work (seed workload)',
      reading: '9 prompt and 64 completion tokens in 18 requests; 9 prompt and 63 completion tokens in 1 request',
    });
  });

  it('name a unique prompt that hit the cache, a cached one that missed, and a cold one that hit', () => {
    expect(raised((name, index) => (name === 'warm-unique' && index === 2 ? { cachedTokens: 16 } : {}))).toMatchObject([
      { flag: 'warm-unique hit the prefix cache', reading: '1-warm-unique-2: 16 tokens' },
    ]);
    expect(raised((name, index) => (name === 'warm-cached' && index === 2 ? { cachedTokens: 0 } : {}))).toMatchObject([
      { flag: 'warm-cached missed the prefix cache' },
    ]);
    expect(raised((name) => (name === 'cold-long' ? { cachedTokens: 1008 } : {}))).toMatchObject([
      { flag: 'cold-long hit the prefix cache' },
    ]);
  });

  it('name a request that did not complete', () => {
    expect(raised((name) => (name === 'warm_1' ? { outcome: 'cut-off' } : {}))).toMatchObject([
      { flag: 'requests not completed', reading: '1-warm_1-1 cut-off, 2-warm_1-1 cut-off' },
    ]);
  });

  it('name a probe that saw the first token late, from 5 ms and a tenth of the TTFT on', () => {
    // The made-up server generates for 1,260 ms and the client sees as much; TTFTs are 48 to 52 ms.
    const late = (ms: number) =>
      raised((name, index) => (name === 'warm' && index === 6 ? { serverGenerationMs: 1260 + ms } : {}));
    expect(late(5)).toMatchObject([
      { flag: 'the probe saw first tokens late', reading: '1 of 25 streamed requests, worst 5.00 ms' },
    ]);
    expect(late(4.9)).toEqual([]);
    const ofCold = (ms: number) => raised((name) => (name === 'cold_1' ? { serverGenerationMs: 1260 + ms } : {}));
    expect(ofCold(20)).toHaveLength(1);
    expect(ofCold(19)).toEqual([]);
  });

  it('ignore the sanity check', () => {
    expect(
      raised((name) => (name === 'cold-long' ? { name: 'sanity', outcome: 'failed', workload: 'models' } : {})),
    ).toEqual([]);
  });
});
