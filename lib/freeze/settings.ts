/**
 * The fields a run is configured by: meaning, unit, default, and the reason for the default.
 * Nothing is resolved here; config.ts does that.
 */
import { z } from 'zod';
import { splitWords } from './shellwords.js';

/** Every configuration field, resolved. Optional fields are absent when nobody gave them. */
export interface ConfigValues {
  /** Which engine to measure. "auto": attach when a URL is given, else a vLLM found on this machine, else a rehearsal. */
  readonly engine: 'auto' | 'vllm' | 'attach' | 'rehearsal';
  /** Hub id, local folder or `synthetic:<shape>`; when attached, the name the server serves. */
  readonly model: string;
  /** Commit or branch of the hub model; absent: what the local copy's main points to. */
  readonly revision?: string | undefined;
  /** Base URL of a server that somebody else runs. */
  readonly url?: string | undefined;
  /** A vllm executable, a Python that has vLLM, or the folder of its virtual environment. */
  readonly vllm?: string | undefined;
  /** Which recorded start, and which behaviour, a rehearsal plays: a name in lib/rehearsal/profiles, or a path. */
  readonly rehearsalProfile?: string | undefined;
  /** Name of the run and of its folder. */
  readonly runId: string;
  /** A saved run folder to show again; nothing is launched. */
  readonly replay?: string | undefined;
  /** TCP port of the server on 127.0.0.1. */
  readonly port: number;
  readonly dtype: string;
  /** Longest sequence in tokens. */
  readonly maxModelLen: number;
  /** Share of GPU memory vLLM may take, 0-1. Absent: not passed. */
  readonly gpuMemoryUtilization?: number | undefined;
  /** Starts of the server in this run. */
  readonly launches: number;
  /** Warm requests with the seed's payload, after warm_1. */
  readonly warmRuns: number;
  /** Prompt length of the long workload, in tokens. */
  readonly longPromptTokens: number;
  /** Tokens generated per long request. */
  readonly longMaxTokens: number;
  /** Long requests of each kind (unique, cached). */
  readonly longRuns: number;
  /** Requests with the samplers on, and as many with them off; 0: they are not compared. */
  readonly observerRuns: number;
  /** max_tokens of the seed's payload: a constant. */
  readonly maxTokens: number;
  readonly enforceEager: boolean;
  /** KV cache in GiB, a whole number. CPU only. */
  readonly kvCacheGiB?: number | undefined;
  /** Longest wait from spawn to ready, in seconds. */
  readonly readyTimeoutS: number;
  /** Longest wait for one answer, in seconds. */
  readonly requestTimeoutS: number;
  /** Pause between two host and GPU samples, in ms. */
  readonly sampleIntervalMs: number;
  /** Pause between two /health polls, in ms. */
  readonly healthIntervalMs: number;
  /** Pause between ready and cold_1, in ms. */
  readonly pauseBeforeColdMs: number;
  /** "evict": the weights leave the page cache before every launch. */
  readonly pages: 'as-found' | 'evict';
  /** Further arguments of the server. */
  readonly extraArgs: readonly string[];
  /** Folder of the checkpoints this project writes itself. */
  readonly cacheDir: string;
  /** vLLM's cache root. Absent: a private, empty one inside the run folder. */
  readonly vllmCacheRoot?: string | undefined;
  /** Seed of the random weights and of the long prompt. */
  readonly seed: number;
}

export type ConfigField = keyof ConfigValues;

/** What a config cell may give: any field, typed or as text. */
export type ConfigInput = { readonly [K in ConfigField]?: ConfigValues[K] | string | undefined };

/** A schema of zod by what is used of it. To compare whole zod types takes the notebook kernel seconds at its first cell. */
export interface Schema<T> {
  safeParse(given: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

export interface Setting<T> {
  /** Environment variables that set it; the first is its name, the others aliases. */
  readonly env: readonly string[];
  readonly schema: Schema<T>;
  /** The schema in words, for error messages. */
  readonly allowed: string;
  readonly fallback?: T | undefined;
  /** What the configuration table says when there is no value; without it, the row is left out. */
  readonly absentText?: string | undefined;
  /** The seed's value, where the seed names one. */
  readonly seed?: string | undefined;
  /** Why this default, where it is ours or differs from the seed's. */
  readonly why?: string | undefined;
  /** True: concerns a server we start; means nothing when attached. */
  readonly ownership?: boolean | undefined;
}

type Settings = { readonly [K in keyof Required<ConfigValues>]: Setting<NonNullable<ConfigValues[K]>> };

const numeric = (schema: z.ZodNumber): Schema<number> =>
  z.preprocess((given) => (typeof given === 'string' && given.trim() !== '' ? Number(given) : given), schema);
const whole = (min: number, max: number): Schema<number> => numeric(z.number().int().min(min).max(max));
const word = z
  .string()
  .trim()
  .min(1)
  .regex(/^[^-\s\0][^\0\n]*$/);
const wordAllowed = 'text that does not begin with a dash';
const path = z.string().trim().min(1);

export const seedModel = 'microsoft/Phi-3-mini-4k-instruct';

/** Run ids name folders and environment values, so they stay plain. */
export const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

export const settings: Settings = {
  engine: {
    env: ['DAY007_ENGINE'],
    schema: z.enum(['auto', 'vllm', 'attach', 'rehearsal']),
    allowed: 'auto, vllm, attach or rehearsal',
    fallback: 'auto',
  },
  model: {
    env: ['DAY007_MODEL'],
    schema: word,
    allowed: `a hub id, a folder or synthetic:<shape>: ${wordAllowed}`,
    fallback: seedModel,
    seed: seedModel,
  },
  revision: { env: ['DAY007_REVISION'], schema: word, allowed: 'a commit, branch or tag of the hub model' },
  url: {
    env: ['DAY007_URL'],
    schema: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, '')),
    allowed: 'an http or https base URL such as http://127.0.0.1:8000',
  },
  vllm: {
    env: ['DAY007_VLLM'],
    schema: path,
    allowed: 'the path of a vllm executable, of a Python that has vLLM, or of its virtual environment',
    ownership: true,
  },
  rehearsalProfile: {
    env: ['DAY007_REHEARSAL_PROFILE'],
    schema: path,
    allowed: 'the name of a profile in lib/rehearsal/profiles, or the path of one',
  },
  runId: {
    env: ['DAY007_RUN_ID'],
    schema: z.string().regex(runIdPattern),
    allowed: '1-80 letters, digits, dots, underscores and dashes, beginning with a letter or digit',
  },
  replay: { env: ['DAY007_REPLAY'], schema: path, allowed: 'the folder of a saved run' },
  port: {
    env: ['DAY007_PORT'],
    schema: whole(1, 65535),
    allowed: 'a whole number from 1 to 65535',
    fallback: 8000,
    seed: '8000',
    ownership: true,
  },
  dtype: {
    env: ['DAY007_DTYPE'],
    schema: z.enum(['auto', 'half', 'float16', 'bfloat16', 'float', 'float32']),
    allowed: 'auto, half, float16, bfloat16, float or float32',
    fallback: 'auto',
    seed: 'auto',
    ownership: true,
  },
  maxModelLen: {
    env: ['DAY007_MAX_MODEL_LEN'],
    schema: whole(512, 10_000_000),
    allowed: 'a whole number of tokens, at least 512',
    fallback: 4096,
    seed: '4096',
    ownership: true,
  },
  gpuMemoryUtilization: {
    env: ['DAY007_GPU_MEMORY_UTILIZATION'],
    schema: numeric(z.number().gt(0).lte(1)),
    allowed: 'a share above 0 and up to 1',
    fallback: 0.92,
    seed: '0.92',
    ownership: true,
  },
  launches: {
    env: ['DAY007_LAUNCHES', 'DAY007_RESTARTS'],
    schema: whole(1, 50),
    allowed: 'a whole number of server starts from 1 to 50',
    fallback: 2,
    seed: '1',
    why: 'one cold_1 is streamed (TTFT), one is answered whole as in the seed (wall_s)',
    ownership: true,
  },
  warmRuns: {
    env: ['DAY007_WARM_RUNS'],
    schema: whole(5, 10_000),
    allowed:
      'a whole number of requests, at least 5: the table of the seed has five rows (6 is the first n whose interval of the median reaches 95 %)',
    fallback: 10,
    seed: '5',
    why: 'the first five fill the table of the seed; with 6 or more the median gets a 95 % interval',
  },
  longPromptTokens: {
    env: ['DAY007_LONG_PROMPT_TOKENS'],
    schema: whole(256, 1_000_000),
    allowed: 'a whole number of tokens, at least 256',
    fallback: 1024,
    why: 'long enough for whole KV blocks, which the short prompt of the seed never fills',
  },
  longMaxTokens: {
    env: ['DAY007_LONG_MAX_TOKENS'],
    schema: whole(1, 100_000),
    allowed: 'a whole number of tokens, at least 1',
    fallback: 16,
    why: 'prefill is the subject; a few tokens are enough for the gaps between them',
  },
  longRuns: {
    env: ['DAY007_LONG_RUNS'],
    schema: whole(1, 10_000),
    allowed: 'a whole number of requests of each kind, at least 1',
    fallback: 6,
    why: 'the first n whose interval of the median reaches 95 %',
  },
  observerRuns: {
    env: ['DAY007_OBSERVER_RUNS'],
    schema: whole(0, 1000),
    allowed: 'a whole number of requests with the samplers on, and as many with them off; 0 leaves them out',
    fallback: 12,
    why: 'six blocks of on, off, off, on: twelve pairs give the difference a 95 % interval; half as many where a warm TTFT passes 1 s',
  },
  maxTokens: {
    env: ['DAY007_MAX_TOKENS'],
    schema: whole(64, 64),
    allowed: '64 only: the payload of the seed is a constant',
    fallback: 64,
    seed: '64',
  },
  enforceEager: {
    env: ['DAY007_ENFORCE_EAGER'],
    schema: z.union([z.boolean(), z.stringbool()]),
    allowed: 'true or false',
    fallback: false,
    seed: 'false',
    ownership: true,
  },
  kvCacheGiB: {
    env: ['DAY007_KV_CACHE_GIB'],
    schema: whole(1, 4096),
    allowed: 'a whole number of GiB, at least 1, and only on CPU',
    ownership: true,
  },
  readyTimeoutS: {
    env: ['DAY007_READY_TIMEOUT_S'],
    schema: numeric(z.number().positive().max(86_400)),
    allowed: 'seconds, above 0 and up to 86400',
    fallback: 1800,
    why: 'a first start that compiles on few cores takes minutes',
    ownership: true,
  },
  requestTimeoutS: {
    env: ['DAY007_REQUEST_TIMEOUT_S'],
    schema: numeric(z.number().positive().max(86_400)),
    allowed: 'seconds, above 0 and up to 86400',
    fallback: 300,
    seed: '60',
    why: 'a cold request on a CPU can pass 60 s, and a request cut off is no measurement',
  },
  sampleIntervalMs: {
    env: ['DAY007_SAMPLE_INTERVAL_MS'],
    schema: whole(10, 60_000),
    allowed: 'a whole number of milliseconds from 10 to 60000',
    fallback: 100,
    why: 'GPU counters update every 170 ms to 1 s; faster readings repeat themselves',
  },
  healthIntervalMs: {
    env: ['DAY007_HEALTH_INTERVAL_MS'],
    schema: whole(1, 20),
    allowed: 'a whole number of milliseconds from 1 to 20',
    fallback: 10,
    why: 'the resolution of "ready"',
    ownership: true,
  },
  pauseBeforeColdMs: {
    env: ['DAY007_PAUSE_BEFORE_COLD_MS'],
    schema: whole(0, 3_600_000),
    allowed: 'a whole number of milliseconds, at least 0',
    fallback: 0,
    why: 'an idle server answers slower, so the pause is part of the plan',
  },
  pages: {
    env: ['DAY007_PAGES'],
    schema: z.enum(['as-found', 'evict']),
    allowed: 'as-found or evict',
    fallback: 'as-found',
    seed: 'as-found',
    ownership: true,
  },
  extraArgs: {
    env: ['DAY007_VLLM_ARGS'],
    schema: z.union([z.array(z.string()), z.string().transform(toWords)]),
    allowed: 'arguments as a shell would read them, every quote closed',
    fallback: [],
    absentText: 'none',
    ownership: true,
  },
  cacheDir: { env: ['DAY007_CACHE_DIR'], schema: path, allowed: 'a folder' },
  vllmCacheRoot: {
    env: ['DAY007_VLLM_CACHE_ROOT'],
    schema: path,
    allowed: 'a folder',
    absentText: 'private to the run',
    why: "empty at the first launch, so what it holds is this run's doing",
    ownership: true,
  },
  seed: {
    env: ['DAY007_SEED'],
    schema: whole(0, 2 ** 31 - 1),
    allowed: 'a whole number from 0 to 2147483647',
    fallback: 7,
    why: 'the same long prompt and random weights in every run',
  },
};

function toWords(text: string, context: z.RefinementCtx): string[] {
  try {
    return splitWords(text);
  } catch (cause) {
    context.addIssue({ code: 'custom', message: (cause as Error).message });
    return z.NEVER;
  }
}

export const settingFields = Object.keys(settings) as ConfigField[];
