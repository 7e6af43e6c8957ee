import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseRows } from '../../lib/archive/csv.js';
import { startupTable, type StartupRow } from '../../lib/archive/tables.js';
import { startupTimeline, type StartupTimeline } from '../../lib/launch/timeline.js';

const recorded = parseRows(
  startupTable,
  readFileSync('test/fixtures/startup/vllm-0.32.0-cpu-tiny.startup.csv', 'utf8'),
);

function timelineOf(rows: readonly StartupRow[], launch = 1): StartupTimeline {
  const timeline = startupTimeline(rows, launch);
  if (!timeline) throw new Error('the launch is not in the rows');
  return timeline;
}

/** Microseconds, as the fixture writes them: sums of its decimals then come out exactly. */
const us = (ms: number) => Math.round(ms * 1000);

describe('the recorded second start', () => {
  const timeline = timelineOf(recorded, 2);

  it('has the phases that the file gives, each from its own first line to its own last', () => {
    expect(
      timeline.phases.map(({ name, term, startAtMs, endAtMs }) => [name, term, us(startAtMs), us(endAtMs - startAtMs)]),
    ).toEqual([
      ['API server: start and imports', 'G', 89_521_542, 17_680_847],
      ['Configuration and model inspection', 'G', 107_202_389, 15_227],
      ['API server: tokenizer, engine process asked for', 'G', 107_217_616, 84_564],
      ['Engine process: start and imports', 'G', 107_302_179, 7_879_249],
      ['Worker process: start and imports', 'G', 115_212_179, 7_746_185],
      ['Device and distributed set-up', 'G', 122_958_365, 15_978],
      ['Memory measured, model runner made', 'G', 122_974_343, 11_519],
      ['Model built, parameters allocated', 'B', 122_985_862, 240_472],
      ['Weights loaded', 'A+B', 123_227_347, 11_351],
      ['Compile and warm-up', 'C', 124_398_335, 11_221_316],
      ['KV cache allocated, scheduler set up', 'D', 135_624_735, 2_653_583],
      ['Heap frozen, scheduler made, engine handed over', 'G', 138_278_319, 374_170],
      ['Front end built', 'G', 138_652_488, 376_658],
      ['HTTP server started', 'G', 139_079_370, 401_605],
    ]);
    expect(timeline.incomplete).toEqual([]);
  });

  it('covers 48.7 of 49.96 s and lists every uncovered stretch, longest first', () => {
    expect(us(timeline.readyAtMs - timeline.spawnAtMs)).toBe(49_963_101);
    expect(us(timeline.coveredMs)).toBe(48_712_725);
    expect(us(timeline.remainderMs)).toBe(1_250_376);
    expect(timeline.gaps.map((gap) => us(gap.endAtMs - gap.startAtMs))).toEqual([
      1_159_637, 50_224, 30_751, 5_084, 3_667, 1_013,
    ]);
  });

  it('quotes the lines around the largest gap', () => {
    expect(timeline.gaps[0]?.lineBefore).toContain('Loading weights took 0.01 seconds');
    // It came with the read that also held "Warming up model", which ends the gap.
    expect(timeline.gaps[0]?.lineAfter).toContain('Using LBHNC KV cache layout.');
  });

  it('quotes the lines that open and close a phase', () => {
    const weights = timeline.phases.find(({ term }) => term === 'A+B');
    expect(weights?.startEvidence).toContain('Filesystem type for checkpoints: EXT4');
    expect(weights?.endEvidence).toContain('Loading weights took 0.01 seconds');
  });
});

it('covers 98.9 % of the recorded first start, of which compiling took 36.9 s', () => {
  const timeline = timelineOf(recorded, 1);
  expect(us(timeline.readyAtMs - timeline.spawnAtMs)).toBe(87_912_266);
  expect((timeline.coveredMs / 87_912.26622).toFixed(3)).toBe('0.989');
  expect(us(timeline.phases.find(({ term }) => term === 'C')?.endAtMs ?? NaN) - 46_927_436).toBe(36_874_284);
});

it('is the same whatever the order of the rows', () => {
  expect(timelineOf([...recorded].reverse(), 2).phases).toEqual(timelineOf(recorded, 2).phases);
});

it('is undefined for a launch that never became ready, or that is not there', () => {
  expect(
    startupTimeline(
      recorded.filter(({ event }) => event !== 'ready'),
      1,
    ),
  ).toBeUndefined();
  expect(
    startupTimeline(
      recorded.filter(({ event }) => event !== 'spawned'),
      1,
    ),
  ).toBeUndefined();
  expect(startupTimeline(recorded, 3)).toBeUndefined();
  expect(startupTimeline([], 1)).toBeUndefined();
});

const row = (atMs: number, event: string, source = 'process'): StartupRow => ({
  launch: 1,
  atMs,
  source,
  event,
  text: event,
});

it('lists a phase with only one end as incomplete and gives its time to the remainder', () => {
  const rows = [
    row(0, 'spawned', 'spawn'),
    row(10, 'model-load-start'),
    row(30, 'weights-load-done'),
    row(50, 'ready', 'health'),
  ];
  const timeline = timelineOf(rows);
  expect(timeline.phases).toEqual([]);
  expect(timeline.incomplete).toEqual([
    'API server: start and imports',
    'Memory measured, model runner made',
    'Model built, parameters allocated',
    'Weights loaded',
    'Model loading, weights included',
  ]);
  expect([timeline.coveredMs, timeline.remainderMs]).toEqual([0, 50]);
});

it('does not close a phase with an end that came before its start', () => {
  const timeline = timelineOf([
    row(0, 'spawned', 'spawn'),
    row(10, 'warmup-done'),
    row(20, 'warmup-start'),
    row(40, 'ready', 'health'),
  ]);
  expect(timeline.phases).toEqual([]);
  expect(timeline.incomplete).toContain('Compile and warm-up');
});

it('counts what happened after readiness to nothing', () => {
  const rows = [row(0, 'spawned', 'spawn'), row(10, 'http-start'), row(20, 'ready', 'health'), row(30, 'http-ready')];
  expect(timelineOf(rows).incomplete).toContain('HTTP server started');
});

it('recognises log lines anew, and keeps the name that a line was saved with', () => {
  const log = (atMs: number, text: string, event?: string): StartupRow => ({
    launch: 1,
    atMs,
    source: 'log',
    event,
    text,
  });
  const rows = [
    row(0, 'spawned', 'spawn'),
    log(5, 'Warming up model for the compilation...'),
    log(9, 'a line cut too short to tell', 'warmup-done'),
    row(10, 'ready', 'health'),
  ];
  expect(timelineOf(rows).phases.map(({ startAtMs, endAtMs }) => [startAtMs, endAtMs])).toEqual([[5, 9]]);
});

const edges = [
  'api-server-speaks',
  'config-resolved',
  'engine-process-born',
  'engine-initializing',
  'worker-process-born',
  'worker-speaks',
  'model-load-start',
  'model-init-done',
  'warmup-start',
  'warmup-done',
  'kv-size',
  'engine-ready',
  'http-start',
  'http-ready',
];
// Whole milliseconds: sums are exact.
const start = fc.array(fc.tuple(fc.constantFrom(...edges), fc.integer({ min: -50, max: 1100 })), { maxLength: 20 });
const rowsOf = (seen: readonly (readonly [string, number])[], shiftMs = 0) => [
  row(shiftMs, 'spawned', 'spawn'),
  ...seen.map(([event, atMs]) => row(atMs + shiftMs, event)),
  row(1000 + shiftMs, 'ready', 'health'),
];

it('adds covered time and gaps up to launch -> ready, and leaves no phase or gap outside of it', () => {
  fc.assert(
    fc.property(start, (seen) => {
      const { phases, gaps, coveredMs, remainderMs } = timelineOf(rowsOf(seen));
      const lengths = gaps.map((gap) => gap.endAtMs - gap.startAtMs);
      expect(coveredMs + lengths.reduce((sum, length) => sum + length, 0)).toBe(1000);
      expect(coveredMs + remainderMs).toBe(1000);
      expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
      for (const { startAtMs, endAtMs } of [...phases, ...gaps]) {
        expect(startAtMs).toBeGreaterThanOrEqual(0);
        expect(endAtMs).toBeGreaterThanOrEqual(startAtMs);
        expect(endAtMs).toBeLessThanOrEqual(1000);
      }
      // No instant is both inside a gap and inside a phase.
      for (const gap of gaps)
        for (const phase of phases) expect(phase.endAtMs <= gap.startAtMs || phase.startAtMs >= gap.endAtMs).toBe(true);
    }),
  );
});

it('does not change when all instants are shifted', () => {
  fc.assert(
    fc.property(start, fc.integer({ min: -1_000_000, max: 1_000_000 }), (seen, shiftMs) => {
      const [here, there] = [timelineOf(rowsOf(seen)), timelineOf(rowsOf(seen, shiftMs))];
      const relative = ({ phases, gaps, spawnAtMs, coveredMs, incomplete }: StartupTimeline) => ({
        phases: phases.map(({ name, startAtMs, endAtMs }) => [name, startAtMs - spawnAtMs, endAtMs - spawnAtMs]),
        gaps: gaps.map(({ startAtMs, endAtMs }) => [startAtMs - spawnAtMs, endAtMs - spawnAtMs]),
        coveredMs,
        incomplete,
      });
      expect(relative(there)).toEqual(relative(here));
    }),
  );
});
