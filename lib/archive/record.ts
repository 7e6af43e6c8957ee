/** `run.json`: what was frozen before anything was launched. Written once, never changed. */

export type EngineKind = 'vllm' | 'attach' | 'rehearsal';

/** Where a configuration value came from. */
export type ConfigSource = 'seed' | 'default' | 'environment' | 'cell' | 'engine';

/** One resolved configuration field, with the reason when it differs from the seed. */
export interface ConfigEntry {
  readonly field: string;
  readonly value: string;
  readonly source: ConfigSource;
  readonly seedValue?: string | undefined;
  readonly why?: string | undefined;
}

export interface EngineRecord {
  readonly kind: EngineKind;
  /** "cpu", "cuda", "none" (a rehearsal) or "unknown". */
  readonly device: string;
  readonly vllmVersion?: string | undefined;
  readonly torchVersion?: string | undefined;
  readonly transformersVersion?: string | undefined;
  /** The argv that starts the server, executable first. Empty when attached. */
  readonly command: readonly string[];
  /** Environment variables set for the server on top of the inherited ones. */
  readonly env: Readonly<Record<string, string>>;
  /** One or two sentences: how this engine was chosen. */
  readonly chosenBecause: string;
  /** Rehearsals only: the real engines whose recorded start-up is replayed, with where it was recorded. */
  readonly replays?: string | undefined;
}

export interface GpuRecord {
  readonly index: number;
  readonly name: string;
  readonly memoryTotalMiB: number;
  readonly memoryUsedMiB?: number | undefined;
  readonly driver?: string | undefined;
  readonly persistenceMode?: boolean | undefined;
}

/** The machine as found before launch. Fields not readable here are absent. */
export interface EnvironmentRecord {
  readonly kernel: string;
  readonly os: string;
  readonly cpuModel: string;
  readonly cpuCores: number;
  readonly ramMiB: number;
  readonly swapMiB: number;
  readonly governor?: string | undefined;
  readonly weightsFileSystem?: string | undefined;
  readonly weightsDevice?: string | undefined;
  readonly gpus: readonly GpuRecord[];
  readonly node: string;
  readonly project: string;
}

export interface ModelFileRecord {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Share of the file in the page cache when it was first looked at, before any hashing. */
  readonly residentFraction?: number | undefined;
}

export interface ModelRecord {
  /** As given in the configuration: hub id, path or synthetic:name. */
  readonly name: string;
  readonly kind: 'synthetic' | 'local' | 'hub' | 'remote';
  /** What is passed to the server: a directory or a hub id. */
  readonly location: string;
  readonly revision?: string | undefined;
  readonly architecture?: string | undefined;
  readonly dtype?: string | undefined;
  readonly shape: Readonly<Record<string, number>>;
  readonly parameters?: number | undefined;
  readonly weightsBytes?: number | undefined;
  readonly files: readonly ModelFileRecord[];
  /** True when this project wrote the weights: exact shape, random values, so text is noise. */
  readonly randomWeights: boolean;
  /** sha256 over names, sizes and hashes of all files. */
  readonly fingerprint: string;
}

export interface WorkloadRecord {
  readonly name: 'seed' | 'long';
  /** The JSON body without the model name; `prompt` is text or token ids. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** Token ids of the prompt where they can be known before the server runs. */
  readonly promptTokenIds?: readonly number[] | undefined;
  readonly note: string;
}

/** Everything that was frozen. The clock origin is an integer in nanoseconds, as text (it exceeds 2^53). */
export interface RunRecord {
  readonly format: 1;
  readonly runId: string;
  readonly startedAtUtc: string;
  readonly clockOriginNs: string;
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly configEntries: readonly ConfigEntry[];
  readonly engine: EngineRecord;
  readonly environment: EnvironmentRecord;
  readonly model: ModelRecord;
  readonly workloads: readonly WorkloadRecord[];
  /** sha256 over config, engine command and model fingerprint: what may not change during the run. */
  readonly fingerprint: string;
}
