/** What warm requests cost in energy, from the GPUs' own counters: a difference of two readings, not an average of samples. */
import type { RunData } from '../archive/folder.js';
import type { GpuRow } from '../archive/tables.js';
import { noGpuBecause } from './evidence.js';
import type { EnergyFinding, SteadyWindow } from './findings.js';
import { formatMs } from './format.js';
import { lengthMs, steadyThresholds } from './steady.js';

/** Over the steady window, summed over the GPUs: between the first and the last reading of each inside it. */
export function energyFinding(data: RunData, window: SteadyWindow | undefined): EnergyFinding {
  const noGpu = noGpuBecause(data);
  if (noGpu !== undefined) return { kind: 'absent', because: noGpu };
  if (!window) return { kind: 'absent', because: 'there is no run of warm requests' };
  if (lengthMs(window) < steadyThresholds.windowMs)
    return {
      kind: 'absent',
      because: `the longest run of warm requests took ${formatMs(lengthMs(window))}; the counter is read over ${formatMs(steadyThresholds.windowMs)} or more`,
    };
  const gpus = [...new Set(data.gpu.map(({ gpu }) => gpu))];
  const powers = gpus.flatMap(
    (gpu) =>
      meanPowerW(
        data.gpu.filter((row) => row.gpu === gpu),
        window,
      ) ?? [],
  );
  if (powers.length === 0 || powers.length < gpus.length)
    return { kind: 'absent', because: 'not every GPU has an energy counter that was read twice in the window' };
  const meanW = powers.reduce((sum, watts) => sum + watts, 0);
  return { kind: 'read', meanW, perRequestJ: (meanW * lengthMs(window)) / 1000 / window.requests, window };
}

/** mJ over ms are watts. Absent when a counter stood in fewer than two readings, or ran backwards. */
function meanPowerW(rows: readonly GpuRow[], { startAtMs, endAtMs }: SteadyWindow): number | undefined {
  const inside = rows
    .filter(({ atMs, energyMj }) => energyMj !== undefined && atMs >= startAtMs && atMs <= endAtMs)
    .sort((a, b) => a.atMs - b.atMs);
  const first = inside[0];
  const last = inside.at(-1);
  if (first?.energyMj === undefined || last?.energyMj === undefined || last.atMs <= first.atMs) return undefined;
  const usedMj = last.energyMj - first.energyMj;
  return usedMj < 0 ? undefined : usedMj / (last.atMs - first.atMs);
}
