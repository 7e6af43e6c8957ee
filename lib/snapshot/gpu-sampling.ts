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
  /** Resolves when no question to the driver is under way; what it answered last is dropped, as it would soon be old. */
  settle(): Promise<void>;
  close(): void;
}

/** NVML counts 20 ms for one PCIe figure; once a second is often enough for a sample that is no counter anyway. */
const pcieEveryMs = 1000;

export function openGpuSampling(clock: Clock, nvmlLibrary?: string): GpuSampling {
  const opened = openNvml(nvmlLibrary);
  if (opened.kind === 'absent') return noGpuSampling(opened.reason);
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
    settle: pcie.settle,
    close: nvml.close,
  };
}

/** A machine, or a run, without a GPU: nothing is read. */
export function noGpuSampling(noGpu: string): GpuSampling {
  const nothing = { readRows: () => [], readPoint: () => [], settle: () => Promise.resolve(), close: () => undefined };
  return { gpus: [], noGpu, ...nothing };
}

/** Keeps one PCIe question in flight per GPU, at most once a second; an answer goes into one row only. */
function createPcieReader(
  nvml: Nvml,
  clock: Clock,
): { take(index: number): number | undefined; settle(): Promise<void> } {
  const askedAtMs = new Map<number, number>();
  const answers = new Map<number, number>();
  const asked = new Map<number, Promise<unknown>>();
  return {
    take: (index) => {
      const answer = answers.get(index);
      answers.delete(index);
      if (clock.nowMs() - (askedAtMs.get(index) ?? -Infinity) >= pcieEveryMs) {
        askedAtMs.set(index, clock.nowMs());
        const reading = readPcieRxMBPerS(nvml, index).then(
          (mbPerS) => mbPerS !== undefined && answers.set(index, mbPerS),
          () => undefined, // A lost GPU is reported by the readings that fail with it.
        );
        asked.set(index, reading);
      }
      return answer;
    },
    settle: () => Promise.all(asked.values()).then(() => answers.clear()),
  };
}
