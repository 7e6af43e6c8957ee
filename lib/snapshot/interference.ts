/**
 * Did anything else use the machine while we measured? Samples of a window -> one finding for each kind of
 * disturbance: seen, looked for and not seen, or not observable here. Pure.
 */
import type { GpuRow, SampleRow } from '../archive/tables.js';

export type InterferenceKind =
  'other-gpu-process' | 'sm-clock-change' | 'busy-cpu-elsewhere' | 'swap' | 'memory-pressure';

export interface InterferenceFinding {
  readonly kind: InterferenceKind;
  readonly seen: 'seen' | 'not-seen' | 'not-observable';
  /** The figures that were read, with the threshold; or why nothing could be read. */
  readonly evidence: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface InterferenceWindow {
  /** All samples of the run, in time order: the one before the window is needed for rates. */
  readonly samples: readonly SampleRow[];
  readonly gpu: readonly GpuRow[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly cpuCores: number;
  /** Cores that this project's own client may use in the window: 1 while it keeps its loop awake, else 0. */
  readonly clientCores?: number | undefined;
}

/**
 * Boost steps are 15 MHz, under 1 % of an SM clock of 1.7 to 2 GHz; a prefill is as fast as its clock, so a change of
 * 5 % is as large as the spread between warm requests that it would be mistaken for.
 */
export const smClockChangeFraction = 0.05;
/**
 * Half a core, averaged over a second: one competing thread gives twice as much, while the tick of 10 ms that the
 * kernel counts in, and daemons of an idle node, stay far below.
 */
export const busyElsewhereCores = 0.5;
/** 1 MiB of pages of 4 KiB swapped in: fewer are long-sleeping programs that woke up, not a node short of memory. */
export const swapInPages = 256;
/** 1 % of the window in which some task waited for memory: the kernel was reclaiming while we measured. */
export const memoryStallFraction = 0.01;

const bandMs = 1000;

/** One finding for each kind, in a fixed order. An empty window observes nothing. */
export function findInterference(window: InterferenceWindow): InterferenceFinding[] {
  const { fromMs, toMs } = window;
  const gpu = window.gpu.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const intervals = intervalsIn(window.samples, fromMs, toMs);
  const findings: readonly (readonly [InterferenceKind, Verdict])[] = [
    ['other-gpu-process', judgeOtherProcesses(gpu)],
    ['sm-clock-change', judgeSmClock(gpu)],
    ['busy-cpu-elsewhere', judgeBusyElsewhere(intervals, window.cpuCores, window.clientCores ?? 0)],
    ['swap', judgeSwap(intervals)],
    ['memory-pressure', judgeMemoryPressure(intervals)],
  ];
  return findings.map(([kind, verdict]) => ({ kind, ...verdict, fromMs, toMs }));
}

type Verdict = Pick<InterferenceFinding, 'seen' | 'evidence'>;
const verdict = (seen: boolean, evidence: string): Verdict => ({ seen: seen ? 'seen' : 'not-seen', evidence });
const notObservable = (evidence: string): Verdict => ({ seen: 'not-observable', evidence });

function judgeOtherProcesses(gpu: readonly GpuRow[]): Verdict {
  if (gpu.length === 0) return notObservable('no GPU reading in the window');
  const counts = definedOf(gpu.map(({ otherProcesses }) => otherProcesses));
  if (counts.length === 0)
    return notObservable(
      'the driver does not list the processes on the GPU, or lists them by pids of another namespace',
    );
  return verdict(
    Math.max(...counts) > 0,
    `${Math.max(...counts)} compute processes of others at most, in ${counts.length} readings (threshold: any)`,
  );
}

/** Only readings with the GPU at work count, where that is known: an idle GPU clocks down by design. */
function judgeSmClock(gpu: readonly GpuRow[]): Verdict {
  if (gpu.length === 0) return notObservable('no GPU reading in the window');
  const working = gpu.filter(({ utilizationPercent }) => utilizationPercent === undefined || utilizationPercent > 0);
  const perGpu = [...new Set(working.map((row) => row.gpu))].flatMap(
    (index) => clockRange(working.filter((row) => row.gpu === index)) ?? [],
  );
  const widest = perGpu.sort((a, b) => b.fraction - a.fraction)[0];
  if (!widest) return notObservable('fewer than two readings of the SM clock with the GPU at work');
  const reasons = slowdownReasons(working);
  return verdict(
    widest.fraction > smClockChangeFraction,
    `SM clock ${widest.lowest} to ${widest.highest} MHz with the GPU at work, ${percent(widest.fraction)} apart (threshold ${percent(smClockChangeFraction)})${reasons}`,
  );
}

function clockRange(
  rows: readonly GpuRow[],
): { readonly lowest: number; readonly highest: number; readonly fraction: number } | undefined {
  const clocks = definedOf(rows.map(({ smClockMHz }) => smClockMHz));
  if (clocks.length < 2) return undefined;
  const [lowest, highest] = [Math.min(...clocks), Math.max(...clocks)];
  return { lowest, highest, fraction: highest === 0 ? 0 : (highest - lowest) / highest };
}

/** NVML's bits for what holds a clock down, those that are neither idleness nor a setting. */
const slowdownBits: readonly (readonly [bit: number, name: string])[] = [
  [0x4, 'power cap'],
  [0x8, 'hardware slowdown'],
  [0x20, 'software thermal slowdown'],
  [0x40, 'hardware thermal slowdown'],
  [0x80, 'power brake'],
];

function slowdownReasons(rows: readonly GpuRow[]): string {
  const names = slowdownBits
    .filter(([bit]) => rows.some(({ throttleReasons = 0 }) => Math.floor(throttleReasons / bit) % 2 === 1))
    .map(([, name]) => name);
  return names.length === 0 ? '' : `; the driver names: ${names.join(', ')}`;
}

/** Two neighbouring samples; rates of `after` are over this time. */
interface Interval {
  readonly before: SampleRow;
  readonly after: SampleRow;
  readonly ms: number;
}

function intervalsIn(samples: readonly SampleRow[], fromMs: number, toMs: number): Interval[] {
  return samples.flatMap((after, at) => {
    const before = samples[at - 1];
    const inside = before && before.atMs >= fromMs && after.atMs <= toMs;
    return inside ? [{ before, after, ms: after.atMs - before.atMs }] : [];
  });
}

function judgeBusyElsewhere(intervals: readonly Interval[], cpuCores: number, clientCores: number): Verdict {
  const elsewhere = intervals.flatMap(({ before, after, ms }) => {
    if (after.cpuBusyFraction === undefined || after.serverCpuCores === undefined) return [];
    const samplerCores = (after.samplerCpuMs - before.samplerCpuMs) / ms;
    return [
      { ms, cores: Math.max(0, after.cpuBusyFraction * cpuCores - after.serverCpuCores - samplerCores - clientCores) },
    ];
  });
  const highest = highestOverASecond(elsewhere);
  if (highest === undefined) return notObservable('no CPU samples of node and server together in the window');
  return verdict(
    highest > busyElsewhereCores,
    `at most ${highest.toFixed(2)} cores over a second were busy outside the server${clientCores > 0 ? ', the waiting client' : ''} and the sampler (threshold ${busyElsewhereCores})`,
  );
}

/** The highest average over stretches of a second, or over the whole when it is shorter. */
function highestOverASecond(steps: readonly { readonly ms: number; readonly cores: number }[]): number | undefined {
  let highest: number | undefined;
  let [start, ms, coreMs] = [0, 0, 0];
  for (const step of steps) {
    ms += step.ms;
    coreMs += step.cores * step.ms;
    // Drop what is not needed to fill a second.
    for (let first = steps[start]; first && ms - first.ms >= bandMs; first = steps[start]) {
      ms -= first.ms;
      coreMs -= first.cores * first.ms;
      start += 1;
    }
    if (ms >= bandMs) highest = Math.max(highest ?? 0, coreMs / ms);
  }
  return highest ?? (ms > 0 ? coreMs / ms : undefined);
}

function judgeSwap(intervals: readonly Interval[]): Verdict {
  const pages = increaseOver(intervals, 'swapInPages');
  if (pages === undefined) return notObservable('no samples of swap activity in the window');
  return verdict(pages > swapInPages, `${pages} pages swapped in (threshold ${swapInPages})`);
}

function judgeMemoryPressure(intervals: readonly Interval[]): Verdict {
  const stalledUs = increaseOver(intervals, 'psiMemorySomeUs');
  const ms = intervals.reduce((sum, interval) => sum + interval.ms, 0);
  if (stalledUs === undefined || ms === 0)
    return notObservable('no samples of memory pressure in the window (a kernel without PSI)');
  const fraction = stalledUs / 1000 / ms;
  return verdict(
    fraction > memoryStallFraction,
    `some task waited for memory for ${percent(fraction)} of the window (threshold ${percent(memoryStallFraction)})`,
  );
}

function increaseOver(intervals: readonly Interval[], column: 'swapInPages' | 'psiMemorySomeUs'): number | undefined {
  const first = intervals[0]?.before[column];
  const last = intervals[intervals.length - 1]?.after[column];
  return first === undefined || last === undefined || last < first ? undefined : last - first;
}

const definedOf = (values: readonly (number | undefined)[]) =>
  values.filter((value): value is number => value !== undefined);
const percent = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
