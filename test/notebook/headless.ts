/** Runs the real notebook through Jupyter without a browser, on the rehearsal engine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';

const root = resolve('.');

export interface HeadlessRun {
  readonly runId: string;
  readonly dir: string;
  readonly code: number | null;
  readonly output: string;
  readonly seconds: number;
}

/** A run under way. */
export interface Running extends Pick<HeadlessRun, 'runId' | 'dir'> {
  readonly runner: ChildProcess;
  readonly ended: Promise<HeadlessRun>;
}

/** Models of their own for these runs: another run that reads the same files would move their pages. Not in /tmp, which may be memory. */
export const modelsDir = join(root, `.cache/rehearsal-test-${process.pid}`);

/** `npm start` in a rehearsal of this profile. Each run has an id and a port of its own; nothing of the shell's settings counts. */
export function rehearse(
  profile: string,
  settings: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Running {
  const runId = `rehearsal-${profile}-${randomBytes(4).toString('hex')}`;
  return runNotebook(runId, args, {
    DAY007_RUN_ID: runId,
    DAY007_ENGINE: 'rehearsal',
    DAY007_CACHE_DIR: modelsDir,
    DAY007_REHEARSAL_PROFILE: profile,
    DAY007_PORT: String(30_000 + (randomBytes(2).readUInt16LE() % 2000)),
    ...settings,
  });
}

/** Show the run of that id again, rendered into `out`. */
export function replay(runId: string, out: string): Running {
  return runNotebook(runId, ['--replay', runDir(runId), '--out', out], {});
}

const runDir = (runId: string): string => join(root, 'data/runs', runId);

function runNotebook(runId: string, args: readonly string[], settings: Readonly<Record<string, string>>): Running {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DAY007_')));
  const startedMs = performance.now();
  const runner = spawn(process.execPath, ['scripts/door.cjs', 'start', ...args], {
    cwd: root,
    env: { ...inherited, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const pipe of [runner.stdout, runner.stderr])
    pipe.setEncoding('utf8').on('data', (text: string) => (output += text));
  const dir = runDir(runId);
  const ended = new Promise<HeadlessRun>((done) => {
    runner.on('close', (code) => done({ runId, dir, code, output, seconds: (performance.now() - startedMs) / 1000 }));
  });
  return { runId, dir, runner, ended };
}
