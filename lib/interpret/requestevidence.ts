/** Request 1 of every launch as evidence for the decision rules. */
import type { RunData } from '../archive/folder.js';
import type { RequestRow, SnapshotRow } from '../archive/tables.js';
import {
  counterIncreaseOver,
  hbmChangeOver,
  levelChangeOver,
  valuesInside,
  type Change,
  type Window,
} from './counters.js';
import { absent, acrossLaunches, noGpuBecause, seen, type Observed, type RequestEvidence } from './evidence.js';
import type { RequestTiming } from './findings.js';
import { formatBytes, formatCounted, formatFactor, formatMiB, formatMs, formatQuantity, mebibyte } from './format.js';
import { weightsBytesOf } from './launchevidence.js';
import { coldOf, launchesOf, requestsNamed, warmSet } from './series.js';
import { median, medianOf, sortSamples } from '../statistics/samples.js';

/** NVML's utilisation is an average over up to this long; a shorter request cannot be seen in it (NVML API, nvmlUtilization_t). */
const utilizationWindowMs = 1000;
/** Later requests needed before "steadier" means anything: the seed's five. */
const laterRequests = 5;

interface Cold {
  readonly launch: number;
  readonly timing: RequestTiming;
  /** From sending to the end of the answer: what a first run costs may also fall after the first token. */
  readonly window: Window;
}

export function requestEvidence(data: RunData, timings: readonly RequestTiming[]): RequestEvidence {
  const colds = launchesOf(timings).flatMap((launch) => coldWindow(data, timings, launch));
  const each = (read: (cold: Cold) => Observed) =>
    acrossLaunches(
      colds.map((cold) => ({ launch: cold.launch, observed: read(cold) })),
      'no first request was completed',
    );
  const steps = each((cold) => hbmStep(data, cold));
  return {
    storageBytes: each((cold) => storageBytes(data, cold)),
    pageCacheMiB: each((cold) => pageCache(data, cold)),
    utilizationPercent: each((cold) => gpuReading(data, cold, 'utilizationPercent', '%')),
    hbmShare: each((cold) => hbmShare(data, cold)),
    hbmStepMiB: steps,
    hbmStepsOfLaunchesMiB:
      steps.kind === 'seen' && steps.values.length < 2 ? absent('it takes two launches to see it again') : steps,
    pcieMBPerS: each((cold) => gpuReading(data, cold, 'pcieRxMBPerS', 'MB/s')),
    coldFactor: each((cold) => coldFactor(timings, cold)),
    warm1Factor: each((cold) => warm1Factor(timings, cold)),
    jitLines: each(({ timing }) =>
      timing.jitLines === undefined
        ? absent('the log shows no JIT monitor')
        : seen([timing.jitLines], formatCounted(timing.jitLines, 'JIT line')),
    ),
    settling: each((cold) => settling(timings, cold)),
  };
}

function coldWindow(data: RunData, timings: readonly RequestTiming[], launch: number): Cold[] {
  const timing = coldOf(timings, launch);
  const row = timing && data.requests.find((candidate) => candidate.requestId === timing.requestId);
  const startAtMs = row?.sentAtMs ?? row?.startAtMs;
  const endAtMs = row && endOf(row);
  return timing && startAtMs !== undefined && endAtMs !== undefined
    ? [{ launch, timing, window: { startAtMs, endAtMs } }]
    : [];
}

const endOf = (row: RequestRow) => row.endAtMs ?? row.lastTokenAtMs;

function storageBytes(data: RunData, { launch, window }: Cold): Observed {
  const read = counterIncreaseOver(
    data.samples.filter((row) => row.launch === launch),
    'serverReadBytes',
    window,
  );
  if (!read) return absent('no samples of read_bytes around the request');
  return seen([read.by], `${formatBytes(read.by)} read from storage ${around(read)}`);
}

function pageCache(data: RunData, { launch, window }: Cold): Observed {
  const rise = levelChangeOver(
    data.samples.filter((row) => row.launch === launch),
    'pageCacheMiB',
    window,
  );
  if (!rise) return absent('the page cache was not sampled around the request');
  return seen([rise.by], `${rise.by >= 0 ? 'up' : 'down'} ${formatMiB(Math.abs(rise.by))} ${around(rise)}`);
}

const around = (change: Change) => `in the ${formatMs(change.toAtMs - change.fromAtMs)} around it`;

function gpuReading(
  data: RunData,
  { launch, window }: Cold,
  column: 'utilizationPercent' | 'pcieRxMBPerS',
  unit: string,
): Observed {
  const because = noGpuBecause(data);
  if (because !== undefined) return absent(because);
  const lengthMs = window.endAtMs - window.startAtMs;
  if (column === 'utilizationPercent' && lengthMs < utilizationWindowMs) {
    return absent(
      `the request took ${formatMs(lengthMs)}, utilisation is an average over up to ${formatMs(utilizationWindowMs)}`,
    );
  }
  const values = sortSamples(
    valuesInside(
      data.gpu.filter((row) => row.launch === launch),
      column,
      window,
    ),
  );
  const value = column === 'pcieRxMBPerS' ? values.at(-1) : median(values);
  return value === undefined ? absent('no reading fell into the request') : seen([value], formatQuantity(value, unit));
}

function hbmStep(data: RunData, cold: Cold): Observed {
  const because = noGpuBecause(data);
  const rss = rssStep(data, cold.launch);
  if (because !== undefined)
    return absent(
      rss === undefined ? because : `${because}; resident memory of the server tree moved by ${formatMiB(rss)}`,
    );
  const step =
    hbmChangeOver(
      data.gpu.filter((row) => row.launch === cold.launch),
      cold.window,
    )?.by ?? snapshotStep(data, cold.launch, 'memoryUsedMiB');
  return step === undefined
    ? absent('GPU memory was not read on both sides of the request')
    : seen([step], `${formatMiB(step)} more HBM`);
}

function hbmShare(data: RunData, cold: Cold): Observed {
  const step = hbmStep(data, cold);
  const weightsBytes = weightsBytesOf(data, cold.launch);
  if (step.kind === 'absent') return step;
  if (!weightsBytes) return absent('the size of the weights is not known');
  return seen(
    step.values.map((mib) => (mib * mebibyte) / weightsBytes),
    `${step.reading}, against ${formatBytes(weightsBytes)} of weights`,
  );
}

const rssStep = (data: RunData, launch: number) => snapshotStep(data, launch, 'serverRssMiB');

/** The change between the seed's snapshot points around cold_1, over all GPUs (a figure of the host stands in every row: taken once). */
function snapshotStep(data: RunData, launch: number, column: 'memoryUsedMiB' | 'serverRssMiB'): number | undefined {
  const total = (point: string) => {
    const rows: readonly SnapshotRow[] = data.snapshots.filter((row) => row.launch === launch && row.point === point);
    const values = rows.map((row) => row[column]).filter((value): value is number => value !== undefined);
    if (values.length === 0) return undefined;
    return column === 'serverRssMiB' ? values[0] : values.reduce((sum, value) => sum + value, 0);
  };
  const before = total('after-ready');
  const after = total('after-cold_1');
  return before === undefined || after === undefined ? undefined : after - before;
}

/** A way to time a request so that a streamed and a whole answer compare. */
interface Yardstick {
  readonly name: string;
  readonly ms: (timing: RequestTiming) => number | undefined;
}

/**
 * Up to the first token (TTFT, or wall_s less the server's generation time) and the whole answer. The first would miss
 * what a first run pays in its second token; in the second the tokens after it drown a slow first one.
 */
const yardsticks: readonly Yardstick[] = [
  { name: 'to the first token', ms: toFirstTokenMs },
  { name: 'the whole answer', ms: ({ wallS }) => (wallS === undefined ? undefined : wallS * 1000) },
];

function toFirstTokenMs({ streamed, ttftMs, wallS, serverGenerationMs }: RequestTiming): number | undefined {
  if (streamed) return ttftMs;
  return wallS === undefined || serverGenerationMs === undefined ? undefined : wallS * 1000 - serverGenerationMs;
}

/** The yardstick that shows most, with the readings of both; absent when neither reads. */
function byEither(read: (yardstick: Yardstick) => Observed): Observed {
  const each = yardsticks.map((yardstick) => ({ yardstick, observed: read(yardstick) }));
  const present = each.flatMap(({ yardstick, observed }) =>
    observed.kind === 'seen' ? [{ yardstick, observed }] : [],
  );
  if (present.length === 0) return each[0]?.observed ?? absent('no yardstick');
  const most = Math.max(...present.flatMap(({ observed }) => observed.values));
  return seen([most], present.map(({ yardstick, observed }) => `${yardstick.name} ${observed.reading}`).join(', '));
}

const valuesBy = (yardstick: Yardstick, timings: readonly RequestTiming[]) =>
  timings.map(yardstick.ms).filter((ms): ms is number => ms !== undefined);
const alike = (timings: readonly RequestTiming[], { launch, timing }: Cold, name: string) =>
  requestsNamed(timings, name, launch).filter(({ streamed }) => streamed === timing.streamed);

function coldFactor(timings: readonly RequestTiming[], { timing }: Cold): Observed {
  const warm = warmSet(timings, timing.launch, timing.streamed);
  return byEither((yardstick) =>
    ratio(
      yardstick.ms(timing),
      medianOf(valuesBy(yardstick, warm?.timings ?? [])),
      `against the median of ${warm?.label ?? 'no warm request'}`,
    ),
  );
}

function warm1Factor(timings: readonly RequestTiming[], cold: Cold): Observed {
  const warm1 = alike(timings, cold, 'warm_1')[0];
  return byEither((yardstick) => ratio(yardstick.ms(cold.timing), warm1 && yardstick.ms(warm1), 'against warm_1'));
}

function ratio(coldMs: number | undefined, usualMs: number | undefined, against: string): Observed {
  if (coldMs === undefined || usualMs === undefined || usualMs <= 0)
    return absent('cold_1 and a warm request were not both measured the same way');
  return seen(
    [coldMs / usualMs],
    `${formatMs(coldMs)} ${against}, ${formatMs(usualMs)}: ${formatFactor(coldMs / usualMs)}`,
  );
}

/** A range grows with n, so two requests that range wider than five or more later ones did settle. */
function settling(timings: readonly RequestTiming[], cold: Cold): Observed {
  return byEither((yardstick) => {
    const early = valuesBy(yardstick, [cold.timing, ...alike(timings, cold, 'warm_1')]);
    const later = valuesBy(yardstick, alike(timings, cold, 'warm'));
    if (early.length < 2 || later.length < laterRequests)
      return absent(`it takes cold_1, warm_1 and ${laterRequests} warm requests of one launch, measured alike`);
    const range = (values: readonly number[]) => Math.max(...values) - Math.min(...values);
    if (range(later) <= 0) return absent('the later warm requests do not differ at all');
    return seen(
      [range(early) / range(later)],
      `the first two differ by ${formatMs(range(early))}, the ${later.length} later ones by ${formatMs(range(later))}: ${formatFactor(range(early) / range(later))}`,
    );
  });
}
