import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunData } from '../../lib/archive/folder.js';
import type { Findings } from '../../lib/interpret/findings.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { buildRun, defaultWarmTtftMs, weightsMiB, type RunOptions } from './run-builder.js';

const mebibyte = 1024 * 1024;
const lines = (findings: Findings) => findings.answers.flatMap((answer) => answer.lines);
const verdict = (findings: Findings, cause: string, window: string) =>
  findings.verdicts.find((found) => found.cause === cause && found.window === window)?.verdict;
const tables = [
  'launches',
  'stops',
  'startup',
  'requests',
  'chunks',
  'samples',
  'processes',
  'gpu',
  'metrics',
  'snapshots',
  'calibration',
] as const;
const without = (data: RunData, names: readonly (typeof tables)[number][]): RunData => ({
  ...data,
  ...Object.fromEntries(names.map((name) => [name, []])),
});

/** Every number and text of a finding, to search for what must never appear. */
function leaves(value: unknown): unknown[] {
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(leaves) : [value];
}

describe('interpret on a made-up CPU run', () => {
  const findings = interpret(buildRun());

  it('gives the summaries worked out by hand', () => {
    expect(findings.warmTtftMs).toEqual({
      n: 10,
      min: 48,
      median: 50,
      max: 52,
      mad: 1,
      spread: 0.08,
      interval: { lower: 49, upper: 51, level: 0.978515625 },
    });
    expect(findings.firstFiveWallS?.n).toBe(5);
    expect(findings.warmWallS?.n).toBe(15);
    expect(findings.warmTpotMs?.median).toBe(20);
    expect(findings.prefixSavingMs).toEqual({
      n: 6,
      medianDifference: 190,
      interval: { lower: 190, upper: 190, level: 0.96875 },
    });
    expect(findings.stopwatch).toEqual({
      n: 10,
      medianErrorMs: 1.55,
      p99ErrorMs: undefined,
      maxErrorMs: 2,
      mode: 'not recorded',
    });
    expect(findings.sloAnchor?.ttftMs).toBe(51);
  });

  it('answers the four questions in five to ten lines', () => {
    expect(findings.answers.map(({ question }) => question)).toEqual([
      'What dominated cold_1?',
      'Is warm stable?',
      'Which steady-state number is the baseline SLO anchor?',
      'Which knob next, and why?',
    ]);
    expect(lines(findings).length).toBeGreaterThanOrEqual(5);
    expect(lines(findings).length).toBeLessThanOrEqual(10);
  });

  it("says the seed's section 6 in words", () => {
    expect(findings.conclusions.find(({ label }) => label === 'Cold penalty X')?.text).toBe(
      '4.00 × by TTFT (launch 1), 1.11 × by wall_s (launch 1), 1.11 × by wall_s (launch 2)',
    );
    expect(findings.conclusions.find(({ label }) => label === 'Warm band')?.text).toBe(
      'TTFT 50.0 ms, 48.0 ms to 52.0 ms, spread 8.00 % (n = 10)',
    );
  });

  it('claims nothing about a GPU that is not there', () => {
    for (const signal of findings.signals.filter(
      ({ signal: name }) => name.startsWith('GPU') || name.startsWith('PCIe'),
    )) {
      expect(signal.outcome).toBe('not observable');
      expect(signal.reading).toContain('no GPU');
    }
    expect(verdict(findings, 'B', 'request 1')).toBe('cannot tell');
    expect(verdict(findings, 'D', 'request 1')).toBe('cannot tell');
  });

  it('lists six definitions of a first token in the order they happen', () => {
    expect(findings.ttftDefinitions.map(({ coldMs }) => coldMs)).toEqual([199, 199, 199, 200, 200, 202]);
  });

  it('looks the same in a stable form, rounded, as it did when it was read through', async () => {
    const rounded: unknown = JSON.parse(
      JSON.stringify({
        answers: findings.answers,
        verdicts: findings.verdicts,
        sixTerms: findings.sixTerms,
        state: findings.launches[0]?.state,
        gaps: findings.launches[0]?.gapActivity,
      }),
    );
    await expect(JSON.stringify(rounded, undefined, 2)).toMatchFileSnapshot('golden/cpu-run.json');
  });
});

describe('what the evidence makes of a run', () => {
  const of = (options: RunOptions) => interpret(buildRun({ gpu: true, ...options }));

  it('C holds in request 1 when kernels were compiled in it', () => {
    const findings = of({ jitLines: 2 });
    expect(verdict(findings, 'C', 'request 1')).toBe('holds');
    expect(findings.dominantRequest).toMatchObject({ term: 'C', ms: 150 });
  });

  it('D holds in request 1 when memory stepped in every launch, and C does not', () => {
    const findings = of({ coldStepMiB: 64, jitLines: 0 });
    expect(verdict(findings, 'D', 'request 1')).toBe('holds');
    expect(verdict(findings, 'C', 'request 1')).toBe('does not hold');
    expect(findings.dominantRequest.term).toBe('D');
  });

  it('neither can be told from the other when both left their marks', () => {
    const findings = of({ coldStepMiB: 64, jitLines: 2 });
    expect([verdict(findings, 'C', 'request 1'), verdict(findings, 'D', 'request 1')]).toEqual([
      'cannot tell',
      'cannot tell',
    ]);
    expect(findings.dominantRequest.term).toBe('C+D+E');
  });

  it('A is seen in the launch when the weights came from storage, short as it was', () => {
    const signals = of({ loadingReadMiB: weightsMiB, residentBeforeFraction: 0 }).signals.filter(
      ({ cause, window }) => cause === 'A' && window === 'launch -> ready',
    );
    expect(signals.map(({ outcome }) => outcome)).toEqual(['holds', 'holds', 'holds', 'does not hold']);
    expect(signals[0]?.reading).toMatch(/^1,000 MiB read from storage while the weights loaded, 100 % of the weights/);
  });

  it("the page cache is judged by the weights' own pages, even where it shrank as a whole because memory was full", () => {
    const data = buildRun({ loadingReadMiB: weightsMiB, residentBeforeFraction: 0, gpu: true });
    const grows = (residentAfterFraction: number | undefined) =>
      interpret({
        ...data,
        launches: data.launches.map((row) => ({ ...row, residentAfterFraction })),
        samples: data.samples.map((row) => ({ ...row, pageCacheMiB: 4000 - row.atMs / 1000 })),
      }).signals.find(({ signal, window }) => signal === 'Page cache grows' && window === 'launch -> ready');
    expect(grows(1)?.outcome).toBe('holds');
    expect(grows(1)?.reading).toMatch(/^0 % of the weights' pages in it before the spawn, 100 % at ready \(.*: down /);
    expect(grows(0.1)?.outcome).toBe('does not hold');
    expect(grows(undefined)?.reading).toMatch(/^down [\d.]+ MiB, -[\d.]+ % of the weights$/);
  });

  it('the KV pool is a step over all phases of D: profiling gives memory back just before it is allocated', () => {
    const data = buildRun({ gpu: true });
    const spawnAtMs = (launch: number) => data.launches.find((row) => row.launch === launch)?.spawnAtMs ?? NaN;
    const said = (launch: number, afterMs: number, text: string) => ({
      launch,
      atMs: spawnAtMs(launch) + afterMs,
      source: 'log',
      text: `(EngineCore pid=2) INFO 11-24 23:10:20 [x.py:1] ${text}`,
    });
    const startup = [
      ...data.startup.filter(({ text }) => !text.includes('Warming up')),
      ...data.launches.flatMap(({ launch }) => [
        said(launch, 11_800, 'Initial profiling/warmup run took 0.10 s'),
        said(launch, 12_480, 'Available KV cache memory: 20.00 GiB'),
      ]),
    ];
    const gpu = data.gpu.map((row) => {
      const afterMs = row.atMs - spawnAtMs(row.launch);
      const profiling = afterMs > 11_000 && afterMs < 12_450 ? 900 : 0;
      return { ...row, memoryUsedMiB: (row.memoryUsedMiB ?? NaN) + profiling };
    });
    const found = interpret({ ...data, startup, gpu }).signals.filter(
      ({ cause, window, signal }) => cause === 'D' && window === 'launch -> ready' && signal.includes('jump'),
    );
    expect(found.map(({ outcome }) => outcome)).toEqual(['holds', 'holds']);
    expect(found[0]?.reading).toBe('18.7 GiB more HBM in 1.00 s');
  });

  it('HBM for the weights is counted from the building of the model on', () => {
    const signal = of({}).signals.find(
      ({ cause, window, role }) => cause === 'B' && window === 'launch -> ready' && role === 'distinguishing',
    );
    expect(signal?.reading).toMatch(/^1,000 MiB more HBM .* 100 % of the weights/);
  });

  it('A in request 1 is told by bytes just over 1 MiB, in every launch', () => {
    const outcome = (coldReadBytes: number) =>
      of({ coldReadBytes }).signals.find(({ cause, window }) => cause === 'A' && window === 'request 1')?.outcome;
    expect(outcome(mebibyte)).toBe('holds');
    expect(outcome(mebibyte - 1)).toBe('does not hold');
  });

  it('a whole answer counts up to its first token: the decode does not hide a slow start', () => {
    const factor = of({}).signals.find(
      ({ cause, signal, window }) => cause === 'D' && window === 'request 1' && signal.startsWith('warm_1'),
    );
    expect(factor?.outcome).toBe('holds');
    expect(factor?.reading).toMatch(
      /launch 2: to the first token 204 ms against warm_1, 56.0 ms: 3.64 ×, the whole answer 1.46 s against warm_1, 1.32 s: 1.11 ×/,
    );
  });

  it('drift of the warm block is flagged and takes the certainty from the anchor', () => {
    const findings = of({ warmTtftMs: [50, 51, 52, 53, 54, 55, 56, 57, 58, 59] });
    expect(findings.flags.find(({ flag }) => flag === 'drift')?.raised).toBe(true);
    expect(lines(findings).join(' ')).toContain('provisional');
  });

  it('five warm requests get no interval, no anchor and no p99', () => {
    const findings = of({ warmTtftMs: defaultWarmTtftMs.slice(0, 5) });
    expect(findings.warmTtftMs?.interval).toBeUndefined();
    expect(findings.sloAnchor).toBeUndefined();
    expect(lines(findings).join(' ')).toContain('None: 5 streamed warm requests');
  });

  it('launches are never pooled: warm requests of a second launch do not enter the summary of the first', () => {
    const data = buildRun();
    const more = data.requests
      .filter(({ name, index }) => name === 'warm' && index > 5)
      .slice(0, 4)
      .map((row) => ({
        ...row,
        launch: 2,
        requestId: `2-${row.requestId}`,
        firstTokenAtMs: (row.firstTokenAtMs ?? 0) + 500,
      }));
    expect(interpret({ ...data, requests: [...data.requests, ...more] }).warmTtftMs).toEqual(
      interpret(data).warmTtftMs,
    );
  });

  it('an attached server has no launch window, and its requests are still judged', () => {
    const findings = interpret(buildRun({ engineKind: 'attach' }));
    expect(findings.dominantLaunch.because).toBe('not observable: attached');
    for (const signal of findings.signals.filter(({ window }) => window === 'launch -> ready'))
      expect(signal.outcome).toBe('not observable');
    expect(findings.penalties[0]?.factor).toBe(4);
    expect(findings.dominantRequest.ms).toBe(150);
  });
});

describe('interpret on a partial run', () => {
  it('does not throw, whatever tables are missing, and holds no NaN and no empty reason', () => {
    const whole = buildRun({ gpu: true, jitLines: 1 });
    fc.assert(
      fc.property(fc.subarray([...tables]), (missing) => {
        const findings = interpret(without(whole, missing));
        expect(leaves(findings).filter((leaf) => typeof leaf === 'number' && !Number.isFinite(leaf))).toEqual([]);
        expect(
          leaves(findings.answers).filter((leaf) => typeof leaf === 'string' && /undefined|NaN|null/.test(leaf)),
        ).toEqual([]);
        expect(
          leaves([findings.verdicts, findings.knobs, findings.conclusions, findings.signals]).filter(
            (leaf) => leaf === '' || (typeof leaf === 'string' && /undefined|NaN/.test(leaf)),
          ),
        ).toEqual([]);
        expect(lines(findings).length).toBeGreaterThanOrEqual(4);
        expect(lines(findings).length).toBeLessThanOrEqual(10);
      }),
      { numRuns: 60 },
    );
  });

  it('does not throw when the kernel was killed at any moment', () => {
    const whole = buildRun({ gpu: true, launches: 1, jitLines: 1 });
    const before = (atMs: number): RunData => ({
      ...whole,
      launches: whole.launches.filter((row) => (row.readyAtMs ?? 0) <= atMs),
      stops: [],
      startup: whole.startup.filter((row) => row.atMs <= atMs),
      requests: whole.requests.filter((row) => (row.endAtMs ?? 0) <= atMs),
      chunks: whole.chunks.filter((row) => row.atMs <= atMs),
      samples: whole.samples.filter((row) => row.atMs <= atMs),
      processes: whole.processes.filter((row) => row.atMs <= atMs),
      gpu: whole.gpu.filter((row) => row.atMs <= atMs),
    });
    for (let atMs = 0; atMs <= 60_000; atMs += 1700) expect(lines(interpret(before(atMs))).length).toBeGreaterThan(0);
  });

  it('says of an empty run that nothing can be told', () => {
    const findings = interpret(without(buildRun(), [...tables]));
    expect(findings).toMatchObject({
      launches: [],
      timings: [],
      penalties: [],
      excess: [],
      warmTtftMs: undefined,
      sloAnchor: undefined,
      dominantLaunch: { because: 'not observable: no launch was recorded' },
    });
    expect(new Set(findings.verdicts.map(({ verdict: word }) => word))).toEqual(new Set(['cannot tell']));
  });
});

describe('interpret as a function', () => {
  it('is deterministic, ignores the order of rows, and survives JSON', () => {
    const data = buildRun({ gpu: true });
    const reversed = {
      ...data,
      ...Object.fromEntries(
        ['samples', 'processes', 'gpu', 'chunks', 'launches', 'stops'].map((name) => [
          name,
          [...data[name as 'samples']].reverse(),
        ]),
      ),
    };
    const first = JSON.stringify(interpret(data));
    expect(JSON.stringify(interpret(data))).toBe(first);
    expect(JSON.stringify(interpret(reversed))).toBe(first);
    expect(JSON.parse(first)).toEqual(
      JSON.parse(JSON.stringify(interpret(JSON.parse(JSON.stringify(data)) as RunData))),
    );
  });
});
