/** What warm requests cost in energy, from the GPUs' own counters: a difference of two readings, not an average of samples. */
import type { RunData } from '../archive/folder.js';
import type { GpuRow } from '../archive/tables.js';
import { noGpuBecause } from './evidence.js';
import type { EnergyFinding, SteadyWindow } from './findings.js';
import { formatMs } from './format.js';
import { lengthMs, steadyThresholds } from './steady.js';

/** Over the steady window, summed over the GPUs at work: between the first and the last reading of each inside it. */
export function energyFinding(data: RunData, window: SteadyWindow | undefined): EnergyFinding {
  const noGpu = noGpuBecause(data);
  if (noGpu !== undefined) return { kind: 'absent', because: noGpu };
  if (!window) return { kind: 'absent', because: 'there is no run of warm requests' };
  if (lengthMs(window) < steadyThresholds.windowMs)
    return {
      kind: 'absent',
      because: `the longest run of warm requests took ${formatMs(lengthMs(window))}; the counter is read over ${formatMs(steadyThresholds.windowMs)} or more`,
    };
  const rows = data.gpu
    .filter(({ atMs }) => atMs >= window.startAtMs && atMs <= window.endAtMs)
    .sort((a, b) => a.atMs - b.atMs);
  const rowsOf = (gpu: number) => rows.filter((row) => row.gpu === gpu);
  const gpus = [...new Set(rows.map(({ gpu }) => gpu))].filter((gpu) => wasAtWork(rowsOf(gpu)));
  const powers = gpus.flatMap((gpu) => meanPowerW(rowsOf(gpu)) ?? []);
  if (powers.length === 0 || powers.length < gpus.length)
    return { kind: 'absent', because: 'not every GPU at work has an energy counter that was read twice in the window' };
  const meanW = powers.reduce((sum, watts) => sum + watts, 0);
  return { kind: 'read', gpus, meanW, perRequestJ: (meanW * lengthMs(window)) / 1000 / window.requests, window };
}

/** NVML lists every GPU of the node; one without a kernel in the window is not the server's. Unknown counts as work. */
function wasAtWork(rows: readonly GpuRow[]): boolean {
  return rows.some(({ utilizationPercent = 1 }) => utilizationPercent > 0);
}

/** mJ over ms are watts. Absent when a counter stood in fewer than two readings, or ran backwards. */
function meanPowerW(rows: readonly GpuRow[]): number | undefined {
  const read = rows.filter(({ energyMj }) => energyMj !== undefined);
  const first = read[0];
  const last = read.at(-1);
  if (first?.energyMj === undefined || last?.energyMj === undefined || last.atMs <= first.atMs) return undefined;
  const usedMj = last.energyMj - first.energyMj;
  return usedMj < 0 ? undefined : usedMj / (last.atMs - first.atMs);
}
