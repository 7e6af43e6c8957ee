/** Runs the real notebook through Jupyter without a browser, on the rehearsal engine. */
import { spawn } from 'node:child_process';
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

/** `npm start` in a rehearsal of this profile. Each run has an id and a port of its own; nothing of the shell's settings counts. */
export function rehearse(profile: string, settings: Readonly<Record<string, string>> = {}): Promise<HeadlessRun> {
  const runId = `rehearsal-${profile}-${randomBytes(4).toString('hex')}`;
  return runNotebook(runId, [], {
    DAY007_RUN_ID: runId,
    DAY007_ENGINE: 'rehearsal',
    DAY007_REHEARSAL_PROFILE: profile,
    DAY007_PORT: String(30_000 + (randomBytes(2).readUInt16LE() % 2000)),
    ...settings,
  });
}

/** Show the run of that id again, rendered into `out`. */
export function replay(runId: string, out: string): Promise<HeadlessRun> {
  return runNotebook(runId, ['--replay', runDir(runId), '--out', out], {});
}

const runDir = (runId: string): string => join(root, 'data/runs', runId);

function runNotebook(
  runId: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<HeadlessRun> {
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
  return new Promise((done) => {
    runner.on('close', (code) =>
      done({ runId, dir: runDir(runId), code, output, seconds: (performance.now() - startedMs) / 1000 }),
    );
  });
}
