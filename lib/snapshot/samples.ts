/** Readings -> rows of samples.csv, processes.csv, gpu.csv and snapshots.csv. Pure. */
import type { GpuRow, ProcessRow, SampleRow, SnapshotRow } from '../archive/tables.js';
import type { GpuIdentity, GpuReading } from './nvml.js';
import { busyFraction, counterIncrease, type HostReading } from './procfs.js';
import type { TreeUse } from './tree.js';

/** Everything one tick of the host sampler read. `tree` is absent while there is no server. */
export interface HostTick {
  readonly launch: number;
  readonly atMs: number;
  readonly tookMs: number;
  readonly host: HostReading;
  readonly tree?: TreeUse | undefined;
  readonly samplerCpuMs: number;
}

/** The row of one tick. Rates are over the time since `before`; absent without it, and when a counter ran backwards. */
export function sampleRow(before: HostTick | undefined, tick: HostTick): SampleRow {
  const { host, tree } = tick;
  const { cpu, pageCacheMiB, memAvailableMiB, swapUsedMiB, ...counters } = host;
  return {
    launch: tick.launch,
    atMs: toMicroseconds(tick.atMs),
    tookMs: toMicroseconds(tick.tookMs),
    cpuBusyFraction: rounded(busyFraction(before?.host.cpu, cpu), 4),
    serverCpuCores: rounded(coresUsed(before, tick), 3),
    serverProcesses: tree?.processes.length ?? 0,
    serverRssMiB: tree && rounded(tree.rssMiB, 2),
    serverReadBytes: tree?.readBytes,
    serverMajorFaults: tree?.majorFaults,
    pageCacheMiB: rounded(pageCacheMiB, 2),
    memAvailableMiB: rounded(memAvailableMiB, 2),
    swapUsedMiB: rounded(swapUsedMiB, 2),
    ...counters,
    samplerCpuMs: toMicroseconds(tick.samplerCpuMs),
  };
}

/** A new launch begins its sums anew, so nothing is derived across two launches. */
function coresUsed(before: HostTick | undefined, tick: HostTick): number | undefined {
  if (!before || before.launch !== tick.launch || tick.atMs <= before.atMs) return undefined;
  const usedMs = counterIncrease(before.tree?.cpuMs, tick.tree?.cpuMs);
  return usedMs === undefined ? undefined : usedMs / (tick.atMs - before.atMs);
}

export function processRows({ launch, atMs, tree }: HostTick): ProcessRow[] {
  return (tree?.processes ?? []).map(({ bornAtMs, rssMiB, ...process }) => ({
    launch,
    atMs: toMicroseconds(atMs),
    ...process,
    bornAtMs: rounded(bornAtMs, 1),
    rssMiB: Number(rssMiB.toFixed(2)),
  }));
}

/** One reading of one GPU with when and how long it took. */
export interface GpuTick {
  readonly launch: number;
  readonly atMs: number;
  readonly tookMs: number;
  readonly gpu: number;
  readonly reading: GpuReading;
  readonly pcieRxMBPerS?: number | undefined;
}

export function gpuRow(
  { launch, atMs, tookMs, gpu, reading, pcieRxMBPerS }: GpuTick,
  otherProcesses: number | undefined,
): GpuRow {
  const { computePids: _, ...figures } = reading;
  return {
    launch,
    atMs: toMicroseconds(atMs),
    tookMs: toMicroseconds(tookMs),
    gpu,
    ...figures,
    memoryUsedMiB: rounded(figures.memoryUsedMiB, 2),
    pcieRxMBPerS,
    otherProcesses,
  };
}

/** A snapshot row before it is known which point of which launch it belongs to. */
export type PointReading = Omit<SnapshotRow, 'launch' | 'point'>;

/** One row for each GPU, or one without GPU columns on a machine that has none. */
export function pointReadings(
  { atMs, host, tree }: Pick<HostTick, 'atMs' | 'host' | 'tree'>,
  gpus: readonly {
    readonly identity: GpuIdentity;
    readonly reading: GpuReading;
    readonly otherProcesses?: number | undefined;
  }[],
): PointReading[] {
  const node: PointReading = {
    atMs: toMicroseconds(atMs),
    serverRssMiB: tree && rounded(tree.rssMiB, 2),
    pageCacheMiB: rounded(host.pageCacheMiB, 2),
    memAvailableMiB: rounded(host.memAvailableMiB, 2),
  };
  if (gpus.length === 0) return [node];
  return gpus.map(({ identity, reading, otherProcesses }) => ({
    ...node,
    gpu: identity.index,
    gpuName: identity.name,
    memoryUsedMiB: rounded(reading.memoryUsedMiB, 2),
    memoryTotalMiB: identity.memoryTotalMiB,
    utilizationPercent: reading.utilizationPercent,
    powerW: reading.powerW,
    otherProcesses,
  }));
}

/**
 * Compute processes on a GPU that are not the server's. In a container the driver may list pids of the host, which
 * cannot be told apart from ours: when one of them does not exist here, the answer is absent rather than a guess.
 */
export function countOtherProcesses(
  computePids: readonly number[] | undefined,
  serverPids: ReadonlySet<number>,
  exists: (pid: number) => boolean,
): number | undefined {
  const others = computePids?.filter((pid) => !serverPids.has(pid));
  return others?.every(exists) ? others.length : undefined;
}

const toMicroseconds = (ms: number) => Number(ms.toFixed(3));

function rounded(value: number | undefined, decimals: number): number | undefined {
  return value === undefined ? undefined : Number(value.toFixed(decimals));
}
