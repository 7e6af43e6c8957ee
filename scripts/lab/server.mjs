// JupyterLab as `npm run jupyter` starts it, on a port of its own, with what a notebook's run needs in its environment.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { root } from '../parts/place.mjs';
import { Stop } from '../parts/stop.mjs';

const START_MS = 60_000;
const TOKEN = 'lab-check';

/** Resolves when Lab answers: { url, token, stop }. `environment` is added to this program's own. */
export async function startLab(environment) {
  const port = await freePort();
  const child = spawn(process.execPath, ['scripts/door.cjs', 'jupyter', ...labArguments(port)], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (log += bytes));
  const ended = new Promise((settle) => child.on('close', settle));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  for (const startedMs = performance.now(); ;) {
    if (await answers(`${url}/api?token=${TOKEN}`)) return { url, token: TOKEN, stop };
    if (child.exitCode !== null || performance.now() - startedMs > START_MS) {
      await stop();
      const lines = log.split('\n').slice(-15).join('\n');
      throw new Stop(`JupyterLab did not answer within ${START_MS / 1000} s. Its last lines:\n${lines}`);
    }
    await new Promise((settle) => setTimeout(settle, 200));
  }
}

function labArguments(port) {
  return [
    '--no-browser',
    `--port=${port}`,
    '--ServerApp.port_retries=0',
    `--IdentityProvider.token=${TOKEN}`,
    '--LabApp.expose_app_in_browser=True',
    // The notebook is a copy below .cache: Lab saves what it shows, and the project's own must not change.
    '--ContentsManager.allow_hidden=True',
  ];
}

/** A TCP port on 127.0.0.1 that is free now. */
export function freePort() {
  return new Promise((settle, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => settle(port));
    });
  });
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
