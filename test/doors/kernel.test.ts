/** The kernel's five duties, seen from outside: through the files that a run leaves and in /proc. */
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  isAlive,
  notebooks,
  projectRoot,
  removeFolder,
  start,
  temporaryFolder,
  waitFor,
  type Running,
} from './programs.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

/** nbclient as anybody would use it, on a notebook that lies somewhere else: prints what a client is told. */
const CLIENT = `
import json, sys, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
notebook = nbformat.read(sys.argv[1], as_version=4)
client = NotebookClient(notebook, kernel_name="tslab", shutdown_kernel="immediate", resources={"metadata": {"path": sys.argv[2]}})
class Show(NotebookClient):
    def process_message(self, msg, cell, index):
        if msg["msg_type"] in ("stream", "execute_input"):
            print(json.dumps([msg["msg_type"], msg["content"].get("text"), msg["content"].get("execution_count")]), flush=True)
        return super().process_message(msg, cell, index)
client.__class__ = Show
try:
    client.execute()
except CellExecutionError as error:
    print(json.dumps(["failed", error.ename, error.evalue]), flush=True)
`;

function runClient(notebook: string, root = projectRoot): Running {
  const python = join(projectRoot, '.venv', 'bin', 'python');
  const launcher = `
    const { spawn } = require('node:child_process');
    const child = spawn(${JSON.stringify(python)}, ['-c', ${JSON.stringify(CLIENT)}, ${JSON.stringify(notebook)}, ${JSON.stringify(folder)}], { stdio: 'inherit' });
    console.log('client', child.pid);
    child.on('close', (code) => process.exit(code ?? 1));`;
  return start(['-e', launcher], { env: { JUPYTER_PATH: join(root, '.jupyter'), IPYTHONDIR: folder } });
}

test('a cell stands in the project root, wherever its notebook lies, and is announced with its number', async () => {
  cpSync(join(notebooks, 'environment.ipynb'), join(folder, 'far-away.ipynb'));
  const { exitCode, stdout } = await runClient(join(folder, 'far-away.ipynb')).ended;
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`cwd ${projectRoot}`);
  expect(stdout).toContain('["execute_input", null, 1]');
});

test('a failed cell tells its client the name and the message of the error', async () => {
  const { stdout } = await runClient(join(notebooks, 'failure.ipynb')).ended;
  expect(stdout).toContain('["failed", "LaunchError", "the server died with exit code 3;');
  expect(stdout).toContain('["execute_input", null, 2]');
});

test('a type error is told with its place', async () => {
  const { stdout } = await runClient(join(notebooks, 'type-error.ipynb')).ended;
  expect(stdout).toContain(`["failed", "CellError", "1:7 - Type 'string' is not assignable to type 'number'."]`);
});

test('the kernel leaves within two seconds when its client is killed', async () => {
  const running = runClient(join(notebooks, 'endless.ipynb'));
  const kernel = await waitFor(running, () => /kernel (\d+)/.exec(running.stdout())?.slice(1).map(Number)[0]);
  const client = Number(/client (\d+)/.exec(running.stdout())?.[1]);
  process.kill(client, 'SIGKILL');
  await expect.poll(() => isAlive(kernel), { timeout: 2000, interval: 50 }).toBe(false);
  const sleeper = Number(/child (\d+)/.exec(running.stdout())?.[1]);
  process.kill(sleeper, 'SIGKILL');
});

/** A second checkout in a folder whose name holds a space; its lib may be changed. */
function checkout(): string {
  const spaced = join(folder, 'a clone');
  mkdirSync(spaced);
  for (const name of ['node_modules', 'package.json', 'tsconfig.json'])
    symlinkSync(join(projectRoot, name), join(spaced, name));
  for (const name of ['lib', '.jupyter']) cpSync(join(projectRoot, name), join(spaced, name), { recursive: true });
  return spaced;
}

test('a checkout whose path holds a space still finds its kernel and its lib', async () => {
  const spaced = checkout();
  const { stdout } = await runClient(join(notebooks, 'environment.ipynb'), spaced).ended;
  expect(stdout).toContain(`cwd ${spaced}`);
});

test('a file edited and a folder made below lib while a cell runs do not disturb the cell', async () => {
  const { stdout } = await runClient(join(notebooks, 'edits-lib.ipynb'), checkout()).ended;
  expect(stdout).toContain('calm');
  expect(stdout).not.toContain('UncaughtException');
});

test('the kernel of this project is described without a machine path', () => {
  const description = readFileSync(join(projectRoot, '.jupyter', 'kernels', 'tslab', 'kernel.json'), 'utf8');
  expect(JSON.parse(description)).toMatchObject({
    argv: ['node', '{resource_dir}/start.cjs', 'kernel', '--config-path', '{connection_file}'],
  });
});
