/** A made-up run with round numbers: what each table holds can be worked out by hand from the options. */
import type { RunData } from '../../lib/archive/folder.js';
import type { EngineKind, RunRecord } from '../../lib/archive/record.js';
import type {
  ChunkRow,
  GpuRow,
  LaunchRow,
  ProcessRow,
  RequestRow,
  SampleRow,
  StartupRow,
} from '../../lib/archive/tables.js';

export const weightsMiB = 1000;
const mebibyte = 1024 * 1024;

export interface RunOptions {
  readonly engineKind?: EngineKind;
  readonly gpu?: boolean;
  readonly launches?: number;
  /** Read from storage while the weights load (1 s), in each launch. */
  readonly loadingReadMiB?: number;
  /** Read from storage while cold_1 runs. */
  readonly coldReadBytes?: number;
  readonly residentBeforeFraction?: number;
  /** Extra HBM from cold_1 on. */
  readonly coldStepMiB?: number;
  readonly coldTtftMs?: number;
  readonly coldServerFirstTokenMs?: number;
  readonly jitLines?: number;
  readonly serverMetrics?: boolean;
  readonly warmTtftMs?: readonly number[];
}

/** Start-up of every launch, in ms after spawn; 13,200 ms to ready. Texts are vLLM's own. */
const startup: readonly (readonly [afterMs: number, source: string, text: string, event?: string])[] = [
  [0, 'spawn', 'the server process was started', 'spawned'],
  [2000, 'log', '(APIServer pid=1) INFO 11-24 23:09:21 [api_utils.py:286] non-default args: {}'],
  [3000, 'log', '(APIServer pid=1) INFO 11-24 23:09:31 [model.py:2152] Using max model len 4096'],
  [3500, 'process', 'process EngineCore (pid 2) was started', 'engine-process-born'],
  [
    5500,
    'log',
    '(EngineCore pid=2) INFO 11-24 23:09:38 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: ...',
  ],
  [6000, 'log', '(Worker pid=3) INFO 11-24 23:09:48 [cpu_model_runner.py:68] Starting to load model tiny...'],
  [6200, 'log', '(Worker pid=3) INFO 11-24 23:09:49 [base_loader.py:82] Initializing model took 0.200000 seconds'],
  [
    6200,
    'log',
    '(Worker pid=3) INFO 11-24 23:09:49 [weight_utils.py:1108] Filesystem type for checkpoints: EXT4. Checkpoint size: 0.98 GiB. Available RAM: 21.45 GiB.',
  ],
  [7200, 'log', '(Worker pid=3) INFO 11-24 23:09:49 [default_loader.py:501] Loading weights took 1.00 seconds'],
  [7500, 'log', '(Worker pid=3) INFO 11-24 23:09:49 [cpu_model_runner.py:87] Warming up model for the compilation...'],
  [12500, 'log', '(Worker pid=3) INFO 11-24 23:10:21 [cpu_model_runner.py:91] Warming up done.'],
  [
    12500,
    'log',
    '(EngineCore pid=2) INFO 11-24 23:10:21 [kv_cache_utils.py:2327] CPU KV cache size: 40,960 tokens, Maximum concurrency for 4,096 tokens per request: 10.00x',
  ],
  [
    12800,
    'log',
    '(EngineCore pid=2) INFO 11-24 23:10:22 [core.py:402] init engine (profile, create kv cache, warmup model) took 6.60 s',
  ],
  [12900, 'log', "(APIServer pid=1) INFO 11-24 23:10:22 [entry.py:136] Supported tasks: ['generate']"],
  [13000, 'log', '(APIServer pid=1) INFO 11-24 23:10:23 [entry.py:140] Starting vLLM server on http://127.0.0.1:8123'],
  [13000, 'log', 'INFO:     Started server process [1]'],
  [13100, 'log', 'INFO:     Application startup complete.'],
  [13200, 'health', 'GET /health answered 200', 'ready'],
];
export const readyMs = 13_200;
const jitMonitorLine =
  '(Worker pid=3) INFO 11-24 23:10:21 [jit_monitor.py:86] Kernel JIT monitor activated; cache misses during inference will be logged (mode=warn)';
const jitLine =
  '(Worker pid=3) WARNING 11-24 23:10:21 [jit_monitor.py:127] Triton kernel JIT compilation during inference: rope. This causes a latency spike.';

export const spawnAtMs = (launch: number) => 1000 + (launch - 1) * 100_000;
const coldStartMs = (launch: number) => spawnAtMs(launch) + readyMs + 300;
const tokens = 64;
const itlMs = 20;
/** Between the server's first token and the client's, beside the queue. */
const frontEndMs = 10;
const queueMs = 1;
export const defaultWarmTtftMs: readonly number[] = [50, 51, 49, 50, 52, 48, 50, 51, 49, 50];

/** Launch 1: streamed cold_1, warm_1, five whole and ten streamed warm, long prompts. Further launches: cold_1 and warm_1 whole. */
export function buildRun(options: RunOptions = {}): RunData {
  const launches = options.launches ?? 2;
  const numbers = Array.from({ length: launches }, (_, index) => index + 1);
  const requests = numbers.flatMap((launch) => requestsOf(launch, options));
  const rows = requests.map(({ row }) => row);
  const attached = options.engineKind === 'attach';
  return {
    record: recordOf(options),
    launches: numbers.map((launch) => launchRow(launch, options, attached)),
    stops: numbers.map((launch) => ({
      launch,
      reason: 'asked',
      how: 'sigterm',
      askedAtMs: spawnAtMs(launch) + 90_000,
      goneAtMs: spawnAtMs(launch) + 91_500,
      exitCode: 0,
      leftoverProcesses: 0,
    })),
    truth: [],
    observers: [],
    pauses: [],
    startup: attached ? [] : numbers.flatMap((launch) => startupOf(launch, options)),
    requests: rows,
    chunks: requests.flatMap(({ chunks }) => chunks),
    samples: numbers.flatMap((launch) => samplesOf(launch, options)),
    processes: numbers.flatMap(processesOf),
    gpu: options.gpu === true ? numbers.flatMap((launch) => gpuOf(launch, options)) : [],
    metrics: numbers.map((launch) => ({
      launch,
      scrape: 'after-warm',
      atMs: spawnAtMs(launch) + 80_000,
      metric: 'vllm:num_preemptions_total',
      value: 0,
    })),
    snapshots: [],
    calibration: Array.from({ length: 20 }, (_, index) => ({
      index: index + 1,
      warmup: index < 10,
      firstTokenErrorMs: 0.1 * (index + 1),
      worstChunkErrorMs: 1,
      connectMs: 0.1,
    })),
  };
}

function recordOf({ engineKind = 'vllm', gpu = false }: RunOptions): RunRecord {
  return {
    format: 1,
    runId: 'made-up',
    startedAtUtc: '2026-01-01T00:00:00.000Z',
    clockOriginNs: '1',
    config: { maxModelLen: 4096 },
    configEntries: [],
    engine: { kind: engineKind, device: gpu ? 'cuda' : 'cpu', command: [], env: {}, chosenBecause: 'made up' },
    environment: {
      kernel: 'k',
      os: 'o',
      cpuModel: 'c',
      cpuCores: 4,
      ramMiB: 16_000,
      swapMiB: 0,
      node: 'n',
      project: 'p',
      gpus: gpu ? [{ index: 0, name: 'GPU', memoryTotalMiB: 80_000 }] : [],
    },
    model: {
      name: 'synthetic:tiny',
      kind: 'synthetic',
      location: 'l',
      shape: {},
      weightsBytes: weightsMiB * mebibyte,
      files: [],
      randomWeights: true,
      fingerprint: 'f',
    },
    workloads: [],
    fingerprint: 'f',
  };
}

function launchRow(launch: number, options: RunOptions, attached: boolean): LaunchRow {
  const base = { launch, healthPolls: 1, healthPollIntervalMs: 10 };
  if (attached) return { ...base, outcome: 'attached' };
  return {
    ...base,
    outcome: 'ready',
    spawnAtMs: spawnAtMs(launch),
    readyAtMs: spawnAtMs(launch) + readyMs,
    weightsBytes: weightsMiB * mebibyte,
    residentBeforeFraction: options.residentBeforeFraction ?? 1,
    compileCache: launch === 1 ? 'empty' : 'filled',
    compileCacheFiles: launch === 1 ? 0 : 12,
  };
}

function startupOf(launch: number, { jitLines }: RunOptions): StartupRow[] {
  const at = (afterMs: number) => spawnAtMs(launch) + afterMs;
  const rows: StartupRow[] = startup.map(([afterMs, source, text, event]) => ({
    launch,
    atMs: at(afterMs),
    source,
    text,
    ...(event === undefined ? {} : { event }),
  }));
  if (jitLines === undefined) return rows;
  rows.push({ launch, atMs: at(12_400), source: 'log', text: jitMonitorLine });
  for (let line = 0; line < jitLines; line += 1)
    rows.push({ launch, atMs: coldStartMs(launch) + 10 + line, source: 'log', text: jitLine });
  return rows;
}

interface Built {
  readonly row: RequestRow;
  readonly chunks: readonly ChunkRow[];
}

function requestsOf(launch: number, options: RunOptions): Built[] {
  const coldTtftMs = options.coldTtftMs ?? 200;
  const warm = options.warmTtftMs ?? defaultWarmTtftMs;
  let atMs = coldStartMs(launch);
  const built: Built[] = [];
  const add = (name: string, index: number, ttftMs: number, more: Partial<RequestRow> = {}) => {
    const request = requestOf({ launch, name, index, startAtMs: atMs, ttftMs, streamed: true, options, ...more });
    built.push(request);
    atMs = (request.row.endAtMs ?? atMs) + 5;
  };
  const whole = { streamed: launch === 1 };
  add('cold_1', 1, coldTtftMs, {
    ...whole,
    ...(options.coldServerFirstTokenMs === undefined ? {} : { serverFirstTokenMs: options.coldServerFirstTokenMs }),
  });
  add('warm_1', 1, 52, whole);
  if (launch > 1) return built;
  for (let index = 1; index <= 5; index += 1) add('warm', index, 49 + index, { streamed: false });
  warm.forEach((ttftMs, index) => add('warm', 6 + index, ttftMs));
  const long = { workload: 'long', promptTokens: 1024, totalTokens: 1024 + tokens };
  add('cold-long', 1, 300, { ...long, cachedTokens: 0 });
  for (let index = 1; index <= 6; index += 1) add('warm-unique', index, 250 + index, { ...long, cachedTokens: 0 });
  for (let index = 1; index <= 6; index += 1) add('warm-cached', index, 60 + index, { ...long, cachedTokens: 1008 });
  return built;
}

function requestOf(
  given: Partial<RequestRow> &
    Pick<RequestRow, 'launch' | 'name' | 'index' | 'startAtMs' | 'streamed'> & {
      readonly ttftMs: number;
      readonly options: RunOptions;
    },
): Built {
  const { ttftMs, options, ...columns } = given;
  const requestId = `${given.launch}-${given.name}-${given.index}`;
  const sentAtMs = given.startAtMs + 2;
  const firstTokenAtMs = sentAtMs + ttftMs;
  const lastTokenAtMs = firstTokenAtMs + itlMs * (tokens - 1);
  const metrics =
    options.serverMetrics === false
      ? {}
      : {
          serverFirstTokenMs: ttftMs - frontEndMs - queueMs,
          serverQueueMs: queueMs,
          serverGenerationMs: itlMs * (tokens - 1),
        };
  const stream = {
    firstByteAtMs: firstTokenAtMs - 1,
    firstEventAtMs: firstTokenAtMs - 1,
    firstChoiceAtMs: firstTokenAtMs - 1,
    firstTokenAtMs,
    firstVisibleAtMs: firstTokenAtMs,
    lastTokenAtMs,
    doneAtMs: lastTokenAtMs + 1,
    chunks: tokens,
  };
  const row: RequestRow = {
    requestId,
    workload: 'seed',
    outcome: 'completed',
    connectedAtMs: given.startAtMs + 1,
    sentAtMs,
    headersAtMs: firstTokenAtMs - 1,
    endAtMs: lastTokenAtMs + 2,
    promptTokens: 9,
    completionTokens: tokens,
    totalTokens: 9 + tokens,
    cachedTokens: 0,
    ...metrics,
    ...(given.streamed ? stream : {}),
    ...columns,
  };
  const chunks = given.streamed
    ? Array.from({ length: tokens }, (_, index) => ({
        requestId,
        sequence: index + 1,
        read: index + 1,
        atMs: firstTokenAtMs + index * itlMs,
        kind: 'token',
        characters: 3,
        bytes: 100,
      }))
    : [];
  return { row, chunks };
}

function samplesOf(launch: number, { loadingReadMiB = 0, coldReadBytes = 0 }: RunOptions): SampleRow[] {
  const spawn = spawnAtMs(launch);
  const cold = coldStartMs(launch);
  return ticks(launch).map((atMs) => {
    const loaded = loadingReadMiB * share(atMs, spawn + 6200, spawn + 7200);
    const born = atMs > spawn;
    return {
      launch,
      atMs,
      tookMs: 1,
      cpuBusyFraction: 0.25,
      serverCpuCores: born ? 1 : undefined,
      serverProcesses: born ? 3 : 0,
      serverRssMiB: born ? 1500 : undefined,
      serverReadBytes: born ? loaded * mebibyte + coldReadBytes * share(atMs, cold, cold + 100) : undefined,
      serverMajorFaults: born ? Math.round(loaded) : undefined,
      pageCacheMiB: 2000 + loaded,
      memAvailableMiB: 8000,
      swapUsedMiB: 0,
      swapInPages: 0,
      diskReadBytes: 0,
      psiMemorySomeUs: 0,
      samplerCpuMs: 1,
    };
  });
}

function processesOf(launch: number): ProcessRow[] {
  const spawn = spawnAtMs(launch);
  return ticks(launch)
    .filter((atMs) => atMs > spawn)
    .map((atMs) => ({
      launch,
      atMs,
      pid: 2,
      parentPid: 1,
      name: 'VLLM::EngineCor',
      cpuMs: atMs - spawn,
      rssMiB: 1500,
      majorFaults: 0,
      readBytes: 0,
    }));
}

function gpuOf(launch: number, { coldStepMiB = 0 }: RunOptions): GpuRow[] {
  const spawn = spawnAtMs(launch);
  const cold = coldStartMs(launch);
  return ticks(launch).map((atMs) => ({
    launch,
    atMs,
    tookMs: 1,
    gpu: 0,
    memoryUsedMiB:
      500 +
      weightsMiB * share(atMs, spawn + 6000, spawn + 7200) +
      20_000 * share(atMs, spawn + 12_500, spawn + 12_800) +
      coldStepMiB * share(atMs, cold, cold + 100),
    utilizationPercent: atMs < cold ? 5 : 40 + (atMs % 3),
    powerW: 300,
    smClockMHz: 1980,
  }));
}

/** Every 100 ms from just before spawn until well after the last request. */
function ticks(launch: number): number[] {
  return Array.from({ length: 701 }, (_, index) => spawnAtMs(launch) - 100 + index * 100);
}

/** How much of [from, to] has passed at a time: 0 before, 1 after. */
function share(atMs: number, fromMs: number, toMs: number): number {
  return Math.min(1, Math.max(0, (atMs - fromMs) / (toMs - fromMs)));
}
