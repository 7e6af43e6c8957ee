import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LaunchRow, ProcessRow } from '../../lib/archive/tables.js';
import { backAtBaselineMiB } from '../../lib/experiment/gpumemory.js';
import { gapActivity } from '../../lib/interpret/activity.js';
import { launchFindings, termLengths, unionMs } from '../../lib/interpret/launches.js';
import { launchState, stateThresholds, type StateEvidence } from '../../lib/interpret/state.js';
import { requestTimings } from '../../lib/interpret/timing.js';
import type { StartupTimeline } from '../../lib/launch/timeline.js';
import { buildRun, readyMs, weightsMiB } from './run-builder.js';

const mebibyte = 1024 * 1024;
const findingsOf = (data: ReturnType<typeof buildRun>) =>
  launchFindings(data, requestTimings(data.requests, data.chunks, data.startup));

describe('launchFindings', () => {
  it('give the times worked out by hand from the log of a made-up launch', () => {
    const [first] = findingsOf(buildRun());
    expect(first).toMatchObject({
      launch: 1,
      outcome: 'ready',
      readyMs,
      stoppedHow: 'asked, sigterm',
      stopMs: 1500,
      leftoverProcesses: 0,
    });
    expect(first?.timeline?.remainderMs).toBe(900);
    expect(first?.coveredFraction).toBeCloseTo(12_300 / 13_200, 12);
    expect(first?.termMs).toEqual([
      { term: 'G', ms: 5800 },
      { term: 'C', ms: 5000 },
      { term: 'A+B', ms: 1000 },
      { term: 'D', ms: 300 },
      { term: 'B', ms: 200 },
    ]);
  });

  it('count what the server tree read, from its birth to ready', () => {
    const [first] = findingsOf(buildRun({ loadingReadMiB: 800 }));
    expect(first?.readBytes).toBe(800 * mebibyte);
    expect(first?.loadingReadBytes).toBe(800 * mebibyte);
    expect(first?.majorFaults).toBe(800);
  });

  it('leave out what was read after ready', () => {
    const [first] = findingsOf(buildRun({ loadingReadMiB: 800, coldReadBytes: 5 * mebibyte }));
    expect(first?.readBytes).toBe(800 * mebibyte);
  });

  it('have no launch -> ready for an attached server', () => {
    const [first] = findingsOf(buildRun({ engineKind: 'attach' }));
    expect(first).toMatchObject({
      outcome: 'attached',
      termMs: [],
      gapActivity: [],
      state: { process: 'as found', pages: 'as found' },
    });
    expect(first?.readyMs).toBeUndefined();
    expect(first?.timeline).toBeUndefined();
  });
});

describe('GPU memory after a stop', () => {
  const point = (launch: number, name: string, memoryUsedMiB: number, more = {}) => ({
    launch,
    point: name,
    atMs: 0,
    gpu: 0,
    memoryUsedMiB,
    ...more,
  });
  const afterStop = (snapshots: ReturnType<typeof buildRun>['snapshots'], gpu = true) =>
    findingsOf({ ...buildRun({ gpu }), snapshots }).map(({ gpuAfterStop }) => gpuAfterStop);

  it('is held against what was there before the first launch, launch by launch', () => {
    const [first, second] = afterStop([
      point(0, 'before-launch', 500, { otherProcesses: 1 }),
      point(1, 'after-ready', 70_000),
      point(1, 'after-stop', 500 + backAtBaselineMiB, { otherProcesses: 1, waitedMs: 120 }),
      point(2, 'after-stop', 501 + backAtBaselineMiB, { otherProcesses: 2, waitedMs: 10_040 }),
    ]);
    expect(first).toEqual({
      kind: 'read',
      aboveBaselineMiB: backAtBaselineMiB,
      waitedMs: 120,
      back: true,
      processes: 1,
      processesBefore: 1,
    });
    expect(second).toMatchObject({ back: false, waitedMs: 10_040, processes: 2 });
  });

  it('is absent with the reason', () => {
    expect(afterStop([], false)[0]).toEqual({ kind: 'absent', because: 'no GPU' });
    expect(afterStop([point(0, 'before-launch', 5)])[0]).toEqual({
      kind: 'absent',
      because: 'no reading after the stop',
    });
    expect(afterStop([point(1, 'after-stop', 5)])[0]).toEqual({
      kind: 'absent',
      because: 'no reading before the first launch',
    });
    const [attached] = findingsOf({ ...buildRun({ engineKind: 'attach' }), stops: [] });
    expect(attached?.gpuAfterStop).toBeUndefined();
  });
});

describe('unionMs', () => {
  it('counts overlaps once', () => {
    expect(
      unionMs([
        { startAtMs: 0, endAtMs: 10 },
        { startAtMs: 5, endAtMs: 12 },
        { startAtMs: 20, endAtMs: 21 },
      ]),
    ).toBe(13);
    expect(unionMs([])).toBe(0);
  });

  it('lies between the longest interval and the sum, in any order', () => {
    const interval = fc
      .record({ startAtMs: fc.integer({ min: 0, max: 1000 }), length: fc.integer({ min: 0, max: 300 }) })
      .map(({ startAtMs, length }) => ({ startAtMs, endAtMs: startAtMs + length }));
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 20 }), (intervals) => {
        const lengths = intervals.map(({ startAtMs, endAtMs }) => endAtMs - startAtMs);
        const union = unionMs(intervals);
        expect(union).toBeGreaterThanOrEqual(Math.max(0, ...lengths));
        expect(union).toBeLessThanOrEqual(lengths.reduce((sum, length) => sum + length, 0));
        expect(unionMs([...intervals].reverse())).toBe(union);
      }),
    );
  });

  it('of each term may overlap another term', () => {
    const phase = (term: 'C' | 'D', startAtMs: number, endAtMs: number) => ({
      name: term,
      term,
      startAtMs,
      endAtMs,
      startEvidence: '',
      endEvidence: '',
    });
    const timeline: StartupTimeline = {
      launch: 1,
      spawnAtMs: 0,
      readyAtMs: 10,
      phases: [phase('C', 0, 6), phase('D', 4, 9)],
      incomplete: [],
      coveredMs: 9,
      remainderMs: 1,
      gaps: [],
    };
    expect(termLengths(timeline)).toEqual([
      { term: 'C', ms: 6 },
      { term: 'D', ms: 5 },
    ]);
  });
});

describe('launchState', () => {
  const row: LaunchRow = {
    launch: 1,
    outcome: 'ready',
    spawnAtMs: 0,
    readyAtMs: 1,
    healthPolls: 1,
    healthPollIntervalMs: 10,
    weightsBytes: weightsMiB * mebibyte,
  };
  const nothing: StateEvidence = { milestones: [] };
  const pages = (residentBeforeFraction: number | undefined, evidence: Partial<StateEvidence> = {}) =>
    launchState({ ...row, residentBeforeFraction }, { ...nothing, ...evidence }).pages;
  const compile = (compileCache: string | undefined, ...events: readonly string[]) =>
    launchState({ ...row, compileCache }, { milestones: events.map((event) => ({ event, atMs: 1, text: event })) })
      .compileCache;

  it('calls pages by what was measured, and "as found" by nothing', () => {
    expect(pages(undefined)).toBe('as found');
    expect(pages(1)).toBe('resident');
    expect(pages(0)).toBe('not resident');
    expect(pages(0.4)).toBe('partly resident (40.0 %)');
  });

  it('draws its lines at 99 % and 1 %', () => {
    expect(pages(stateThresholds.residentFraction)).toBe('resident');
    expect(pages(0.989)).toContain('partly');
    expect(pages(stateThresholds.evictedFraction)).toBe('not resident');
    expect(pages(0.011)).toContain('partly');
  });

  it('takes its word back when the bytes read contradict it', () => {
    expect(pages(1, { loadingReadBytes: 0.1 * weightsMiB * mebibyte })).toContain('as found');
    expect(pages(1, { loadingReadBytes: 0.099 * weightsMiB * mebibyte })).toBe('resident');
    expect(pages(0, { readBytes: 0.899 * weightsMiB * mebibyte })).toContain('as found');
    expect(pages(0, { readBytes: 0.9 * weightsMiB * mebibyte })).toBe('not resident');
  });

  it('does not take a few MiB of a tiny model for a contradiction', () => {
    const tiny = launchState(
      { ...row, weightsBytes: mebibyte, residentBeforeFraction: 1 },
      { ...nothing, loadingReadBytes: 2 * mebibyte },
    );
    expect(tiny.pages).toBe('resident');
  });

  it('lets the log say what became of the compile cache', () => {
    expect(compile('empty', 'compile-saved')).toBe('empty');
    expect(compile('filled', 'compile-cache-hit')).toBe('hit');
    expect(compile('filled', 'compile-cache-stale', 'compile-saved')).toBe('filled, rejected, compiled again');
    expect(compile('filled', 'graph-compiled')).toBe('missed, compiled');
    expect(compile('filled')).toBe('as found');
    expect(compile(undefined)).toBe('as found');
  });

  it('knows an attached server, a new one, and one that was never started', () => {
    expect(launchState({ ...row, outcome: 'attached', spawnAtMs: undefined }, nothing)).toMatchObject({
      process: 'as found',
      prefixCache: 'as found',
    });
    expect(launchState(row, nothing)).toMatchObject({ process: 'new', prefixCache: 'empty' });
    expect(launchState({ ...row, outcome: 'port-taken', spawnAtMs: undefined }, nothing).process).toBe('none');
  });

  it('gives a proof for every word that is not "as found"', () => {
    const state = launchState({ ...row, residentBeforeFraction: 1, compileCache: 'empty' }, nothing);
    for (const subject of ['pages', 'compile cache', 'process', 'prefix cache'])
      expect(state.proof.some((line) => line.startsWith(subject))).toBe(true);
  });
});

describe('gapActivity', () => {
  const timeline = (...gaps: readonly (readonly [number, number])[]): StartupTimeline => ({
    launch: 1,
    spawnAtMs: 0,
    readyAtMs: 5000,
    phases: [],
    incomplete: [],
    coveredMs: 0,
    remainderMs: 0,
    gaps: gaps.map(([startAtMs, endAtMs]) => ({ startAtMs, endAtMs, lineBefore: '', lineAfter: '' })),
  });
  const process = (pid: number, atMs: number, cpuMs: number, more: Partial<ProcessRow> = {}): ProcessRow => ({
    launch: 1,
    atMs,
    pid,
    parentPid: 1,
    name: `p${pid}`,
    cpuMs,
    rssMiB: 1,
    majorFaults: 0,
    readBytes: 0,
    ...more,
  });

  it('names who used the CPU between the ticks of a gap, most first', () => {
    const processes = [
      process(1, 100, 50),
      process(1, 200, 60),
      process(1, 300, 130, { majorFaults: 3, readBytes: 2 * mebibyte }),
      process(2, 300, 900),
    ];
    expect(gapActivity(timeline([150, 350]), { processes })).toEqual([
      'p2 900 ms of CPU, p1 80.0 ms of CPU; 3 major faults, 2.00 MiB read from storage',
    ]);
  });

  it('adds up processes of one name and keeps silent about one that used nothing', () => {
    const processes = [
      process(1, 200, 0, { name: 'w' }),
      process(2, 200, 0, { name: 'w' }),
      process(1, 300, 40, { name: 'w' }),
      process(2, 300, 60, { name: 'w' }),
      process(3, 300, 0),
    ];
    expect(gapActivity(timeline([200, 300]), { processes })[0]).toMatch(/^w 100 ms of CPU; 0 major faults/);
  });

  it('says when no tick fell into the gap, and when nothing was sampled', () => {
    expect(gapActivity(timeline([210, 290]), { processes: [process(1, 200, 1), process(1, 300, 2)] })[0]).toContain(
      'no tick',
    );
    expect(gapActivity(timeline([210, 290]), { processes: [] })[0]).toContain('not observable');
  });

  it('explains three gaps at most', () => {
    expect(gapActivity(timeline([0, 1], [2, 3], [4, 5], [6, 7]), { processes: [] })).toHaveLength(3);
  });
});
