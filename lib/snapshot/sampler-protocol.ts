/** What the notebook kernel and the sampler say to each other: JSON lines over the sampler's pipes. */
import type { GpuIdentity } from './nvml.js';
import type { PointReading } from './samples.js';
import type { TickCounts } from './ticks.js';

/** The sampler's job: the first line on its standard input. */
export interface SamplerJob {
  readonly runDir: string;
  readonly clockOriginNs: string;
  readonly intervalMs: number;
  readonly gpuIntervalMs: number;
  /** Name or path of NVML; absent: the usual one. */
  readonly nvmlLibrary?: string | undefined;
  /** Given: NVML is not opened, and this is said to be why there is no GPU. */
  readonly noGpuBecause?: string | undefined;
}

/**
 * Later lines. The end of the input means the same as stop: the owner is gone. `pause` is answered when the last
 * reading is done: from then on nothing is read until `resume`, and pauses.csv says from when to when. `launch` has no
 * answer: rows are of that launch from then on. A server of ours says it by itself, in server.json.
 */
export type SamplerRequest =
  | { readonly read: 'snapshot-point' }
  | { readonly launch: number }
  | { readonly pause: true }
  | { readonly resume: true }
  | { readonly stop: true };

/** What the sampler answers. Each request to read, pause or resume has one answer, in the order of the requests. */
export type SamplerReply =
  | {
      readonly ready: true;
      readonly gpus: readonly GpuIdentity[];
      readonly driverVersion?: string | undefined;
      readonly noGpu?: string | undefined;
    }
  | { readonly reading: readonly PointReading[] }
  | { readonly failed: string }
  | { readonly paused: boolean; readonly atMs: number }
  | { readonly stopped: true; readonly host: TickCounts; readonly gpu?: TickCounts | undefined };

/** `server.json` in the run folder: written by the keeper while a server lives. */
export interface ServerFile {
  readonly launch: number;
  readonly pid: number;
  /** The session that the server leads. */
  readonly sid: number;
}
