/**
 * GPU and CPU over the steady window: median and the band from the 5th to the 95th percentile of the readings, with
 * the rate at which the readings really changed. A counter read faster than its source updates says nothing new.
 */
import type { RunData } from '../archive/folder.js';
import type { ProcessRow } from '../archive/tables.js';
import { bandOf, type NumberColumnOf } from '../snapshot/rates.js';
import { noGpuBecause } from './evidence.js';
import type { BandFinding, SteadyWindow } from './findings.js';
import { formatCounted, formatMs } from './format.js';
import { lengthMs, steadyThresholds } from './steady.js';

export const bandThresholds = {
  /** Fewer readings make no band. Ours. */
  readings: 5,
  /** A process below a hundredth of a core is not worth a row. Ours. */
  cores: 0.01,
} as const;

interface Stamped {
  readonly launch: number;
  readonly atMs: number;
}

/** The bands of a run, GPU first. Each quantity is listed even where it is absent, with the reason. */
export function bandFindings(data: RunData, window: SteadyWindow | undefined): BandFinding[] {
  return [...gpuBands(data, window), ...cpuBands(data, window)];
}

const gpuQuantities: readonly {
  readonly quantity: string;
  readonly unit: string;
  readonly column: 'utilizationPercent' | 'powerW' | 'smClockMHz';
}[] = [
  { quantity: 'GPU utilisation', unit: '%', column: 'utilizationPercent' },
  { quantity: 'GPU power', unit: 'W', column: 'powerW' },
  { quantity: 'GPU SM clock', unit: 'MHz', column: 'smClockMHz' },
];

function gpuBands(data: RunData, window: SteadyWindow | undefined): BandFinding[] {
  const absentBecause = noGpuBecause(data) ?? tooShort(window);
  if (absentBecause !== undefined || !window)
    return gpuQuantities.map(({ quantity, unit }) => ({ quantity, unit, absentBecause }));
  const rows = inside(data.gpu, window);
  const gpus = [...new Set(rows.map((row) => row.gpu))].sort((a, b) => a - b);
  return gpuQuantities.flatMap(({ quantity, unit, column }) => {
    if (gpus.length === 0) return [{ quantity, unit, absentBecause: 'the GPU was not read in the steady window' }];
    return gpus.map((gpu) =>
      band(
        gpus.length > 1 ? `${quantity} (GPU ${gpu})` : quantity,
        unit,
        rows.filter((row) => row.gpu === gpu),
        column,
        window,
      ),
    );
  });
}

function cpuBands(data: RunData, window: SteadyWindow | undefined): BandFinding[] {
  const whole = "CPU of the server's tree";
  if (!window) return [{ quantity: whole, unit: 'cores', absentBecause: 'there is no run of warm requests' }];
  const samples = inside(data.samples, window);
  const shortNote =
    lengthMs(window) < steadyThresholds.windowMs
      ? `over ${formatMs(lengthMs(window))} only; ${formatMs(steadyThresholds.windowMs)} are asked for`
      : undefined;
  return [
    band(whole, 'cores', samples, 'serverCpuCores', window, shortNote),
    ...processBands(inside(data.processes, window), window, shortNote),
    band('CPU busy, whole machine', '%', busyPercent(samples), 'percent', window, shortNote),
  ];
}

/** One band a process name; rates from neighbouring ticks of each pid, summed over the pids of a name at a tick. */
function processBands(rows: readonly ProcessRow[], window: SteadyWindow, note: string | undefined): BandFinding[] {
  const byName = new Map<string, Map<number, number>>();
  for (const pid of new Set(rows.map((row) => row.pid))) {
    const own = rows.filter((row) => row.pid === pid).sort((a, b) => a.atMs - b.atMs);
    own.slice(1).forEach((row, index) => {
      const before = own[index];
      if (!before || row.atMs <= before.atMs || row.cpuMs < before.cpuMs) return;
      const ticks = byName.get(row.name) ?? new Map<number, number>();
      ticks.set(row.atMs, (ticks.get(row.atMs) ?? 0) + (row.cpuMs - before.cpuMs) / (row.atMs - before.atMs));
      byName.set(row.name, ticks);
    });
  }
  return [...byName]
    .map(([name, ticks]) =>
      band(
        `CPU of ${name}`,
        'cores',
        [...ticks].map(([atMs, cores]) => ({ launch: window.launch, atMs, cores })).sort((a, b) => a.atMs - b.atMs),
        'cores',
        window,
        note,
      ),
    )
    .filter(({ high, absentBecause }) => absentBecause === undefined && (high ?? 0) >= bandThresholds.cores)
    .sort((a, b) => (b.median ?? 0) - (a.median ?? 0));
}

function busyPercent(samples: RunData['samples']): (Stamped & { readonly percent?: number | undefined })[] {
  return samples.map(({ launch, atMs, cpuBusyFraction }) => ({
    launch,
    atMs,
    percent: cpuBusyFraction === undefined ? undefined : cpuBusyFraction * 100,
  }));
}

function band<R extends Stamped>(
  quantity: string,
  unit: string,
  rows: readonly R[],
  column: NumberColumnOf<R>,
  window: SteadyWindow,
  note?: string,
): BandFinding {
  const found = bandOf(rows, column, window.startAtMs, window.endAtMs);
  const n = found?.n ?? 0;
  if (!found || n < bandThresholds.readings) {
    return {
      quantity,
      unit,
      n,
      absentBecause: `${formatCounted(n, 'reading')} in the steady window of ${formatMs(lengthMs(window))}, a band needs ${bandThresholds.readings}`,
    };
  }
  return { quantity, unit, ...found, note };
}

function tooShort(window: SteadyWindow | undefined): string | undefined {
  if (!window) return 'there is no run of warm requests';
  if (lengthMs(window) >= steadyThresholds.windowMs) return undefined;
  return `the longest run of warm requests took ${formatMs(lengthMs(window))}; a band of driver averages needs ${formatMs(steadyThresholds.windowMs)}`;
}

/** By time alone: the clock is one for the whole run, and beside an attached server rows are under launch 0. */
function inside<R extends Stamped>(rows: readonly R[], window: SteadyWindow): R[] {
  return rows
    .filter((row) => row.atMs >= window.startAtMs && row.atMs <= window.endAtMs)
    .sort((a, b) => a.atMs - b.atMs);
}
