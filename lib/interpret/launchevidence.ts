/** The launch -> ready window of one launch as evidence for the decision rules. */
import type { RunData } from '../archive/folder.js';
import type { Phase, StartupTimeline, Term } from '../launch/timeline.js';
import {
  counterIncreaseOver,
  fastestIncreasePerS,
  hbmChangeOver,
  levelChangeOver,
  valuesInside,
  type Window,
} from './counters.js';
import { absent, acrossLaunches, noGpuBecause, seen, type LaunchEvidence, type Observed } from './evidence.js';
import type { LaunchFinding } from './findings.js';
import { formatBytes, formatMiB, formatMs, formatPercent, formatQuantity, mebibyte } from './format.js';
import { unionMs } from './launches.js';
import { median, sortSamples } from '../statistics/samples.js';

/** Evidence of one launch; `all` are the run's launches, for what must repeat. */
export function launchEvidence(
  data: RunData,
  finding: LaunchFinding | undefined,
  all: readonly LaunchFinding[],
): LaunchEvidence {
  const timeline = finding?.timeline;
  if (!finding || !timeline) return nothingKnown(noTimelineBecause(data, finding));
  const weightsBytes = weightsBytesOf(data, finding.launch);
  const loading = phaseOf(timeline, 'A+B', 'A');
  const storageShare = storageShareOf(data, timeline, loading, weightsBytes);
  return {
    storageShare,
    warmUpStorageTime: warmUpStorageOf(data, timeline),
    pageCacheShare: pageCacheShareOf(data, timeline, weightsBytes),
    hbmShare: hbmShareOf(data, timeline, loading, weightsBytes),
    loadingUtilizationPercent: duringLoading(data, finding.launch, loading, 'utilizationPercent', '%'),
    pcieMBPerS: duringLoading(data, finding.launch, loading, 'pcieRxMBPerS', 'MB/s'),
    kvStepMiB: kvStepOf(data, timeline),
    kvStepsOfLaunchesMiB: kvStepsOf(data, all),
    timeShare: {
      A: timeShareOf(timeline, ['A', 'A+B'], storageShare),
      B: noGpuBecause(data) === undefined ? timeShareOf(timeline, ['B', 'A+B']) : absent(noGpuBecause(data) ?? ''),
      C: timeShareOf(timeline, ['C']),
      D: timeShareOf(timeline, ['D']),
    },
  };
}

/** Why a launch has no launch -> ready window. */
export function noTimelineBecause(data: Pick<RunData, 'record'>, finding: LaunchFinding | undefined): string {
  if (data.record.engine.kind === 'attach') return 'attached';
  if (!finding) return 'no launch was recorded';
  if (finding.outcome === 'ready') return `launch ${finding.launch} left no start-up rows`;
  return `launch ${finding.launch} did not become ready (${finding.outcome})`;
}

function nothingKnown(because: string): LaunchEvidence {
  const none = absent(because);
  return {
    storageShare: none,
    warmUpStorageTime: none,
    pageCacheShare: none,
    hbmShare: none,
    loadingUtilizationPercent: none,
    pcieMBPerS: none,
    kvStepMiB: none,
    kvStepsOfLaunchesMiB: none,
    timeShare: { A: none, B: none, C: none, D: none },
  };
}

/** Bytes of the weight files: as the launch found them, else as they were frozen. */
export function weightsBytesOf(data: Pick<RunData, 'launches' | 'record'>, launch: number): number | undefined {
  return (
    (data.launches.find((row) => row.launch === launch)?.weightsBytes ?? data.record.model.weightsBytes) || undefined
  );
}

export function phaseOf(timeline: StartupTimeline, ...terms: readonly Term[]): Phase | undefined {
  return timeline.phases.find(({ term }) => terms.includes(term));
}

/** From the beginning of the first phase of a term to the end of its last one. */
function stretchOf(timeline: StartupTimeline, term: Term): Window | undefined {
  const phases = timeline.phases.filter((phase) => phase.term === term);
  if (phases.length === 0) return undefined;
  return {
    startAtMs: Math.min(...phases.map(({ startAtMs }) => startAtMs)),
    endAtMs: Math.max(...phases.map(({ endAtMs }) => endAtMs)),
  };
}

const noLoadingPhase = 'the log shows no weight-loading phase';
const noWeights = 'the size of the weights is not known';

function storageShareOf(
  data: RunData,
  timeline: StartupTimeline,
  loading: Phase | undefined,
  weightsBytes: number | undefined,
): Observed {
  if (!loading) return absent(noLoadingPhase);
  if (!weightsBytes) return absent(noWeights);
  const read = counterIncreaseOver(samplesOf(data, timeline.launch), 'serverReadBytes', loading);
  if (!read) return absent('read_bytes was not sampled while the weights loaded');
  const rate = (read.by / Math.max(read.toAtMs - read.fromAtMs, 1)) * 1000;
  return seen(
    [read.by / weightsBytes],
    `${formatBytes(read.by)} read from storage while the weights loaded, ${formatPercent(read.by / weightsBytes)} of the weights, ${formatBytes(rate)}/s`,
  );
}

/** The slowest storage in use, cloud block volumes, gives 0.1 GB/s: a launch that read little shows no better rate. */
const slowestStorageBytesPerS = 1e8;

/** What was read while the engine warmed up, as time at the fastest rate this launch saw: the least it can have cost. */
function warmUpStorageOf(data: RunData, timeline: StartupTimeline): Observed {
  const warmUp = stretchOf(timeline, 'C');
  if (!warmUp) return absent('the log shows no warm-up phase');
  // Up to ready: what a server reads while it ends comes from no disk that it waited for.
  const samples = samplesOf(data, timeline.launch).filter(({ atMs }) => atMs <= timeline.readyAtMs);
  const read = counterIncreaseOver(samples, 'serverReadBytes', warmUp);
  if (!read) return absent('read_bytes was not sampled while the engine warmed up');
  const fastest = Math.max(slowestStorageBytesPerS, fastestIncreasePerS(samples, 'serverReadBytes') ?? 0);
  const costMs = (read.by / fastest) * 1000;
  const share = costMs / Math.max(warmUp.endAtMs - warmUp.startAtMs, 1);
  return seen(
    [share],
    `${formatBytes(read.by)} read while the engine warmed up: ${formatMs(costMs)} at ${formatBytes(fastest)}/s, ${formatPercent(share)} of that time`,
  );
}

/**
 * How much of the weights came into the page cache: by their own pages, before the spawn and at ready. Without that
 * count, by the size of the whole cache, which also shrinks: where memory is full, one page comes in for another.
 */
function pageCacheShareOf(data: RunData, timeline: StartupTimeline, weightsBytes: number | undefined): Observed {
  if (!weightsBytes) return absent(noWeights);
  const samples = samplesOf(data, timeline.launch);
  const start = Math.max(timeline.spawnAtMs, Math.min(...samples.map((sample) => sample.atMs)));
  const rise = levelChangeOver(samples, 'pageCacheMiB', { startAtMs: start, endAtMs: timeline.readyAtMs });
  const risen = rise && `${rise.by >= 0 ? 'up' : 'down'} ${formatMiB(Math.abs(rise.by))}`;
  const row = data.launches.find(({ launch }) => launch === timeline.launch);
  const { residentBeforeFraction: before, residentAfterFraction: after } = row ?? {};
  if (before !== undefined && after !== undefined)
    return seen(
      [after - before],
      `${formatPercent(before)} of the weights' pages in it before the spawn, ${formatPercent(after)} at ready${risen === undefined ? '' : ` (the cache as a whole: ${risen})`}`,
    );
  if (!rise) return absent('the page cache was not sampled from spawn to ready');
  const share = (rise.by * mebibyte) / weightsBytes;
  return seen([share], `${risen}, ${formatPercent(share)} of the weights`);
}

function hbmShareOf(
  data: RunData,
  timeline: StartupTimeline,
  loading: Phase | undefined,
  weightsBytes: number | undefined,
): Observed {
  const because = noGpuBecause(data);
  if (because !== undefined) return absent(because);
  if (!loading) return absent(noLoadingPhase);
  if (!weightsBytes) return absent(noWeights);
  // Parameters are allocated while the model is built, just before the weights are read into them.
  const built = phaseOf(timeline, 'B');
  const window: Window = {
    startAtMs: Math.min(built?.startAtMs ?? loading.startAtMs, loading.startAtMs),
    endAtMs: loading.endAtMs,
  };
  const step = hbmChangeOver(gpuOf(data, timeline.launch), window);
  if (!step) return absent('GPU memory was not sampled around the weight loading');
  return seen(
    [(step.by * mebibyte) / weightsBytes],
    `${formatMiB(step.by)} more HBM while the weights loaded, ${formatPercent((step.by * mebibyte) / weightsBytes)} of the weights`,
  );
}

function duringLoading(
  data: RunData,
  launch: number,
  loading: Phase | undefined,
  column: 'utilizationPercent' | 'pcieRxMBPerS',
  unit: string,
): Observed {
  const because = noGpuBecause(data);
  if (because !== undefined) return absent(because);
  if (!loading) return absent(noLoadingPhase);
  const values = sortSamples(valuesInside(gpuOf(data, launch), column, loading));
  // A copy is bursty and seen through a 20 ms window: its highest reading is the one that speaks.
  const value = column === 'pcieRxMBPerS' ? values.at(-1) : median(values);
  if (value === undefined) return absent('no reading fell into the weight loading');
  return seen(
    [value],
    `${column === 'pcieRxMBPerS' ? 'highest' : 'median'} ${formatQuantity(value, unit)} while the weights loaded (n = ${values.length})`,
  );
}

function kvStepOf(data: RunData, timeline: StartupTimeline): Observed {
  const because = noGpuBecause(data);
  if (because !== undefined) return absent(because);
  // Profiling frees what it took before the pool is allocated: the step is that of both together.
  const window = stretchOf(timeline, 'D');
  if (!window) return absent('the log shows no KV-cache phase');
  const step = hbmChangeOver(gpuOf(data, timeline.launch), window);
  if (!step) return absent('GPU memory was not sampled around the KV-cache phases');
  return seen([step.by], `${formatMiB(step.by)} more HBM in ${formatMs(window.endAtMs - window.startAtMs)}`);
}

function kvStepsOf(data: RunData, all: readonly LaunchFinding[]): Observed {
  const because = noGpuBecause(data);
  if (because !== undefined) return absent(because);
  const steps = all.flatMap(({ launch, timeline }) =>
    timeline ? [{ launch, observed: kvStepOf(data, timeline) }] : [],
  );
  if (steps.filter(({ observed }) => observed.kind === 'seen').length < 2)
    return absent('it takes two launches to see it again');
  return acrossLaunches(steps, 'no launch');
}

/** `storage`: for A, whose phases are B's too; where nothing came from storage A took no time. */
function timeShareOf(timeline: StartupTimeline, terms: readonly Term[], storage?: Observed): Observed {
  const phases = timeline.phases.filter(({ term }) => terms.includes(term));
  const wholeMs = timeline.readyAtMs - timeline.spawnAtMs;
  if (phases.length === 0 || wholeMs <= 0) return absent('no phase of this term was recognised in the log');
  if (storage?.kind === 'absent') return absent(storage.because);
  const ms = unionMs(phases);
  const mixed = phases.some(({ term }) => term === 'A+B');
  if (storage?.kind === 'seen' && storage.values.every((share) => share === 0))
    return seen([0], '0 ms: nothing came from storage');
  return seen(
    [ms / wholeMs],
    `${mixed ? 'at most ' : ''}${formatMs(ms)} of ${formatMs(wholeMs)}, ${formatPercent(ms / wholeMs)}`,
  );
}

const samplesOf = (data: RunData, launch: number) => data.samples.filter((row) => row.launch === launch);
const gpuOf = (data: RunData, launch: number) => data.gpu.filter((row) => row.launch === launch);
