/**
 * A designed experiment on one run folder: opened anew or again, its instruments, and one launch of it. Every launch
 * ends with one row in cells.csv; a launch without that row was cut short and is done again.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { appendRows, readRows, readRun } from '../archive/folder.js';
import type { RunRecord } from '../archive/record.js';
import { tables, type LaunchRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { seedRequest, type RequestTarget } from '../experiment/requests.js';
import { serverUrl } from '../freeze/command.js';
import { quoteWords, splitWords } from '../freeze/shellwords.js';
import type { RunConfig } from '../freeze/config.js';
import type { LaunchFinding } from '../interpret/findings.js';
import { launchFindings } from '../interpret/launches.js';
import { milestonesOf } from '../interpret/startuplog.js';
import { seedFrom } from '../statistics/random.js';
import { medianOf } from '../statistics/samples.js';
import { requestTimings } from '../interpret/timing.js';
import { LaunchError } from '../launch/failure.js';
import { launchServer, type LaunchProgress, type Server } from '../launch/server.js';
import { startProber, type Prober } from '../probe/client.js';
import { startSampler, type Sampler } from '../snapshot/sampler.js';
import { allCells, designs, type Cell, type DesignName, type KvSizes } from './cells.js';
import { planDesign, type Attempt } from './design.js';
import { readMachineMark, type MachineMark } from './machine.js';
import { proveLaunch } from './proof.js';
import { launchOf } from './rows.js';
import { runDesign, type DesignStep } from './run-design.js';
import { cacheRootOf, countCacheFiles, dropCacheRoot, residentFraction, setPages, withCacheRoot } from './state.js';
import { foldLooks } from './stacks.js';
import { watchStacks } from './watch.js';
import { cellsTable, planTable, stacksTable, type CellRow, type PlanRow } from '../archive/cold-start-tables.js';

/** What is needed of a run; a frozen run has it. */
export interface ExperimentRun {
  readonly dir: string;
  readonly record: RunRecord;
  readonly config: RunConfig;
  readonly clock: Clock;
}

export interface ExperimentOptions {
  readonly design: DesignName;
  readonly blocks: number;
  /** Streamed requests after the first one of each launch. */
  readonly warmRequests?: number | undefined;
  readonly kv?: Pick<KvSizes, 'smallBytes' | 'largeBytes'> | undefined;
  /** Longest sitting: no launch is begun that would end later, by the longest one on record. Absent: until the design is done. */
  readonly sittingMs?: number | undefined;
  /** Runs of each probe of the node. Absent: enough for an interval of this run alone. */
  readonly probeRuns?: number | undefined;
}

/** For tests: what another program may do at the worst moment. */
export interface ExperimentPorts {
  /** Between the last look at the state and the start of the server. */
  readonly beforeSpawn?: ((attempt: Attempt) => void) | undefined;
}

export interface ExperimentProgress extends DesignStep {
  /** The log's latest line, while a launch is under way. */
  readonly line?: string | undefined;
  readonly elapsedMs?: number | undefined;
}

export interface Experiment {
  readonly run: ExperimentRun;
  readonly plan: readonly PlanRow[];
  rows(): readonly CellRow[];
  /** Launch what is left. Aborting ends the launch under way; a later call goes on. */
  go(onProgress: ((progress: ExperimentProgress) => void) | undefined, signal: AbortSignal): Promise<void>;
  /** One more launch of a cell, its Python code looked at from outside (stacks.csv). It is not measured: looking slows it. */
  watch(
    cell: string,
    spy: string,
    onLine: ((progress: LaunchProgress) => void) | undefined,
    signal: AbortSignal,
  ): Promise<CellRow>;
  close(): Promise<void>;
}

/** The experiment cannot be done, or not here. */
export class ExperimentError extends Error {
  override readonly name = 'ExperimentError';
}

const gibibyte = 2 ** 30;
/** Small: room for a few sequences. Large: what a GPU has left beside a small model, and a host still carries. */
const defaultKv = {
  cpu: { smallBytes: gibibyte, largeBytes: 4 * gibibyte },
  gpu: { smallBytes: gibibyte, largeBytes: 48 * gibibyte },
} as const;
/** Enough for a median that one slow request does not move. */
const defaultWarmRequests = 3;
/** Of a watched launch: a look stops its process for some hundredths of a second. */
const lookEveryMs = 500;

/** Open the experiment of a run folder: the plan is written once; found again, it is kept, and the options are not asked. */
export function openExperiment(
  run: ExperimentRun,
  options: ExperimentOptions,
  ports: ExperimentPorts = {},
): Experiment {
  const { dir, record } = run;
  if (record.engine.kind === 'attach')
    throw new ExperimentError('An attached server cannot be started in other states. Leave DAY007_URL out.');
  refuseOwnedFlags(record.engine.command);
  const here = readMachineMark(record.environment);
  if (!existsSync(join(dir, planTable.file))) appendRows(dir, planTable, planRows(run, options));
  const plan = readRows(dir, planTable);
  const rows = () => readRows(dir, cellsTable);
  refuseOtherMachine(rows(), here);
  let instruments: Promise<Instruments> | undefined;
  const ready = (): Promise<Instruments> => (instruments ??= startInstruments(run));
  return {
    run,
    plan,
    rows,
    go: async (onProgress, signal) => {
      const started = await ready();
      let step: DesignStep | undefined;
      const launch = (attempt: Attempt): Promise<CellRow> => {
        const cell = cellOf(attempt);
        const onLine = ({ line, elapsedMs }: LaunchProgress) => step && onProgress?.({ ...step, line, elapsedMs });
        const warmRequests = options.warmRequests ?? defaultWarmRequests;
        return launchCell({ run, cell, attempt, here, instruments: started, warmRequests, ports, onLine, signal });
      };
      const begunAtMs = run.clock.nowMs();
      const isOver = (): boolean => {
        const longestMs = Math.max(0, ...rows().map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs));
        return run.clock.nowMs() - begunAtMs + longestMs > (options.sittingMs ?? Infinity);
      };
      const onStep = (next: DesignStep): void => onProgress?.((step = next));
      await runDesign(plan, { readRows: rows, launch, onProgress: onStep, isOver }, signal);
    },
    watch: async (cell, spy, onLine, signal) => {
      const planned = plan.find((row) => row.cell === cell);
      if (!planned) throw new ExperimentError(`The plan has no cell ${cell}.`);
      const attempt: Attempt = { ...planned, block: 0, role: 'watch', attempt: 1 };
      return launchCell({
        run,
        cell: cellOf(attempt),
        attempt,
        here,
        instruments: await ready(),
        warmRequests: 0,
        ports,
        onLine: onLine ?? (() => undefined),
        signal,
        spy,
      });
    },
    close: async () => {
      const started = await instruments;
      await Promise.all([started?.prober.stop(), started?.sampler.stop()]);
    },
  };
}

/** The plan with everything that a cell adds to the server's start: a resumed run needs nothing else. */
export function planRows(
  { record, config }: Pick<ExperimentRun, 'record' | 'config'>,
  options: ExperimentOptions,
): PlanRow[] {
  const cells = allCells(kvSizes(record, options.kv));
  // An order of its own for every run: put together, their blocks would otherwise repeat the same few orders.
  const seed = seedFrom(`${config.seed} ${record.runId}`);
  const plan = planDesign({ cells: designs[options.design], blocks: options.blocks, seed });
  return plan.map((row) => {
    const cell = cells.find(({ name }) => name === row.cell);
    const words = Object.entries(cell?.env ?? {}).map(([name, value]) => `${name}=${value}`);
    return { ...row, args: orNothing(cell?.args ?? []), variables: orNothing(words) };
  });
}

const orNothing = (words: readonly string[]): string | undefined =>
  words.length === 0 ? undefined : quoteWords(words);

/** The cell of a planned launch, with what the plan says it adds. */
export function cellOf({ cell: name, args, variables }: PlanRow): Cell {
  const cell = allCells({ ...defaultKv.cpu, by: 'flag' }).find((one) => one.name === name);
  if (!cell) throw new ExperimentError(`plan.csv names a cell ${name} that this version does not know.`);
  const pairs = splitWords(variables ?? '').map((word): [string, string] => {
    const at = word.indexOf('=');
    return [word.slice(0, at), word.slice(at + 1)];
  });
  return { ...cell, args: splitWords(args ?? ''), env: Object.fromEntries(pairs) };
}

/** How this engine takes its KV cache, and the two sizes. */
function kvSizes({ engine }: Pick<RunRecord, 'engine'>, given: ExperimentOptions['kv']): KvSizes {
  const onCpu = engine.device === 'cpu';
  // A rehearsal reads arguments alone.
  return {
    ...(given ?? (onCpu ? defaultKv.cpu : defaultKv.gpu)),
    by: onCpu && engine.kind === 'vllm' ? 'variable' : 'flag',
  };
}

const ownedFlags = ['--enforce-eager', '--load-format', '--kv-cache-memory-bytes'];

function refuseOwnedFlags(command: readonly string[]): void {
  const owned = command.find((word) => ownedFlags.includes(word.split('=')[0] ?? ''));
  if (owned === undefined) return;
  throw new ExperimentError(
    `The server's command has ${owned}, which the experiment itself sets in some of its cells. Leave it out.`,
  );
}

function refuseOtherMachine(rows: readonly CellRow[], here: MachineMark): void {
  const other = rows.find(({ machine, boot }) => machine !== here.machine || boot !== here.boot);
  if (!other) return;
  throw new ExperimentError(
    `This run was begun on ${other.machine === here.machine ? 'an earlier boot of this machine' : 'another machine'} (${rows.length} launches are on record). Its clock does not go on here: start a new run, and show both together with DAY007_COLD_START_WITH.`,
  );
}

interface Instruments {
  readonly prober: Prober;
  readonly sampler: Sampler;
}

async function startInstruments({ dir, record, config, clock }: ExperimentRun): Promise<Instruments> {
  const { projectRoot, sampleIntervalMs } = config;
  const prober = startProber({ runDir: dir, clockOriginNs: String(clock.originNs), projectRoot }, record.runId);
  try {
    // Warm the client: the first request of a launch must not pay for it.
    await prober.calibrate(20, 100);
    const noGpuBecause = record.engine.kind === 'rehearsal' ? 'no GPU (rehearsal)' : undefined;
    const sampler = await startSampler(
      { dir, clock },
      { projectDir: projectRoot, intervalMs: sampleIntervalMs, gpuIntervalMs: sampleIntervalMs, noGpuBecause },
    );
    return { prober, sampler };
  } catch (error) {
    await prober.stop();
    throw error;
  }
}

interface LaunchJob {
  readonly run: ExperimentRun;
  readonly cell: Cell;
  readonly attempt: Attempt;
  readonly here: MachineMark;
  readonly instruments: Instruments;
  readonly warmRequests: number;
  readonly ports: ExperimentPorts;
  readonly onLine: (progress: LaunchProgress) => void;
  readonly signal: AbortSignal;
  /** py-spy, where the start is to be watched. */
  readonly spy?: string | undefined;
}

/** One launch from its state to its proof. An interruption leaves no row and rejects. */
async function launchCell(job: LaunchJob): Promise<CellRow> {
  const { run, cell, attempt, instruments, here } = job;
  const { dir, record, clock } = run;
  const launch = nextLaunchNumber(dir);
  const startedAtMs = clock.nowMs();
  const root = cacheRootOf(cell.compileCache, dir, launch);
  const before = countCacheFiles(root);
  const weights = weightFiles(record);
  setPages(cell.pages, weights);
  const residentBeforeFraction = residentFraction(weights);
  const last = readRows(dir, tables.stops).at(-1);
  const setup = {
    launch,
    weightsBytes: record.model.weightsBytes,
    residentBeforeFraction,
    compileCache: before.all === 0 ? 'empty' : 'filled',
    compileCacheFiles: before.all,
  };
  job.ports.beforeSpawn?.(attempt);
  let server: Server | undefined;
  let failure: LaunchError | undefined;
  try {
    const started = await launchWatched(job, launch, root);
    server = started.server;
    const residentAfterFraction = residentFraction(weights);
    const after = countCacheFiles(root);
    const ready: LaunchRow = {
      ...setup,
      outcome: 'ready',
      spawnAtMs: server.spawnAtMs,
      readyAtMs: server.readyAtMs,
      healthPolls: server.healthPolls,
      healthPollIntervalMs: server.longestPauseMs,
      residentAfterFraction,
    };
    appendRows(dir, tables.launches, [ready]);
    await instruments.sampler.readPoint('after-ready', launch);
    await sendRequests(job, launch);
    await server.stop();
    await samplesUntil(dir, launch, server.readyAtMs);
    const row: CellRow = {
      ...labelsOf(attempt, launch, here, startedAtMs),
      ...evidenceRow(
        run,
        cell,
        launch,
        {
          residentBeforeFraction,
          residentAfterFraction,
          cacheFilesBefore: before.all,
          cacheFilesAfter: after.all,
          jitFilesBefore: before.jit,
          driverFilesBefore: before.driver,
          processesBefore: last?.leftoverProcesses ?? 0,
        },
        attempt.role,
        started.remark,
      ),
      endedAtMs: clock.nowMs(),
    };
    appendRows(dir, cellsTable, [row]);
    return row;
  } catch (error) {
    if (!(error instanceof LaunchError) || error.reason === 'interrupted') throw error;
    failure = error;
  } finally {
    await server?.stop();
    dropCacheRoot(cell.compileCache, root);
  }
  appendRows(dir, tables.launches, [{ ...setup, outcome: failure.reason }]);
  const row: CellRow = {
    ...labelsOf(attempt, launch, here, startedAtMs),
    outcome: 'failed',
    because: failure.message.slice(0, 600),
    weightsBytes: record.model.weightsBytes,
    residentBeforeFraction,
    cacheFilesBefore: before.all,
    endedAtMs: clock.nowMs(),
  };
  appendRows(dir, cellsTable, [row]);
  return row;
}

/** Launch, and look at what runs meanwhile where that was asked for; what was seen is on record when this resolves. */
async function launchWatched(
  job: LaunchJob,
  launch: number,
  root: string,
): Promise<{ readonly server: Server; readonly remark?: string | undefined }> {
  const { run, spy } = job;
  const launching = () =>
    launchServer(planOf(job, launch, root), run.clock, { signal: job.signal, onProgress: job.onLine });
  if (spy === undefined) return { server: await launching() };
  const enough = new AbortController();
  const { runId } = run.record;
  const watching = watchStacks({ spy, runId, launch, clock: run.clock, intervalMs: lookEveryMs }, enough.signal);
  try {
    const server = await launching();
    enough.abort();
    const { looks, missed, problem } = await watching;
    appendRows(run.dir, stacksTable, foldLooks(launch, looks));
    return { server, remark: problem === undefined ? undefined : `${missed} looks failed: ${problem}` };
  } finally {
    enough.abort();
  }
}

function labelsOf({ block, cell, role, attempt }: Attempt, launch: number, here: MachineMark, startedAtMs: number) {
  return { launch, block, cell, role, attempt, ...here, startedAtMs };
}

/** One more than any launch that left a trace, a row or a log, whole or cut short. */
export function nextLaunchNumber(dir: string): number {
  const logs = readdirSync(dir).map((name) => Number(/^server-(\d+)\.log$/.exec(name)?.[1] ?? 0));
  const launches = [
    ...readRows(dir, tables.launches),
    ...readRows(dir, tables.startup),
    ...readRows(dir, cellsTable),
  ].map(({ launch }) => launch);
  return launches.reduce((most, launch) => Math.max(most, launch), Math.max(0, ...logs)) + 1;
}

export function weightFiles({ model }: Pick<RunRecord, 'model'>): string[] {
  return model.files.map(({ path }) => join(model.location, path)).filter((path) => path.endsWith('.safetensors'));
}

function planOf({ run, cell }: LaunchJob, launch: number, root: string) {
  const { config, record, dir, clock } = run;
  return {
    projectRoot: config.projectRoot,
    runDir: dir,
    runId: record.runId,
    launch,
    clockOriginNs: String(clock.originNs),
    command: [...record.engine.command, ...cell.args],
    env: { ...withCacheRoot(record.engine.env, root), ...cell.env },
    port: config.port,
    healthUrl: `http://127.0.0.1:${config.port}/health`,
    healthIntervalMs: config.healthIntervalMs,
    readyTimeoutMs: config.readyTimeoutS * 1000,
    termGraceMs: 20_000,
  };
}

/** The first request of the server, and some after it. */
async function sendRequests({ run, instruments, warmRequests, signal }: LaunchJob, launch: number): Promise<void> {
  const { record, config } = run;
  const target: RequestTarget = {
    record,
    baseUrl: serverUrl(config),
    launch,
    timeoutMs: config.requestTimeoutS * 1000,
  };
  const planned = [
    seedRequest(target, 'cold_1', 1, true),
    ...Array.from({ length: warmRequests }, (_, index) => seedRequest(target, 'warm', index + 1, true)),
  ];
  for (const { label, plan } of planned) {
    signal.throwIfAborted();
    await instruments.prober.probe(label, plan, signal);
  }
  signal.throwIfAborted();
}

/** The sampler writes once a second: the proof waits for its ticks after ready. Without them what needs them is absent. */
async function samplesUntil(dir: string, launch: number, atMs: number): Promise<void> {
  for (let tries = 0; tries < 15; tries += 1) {
    if (readRows(dir, tables.samples).some((row) => row.launch === launch && row.atMs > atMs)) return;
    await sleep(200);
  }
}

type Measured = Pick<
  CellRow,
  | 'residentBeforeFraction'
  | 'residentAfterFraction'
  | 'cacheFilesBefore'
  | 'cacheFilesAfter'
  | 'jitFilesBefore'
  | 'driverFilesBefore'
  | 'processesBefore'
>;

/** What the launch's rows say, and whether that proves its cell. A priming launch and a watched one only have to become ready. */
function evidenceRow(
  run: ExperimentRun,
  cell: Cell,
  launch: number,
  measured: Measured,
  role: string,
  remark: string | undefined,
) {
  const data = launchOf(readRun(run.dir), launch);
  const timings = requestTimings(data.requests, data.chunks, data.startup);
  const finding: LaunchFinding | undefined = launchFindings(data, timings)[0];
  const cold = timings.find(({ name }) => name === 'cold_1');
  const warm = timings.filter(({ name }) => name === 'warm');
  const middle = (pick: (timing: (typeof warm)[number]) => number | undefined) =>
    medianOf(warm.map(pick).filter((value): value is number => value !== undefined));
  const seen = {
    ...measured,
    weightsBytes: run.record.model.weightsBytes,
    readBytes: finding?.readBytes,
    loadingReadBytes: finding?.loadingReadBytes,
    majorFaults: finding?.majorFaults,
    cachedTokens: cold?.cachedTokens,
  };
  const proof = proveLaunch(cell, { ...seen, milestones: milestonesOf(data.startup, launch) });
  const unproven = role === 'prime' || proof.problems.length === 0 ? undefined : proof.problems.join('; ');
  return {
    outcome: { prime: 'counted', watch: 'watched' }[role] ?? proof.outcome,
    because:
      remark === undefined || unproven === undefined ? (remark ?? unproven) : `${remark}; without proof: ${unproven}`,
    readyMs: finding?.readyMs,
    ...seen,
    cacheSaid: proof.cacheSaid,
    coldTtftMs: cold?.ttftMs,
    warmTtftMs: middle(({ ttftMs }) => ttftMs),
    serverFirstTokenMs: middle(({ serverFirstTokenMs }) => serverFirstTokenMs),
    serverQueueMs: middle(({ serverQueueMs }) => serverQueueMs),
  };
}
