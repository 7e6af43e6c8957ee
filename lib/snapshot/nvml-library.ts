/**
 * The binding to NVIDIA's management library: function names, status codes and memory layouts of the published
 * nvml.h, and nothing else. What the figures mean stands in nvml.ts.
 *
 * Memory handed to the library is a plain Buffer read field by field, so each layout is visible where it is used.
 */
import { load, type LibraryHandle } from 'koffi';

type NativeFunction = ReturnType<LibraryHandle['func']>;

/** The library as loaded: each call gives NVML's status, or absent when this driver's library lacks the function. */
export interface NvmlLibrary {
  call(name: string, ...args: readonly NvmlArgument[]): number | undefined;
  /** The same on a worker thread, for the calls that block. */
  callAsync(name: string, ...args: readonly NvmlArgument[]): Promise<number | undefined>;
}

/** A device handle (bigint), an unsigned int or enum (number), or memory the library writes to. */
export type NvmlArgument = bigint | number | Buffer;

/** Loads the library by name or path. Throws when the dynamic loader does not find it. */
export function loadNvmlLibrary(path: string): NvmlLibrary {
  const library = load(path);
  const functions = new Map<string, NativeFunction | undefined>();
  const find = (name: string, args: readonly NvmlArgument[]) => {
    if (!functions.has(name)) functions.set(name, bind(library, name, args));
    return functions.get(name);
  };
  return {
    call: (name, ...args) => find(name, args)?.(...args) as number | undefined,
    callAsync: async (name, ...args) => {
      const found = find(name, args);
      if (!found) return undefined;
      return new Promise((resolve, reject) => {
        found.async(...args, (error: Error | null, status: number) => (error ? reject(error) : resolve(status)));
      });
    },
  };
}

function bind(library: LibraryHandle, name: string, args: readonly NvmlArgument[]): NativeFunction | undefined {
  try {
    return library.func(name, 'int', args.map(cType));
  } catch {
    return undefined;
  }
}

/** nvmlDevice_t is an opaque pointer: a word that is handed back as it came. */
function cType(argument: NvmlArgument): string {
  if (typeof argument === 'bigint') return 'uintptr_t';
  return typeof argument === 'number' ? 'unsigned int' : 'void *';
}

/** nvmlReturn_t, as far as it is told apart here. */
export const nvmlStatus = {
  success: 0,
  uninitialized: 1,
  notSupported: 3,
  insufficientSize: 7,
  driverNotLoaded: 9,
  gpuIsLost: 15,
  libraryVersionMismatch: 18,
} as const;

/** nvmlClockType_t. */
export const nvmlClock = { sm: 1, memory: 2 } as const;
/** nvmlTemperatureSensors_t: the GPU die. */
export const nvmlTemperatureGpu = 0;
/** nvmlPcieUtilCounter_t: received by the GPU, that is host to device. */
export const nvmlPcieRx = 1;

/** nvmlMemory_v2_t: version, padding, then total, reserved, free and used, 8 bytes each. */
export const memoryV2 = { bytes: 40, version: 40 | (2 << 24), totalAt: 8, usedAt: 32 } as const;
/** nvmlMemory_t: total, free and used, 8 bytes each. `used` includes what the driver reserves. */
export const memoryV1 = { bytes: 24, totalAt: 0, usedAt: 16 } as const;
/** nvmlUtilization_t: gpu and memory, unsigned int. */
export const utilization = { bytes: 8, gpuAt: 0, memoryAt: 4 } as const;
/** nvmlProcessInfo_t of the calls that end in _v2 and _v3: pid, padding, memory (8), GPU instance, compute instance. */
export const processInfo = { bytes: 24, pidAt: 0 } as const;
/** The buffer sizes that nvml.h names for texts: NVML_DEVICE_NAME_V2_BUFFER_SIZE is the largest. */
export const textBytes = 96;
