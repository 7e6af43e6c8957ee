/** Has a stopped server given its GPU memory back? Waited for, up to a limit, and measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SnapshotRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import type { Sampler } from '../snapshot/sampler.js';

/** A CUDA context alone holds some hundred MiB: whoever kept one cannot hide below this. Ours. */
export const backAtBaselineMiB = 64;
const limitMs = 10_000;
const pauseMs = 50;

type GpuMemory = Pick<SnapshotRow, 'gpu' | 'memoryUsedMiB'>;

/** MiB in use above the baseline, summed over the GPUs that both have read. Absent when there is none. */
export function aboveBaselineMiB(baseline: readonly GpuMemory[], now: readonly GpuMemory[]): number | undefined {
  const above = now.flatMap(({ gpu, memoryUsedMiB }) => {
    const before = baseline.find((row) => row.gpu === gpu)?.memoryUsedMiB;
    return gpu === undefined || memoryUsedMiB === undefined || before === undefined ? [] : [memoryUsedMiB - before];
  });
  return above.length === 0 ? undefined : above.reduce((sum, miB) => sum + miB, 0);
}

/** Milliseconds from `goneAtMs` until the memory was back, ten seconds at most. Absent where no GPU can be read. */
export async function awaitGpuMemoryBack(
  sampler: Pick<Sampler, 'readNow'>,
  baseline: readonly GpuMemory[],
  goneAtMs: number,
  clock: Pick<Clock, 'nowMs'>,
): Promise<number | undefined> {
  for (;;) {
    const above = aboveBaselineMiB(baseline, await sampler.readNow());
    if (above === undefined) return undefined;
    const waitedMs = clock.nowMs() - goneAtMs;
    if (above <= backAtBaselineMiB || waitedMs >= limitMs) return waitedMs;
    await sleep(pauseMs);
  }
}
