/**
 * NVIDIA GPUs -> figures, through NVML. Chosen over nvidia-smi, whose every call starts a process and costs some
 * 20 ms: too dear for ten readings a second, and a disturbance of the server. An open NVML handle keeps the
 * driver initialised, so it is opened before the first launch and kept: all launches find the same driver.
 *
 * What a GPU or driver does not support is absent, never 0.
 */
import {
  loadNvmlLibrary,
  memoryV1,
  memoryV2,
  nvmlClock,
  nvmlPcieRx,
  nvmlStatus,
  nvmlTemperatureGpu,
  processInfo,
  textBytes,
  utilization,
  type NvmlArgument,
  type NvmlLibrary,
} from './nvml-library.js';

/** An initialised library and its devices. Close it when done; readings after that throw NvmlError. */
export interface Nvml {
  readonly library: NvmlLibrary;
  /** One device handle for each GPU index; absent where the driver lists a GPU that it cannot open. */
  readonly handles: readonly (bigint | undefined)[];
  readonly driverVersion?: string | undefined;
  close(): void;
}

/** Either NVML with at least one GPU, or the reason why there is none, for a reader. */
export type OpenedNvml =
  { readonly kind: 'opened'; readonly nvml: Nvml } | { readonly kind: 'absent'; readonly reason: string };

/** What does not change while the driver is loaded. */
export interface GpuIdentity {
  readonly index: number;
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
  readonly memoryTotalMiB?: number | undefined;
  /** Without persistence mode the driver unloads when the last handle closes; ours keeps it loaded. */
  readonly persistenceMode?: boolean | undefined;
}

/** One reading. Utilisation and power are averaged by the driver over its own window (1/6 to 1 s). */
export interface GpuReading {
  readonly memoryUsedMiB?: number | undefined;
  readonly utilizationPercent?: number | undefined;
  readonly memoryUtilizationPercent?: number | undefined;
  readonly powerW?: number | undefined;
  readonly energyMj?: number | undefined;
  readonly smClockMHz?: number | undefined;
  readonly memoryClockMHz?: number | undefined;
  readonly temperatureC?: number | undefined;
  readonly throttleReasons?: number | undefined;
  /** Processes with a compute context on this GPU, as the driver numbers them. */
  readonly computePids?: readonly number[] | undefined;
}

/** The GPU stopped answering: it fell off the bus or the library was closed. */
export class NvmlError extends Error {
  override readonly name = 'NvmlError';
  constructor(
    readonly functionName: string,
    readonly status: number,
  ) {
    super(
      `${functionName} answered with NVML status ${status}: the GPU is lost or the library was closed. Look for "Xid" in the kernel log.`,
    );
  }
}

/** `path` is for tests and unusual installations; the dynamic loader finds the usual one by name. */
export function openNvml(path = 'libnvidia-ml.so.1'): OpenedNvml {
  let library: NvmlLibrary;
  try {
    library = loadNvmlLibrary(path);
  } catch {
    return { kind: 'absent', reason: `no GPU: ${path} is not installed (no NVIDIA driver)` };
  }
  const status = library.call('nvmlInit_v2');
  if (status !== nvmlStatus.success) return { kind: 'absent', reason: `no GPU: ${initFailure(status)}` };
  const handles = readHandles(library);
  if (handles.every((handle) => handle === undefined)) {
    library.call('nvmlShutdown');
    return { kind: 'absent', reason: 'no GPU: the NVIDIA driver is loaded but lists no device that can be opened' };
  }
  const driverVersion = readText((text) => library.call('nvmlSystemGetDriverVersion', text, textBytes));
  return { kind: 'opened', nvml: { library, handles, driverVersion, close: () => void library.call('nvmlShutdown') } };
}

function initFailure(status: number | undefined): string {
  if (status === nvmlStatus.driverNotLoaded) return 'the NVIDIA driver is not loaded';
  if (status === nvmlStatus.libraryVersionMismatch)
    return 'the NVIDIA library and kernel driver are of different versions; reboot or reload the driver';
  return `nvmlInit_v2 answered with status ${status ?? 'function not found'}`;
}

function readHandles(library: NvmlLibrary): (bigint | undefined)[] {
  const count = Buffer.alloc(4);
  if (library.call('nvmlDeviceGetCount_v2', count) !== nvmlStatus.success) return [];
  return Array.from({ length: count.readUInt32LE() }, (_, index) => {
    const handle = Buffer.alloc(8);
    return library.call('nvmlDeviceGetHandleByIndex_v2', index, handle) === nvmlStatus.success
      ? handle.readBigUInt64LE()
      : undefined;
  });
}

/** Indices of the GPUs that can be read, as nvidia-smi numbers them (CUDA_VISIBLE_DEVICES does not change them). */
export function gpuIndices(nvml: Nvml): number[] {
  return nvml.handles.flatMap((handle, index) => (handle === undefined ? [] : [index]));
}

/** Throws RangeError when there is no such GPU, NvmlError when it is lost. */
export function readGpuIdentity(nvml: Nvml, index: number): GpuIdentity {
  const handle = handleOf(nvml, index);
  const mode = read(nvml, 4, 'nvmlDeviceGetPersistenceMode', handle)?.readUInt32LE();
  return {
    index,
    name: readText((text) => nvml.library.call('nvmlDeviceGetName', handle, text, textBytes)),
    uuid: readText((text) => nvml.library.call('nvmlDeviceGetUUID', handle, text, textBytes)),
    memoryTotalMiB: readMemory(nvml, handle)?.totalMiB,
    persistenceMode: mode === undefined ? undefined : mode === 1,
  };
}

/** One reading of one GPU, without the PCIe throughput (see `readPcieRxMBPerS`). Throws like `readGpuIdentity`. */
export function readGpu(nvml: Nvml, index: number): GpuReading {
  const handle = handleOf(nvml, index);
  const used = read(nvml, utilization.bytes, 'nvmlDeviceGetUtilizationRates', handle);
  const powerMw = read(nvml, 4, 'nvmlDeviceGetPowerUsage', handle)?.readUInt32LE();
  return {
    memoryUsedMiB: readMemory(nvml, handle)?.usedMiB,
    utilizationPercent: used?.readUInt32LE(utilization.gpuAt),
    memoryUtilizationPercent: used?.readUInt32LE(utilization.memoryAt),
    powerW: powerMw === undefined ? undefined : powerMw / 1000,
    energyMj: readCounter(nvml, 'nvmlDeviceGetTotalEnergyConsumption', handle),
    smClockMHz: read(nvml, 4, 'nvmlDeviceGetClockInfo', handle, nvmlClock.sm)?.readUInt32LE(),
    memoryClockMHz: read(nvml, 4, 'nvmlDeviceGetClockInfo', handle, nvmlClock.memory)?.readUInt32LE(),
    temperatureC: read(nvml, 4, 'nvmlDeviceGetTemperature', handle, nvmlTemperatureGpu)?.readUInt32LE(),
    // The second is the name before driver 535.
    throttleReasons:
      readCounter(nvml, 'nvmlDeviceGetCurrentClocksEventReasons', handle) ??
      readCounter(nvml, 'nvmlDeviceGetCurrentClocksThrottleReasons', handle),
    computePids: readComputePids(nvml, handle),
  };
}

/**
 * Host-to-device PCIe throughput in MB/s. NVML counts for 20 ms before it answers, so this runs on a worker thread
 * and is asked for about once a second: a sample that sees 2 % of the time, not a counter.
 */
export async function readPcieRxMBPerS(nvml: Nvml, index: number): Promise<number | undefined> {
  const kbPerS = Buffer.alloc(4);
  const status = await nvml.library.callAsync('nvmlDeviceGetPcieThroughput', handleOf(nvml, index), nvmlPcieRx, kbPerS);
  return isAnswer('nvmlDeviceGetPcieThroughput', status) ? kbPerS.readUInt32LE() / 1000 : undefined;
}

/** Version 2 first: there `used` is without the driver's own reserve, as nvidia-smi shows it. */
function readMemory(nvml: Nvml, handle: bigint): { readonly totalMiB: number; readonly usedMiB: number } | undefined {
  const memory = Buffer.alloc(memoryV2.bytes);
  memory.writeUInt32LE(memoryV2.version);
  if (isAnswer('nvmlDeviceGetMemoryInfo_v2', nvml.library.call('nvmlDeviceGetMemoryInfo_v2', handle, memory)))
    return inMiB(memory, memoryV2);
  const older = read(nvml, memoryV1.bytes, 'nvmlDeviceGetMemoryInfo', handle);
  return older && inMiB(older, memoryV1);
}

function inMiB(memory: Buffer, layout: { readonly totalAt: number; readonly usedAt: number }) {
  const miB = (at: number) => Number(memory.readBigUInt64LE(at)) / 2 ** 20;
  return { totalMiB: miB(layout.totalAt), usedMiB: miB(layout.usedAt) };
}

function readComputePids(nvml: Nvml, handle: bigint): number[] | undefined {
  return (
    readPidsBy(nvml, 'nvmlDeviceGetComputeRunningProcesses_v3', handle) ??
    readPidsBy(nvml, 'nvmlDeviceGetComputeRunningProcesses_v2', handle)
  );
}

function readPidsBy(nvml: Nvml, name: string, handle: bigint): number[] | undefined {
  // The list may grow between two calls: ask again with more room than was asked for.
  for (let room = 32, attempt = 0; attempt < 3; attempt += 1) {
    const count = Buffer.alloc(4);
    count.writeUInt32LE(room);
    const infos = Buffer.alloc(room * processInfo.bytes);
    const status = nvml.library.call(name, handle, count, infos);
    if (status === nvmlStatus.insufficientSize) room = count.readUInt32LE() * 2 + 5;
    else if (!isAnswer(name, status)) return undefined;
    else
      return Array.from({ length: count.readUInt32LE() }, (_, at) =>
        infos.readUInt32LE(at * processInfo.bytes + processInfo.pidAt),
      );
  }
  return undefined;
}

function readCounter(nvml: Nvml, name: string, handle: bigint): number | undefined {
  const value = read(nvml, 8, name, handle)?.readBigUInt64LE();
  return value === undefined ? undefined : Number(value);
}

/** Calls a function whose last argument is the memory for its answer. */
function read(nvml: Nvml, bytes: number, name: string, ...args: readonly NvmlArgument[]): Buffer | undefined {
  const answer = Buffer.alloc(bytes);
  return isAnswer(name, nvml.library.call(name, ...args, answer)) ? answer : undefined;
}

/** Not supported, no permission, unknown error: that figure is absent. A lost GPU is a broken promise. */
function isAnswer(name: string, status: number | undefined): boolean {
  if (status === nvmlStatus.gpuIsLost || status === nvmlStatus.uninitialized) throw new NvmlError(name, status);
  return status === nvmlStatus.success;
}

function readText(fill: (text: Buffer) => number | undefined): string | undefined {
  const text = Buffer.alloc(textBytes);
  if (fill(text) !== nvmlStatus.success) return undefined;
  return text.toString('utf8', 0, text.indexOf(0));
}

function handleOf(nvml: Nvml, index: number): bigint {
  const handle = nvml.handles[index];
  if (handle === undefined) throw new RangeError(`no GPU ${index}: this machine lists ${nvml.handles.length}`);
  return handle;
}
