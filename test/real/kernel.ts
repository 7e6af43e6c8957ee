/** Runs the real notebook through Jupyter, headless, on the real vLLM for CPU, and finds its processes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const root = resolve('.');
export const engine = join(root, '.venv-vllm/bin/vllm');

export interface RunningNotebook {
  readonly runId: string;
  readonly dir: string;
  readonly runner: ChildProcess;
  /** Resolves with the exit code and everything the runner printed. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** Start the notebook on synthetic:tiny, as `npm start` does. Each run has an id and a port of its own. */
export function startNotebook(settings: Readonly<Record<string, string>> = {}): RunningNotebook {
  const runId = `real-${randomBytes(4).toString('hex')}`;
  return {
    runId,
    dir: join(root, 'data/runs', runId),
    ...run([], {
      DAY007_RUN_ID: runId,
      DAY007_MODEL: 'synthetic:tiny',
      DAY007_VLLM: engine,
      DAY007_PORT: String(20_000 + (randomBytes(2).readUInt16LE() % 10_000)),
      ...settings,
    }),
  };
}

/** Show a saved run again, rendered into `out`. */
export function replayNotebook(dir: string, out: string): Pick<RunningNotebook, 'ended'> {
  return run(['--replay', dir, '--out', out], {});
}

function run(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): Pick<RunningNotebook, 'runner' | 'ended'> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DAY007_')));
  const runner = spawn(process.execPath, ['scripts/door.cjs', 'start', ...args], {
    cwd: root,
    env: { ...inherited, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const pipe of [runner.stdout, runner.stderr])
    pipe.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<{ code: number | null; output: string }>((done) => {
    runner.on('close', (code) => done({ code, output }));
  });
  return { runner, ended };
}

/** Poll until `ready` gives something; fail with what was printed when the notebook ends first. */
export async function until<T>(notebook: RunningNotebook, ready: () => T | undefined, withinMs = 240_000): Promise<T> {
  let end: { code: number | null; output: string } | undefined;
  void notebook.ended.then((value) => (end = value));
  for (const stopAt = Date.now() + withinMs; Date.now() < stopAt;) {
    const found = ready();
    if (found !== undefined) return found;
    if (end) throw new Error(`the notebook ended (${end.code}) before that:\n${end.output.slice(-3000)}`);
    await sleep(20);
  }
  throw new Error('the notebook did not get there in time');
}

export interface ServerMark {
  readonly launch: number;
  readonly pid: number;
  readonly sid: number;
}

/** What the keeper says about the server of the moment; undefined while there is none. */
export function readServerMark(dir: string): ServerMark | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'server.json'), 'utf8')) as ServerMark;
  } catch {
    return undefined;
  }
}

/** Pids of our own programs and of the kernel that serve this run, the runner and its parents left out. */
export function helpersOf(notebook: RunningNotebook): number[] {
  const marks = ['start.cjs', 'lib/launch/keeper.ts', 'lib/probe/prober.ts', 'lib/snapshot/sampler-program.ts'];
  return pidsWhere((pid) => {
    const command = readText(`/proc/${pid}/cmdline`);
    return marks.some((mark) => command.includes(mark)) && descendsFrom(pid, notebook.runner.pid ?? -1);
  });
}

/** The notebook's kernel process. */
export function kernelOf(notebook: RunningNotebook): number | undefined {
  return helpersOf(notebook).find((pid) => readText(`/proc/${pid}/cmdline`).includes('start.cjs'));
}

export function isRunning(pid: number): boolean {
  const stat = readText(`/proc/${pid}/stat`);
  return stat !== '' && !/\) Z /.test(stat);
}

export function rowsWritten(dir: string, file: string): number {
  const path = join(dir, file);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 2 : 0;
}

function pidsWhere(wanted: (pid: number) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(wanted);
}

function descendsFrom(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1; at = Number(/\) \S (\d+)/.exec(readText(`/proc/${at}/stat`))?.[1] ?? 0))
    if (at === ancestor) return true;
  return false;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
