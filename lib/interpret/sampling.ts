/** How often the samplers really read, and what reading cost: the limits of everything drawn from their rows. */
import type { RunData } from '../archive/folder.js';
import { achievedRate, type AchievedRate } from '../snapshot/rates.js';
import { inOrder } from './counters.js';
import type { SamplingFinding } from './findings.js';

/** One entry for the host, one for each GPU that was read. None when the run was not sampled. */
export function samplingFindings({ record, samples, gpu, pauses }: RunData): SamplingFinding[] {
  const plannedMs = Number(record.config['sampleIntervalMs']);
  const host = inOrder(samples);
  const gpus = [...new Set(gpu.map((row) => row.gpu))].sort((a, b) => a - b);
  return [
    samplingFinding('host', plannedMs, achievedRate(host, plannedMs, pauses), costOf(host, pauses)),
    ...gpus.map((index) => {
      const rows = inOrder(gpu.filter((row) => row.gpu === index));
      return samplingFinding(`GPU ${index}`, plannedMs, achievedRate(rows, plannedMs, pauses), undefined);
    }),
  ].filter((finding): finding is SamplingFinding => finding !== undefined);
}

function samplingFinding(
  source: string,
  plannedMs: number,
  rate: AchievedRate | undefined,
  cpuFraction: number | undefined,
): SamplingFinding | undefined {
  if (!rate || !(plannedMs > 0)) return undefined;
  const { n, perS, longestPauseMs, missing } = rate;
  return { source, n, plannedPerS: 1000 / plannedMs, perS, longestPauseMs, missing, cpuFraction };
}

/** CPU of the sampler per second in which it sampled, as a fraction of one core. */
function costOf(rows: RunData['samples'], pauses: RunData['pauses']): number | undefined {
  const first = rows[0];
  const last = rows.at(-1);
  if (!first || !last) return undefined;
  const pausedMs = pauses.reduce(
    (sum, { fromAtMs, toAtMs }) => sum + Math.max(0, Math.min(toAtMs, last.atMs) - Math.max(fromAtMs, first.atMs)),
    0,
  );
  const sampledMs = last.atMs - first.atMs - pausedMs;
  return sampledMs > 0 ? (last.samplerCpuMs - first.samplerCpuMs) / sampledMs : undefined;
}
