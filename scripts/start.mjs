// `npm start`: set up, run the notebook without a browser, say where the results are.
// Options: --replay <run folder> renders a saved run again (no server); --out <folder>; --notebook <file>.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { jupyterEnvironment, root, venv } from './parts/place.mjs';
import { Stop } from './parts/stop.mjs';
import { main as setUp } from './setup.mjs';

const PARENT_CHECK_MS = 500;

export async function main(args) {
  const plan = planRun(readOptions(args), process.env);
  await setUp();
  return runNotebook(plan);
}

function readOptions(args) {
  const options = { replay: { type: 'string' }, out: { type: 'string' }, notebook: { type: 'string' } };
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new Stop(`${error.message}. Known options: --replay <run folder>, --out <folder>, --notebook <file>.`);
  }
}

function planRun(options, env) {
  const notebook = resolve(root, options.notebook ?? join('notebooks', 'day-007.ipynb'));
  if (!existsSync(notebook)) throw new Stop(`There is no notebook ${notebook}: give the path of one with --notebook.`);
  const replay = options.replay ?? env.DAY007_REPLAY;
  if (replay) {
    const folder = resolve(root, replay);
    if (!existsSync(join(folder, 'run.json'))) {
      throw new Stop(
        `${folder} is not a run folder (it has no run.json): give the folder that a run printed at its end, or one below data/published.`,
      );
    }
    return { notebook, out: resolve(root, options.out ?? join(folder, 'rendered')), env: { DAY007_REPLAY: folder } };
  }
  const runId = env.DAY007_RUN_ID || newRunId();
  return { notebook, out: resolve(root, options.out ?? join('data', 'runs', runId)), env: { DAY007_RUN_ID: runId } };
}

/** Sorts by time, names a folder, and is not met twice: 2026-11-24T231500Z-ab12. */
function newRunId() {
  const second = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  return `${second}Z-${randomBytes(2).toString('hex')}`;
}

/** The runner interrupts, saves and shuts its kernel down on these signals; we only pass them on and wait. */
function runNotebook({ notebook, out, env }) {
  const runner = join(root, 'scripts', 'run_notebook.py');
  // By option, not by environment: the server would inherit PYTHON... variables, and start differently for them.
  const child = spawn(join(venv, 'bin', 'python'), ['-u', '-B', runner, notebook, '--out', out, '--root', root], {
    cwd: root,
    env: { ...jupyterEnvironment(), ...env },
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  onParentGone(() => child.kill('SIGTERM'));
  return new Promise((resolvePromise, reject) => {
    child.on('error', (error) =>
      reject(
        new Stop(
          `The notebook runner could not be started (${error.message}): remove .venv and run the command again.`,
        ),
      ),
    );
    child.on('close', (code, signal) => resolvePromise(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

/** An npm that was killed passes nothing on; without it nobody is left who wants the run. */
function onParentGone(act) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    act();
  }, PARENT_CHECK_MS);
  watch.unref();
}
