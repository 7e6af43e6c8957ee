/**
 * Every table of a run folder. Instants (`...AtMs`) are milliseconds on the run's monotonic clock;
 * durations end in `Ms`. An empty cell means "not observed".
 */
import { besideTable, cellsTable, planTable, probesTable, stacksTable } from './cold-start-tables.js';
import { defineTable, flag, maybeNumber, maybeText, number, text, type RowOf } from './columns.js';

const launch = number('count', 'Launch of the run that this row belongs to, from 1. 0: before the first launch.');

export const launchesTable = defineTable('launches.csv', 'one launch of the server', {
  launch,
  outcome: text(
    'ready, attached, or the reason of a failed launch: port-taken, executable-missing, model-missing, model-broken, out-of-memory, context-too-long, died, never-ready, interrupted, failed.',
  ),
  spawnAtMs: maybeNumber('ms', 'The keeper called spawn for the server. Absent when attached.'),
  readyAtMs: maybeNumber('ms', 'First HTTP 200 on /health.'),
  healthPolls: maybeNumber(
    'count',
    'Requests and refused connections made to /health until it answered 200. Absent when it never did, or nobody asked.',
  ),
  healthPollIntervalMs: maybeNumber(
    'ms',
    'Longest pause between two /health polls while waiting: the resolution of readyAtMs.',
  ),
  weightsBytes: maybeNumber('bytes', 'Bytes of the weight files.'),
  residentBeforeFraction: maybeNumber('fraction 0-1', 'Weight bytes in the page cache just before spawn.'),
  residentAfterFraction: maybeNumber('fraction 0-1', 'Weight bytes in the page cache just after ready.'),
  compileCache: maybeText(
    'empty (no file in the cache root before spawn), filled, or unknown. What the server made of it stands in its log.',
  ),
  compileCacheFiles: maybeNumber('count', 'Files below the cache root before spawn.'),
});

export const stopsTable = defineTable('stops.csv', 'one end of a server, written by its keeper', {
  launch,
  reason: text(
    'asked, owner-gone (the notebook kernel died), died (the server ended by itself) or keeper-failed (its keeper did).',
  ),
  how: text('sigterm, sigkill or exit: what ended the last process.'),
  askedAtMs: number('ms', 'The stop was asked for, the owner vanished, or the exit was seen.'),
  goneAtMs: number('ms', 'The last process of the server was gone.'),
  exitCode: maybeNumber('exit code', 'Exit code of the server process.'),
  signal: maybeText('Signal that ended the server process.'),
  leftoverProcesses: number('count', 'Processes of this launch still found in /proc afterwards.'),
});

export const startupTable = defineTable(
  'startup.csv',
  'one observation of a starting server: a log line, a process, a health answer',
  {
    launch,
    atMs: number('ms', 'When the keeper received the line, or the process was born.'),
    source: text('spawn, log, process or health.'),
    event: maybeText('The milestone this line was recognised as; absent for other lines.'),
    process: maybeText('Process that spoke, as the log names it (APIServer, EngineCore, Worker).'),
    pid: maybeNumber('pid', 'Process id in the log prefix or in /proc.'),
    value: maybeNumber('as the event says', 'The figure inside a recognised line (seconds, GiB, tokens).'),
    text: text('The line, cut at 600 characters.'),
  },
);

export const requestsTable = defineTable('requests.csv', 'one request and what the client saw of it', {
  requestId: text('Unique in the run: launch, name and index.'),
  launch,
  name: text(
    'cold_1, warm_1, warm, cold-long, warm-unique, warm-cached, observer-warm, observed, unobserved or sanity.',
  ),
  index: number('count', 'Position within its name, from 1.'),
  workload: text('seed (the constant text payload), long (fixed token ids) or models (GET /v1/models).'),
  streamed: flag('true: server-sent events. false: one JSON answer, as in the seed.'),
  outcome: text('completed, refused, timed-out, cut-off or failed.'),
  error: maybeText('What went wrong, when the outcome is not completed.'),
  httpStatus: maybeNumber('HTTP status', 'Status of the answer.'),
  plannedAtMs: maybeNumber(
    'ms',
    'When the plan of an open loop wanted it sent. Absent in a closed loop, where each request waits for the one before.',
  ),
  startAtMs: number('ms', 'The probe was told to begin: before the connection.'),
  connectedAtMs: maybeNumber('ms', 'TCP connection ready.'),
  sentAtMs: maybeNumber('ms', 'Just before the request was written to the socket.'),
  headersAtMs: maybeNumber('ms', 'Response headers parsed.'),
  firstByteAtMs: maybeNumber('ms', 'First read that held response body.'),
  firstEventAtMs: maybeNumber('ms', 'Read that completed the first SSE data event.'),
  firstChoiceAtMs: maybeNumber('ms', 'Read that completed the first event with a non-empty choices list.'),
  firstTokenAtMs: maybeNumber(
    'ms',
    'Read that completed the first event that carries generated text or reasoning. The headline TTFT ends here.',
  ),
  firstVisibleAtMs: maybeNumber('ms', 'The same, reasoning not counted.'),
  lastTokenAtMs: maybeNumber('ms', 'Read that completed the last event that carries generated text.'),
  doneAtMs: maybeNumber('ms', 'Read that completed data: [DONE].'),
  endAtMs: maybeNumber('ms', 'Response complete; wall_s ends here.'),
  chunks: maybeNumber('count', 'Events that carried generated text.'),
  promptTokens: maybeNumber('tokens', 'usage.prompt_tokens.'),
  completionTokens: maybeNumber('tokens', 'usage.completion_tokens.'),
  totalTokens: maybeNumber('tokens', 'usage.total_tokens.'),
  cachedTokens: maybeNumber(
    'tokens',
    'usage.prompt_tokens_details.cached_tokens: proof of a prefix-cache hit or miss.',
  ),
  finishReason: maybeText('finish_reason of the last choice.'),
  serverFirstTokenMs: maybeNumber(
    'ms',
    'metrics.time_to_first_token_ms: scheduled to first token, as the server says.',
  ),
  serverQueueMs: maybeNumber('ms', 'metrics.queue_time_ms.'),
  serverGenerationMs: maybeNumber('ms', 'metrics.generation_time_ms.'),
  idleBeforeMs: maybeNumber('ms', 'Pause since the previous request of this launch ended.'),
  outputPreview: maybeText('First 80 characters of the output. Random weights: noise.'),
});

export const chunksTable = defineTable('chunks.csv', 'one SSE event of one streamed request', {
  requestId: text('The request.'),
  sequence: number('count', 'Event number within the request, from 1.'),
  read: number('count', 'Body read that completed the event, from 1. Several events may share a read.'),
  atMs: number('ms', 'Stamp of that read, taken before any parsing.'),
  kind: text('role, token, reasoning, empty, usage, error or done.'),
  characters: number('count', 'Characters of generated text in the event.'),
  bytes: number('bytes', 'Bytes of the event data.'),
});

export const samplesTable = defineTable('samples.csv', 'one tick of the host sampler', {
  launch,
  atMs: number('ms', 'When the tick was read.'),
  tookMs: number('ms', 'Time the tick took to read: the cost of the sampler.'),
  cpuBusyFraction: maybeNumber('fraction 0-1', 'Busy share of all cores since the previous tick.'),
  serverCpuCores: maybeNumber(
    'cores',
    'CPU time of every process of the server tree since the previous tick, per second.',
  ),
  serverProcesses: number('count', 'Processes in the server tree.'),
  serverRssMiB: maybeNumber('MiB', 'Sum of resident memory of the server tree (shared pages counted in each process).'),
  serverReadBytes: maybeNumber('bytes', 'Cumulative read_bytes of the server tree, ended processes kept in.'),
  serverMajorFaults: maybeNumber('count', 'Cumulative major faults of the server tree, ended processes kept in.'),
  pageCacheMiB: maybeNumber('MiB', 'Cached in /proc/meminfo.'),
  memAvailableMiB: maybeNumber('MiB', 'MemAvailable in /proc/meminfo.'),
  swapUsedMiB: maybeNumber('MiB', 'SwapTotal minus SwapFree.'),
  swapInPages: maybeNumber('pages', 'Cumulative pswpin of /proc/vmstat.'),
  diskReadBytes: maybeNumber('bytes', 'Cumulative bytes read from all whole block devices.'),
  psiCpuSomeUs: maybeNumber('µs', 'Cumulative some-total of /proc/pressure/cpu.'),
  psiIoFullUs: maybeNumber('µs', 'Cumulative full-total of /proc/pressure/io.'),
  psiMemorySomeUs: maybeNumber('µs', 'Cumulative some-total of /proc/pressure/memory.'),
  samplerCpuMs: number('ms', 'Cumulative CPU time of the sampler itself.'),
});

export const processesTable = defineTable('processes.csv', 'one process of the server tree at one tick', {
  launch,
  atMs: number('ms', 'When the tick was read.'),
  pid: number('pid', 'Process id.'),
  parentPid: number('pid', 'Parent process id.'),
  name: text('comm, as /proc shows it.'),
  bornAtMs: maybeNumber('ms', 'Start of the process (field 22 of /proc/<pid>/stat; resolution 10 ms).'),
  cpuMs: number('ms', 'Cumulative user and system time.'),
  rssMiB: number('MiB', 'Resident memory.'),
  majorFaults: number('count', 'Cumulative major faults.'),
  readBytes: maybeNumber('bytes', 'Cumulative read_bytes of /proc/<pid>/io.'),
});

export const gpuTable = defineTable('gpu.csv', 'one reading of one GPU', {
  launch,
  atMs: number('ms', 'When the reading was taken.'),
  tookMs: number('ms', 'Time the reading took.'),
  gpu: number('count', 'GPU index.'),
  memoryUsedMiB: maybeNumber('MiB', 'HBM in use.'),
  utilizationPercent: maybeNumber('%', 'Share of the driver window in which any kernel ran; not load.'),
  memoryUtilizationPercent: maybeNumber('%', 'Share of the driver window in which memory was read or written.'),
  powerW: maybeNumber('W', 'Board power, averaged by the driver.'),
  energyMj: maybeNumber('mJ', 'Energy counter since the driver was loaded.'),
  smClockMHz: maybeNumber('MHz', 'SM clock.'),
  memoryClockMHz: maybeNumber('MHz', 'Memory clock.'),
  temperatureC: maybeNumber('°C', 'GPU temperature.'),
  pcieRxMBPerS: maybeNumber('MB/s', 'PCIe host-to-device throughput over a 20 ms window; a sample, not a counter.'),
  throttleReasons: maybeNumber('bit mask', 'Clock event reasons as NVML gives them.'),
  otherProcesses: maybeNumber('count', 'Compute processes on the GPU that are not of the server tree.'),
});

export const metricsTable = defineTable('metrics.csv', 'one figure of one scrape of /metrics', {
  launch,
  scrape: text('Edge of a block: after-ready, after-warm_1, after-whole, after-warm, after-long or after-observer.'),
  atMs: number('ms', 'When the scrape was answered.'),
  metric: text('Name without labels; histograms as _sum and _count.'),
  labels: maybeText('Labels other than model_name and engine.'),
  value: number('as the metric says', 'The figure.'),
});

export const snapshotsTable = defineTable('snapshots.csv', "one of the seed's snapshot points", {
  launch,
  point: text('before-launch, after-ready, after-cold_1, after-warm_1, after-warm, after-stop.'),
  atMs: number('ms', 'When it was read.'),
  gpu: maybeNumber('count', 'GPU index. Absent: no GPU on this machine.'),
  gpuName: maybeText('GPU name.'),
  memoryUsedMiB: maybeNumber('MiB', 'HBM in use.'),
  memoryTotalMiB: maybeNumber('MiB', 'HBM of the GPU.'),
  utilizationPercent: maybeNumber('%', 'As in gpu.csv.'),
  powerW: maybeNumber('W', 'As in gpu.csv.'),
  otherProcesses: maybeNumber('count', 'Compute processes on the GPU that are not of the server tree.'),
  serverRssMiB: maybeNumber('MiB', 'Resident memory of the server tree.'),
  pageCacheMiB: maybeNumber('MiB', 'Cached in /proc/meminfo.'),
  memAvailableMiB: maybeNumber('MiB', 'MemAvailable in /proc/meminfo.'),
  waitedMs: maybeNumber(
    'ms',
    'after-stop on a machine with a GPU: from the end of the last process until GPU memory was back where it was before the first launch, or until the wait was given up.',
  ),
});

export const observersTable = defineTable(
  'observers.csv',
  'the CPU time of one of our own processes during one request of the comparison with and without samplers',
  {
    launch,
    requestId: text('The request.'),
    role: text('sampler, prober, keeper or kernel (the process that runs the notebook).'),
    pid: number('pid', 'Process id.'),
    samplersOn: flag('true: host and GPU were sampled. false: the sampler was paused.'),
    fromAtMs: number('ms', 'Begin of the stretch: the request is sent in its second half.'),
    wallMs: number('ms', 'Length of the stretch.'),
    cpuMs: number('ms', 'User and system time used in it (/proc/<pid>/stat counts in steps of 10 ms).'),
  },
);

export const pausesTable = defineTable(
  'pauses.csv',
  'one stretch in which the sampler was told to read nothing: no /proc, no NVML',
  {
    launch,
    fromAtMs: number('ms', 'After its last reading.'),
    toAtMs: number('ms', 'Before its next one.'),
  },
);

export const calibrationTable = defineTable('calibration.csv', 'one request of the probe to the known-truth stream', {
  index: number('count', 'Request number, from 1.'),
  warmup: flag('true: sent to warm the client; not in the statistics.'),
  firstTokenErrorMs: number('ms', "Client's first-token stamp minus the instant just before the server wrote it."),
  worstChunkErrorMs: number('ms', 'The largest such difference over the chunks of the request.'),
  connectMs: number('ms', 'Time to connect.'),
  mode: maybeText('How the probe waited: its event loop kept awake, or asleep between events.'),
});

export const truthTable = defineTable(
  'truth.csv',
  'one event inside the rehearsal engine, stamped by itself as it happened. Only in rehearsals',
  {
    launch,
    atMs: number('ms', 'When it happened. Writes are stamped just before they are made.'),
    event: text(
      'spawned, process-born, log-line, phase-start, phase-end, weights-read, listening, first-health, request-received, chunk-written, request-done or jit.',
    ),
    name: maybeText('Phase, process, path of the request or kind of the chunk.'),
    request: maybeNumber('count', 'Generation request of this launch, from 1.'),
    sequence: maybeNumber('count', 'Event number within the request, from 1.'),
    value: maybeNumber('as the event says', 'Bytes of weights read.'),
    text: maybeText('The log line as written, cut at 600 characters.'),
  },
);

export type LaunchRow = RowOf<typeof launchesTable>;
export type StopRow = RowOf<typeof stopsTable>;
export type StartupRow = RowOf<typeof startupTable>;
export type RequestRow = RowOf<typeof requestsTable>;
export type ChunkRow = RowOf<typeof chunksTable>;
export type SampleRow = RowOf<typeof samplesTable>;
export type ProcessRow = RowOf<typeof processesTable>;
export type GpuRow = RowOf<typeof gpuTable>;
export type MetricRow = RowOf<typeof metricsTable>;
export type SnapshotRow = RowOf<typeof snapshotsTable>;
export type ObserverRow = RowOf<typeof observersTable>;
export type PauseRow = RowOf<typeof pausesTable>;
export type CalibrationRow = RowOf<typeof calibrationTable>;
export type TruthRow = RowOf<typeof truthTable>;

/** The tables of a run folder, in the order of the story. */
export const tables = {
  launches: launchesTable,
  stops: stopsTable,
  startup: startupTable,
  requests: requestsTable,
  chunks: chunksTable,
  samples: samplesTable,
  processes: processesTable,
  gpu: gpuTable,
  metrics: metricsTable,
  snapshots: snapshotsTable,
  observers: observersTable,
  pauses: pausesTable,
  calibration: calibrationTable,
  truth: truthTable,
  plan: planTable,
  cells: cellsTable,
  probes: probesTable,
  stacks: stacksTable,
  beside: besideTable,
} as const;
