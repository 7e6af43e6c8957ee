/**
 * A made-up run with known numbers, whole and partial, for the tests of the report. The log lines in it are
 * shaped like vLLM's; the times are round so that a reader can check titles and tables by hand.
 */
import type { RunData } from '../../lib/archive/folder.js';
import type { RunRecord } from '../../lib/archive/record.js';
import type {
  ChunkRow,
  GpuRow,
  ProcessRow,
  RequestRow,
  SampleRow,
  SnapshotRow,
  StartupRow,
} from '../../lib/archive/tables.js';
import type { Findings, LaunchFinding, RequestTiming } from '../../lib/interpret/findings.js';
import { summarize } from '../../lib/statistics/summary.js';
import { startupTimeline } from '../../lib/launch/timeline.js';
import type { InterpretedRun } from '../../lib/report/subject.js';

export const sampleRecord: RunRecord = {
  format: 1,
  runId: '20261124-120000-ab12',
  startedAtUtc: '2026-11-24T12:00:00.000Z',
  clockOriginNs: '9007199254740993123',
  config: { model: 'synthetic:qwen2.5-0.5b', port: 8000, warmRuns: 10 },
  configEntries: [
    {
      field: 'model',
      value: 'synthetic:qwen2.5-0.5b',
      source: 'environment',
      seedValue: 'microsoft/Phi-3-mini-4k-instruct',
      why: 'fits this machine without a GPU',
    },
    { field: 'dtype', value: 'auto', source: 'seed', seedValue: 'auto' },
    { field: 'max-model-len', value: '4096', source: 'seed', seedValue: '4096' },
    {
      field: 'gpu-memory-utilization',
      value: 'not given',
      source: 'engine',
      seedValue: '0.92',
      why: 'the CPU engine sizes its KV cache in GiB: VLLM_CPU_KVCACHE_SPACE=1',
    },
    { field: 'warm runs', value: '10', source: 'default' },
  ],
  engine: {
    kind: 'vllm',
    device: 'cpu',
    vllmVersion: '0.32.0',
    torchVersion: '2.12.0',
    transformersVersion: '5.9.0',
    command: [
      '/opt/envs/vllm/bin/vllm',
      'serve',
      '/home/carol/models/qwen',
      '--max-model-len',
      '4096',
      '--port',
      '8000',
    ],
    env: { VLLM_CPU_KVCACHE_SPACE: '1', VLLM_CACHE_ROOT: '/home/carol/cache' },
    chosenBecause: 'vllm was found in .venv-vllm',
  },
  environment: {
    kernel: '6.1.0-32-amd64',
    os: 'Debian GNU/Linux 12 (bookworm)',
    cpuModel: 'Example CPU 8000',
    cpuCores: 8,
    ramMiB: 24000,
    swapMiB: 0,
    weightsFileSystem: 'ext4',
    weightsDevice: '/dev/vda1',
    gpus: [],
    node: 'v20.20.2',
    project: '0.1.0',
  },
  model: {
    name: 'synthetic:qwen2.5-0.5b',
    kind: 'synthetic',
    location: '/home/carol/models/qwen',
    architecture: 'Qwen2ForCausalLM',
    dtype: 'bfloat16',
    shape: { layers: 24, hidden: 896 },
    parameters: 494_032_768,
    weightsBytes: 988_065_536,
    files: [
      { path: 'model.safetensors', bytes: 988_065_536, sha256: 'a1b2c3d4e5f60718'.repeat(4), residentFraction: 0 },
    ],
    randomWeights: true,
    fingerprint: 'f00d'.repeat(16),
  },
  workloads: [
    {
      name: 'seed',
      payload: { prompt: 'Say hello from a small language model.', max_tokens: 64, temperature: 0 },
      note: 'constant',
    },
    {
      name: 'long',
      payload: { prompt: [1, 2, 3], max_tokens: 64 },
      promptTokenIds: [1, 2, 3],
      note: 'fixed token ids',
    },
  ],
  fingerprint: 'beef'.repeat(16),
};

const startLines: readonly (readonly [atMs: number, event: string | undefined, process: string, text: string])[] = [
  [0, 'spawned', 'keeper', 'vllm serve'],
  [6000, 'api-server-speaks', 'APIServer', "non-default args: {'model': 'qwen'}"],
  [6400, 'config-resolved', 'APIServer', 'Using max model len 4096'],
  [6500, 'engine-process-born', 'EngineCore', 'process 101 EngineCore'],
  [12500, 'engine-initializing', 'EngineCore', 'Initializing a V1 LLM engine (v0.32.0) with config: ...'],
  [12700, 'worker-process-born', 'Worker', 'process 102 Worker'],
  [19000, 'worker-speaks', 'Worker', 'Model Runner V2 requires Triton'],
  [19010, 'distributed-init', 'Worker', 'world_size=1 rank=0 local_rank=0 distributed_init_method=file://...'],
  [19030, 'distributed-ready', 'Worker', 'rank 0 in world size 1 is assigned as DP rank 0'],
  [19050, 'model-load-start', 'Worker', 'Starting to load model qwen...'],
  [19200, 'model-init-done', 'Worker', 'Initializing model took 0.15 seconds'],
  [19210, 'checkpoint-found', 'Worker', 'Filesystem type for checkpoints: EXT4.'],
  [21200, 'weights-load-done', 'Worker', 'Loading weights took 1.99 seconds'],
  [21800, 'warmup-start', 'Worker', 'Warming up model for the compilation...'],
  [36800, 'warmup-done', 'Worker', 'Warming up done.'],
  [36810, 'kv-reserved', 'Worker', 'Explicitly set (1.0/11.09) GiB for KV cache on node 0.'],
  [38800, 'engine-ready', 'EngineCore', 'init engine (profile, create kv cache, warmup model) took 17.0 s'],
  [39200, 'front-end-start', 'APIServer', "Supported tasks: ['generate']"],
  [39600, 'front-end-bound', 'APIServer', 'Starting vLLM server on http://127.0.0.1:8000'],
  [39650, 'http-start', 'APIServer', 'Started server process [100]'],
  [39980, 'http-ready', 'APIServer', 'Application startup complete.'],
  [40000, 'ready', 'health', '200'],
];

const launchStartsMs = [1000, 61000] as const;

function sourceOf(event: string | undefined): string {
  if (event === 'spawned') return 'spawn';
  if (event === 'ready') return 'health';
  return event?.endsWith('-born') || event === 'worker-speaks' ? 'process' : 'log';
}

function startupRows(launch: number): StartupRow[] {
  const spawnAtMs = launchStartsMs[launch - 1] ?? 0;
  // A restart finds pages and the compile cache: the same phases in half the time.
  const pace = launch === 1 ? 1 : 0.5;
  return startLines.map(([atMs, event, process, text]) => ({
    launch,
    atMs: spawnAtMs + atMs * pace,
    source: sourceOf(event),
    event,
    process,
    text,
  }));
}

interface Plan {
  readonly name: string;
  readonly index: number;
  readonly streamed: boolean;
  readonly workload: string;
  readonly ttftMs: number;
  readonly cachedTokens: number;
}

function plans(launch: number): Plan[] {
  const seed = { workload: 'seed', cachedTokens: 0 };
  const long = { workload: 'long', streamed: true, index: 1 };
  return [
    { ...seed, name: 'cold_1', index: 1, streamed: launch === 1, ttftMs: launch === 1 ? 800 : 600 },
    { ...seed, name: 'warm_1', index: 1, streamed: true, ttftMs: 50 },
    ...Array.from({ length: 10 }, (_, i) => ({
      ...seed,
      name: 'warm',
      index: i + 1,
      streamed: true,
      ttftMs: 40 + ((i * 7) % 10) * 0.5,
    })),
    { ...long, name: 'cold-long', ttftMs: 900, cachedTokens: 0 },
    { ...long, name: 'warm-unique', ttftMs: 500, cachedTokens: 0 },
    { ...long, name: 'warm-cached', ttftMs: 60, cachedTokens: 1024 },
  ];
}

const tokens = 64;
const gapMs = 10;

function requestRows(launch: number): { requests: RequestRow[]; chunks: ChunkRow[] } {
  const requests: RequestRow[] = [];
  const chunks: ChunkRow[] = [];
  let atMs = (launchStartsMs[launch - 1] ?? 0) + (launch === 1 ? 40_500 : 20_500);
  for (const plan of plans(launch)) {
    const requestId = `${launch}-${plan.name}-${plan.index}`;
    const sentAtMs = atMs + 1;
    const firstTokenAtMs = sentAtMs + plan.ttftMs;
    const lastTokenAtMs = firstTokenAtMs + (tokens - 1) * gapMs;
    const promptTokens = plan.workload === 'seed' ? 9 : 1040;
    requests.push({
      requestId,
      launch,
      name: plan.name,
      index: plan.index,
      workload: plan.workload,
      streamed: plan.streamed,
      outcome: 'completed',
      httpStatus: 200,
      startAtMs: atMs,
      connectedAtMs: atMs + 0.5,
      sentAtMs,
      endAtMs: lastTokenAtMs + 1,
      ...(plan.streamed
        ? {
            headersAtMs: sentAtMs + 4,
            firstByteAtMs: firstTokenAtMs - 0.2,
            firstEventAtMs: firstTokenAtMs,
            firstChoiceAtMs: firstTokenAtMs,
            firstTokenAtMs,
            firstVisibleAtMs: firstTokenAtMs,
            lastTokenAtMs,
            doneAtMs: lastTokenAtMs + 0.5,
            chunks: tokens,
          }
        : { headersAtMs: lastTokenAtMs + 0.8 }),
      promptTokens,
      completionTokens: tokens,
      totalTokens: promptTokens + tokens,
      cachedTokens: plan.cachedTokens,
      finishReason: 'length',
      serverFirstTokenMs: plan.ttftMs - 3,
      serverQueueMs: 0.2,
      idleBeforeMs: 2,
      outputPreview: 'wolf|blue <b>',
    });
    if (plan.streamed) {
      for (let i = 0; i < tokens; i += 1) {
        chunks.push({
          requestId,
          sequence: i + 1,
          read: i + 1,
          atMs: firstTokenAtMs + i * gapMs,
          kind: 'token',
          characters: 4,
          bytes: 180,
        });
      }
      chunks.push({
        requestId,
        sequence: tokens + 1,
        read: tokens + 1,
        atMs: lastTokenAtMs + 0.5,
        kind: 'done',
        characters: 0,
        bytes: 6,
      });
    }
    atMs = lastTokenAtMs + 3;
  }
  return { requests, chunks };
}

function sampleRows(launch: number): { samples: SampleRow[]; processes: ProcessRow[] } {
  const spawnAtMs = launchStartsMs[launch - 1] ?? 0;
  const samples: SampleRow[] = [];
  const processes: ProcessRow[] = [];
  let cpuMs = 0;
  for (let tick = 0; tick < 250; tick += 1) {
    const atMs = spawnAtMs + tick * 200;
    const serverCpuCores = 1 + Math.abs(Math.sin(tick / 12)) * 5;
    cpuMs += serverCpuCores * 200;
    const readMiB = launch === 1 ? Math.min(950, Math.max(0, (tick - 95) * 95)) : 0;
    samples.push({
      launch,
      atMs,
      tookMs: 1.2,
      serverProcesses: 3,
      samplerCpuMs: tick * 1.5,
      cpuBusyFraction: serverCpuCores / 8,
      serverCpuCores,
      serverRssMiB: 500 + tick * 10,
      serverReadBytes: readMiB * 1048576,
      serverMajorFaults: tick,
      pageCacheMiB: 3000 + readMiB,
      memAvailableMiB: 20000 - tick * 10,
      swapUsedMiB: 0,
      swapInPages: 0,
      diskReadBytes: 5e9 + readMiB * 1048576,
      psiCpuSomeUs: tick * 100,
      psiIoFullUs: tick * 50,
      psiMemorySomeUs: 0,
    });
    for (const [index, name] of ['vllm', 'VLLM::EngineCor', 'VllmWorker-0'].entries()) {
      processes.push({
        launch,
        atMs,
        pid: 100 + index,
        parentPid: index === 0 ? 1 : 100,
        name,
        bornAtMs: spawnAtMs + index * 6000,
        cpuMs: cpuMs / 3,
        rssMiB: 300,
        majorFaults: tick,
        readBytes: 0,
      });
    }
  }
  return { samples, processes };
}

const points = ['before-launch', 'after-ready', 'after-cold_1', 'after-warm_1', 'after-warm', 'after-stop'] as const;

function snapshotRows(launch: number): SnapshotRow[] {
  return points.map((point, index) => ({
    launch,
    point,
    atMs: (launchStartsMs[launch - 1] ?? 0) + index * 1000,
    serverRssMiB: index * 100,
    pageCacheMiB: 4000,
    memAvailableMiB: 18000,
  }));
}

function timingOf(row: RequestRow): RequestTiming {
  const ttftMs =
    row.firstTokenAtMs === undefined || row.sentAtMs === undefined ? undefined : row.firstTokenAtMs - row.sentAtMs;
  return {
    requestId: row.requestId,
    launch: row.launch,
    name: row.name,
    index: row.index,
    streamed: row.streamed,
    outcome: row.outcome,
    wallS: row.endAtMs === undefined ? undefined : (row.endAtMs - row.startAtMs) / 1000,
    ttftMs,
    connectMs: 0.5,
    tpotMs: row.streamed ? gapMs : undefined,
    medianItlMs: gapMs,
    maxItlMs: gapMs,
    e2eMs: row.lastTokenAtMs === undefined || row.sentAtMs === undefined ? undefined : row.lastTokenAtMs - row.sentAtMs,
    promptTokens: row.promptTokens,
    completionTokens: row.completionTokens,
    totalTokens: row.totalTokens,
    cachedTokens: row.cachedTokens,
    serverFirstTokenMs: row.serverFirstTokenMs,
    serverQueueMs: row.serverQueueMs,
    idleBeforeMs: row.idleBeforeMs,
  };
}

function launchFinding(startup: readonly StartupRow[], launch: number): LaunchFinding {
  const timeline = startupTimeline(startup, launch);
  const readyMs = timeline && timeline.readyAtMs - timeline.spawnAtMs;
  return {
    launch,
    outcome: 'ready',
    readyMs,
    timeline,
    state: {
      pages: launch === 1 ? 'not resident' : 'resident',
      compileCache: launch === 1 ? 'empty' : 'filled',
      process: 'new',
      prefixCache: 'empty',
      proof: [launch === 1 ? 'weights 0 % resident before spawn' : 'weights 100 % resident before spawn'],
    },
    coveredFraction: timeline && readyMs ? timeline.coveredMs / readyMs : undefined,
    termMs: [{ term: 'C', ms: launch === 1 ? 15000 : 7500 }],
    readBytes: launch === 1 ? 996_147_200 : 0,
    majorFaults: 120,
    gapActivity: ['Worker 0.6 CPU s', 'APIServer 0.4 CPU s', 'EngineCore 0.2 CPU s'],
    stoppedHow: 'sigterm',
    stopMs: 800,
    leftoverProcesses: 0,
  };
}

/** The whole run: two launches of a CPU engine. Launch 1: ready after 40 s, 15 s of it compile; cold_1 800 ms, warm 40-44.5 ms. */
export function fullRun(): InterpretedRun {
  const launches = [1, 2];
  const startup = launches.flatMap(startupRows);
  const requests = launches.map(requestRows);
  const hosts = launches.map(sampleRows);
  const data: RunData = {
    record: sampleRecord,
    launches: launches.map((launch) => ({
      launch,
      outcome: 'ready',
      spawnAtMs: launchStartsMs[launch - 1],
      readyAtMs: (launchStartsMs[launch - 1] ?? 0) + (launch === 1 ? 40000 : 20000),
      healthPolls: 2000,
      healthPollIntervalMs: 18,
      weightsBytes: 988_065_536,
      residentBeforeFraction: launch - 1,
      residentAfterFraction: 1,
      compileCache: launch === 1 ? 'empty' : 'filled',
      compileCacheFiles: launch === 1 ? 0 : 41,
    })),
    stops: launches.map((launch) => ({
      launch,
      reason: 'asked',
      how: 'sigterm',
      askedAtMs: 100_000 * launch,
      goneAtMs: 100_000 * launch + 800,
      exitCode: 0,
      leftoverProcesses: 0,
    })),
    startup,
    requests: requests.flatMap((one) => one.requests),
    chunks: requests.flatMap((one) => one.chunks),
    samples: hosts.flatMap((one) => one.samples),
    processes: hosts.flatMap((one) => one.processes),
    gpu: [],
    metrics: launches.map((launch) => ({
      launch,
      scrape: 'after-ready',
      atMs: 41_000 * launch,
      metric: 'vllm:prompt_tokens_total',
      labels: 'a="b"',
      value: 9,
    })),
    snapshots: launches.flatMap(snapshotRows),
    truth: [],
    observers: [],
    pauses: [],
    calibration: Array.from({ length: 60 }, (_, index) => ({
      index: index + 1,
      warmup: index < 20,
      firstTokenErrorMs: 0.3 + (index % 5) / 100,
      worstChunkErrorMs: 0.5,
      connectMs: 0.2,
    })),
  };
  return { data, findings: findingsOf(data) };
}

function findingsOf(data: RunData): Findings {
  const timings = data.requests.map(timingOf);
  const warm = timings.filter((timing) => timing.name === 'warm');
  const numbers = (pick: (timing: RequestTiming) => number | undefined, from = warm) =>
    summarize(from.flatMap((timing) => pick(timing) ?? []));
  const named = (name: string) => timings.filter((timing) => timing.name === name);
  return {
    format: 1,
    runId: data.record.runId,
    engineKind: data.record.engine.kind,
    launches: data.launches.map(({ launch }) => launchFinding(data.startup, launch)),
    timings,
    stopwatch: { n: 40, medianErrorMs: 0.32, maxErrorMs: 0.34, mode: 'event loop asleep between reads' },
    warmTtftMs: numbers((timing) => timing.ttftMs),
    warmWallS: numbers((timing) => timing.wallS),
    firstFiveWallS: numbers((timing) => timing.wallS, warm.slice(0, 5)),
    warmTpotMs: numbers((timing) => timing.tpotMs),
    warmUniqueTtftMs: numbers((timing) => timing.ttftMs, named('warm-unique')),
    warmCachedTtftMs: numbers((timing) => timing.ttftMs, named('warm-cached')),
    penalties: [
      {
        launch: 1,
        by: 'TTFT',
        cold: 800,
        warmMedian: 42.25,
        factor: 18.9,
        lower: 18.6,
        upper: 19.3,
        warmOf: 'launch 1, 10 warm',
      },
      { launch: 2, by: 'wall_s', cold: 1.232, warmMedian: 0.674, factor: 1.83, warmOf: 'launch 2, 10 warm' },
    ],
    sixTerms: [
      {
        term: 'A',
        name: 'storage -> RAM',
        launchToReady: { kind: 'not-separable', note: 'the log times A and B together' },
        request1: { kind: 'none', note: 'no bytes read' },
      },
      {
        term: 'C',
        name: 'runtime warm-up',
        launchToReady: { kind: 'value', ms: 15000, source: 'log lines' },
        request1: { kind: 'not-observable', note: 'no JIT monitor on this engine' },
      },
      {
        term: 'remainder',
        name: 'not explained',
        launchToReady: { kind: 'value', ms: 1760, source: 'gaps' },
        request1: { kind: 'value', ms: 750, source: 'excess - parts', note: 'unnamed' },
      },
    ],
    excess: [
      {
        requestId: '1-cold_1-1',
        launch: 1,
        by: 'TTFT',
        warmOf: 'launch 1, 10 warm',
        connectionMs: 0.1,
        coldMs: 800,
        warmMedianMs: 42.25,
        excessMs: 757.75,
        parts: [{ name: 'queue', term: 'F', ms: 7.75, source: 'metrics' }],
        remainderMs: 750,
      },
    ],
    signals: [
      {
        cause: 'A',
        window: 'launch -> ready',
        signal: 'disk reads',
        reading: '950 MiB',
        threshold: '>= 50 % of weights',
        outcome: 'holds',
        role: 'distinguishing',
      },
      {
        cause: 'B',
        window: 'request 1',
        signal: 'GPU memory',
        reading: 'no GPU',
        threshold: '>= 64 MiB',
        outcome: 'not observable',
        role: 'supporting',
      },
    ],
    verdicts: [
      { cause: 'A', window: 'launch -> ready', verdict: 'does not hold', because: '1.99 s of 40 s' },
      { cause: 'C', window: 'request 1', verdict: 'cannot tell', because: 'no JIT monitor' },
    ],
    dominantLaunch: {
      window: 'launch -> ready',
      term: 'C',
      name: 'Compile and warm-up',
      ms: 15000,
      share: 0.375,
      because: 'It is the longest term.',
    },
    dominantRequest: { window: 'request 1', because: '99 % of the excess has no name: it cannot be told.' },
    bands: [
      { quantity: 'GPU utilisation', unit: '%', absentBecause: 'no GPU' },
      { quantity: 'GPU power', unit: 'W', absentBecause: 'no GPU' },
      { quantity: 'CPU of the server tree', unit: 'cores', n: 50, low: 1.1, median: 4.2, high: 5.9, distinctPerS: 5 },
    ],
    sampling: [
      { source: 'host', n: 1501, plannedPerS: 10, perS: 9.9, longestPauseMs: 212, missing: 15, cpuFraction: 0.016 },
    ],
    interference: [
      { kind: 'other GPU process', outcome: 'not observable', evidence: 'no GPU' },
      { kind: 'swap', outcome: 'not seen', evidence: '0 pages swapped in' },
    ],
    knobs: [
      {
        rule: 'cold penalty unacceptable',
        fired: true,
        reading: '18.9 ×',
        threshold: '> 5 ×',
        knob: 'pre-warm with one request',
        expectedEffect: 'cold_1 near warm',
        howToCheck: 'send one request before taking traffic',
      },
      {
        rule: 'GPU underused',
        fired: undefined,
        reading: 'no GPU',
        threshold: '< 50 %',
        knob: '--max-num-seqs',
        expectedEffect: 'throughput',
        howToCheck: 'repeat with 8 streams',
      },
    ],
    ledgerLaunch: 1,
    warmLaunch: 1,
    sixTermsByLaunch: [],
    steadyWindow: { launch: 1, name: 'warm', requests: 10, startAtMs: 43_000, endAtMs: 50_000 },
    ttftDefinitions: [
      { definition: 'first byte of the body', usedBy: 'proxies', coldMs: 799.8, warmMs: summarize([41.8, 42.0, 42.2]) },
      { definition: 'first generated text', usedBy: 'this project', coldMs: 800, warmMs: summarize([42, 42.2, 42.4]) },
    ],
    prefixSavingMs: { n: 2, medianDifference: 440 },
    resolution: [{ changeFraction: 0.05, changeMs: 2.1, runs: 12 }],
    gpuEnergy: { kind: 'absent', because: 'no GPU' },
    serverTtft: [
      {
        launch: 1,
        block: 'warm',
        against: 'engine',
        statistic: 'median',
        consistsOf: 'the way there and back',
        n: 10,
        clientMs: 42.25,
        serverMs: 40,
        differenceMs: 2.25,
        minMs: 2,
        lowerQuartileMs: 2.1,
        upperQuartileMs: 2.4,
        maxMs: 3,
      },
      {
        launch: 1,
        block: 'warm (after-whole to after-warm)',
        against: 'front end',
        statistic: 'mean',
        consistsOf: 'parsing',
        absentBecause: 'nobody asked',
      },
    ],
    observer: {
      finding: {
        launch: 1,
        observedTtftMs: { n: 12, min: 20, median: 22, max: 30, mad: 1, spread: 0.45 },
        unobservedTtftMs: { n: 12, min: 19, median: 20, max: 29, mad: 1, spread: 0.5 },
        pairs: 12,
        differenceMs: 1,
        interval: { lower: -1, upper: 3, level: 0.9575 },
        differenceFraction: 0.05,
        lowerFraction: -0.05,
        upperFraction: 0.15,
        verdict: 'not resolved',
        struck: 4,
        observed: 12,
        readingsWhileOff: 0,
        cpu: [
          { role: 'sampler', samplersOn: true, coreFraction: 0.016, wallMs: 4000 },
          { role: 'sampler', samplersOn: false, coreFraction: 0, wallMs: 4000 },
        ],
      },
    },
    repeats: [
      { quantity: 'launch -> ready', unit: 's', first: 40, further: summarize([20]), launches: [2], note: 'Alike.' },
      { quantity: 'TTFT of cold_1', unit: 'ms', first: 800, launches: [] },
    ],
    worstCoverage: { launch: 1, fraction: 0.96 },
    conclusions: [{ label: 'Cold penalty', text: '18.9 × by TTFT' }],
    sloAnchor: { ttftMs: 44.5, rule: 'the largest of the warm TTFTs' },
    flags: [{ flag: 'drift', raised: false, reading: 'z 0.3', threshold: '|z| >= 1.96' }],
    answers: [
      {
        question: 'What dominated cold_1?',
        lines: [
          'cold_1 took 800 ms, 758 ms more than the warm median.',
          'No part of it above the remainder could be named.',
        ],
      },
      { question: 'Is warm stable?', lines: ['Yes: spread 10.7 % over 20 requests.'] },
      {
        question: 'Operational takeaway: what steady-state number would you treat as the SLO anchor?',
        lines: ['44.5 ms, the largest of the warm TTFTs.'],
      },
      { question: 'What knob do you tune next and why?', lines: ['Pre-warm with one request: the penalty is 18.9 ×.'] },
    ],
  };
}

/** A run whose only launch died: no request, no phase, no statistic. */
export function partialRun(): InterpretedRun {
  const whole = fullRun();
  const data: RunData = {
    record: sampleRecord,
    launches: [{ launch: 1, outcome: 'died', spawnAtMs: 1000, healthPolls: 60, healthPollIntervalMs: 19 }],
    stops: [],
    startup: startupRows(1).slice(0, 5),
    requests: [],
    chunks: [],
    samples: whole.data.samples.slice(0, 40),
    processes: [],
    gpu: [],
    metrics: [],
    truth: [],
    observers: [],
    pauses: [],
    calibration: [],
    snapshots: snapshotRows(1).slice(0, 1),
  };
  const findings: Findings = {
    format: 1,
    runId: sampleRecord.runId,
    engineKind: 'vllm',
    timings: [],
    penalties: [],
    sixTerms: [],
    excess: [],
    signals: [],
    verdicts: [],
    bands: [],
    sampling: [],
    interference: [],
    knobs: [],
    flags: [],
    answers: [],
    sixTermsByLaunch: [],
    ttftDefinitions: [],
    resolution: [],
    gpuEnergy: { kind: 'absent', because: 'there is no run of warm requests' },
    serverTtft: [],
    observer: { absentBecause: 'no requests with and without samplers were sent in this run' },
    repeats: [],
    conclusions: [],
    launches: [
      {
        launch: 1,
        outcome: 'died',
        state: { pages: 'as found', compileCache: 'as found', process: 'new', prefixCache: 'empty', proof: [] },
        termMs: [],
        gapActivity: [],
      },
    ],
    dominantLaunch: { window: 'launch -> ready', because: 'launch 1 died' },
    dominantRequest: { window: 'request 1', because: 'no request was made' },
  };
  return { data, findings };
}

/** The full run on a machine with one GPU: the same times, GPU rows added. */
export function gpuRun(): InterpretedRun {
  const { data, findings } = fullRun();
  const gpu: GpuRow[] = data.samples.map((sample) => ({
    launch: sample.launch,
    atMs: sample.atMs,
    tookMs: 3,
    gpu: 0,
    memoryUsedMiB: Math.min(
      74_000,
      600 + Math.max(0, sample.atMs - (launchStartsMs[sample.launch - 1] ?? 0) - 19_000) * 8,
    ),
    utilizationPercent: sample.serverCpuCores === undefined ? 0 : Math.round(sample.serverCpuCores * 16),
    powerW: 90 + (sample.serverCpuCores ?? 0) * 40,
    smClockMHz: 1980,
    otherProcesses: 0,
  }));
  const record: RunRecord = {
    ...data.record,
    engine: { ...data.record.engine, device: 'cuda' },
    environment: {
      ...data.record.environment,
      gpus: [{ index: 0, name: 'Example GPU 80GB', memoryTotalMiB: 81_559, memoryUsedMiB: 4, driver: '580.1' }],
    },
  };
  const snapshots = data.snapshots.map((row, index) => ({
    ...row,
    gpu: 0,
    gpuName: 'Example GPU 80GB',
    memoryUsedMiB: [4, 74_000, 74_100, 74_100, 74_100, 4][index % 6],
    memoryTotalMiB: 81_559,
    utilizationPercent: 0,
    powerW: 90,
    otherProcesses: 0,
  }));
  return {
    data: { ...data, record, gpu, snapshots },
    findings: {
      ...findings,
      bands: [
        { quantity: 'GPU utilisation', unit: '%', n: 60, low: 80, median: 91, high: 97, distinctPerS: 5.9 },
        { quantity: 'GPU power', unit: 'W', n: 60, low: 250, median: 300, high: 320, distinctPerS: 9 },
        { quantity: 'CPU of the server tree', unit: 'cores', n: 50, low: 1.1, median: 4.2, high: 5.9, distinctPerS: 5 },
      ],
    },
  };
}

/** The full run, as a rehearsal. */
export function rehearsalRun(): InterpretedRun {
  const { data, findings } = fullRun();
  return {
    data: { ...data, record: { ...data.record, engine: { ...data.record.engine, kind: 'rehearsal' } } },
    findings: { ...findings, engineKind: 'rehearsal' },
  };
}
