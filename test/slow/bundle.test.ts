/** A whole bundle, made as a person makes it, installed and run where there is no Node and no network. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostPython, pythonVersion } from '../doors/bundles.js';
import { projectRoot, removeFolder, run, temporaryFolder } from '../doors/programs.js';
import { publishedExperiments as experiments } from '../published.js';
import { chartsIn, failedCells, readNotebook, stderrIn } from '../rendered.js';

const publishedExperiments = experiments.map((dir) => join(projectRoot, dir));
const published = join(projectRoot, 'data/published/h100-phi-3-mini-2026-11-26');

let place: string;
beforeAll(() => {
  place = temporaryFolder();
});
afterAll(() => removeFolder(place));

/** Everything of /usr/bin and /bin but Node. */
function pathWithoutNode(): string {
  const bin = join(place, 'bin');
  mkdirSync(bin);
  for (const folder of ['/usr/bin', '/bin']) {
    for (const name of readdirSync(folder)) {
      const isNode = /^(node|nodejs|npm|npx|corepack)$/.test(name);
      if (!isNode && !existsSync(join(bin, name))) symlinkSync(join(folder, name), join(bin, name));
    }
  }
  return bin;
}

/** A new network namespace has a loopback that is down; Jupyter and its kernel talk over it. */
const raiseLoopback = `import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])
`;

/** The words before a command that leave it loopback alone, where the system lets us; says so otherwise. */
function withoutNetwork(): readonly string[] {
  const candidates = ['-n', '-rn'].map((option) => ['unshare', option, '--', hostPython, '-c', raiseLoopback]);
  const found = candidates.find(([command = '', ...args]) => spawnSync(command, [...args, 'true']).status === 0);
  if (!found) console.warn('the bundle is run with the network there: this system does not let us take it away');
  return found ?? [];
}

test('a bundle with Jupyter installs and replays published runs where there is no Node and no network', async () => {
  const out = join(place, 'out');
  const made = await run(
    ['scripts/door.cjs', 'bundle', '--python', pythonVersion, '--with', 'jupyter', '--delivery-size', '20M', '--out', out], // prettier-ignore
  );
  expect(made.stderr).not.toContain('failed');
  expect(made.exitCode).toBe(0);
  const deliveries = readdirSync(out).sort();
  expect(deliveries.length).toBeGreaterThan(1);

  const bin = pathWithoutNode();
  const isolated = withoutNetwork();
  const bare = (...words: readonly string[]) => {
    const [command = '', ...args] = [...isolated, ...words];
    const startedMs = performance.now();
    const outcome = spawnSync(command, args, {
      encoding: 'utf8',
      cwd: place,
      env: { PATH: bin, HOME: join(place, 'home') },
    });
    console.log(`${words.join(' ')}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    return outcome;
  };
  expect(bare('sh', '-c', 'command -v node').status).not.toBe(0);

  const target = join(place, 'target');
  for (const name of deliveries) {
    const delivery = join(out, name);
    expect(bare('sh', join(delivery, 'install.sh'), '--to', target, '--add', delivery)).toMatchObject({ status: 0 });
  }
  const [first = ''] = deliveries;
  const installer = join(out, first, 'install.sh');
  const installed = bare('sh', installer, '--to', target, '--finish', '--python', hostPython);
  expect(installed).toMatchObject({ status: 0, stderr: '' });

  // What cold-start.ipynb looks at a starting server with.
  expect(bare(join(target, 'venv/bin/py-spy'), '--version')).toMatchObject({ status: 0 });

  const rendered = join(place, 'rendered');
  const ran = bare(join(target, 'run.sh'), '--replay', published, '--out', rendered);
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  const notebook = readNotebook(join(rendered, 'day-007.ipynb'));
  expect(failedCells(notebook)).toEqual([]);
  expect(stderrIn(notebook)).toEqual([]);
  expect(chartsIn(notebook).length).toBeGreaterThan(0);
  expect(statSync(join(rendered, 'day-007.html')).size).toBeGreaterThan(100_000);
  // The other notebook, whose published runs did not travel: what it draws from them has to say so.
  const replayed = ['--replay', publishedExperiments[0] ?? '', '--out', rendered];
  const experiment = bare(join(target, 'run.sh'), '--notebook', 'notebooks/cold-start.ipynb', ...replayed);
  expect(experiment).toMatchObject({ status: 0, stderr: '' });
  const coldStart = readNotebook(join(rendered, 'cold-start.ipynb'));
  expect(failedCells(coldStart)).toEqual([]);
  expect(JSON.stringify(coldStart)).toContain('Not simulated');
  // Nothing was left in the home folder.
  expect(existsSync(join(place, 'home'))).toBe(false);
});
