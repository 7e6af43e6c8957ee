/** One launch: how long it took, in which state it found the machine, and what ran where no phase explains the time. */
import type { RunData } from '../archive/folder.js';
import type { LaunchRow, SampleRow, SnapshotRow, StopRow } from '../archive/tables.js';
import { aboveBaselineMiB, backAtBaselineMiB } from '../experiment/gpumemory.js';
import { startupTimeline, type StartupTimeline, type Term } from '../launch/timeline.js';
import { gapActivity } from './activity.js';
import { counterIncreaseOver } from './counters.js';
import { noGpuBecause } from './evidence.js';
import type { GpuAfterStop, LaunchFinding, RequestTiming } from './findings.js';
import { launchState } from './state.js';
import { coldOf } from './series.js';
import { milestonesOf } from './startuplog.js';

/** Every launch of the run, in order. Tables that are missing leave their fields absent. */
export function launchFindings(data: RunData, timings: readonly RequestTiming[]): LaunchFinding[] {
  return [...data.launches].sort((a, b) => a.launch - b.launch).map((row) => launchFinding(data, row, timings));
}

function launchFinding(data: RunData, row: LaunchRow, timings: readonly RequestTiming[]): LaunchFinding {
  const timeline = startupTimeline(data.startup, row.launch);
  const samples = data.samples.filter((sample) => sample.launch === row.launch);
  const stop = data.stops.find((candidate) => candidate.launch === row.launch);
  const readBytes = duringStart(samples, 'serverReadBytes', row);
  const majorFaults = duringStart(samples, 'serverMajorFaults', row);
  const whileLoading = timeline && loadingReadBytes(timeline, samples);
  return {
    launch: row.launch,
    outcome: row.outcome,
    state: launchState(row, {
      readBytes,
      majorFaults,
      loadingReadBytes: whileLoading,
      milestones: milestonesOf(data.startup, row.launch),
      cold: coldOf(timings, row.launch),
    }),
    readyMs: row.spawnAtMs === undefined || row.readyAtMs === undefined ? undefined : row.readyAtMs - row.spawnAtMs,
    timeline,
    coveredFraction: timeline && coveredFraction(timeline),
    termMs: timeline ? termLengths(timeline) : [],
    readBytes,
    majorFaults,
    loadingReadBytes: whileLoading,
    gapActivity: timeline ? gapActivity(timeline, data) : [],
    ...stopOf(stop),
    gpuAfterStop: stop && gpuAfterStop(data, row.launch),
  };
}

function stopOf(stop: StopRow | undefined): Pick<LaunchFinding, 'stoppedHow' | 'stopMs' | 'leftoverProcesses'> {
  if (!stop) return {};
  return {
    stoppedHow: `${stop.reason}, ${stop.how}`,
    stopMs: stop.goneAtMs - stop.askedAtMs,
    leftoverProcesses: stop.leftoverProcesses,
  };
}

/** The last reading after the stop against the one before the first launch. */
function gpuAfterStop(data: RunData, launch: number): GpuAfterStop {
  const noGpu = noGpuBecause(data);
  if (noGpu !== undefined) return { kind: 'absent', because: noGpu };
  const at = (point: string, of: number) => data.snapshots.filter((row) => row.point === point && row.launch === of);
  const before = at('before-launch', 0);
  const after = at('after-stop', launch);
  const aboveMiB = aboveBaselineMiB(before, after);
  if (aboveMiB === undefined)
    return {
      kind: 'absent',
      because: `no reading ${after.length === 0 ? 'after the stop' : 'before the first launch'}`,
    };
  return {
    kind: 'read',
    aboveBaselineMiB: aboveMiB,
    waitedMs: after[0]?.waitedMs,
    back: aboveMiB <= backAtBaselineMiB,
    processes: processesOn(after),
    processesBefore: processesOn(before),
  };
}

/** The server's tree is gone, or not there yet: everybody on the GPU is an other. */
function processesOn(rows: readonly SnapshotRow[]): number | undefined {
  const counts = rows.flatMap(({ otherProcesses }) => otherProcesses ?? []);
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
}

/**
 * What a cumulative column of the server's tree counted from spawn to ready. The tree is born at spawn, so without a
 * tick before it the count starts at 0; the last tick before ready ends it.
 */
function duringStart(
  samples: readonly SampleRow[],
  column: 'serverReadBytes' | 'serverMajorFaults',
  row: LaunchRow,
): number | undefined {
  const { spawnAtMs, readyAtMs } = row;
  if (spawnAtMs === undefined || readyAtMs === undefined) return undefined;
  const inside = samples.filter(
    (sample) => sample.atMs >= spawnAtMs && sample.atMs <= readyAtMs && sample[column] !== undefined,
  );
  const last = inside.reduce<SampleRow | undefined>(
    (latest, sample) => (!latest || sample.atMs > latest.atMs ? sample : latest),
    undefined,
  );
  if (!last) return undefined;
  return counterIncreaseOver(samples, column, { startAtMs: spawnAtMs, endAtMs: last.atMs })?.by ?? last[column];
}

/** Bytes the server's tree read from storage between the ticks around the loading of the weights. */
function loadingReadBytes(timeline: StartupTimeline, samples: readonly SampleRow[]): number | undefined {
  const phase = timeline.phases.find(({ term }) => term === 'A+B' || term === 'A');
  return phase && counterIncreaseOver(samples, 'serverReadBytes', phase)?.by;
}

function coveredFraction(timeline: StartupTimeline): number | undefined {
  const whole = timeline.readyAtMs - timeline.spawnAtMs;
  return whole > 0 ? timeline.coveredMs / whole : undefined;
}

/** Length of the union of the phases of each term, longest first. */
export function termLengths(timeline: StartupTimeline): { readonly term: Term; readonly ms: number }[] {
  const terms = [...new Set(timeline.phases.map((phase) => phase.term))];
  return terms
    .map((term) => ({ term, ms: unionMs(timeline.phases.filter((phase) => phase.term === term)) }))
    .sort((a, b) => b.ms - a.ms);
}

/** Length covered by intervals that may overlap, in ms. */
export function unionMs(intervals: readonly { readonly startAtMs: number; readonly endAtMs: number }[]): number {
  let covered = 0;
  let until = -Infinity;
  for (const { startAtMs, endAtMs } of [...intervals].sort((a, b) => a.startAtMs - b.startAtMs)) {
    covered += Math.max(0, endAtMs - Math.max(startAtMs, until));
    until = Math.max(until, endAtMs);
  }
  return covered;
}
