/** A whole bundle, made as a person makes it, installed and run where there is no Node and no network. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostPython, pythonVersion } from '../doors/bundles.js';
import { projectRoot, removeFolder, run, temporaryFolder } from '../doors/programs.js';

const published = join(projectRoot, 'data/published/h100-phi-3-mini-2026-11-25');

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

/** Without network where the system lets us (root, or user namespaces); says so otherwise. */
function withoutNetwork(): readonly string[] {
  const candidates = [
    ['unshare', '-n', '--'],
    ['unshare', '-rn', '--'],
  ];
  const found = candidates.find(([command = '', ...args]) => spawnSync(command, [...args, 'true']).status === 0);
  if (!found) console.warn('the bundle is run with the network there: this system does not let us take it away');
  return found ?? [];
}

test('a bundle with Jupyter installs and replays a published run where there is no Node and no network', async () => {
  const out = join(place, 'out');
  const made = await run(
    ['scripts/door.cjs', 'bundle', '--python', pythonVersion, '--with', 'jupyter', '--delivery-size', '20M', '--out', out], // prettier-ignore
  );
  expect(made.stderr).not.toContain('failed');
  expect(made.exitCode).toBe(0);
  const deliveries = readdirSync(out).sort();
  expect(deliveries.length).toBeGreaterThan(1);

  const bin = pathWithoutNode();
  const bare = (...words: readonly string[]) => {
    const [command = '', ...args] = [...withoutNetwork(), ...words];
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

  const rendered = join(place, 'rendered');
  const ran = bare(join(target, 'run.sh'), '--replay', published, '--out', rendered);
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  const notebook = readFileSync(join(rendered, 'day-007.ipynb'), 'utf8');
  expect(notebook).toContain('image/png');
  expect(notebook).not.toContain('"output_type": "error"');
  expect(statSync(join(rendered, 'day-007.html')).size).toBeGreaterThan(100_000);
  // Nothing was left in the home folder.
  expect(existsSync(join(place, 'home'))).toBe(false);
});
