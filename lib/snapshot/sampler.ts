/** The notebook's hold on the sampler: starts the program, asks it for snapshot points, stops it. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { appendRows } from '../archive/folder.js';
import { tables, type SnapshotRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { readJsonLines } from '../launch/jsonlines.js';
import type { GpuIdentity } from './nvml.js';
import type { PointReading } from './samples.js';
import type { SamplerJob, SamplerReply, SamplerRequest } from './sampler-protocol.js';
import type { TickCounts } from './ticks.js';

export interface SamplerRun {
  readonly dir: string;
  readonly clock: Clock;
}

export interface SamplerOptions {
  /** Root of this project: where the sampler's program and its loader are found. */
  readonly projectDir: string;
  /** Pause between two readings of the host, default 100 ms: ten to a second, at under 2 % of one core. */
  readonly intervalMs?: number | undefined;
  /** Pause between two readings of each GPU, default 100 ms: the driver itself renews its figures every 1/6 to 1 s. */
  readonly gpuIntervalMs?: number | undefined;
  /** Name or path of NVML, for tests and unusual installations. */
  readonly nvmlLibrary?: string | undefined;
  /** Given: no GPU is looked for, and this is said to be why there is none. */
  readonly noGpuBecause?: string | undefined;
}

export interface SamplerReport {
  /** asked: it wrote its last rows and left. sigkill: it did not within five seconds. died: it had ended by itself. */
  readonly how: 'asked' | 'sigkill' | 'died';
  /** Absent unless asked. */
  readonly host?: TickCounts | undefined;
  readonly gpu?: TickCounts | undefined;
}

/** A running sampler. It ends with its owner: its standard input closes. */
export interface Sampler {
  readonly pid: number;
  readonly gpus: readonly GpuIdentity[];
  readonly driverVersion?: string | undefined;
  /** Why there is no GPU; absent when there is one. */
  readonly noGpu?: string | undefined;
  /** Reads now, appends to snapshots.csv and returns the rows: one a GPU, or one in all without a GPU. */
  readPoint(point: string, launch: number, more?: Pick<SnapshotRow, 'waitedMs'>): Promise<readonly SnapshotRow[]>;
  /** Reads now and writes nothing. */
  readNow(): Promise<readonly PointReading[]>;
  /** Rows are of this launch from now on: for a server that was running already. Those of our own say it themselves. */
  beginLaunch(launch: number): void;
  /** Reads nothing more, neither of /proc nor of NVML, from when this resolves until `resume`. NVML stays open. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it after its last rows are written. Can be called again. */
  stop(): Promise<SamplerReport>;
}

/** The sampler ended or fell silent. */
export class SamplerError extends Error {
  override readonly name = 'SamplerError';
  constructor(
    message: string,
    readonly exitCode: number | undefined,
    readonly stderrTail: string,
  ) {
    super(
      `${message}${exitCode === undefined ? '' : ` (exit code ${exitCode})`}.${stderrTail === '' ? '' : ` Its last words: ${stderrTail}`} Samples of this run stop here; stop the run and start it again.`,
    );
  }
}

/** Opening NVML without persistence mode initialises the driver, which takes seconds on a node with eight GPUs. */
const startLimitMs = 60_000;
const pointLimitMs = 10_000;
const stopLimitMs = 5_000;
const tailLength = 1000;

/** Starts the sampler and waits until it can be asked. Throws SamplerError when it does not come up. */
export async function startSampler(run: SamplerRun, options: SamplerOptions): Promise<Sampler> {
  const job: SamplerJob = {
    runDir: run.dir,
    clockOriginNs: String(run.clock.originNs),
    intervalMs: options.intervalMs ?? 100,
    gpuIntervalMs: options.gpuIntervalMs ?? 100,
    nvmlLibrary: options.nvmlLibrary,
    noGpuBecause: options.noGpuBecause,
  };
  const program = openProgram(options.projectDir, job);
  let ready: SamplerReply;
  try {
    ready = await program.answer('did not start', startLimitMs);
  } catch (error) {
    program.kill();
    throw error;
  }
  if (!('ready' in ready)) throw program.error('answered out of turn');

  let stopped: Promise<SamplerReport> | undefined;
  const readNow = async (what: string): Promise<readonly PointReading[]> => {
    program.ask({ read: 'snapshot-point' });
    const reply = await program.answer('did not answer', pointLimitMs);
    if (!('reading' in reply))
      throw program.error('failed' in reply ? `could not read ${what}: ${reply.failed}` : 'answered out of turn');
    return reply.reading;
  };
  const setPaused = async (paused: boolean): Promise<void> => {
    program.ask(paused ? { pause: true } : { resume: true });
    const reply = await program.answer('did not answer', pointLimitMs);
    if (!('paused' in reply) || reply.paused !== paused) throw program.error('answered out of turn');
  };
  return {
    pid: program.pid,
    gpus: ready.gpus,
    driverVersion: ready.driverVersion,
    noGpu: ready.noGpu,
    readPoint: async (point, launch, more) => {
      const rows = (await readNow(point)).map((reading) => ({ launch, point, ...reading, ...more }));
      appendRows(run.dir, tables.snapshots, rows);
      return rows;
    },
    readNow: () => readNow('the machine'),
    beginLaunch: (launch) => program.ask({ launch }),
    pause: () => setPaused(true),
    resume: () => setPaused(false),
    stop: () => (stopped ??= stopProgram(program)),
  };
}

async function stopProgram(program: Program): Promise<SamplerReport> {
  program.ask({ stop: true });
  try {
    for (;;) {
      const reply = await program.answer('did not stop', stopLimitMs);
      if (!('stopped' in reply)) continue;
      await program.ended;
      return { how: 'asked', host: reply.host, gpu: reply.gpu };
    }
  } catch {
    return { how: program.kill() ? 'sigkill' : 'died' };
  }
}

interface Program {
  readonly pid: number;
  readonly ended: Promise<void>;
  ask(request: SamplerRequest): void;
  /** The next reply. Rejects with SamplerError when the program has ended or the limit is over. */
  answer(otherwise: string, limitMs: number): Promise<SamplerReply>;
  error(what: string): SamplerError;
  /** true: it was still alive. */
  kill(): boolean;
}

type Process = ChildProcessByStdio<Writable, Readable, Readable>;

function openProgram(projectDir: string, job: SamplerJob): Program {
  const child: Process = spawn(
    process.execPath,
    ['--import', 'tsx', join(projectDir, 'lib/snapshot/sampler-program.ts')],
    {
      cwd: projectDir,
      env: withoutRunId(process.env),
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const replies: SamplerReply[] = [];
  const waiting: { resolve(reply: SamplerReply): void; reject(error: Error): void }[] = [];
  let stderrTail = '';
  const error = (what: string) =>
    new SamplerError(`the sampler ${what}`, child.exitCode ?? undefined, stderrTail.trim());

  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderrTail = (stderrTail + text).slice(-tailLength)));
  // Writing to a program that has just ended fails; its end is reported by 'close'.
  child.stdin.on('error', () => undefined);
  readJsonLines<SamplerReply>(child.stdout, (reply) => {
    const next = waiting.shift();
    if (next) next.resolve(reply);
    else replies.push(reply);
  });
  let over = false;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      over = true;
      for (const { reject } of waiting.splice(0)) reject(error('ended by itself'));
      resolve();
    };
    child.on('close', end).on('error', end);
  });
  const send = (line: SamplerJob | SamplerRequest) => child.stdin.write(`${JSON.stringify(line)}\n`);
  send(job);
  return {
    pid: child.pid ?? -1,
    ended,
    ask: send,
    error,
    kill: () => !over && child.kill('SIGKILL'),
    answer: (otherwise, limitMs) =>
      new Promise((resolve, reject) => {
        const reply = replies.shift();
        if (reply) return resolve(reply);
        if (over) return reject(error('ended by itself'));
        const timer = setTimeout(() => reject(error(`${otherwise} within ${limitMs / 1000} s`)), limitMs);
        const settled = () => clearTimeout(timer);
        waiting.push({
          resolve: (value) => (settled(), resolve(value)),
          reject: (cause) => (settled(), reject(cause)),
        });
      }),
  };
}

/** Leftovers of a run are searched by this variable; the sampler is the notebook's, not the server's. */
function withoutRunId(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { DAY007_RUN_ID: _, ...rest } = environment;
  return rest;
}
