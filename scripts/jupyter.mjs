// `npm run jupyter`: JupyterLab on this project, with its kernel and nothing from outside the project.
// Further arguments go to JupyterLab: npm run jupyter -- --no-browser --port 8890
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { jupyterEnvironment, root, venv } from './parts/place.mjs';
import { Stop } from './parts/stop.mjs';
import { main as setUp } from './setup.mjs';

const NOTEBOOK = 'notebooks/day-007.ipynb';

export async function main(args) {
  await setUp();
  const opened = args.some((arg) => arg.endsWith('.ipynb')) || !existsSync(join(root, NOTEBOOK)) ? [] : [NOTEBOOK];
  const child = spawn(join(venv, 'bin', 'jupyter-lab'), [...labOptions(), ...opened, ...args], {
    cwd: root,
    env: jupyterEnvironment(),
    stdio: 'inherit',
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // Ctrl-C reaches JupyterLab through the terminal; a second one would skip its question whether to stop.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new Stop(`JupyterLab could not be started (${error.message}): remove .venv and run the command again.`)),
    );
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Lab asks the network for news, updates and extensions; nothing of that is needed here. */
function labOptions() {
  const isRoot = process.getuid?.() === 0;
  return [
    `--ServerApp.root_dir=${root}`,
    '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    '--LabApp.news_url=',
    '--LabApp.extension_manager=readonly',
    ...(isRoot ? ['--allow-root'] : []),
  ];
}
