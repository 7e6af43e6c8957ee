/** What the sampler reads of the GPUs, tick by tick. On a machine without a GPU there is nothing to read and no row. */
import { existsSync } from 'node:fs';
import type { GpuRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import {
  gpuIndices,
  openNvml,
  readGpu,
  readGpuIdentity,
  readPcieRxMBPerS,
  type GpuIdentity,
  type GpuReading,
  type Nvml,
} from './nvml.js';
import { countOtherProcesses, gpuRow } from './samples.js';

export interface GpuSampling {
  readonly gpus: readonly GpuIdentity[];
  readonly driverVersion?: string | undefined;
  /** Why there is no GPU; absent when there is one. */
  readonly noGpu?: string | undefined;
  /** One row a GPU. `serverPids` are the processes of the server's tree at the last host tick. */
  readRows(launch: number, serverPids: ReadonlySet<number>): GpuRow[];
  /** For a snapshot point: what each GPU shows now. */
  readPoint(
    serverPids: ReadonlySet<number>,
  ): { readonly identity: GpuIdentity; readonly reading: GpuReading; readonly otherProcesses?: number | undefined }[];
  close(): void;
}

/** NVML counts 20 ms for one PCIe figure; once a second is often enough for a sample that is no counter anyway. */
const pcieEveryMs = 1000;

export function openGpuSampling(clock: Clock, nvmlLibrary?: string): GpuSampling {
  const opened = openNvml(nvmlLibrary);
  if (opened.kind === 'absent')
    return { gpus: [], noGpu: opened.reason, readRows: () => [], readPoint: () => [], close: () => undefined };
  const { nvml } = opened;
  const gpus = gpuIndices(nvml).map((index) => readGpuIdentity(nvml, index));
  const pcie = createPcieReader(nvml, clock);
  const others = (reading: GpuReading, serverPids: ReadonlySet<number>) =>
    countOtherProcesses(reading.computePids, serverPids, (pid) => existsSync(`/proc/${pid}`));
  return {
    gpus,
    driverVersion: nvml.driverVersion,
    readRows: (launch, serverPids) =>
      gpus.map(({ index }) => {
        const atMs = clock.nowMs();
        const reading = readGpu(nvml, index);
        const tookMs = clock.nowMs() - atMs;
        return gpuRow(
          { launch, atMs, tookMs, gpu: index, reading, pcieRxMBPerS: pcie.take(index) },
          others(reading, serverPids),
        );
      }),
    readPoint: (serverPids) =>
      gpus.map((identity) => {
        const reading = readGpu(nvml, identity.index);
        return { identity, reading, otherProcesses: others(reading, serverPids) };
      }),
    close: nvml.close,
  };
}

/** Keeps one PCIe question in flight per GPU, at most once a second; an answer goes into one row only. */
function createPcieReader(nvml: Nvml, clock: Clock): { take(index: number): number | undefined } {
  const askedAtMs = new Map<number, number>();
  const answers = new Map<number, number>();
  return {
    take: (index) => {
      const answer = answers.get(index);
      answers.delete(index);
      if (clock.nowMs() - (askedAtMs.get(index) ?? -Infinity) >= pcieEveryMs) {
        askedAtMs.set(index, clock.nowMs());
        readPcieRxMBPerS(nvml, index).then(
          (mbPerS) => mbPerS !== undefined && answers.set(index, mbPerS),
          () => undefined, // A lost GPU is reported by the readings that fail with it.
        );
      }
      return answer;
    },
  };
}
