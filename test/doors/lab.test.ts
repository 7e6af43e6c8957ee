/** `npm run check:lab` on notebooks that are right and wrong, and how it finds what a run has left on the machine. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { onTestFinished, expect, test } from 'vitest';
// @ts-expect-error: a script without types.
import * as traces from '../../scripts/lab/traces.mjs';
import { run } from './programs.js';

const { isPortFree, processesWith, secondsUntil } = traces as {
  isPortFree: (port: number) => Promise<boolean>;
  processesWith: (marks: Record<string, string | undefined>) => { pid: number; command: string }[];
  secondsUntil: (look: () => boolean, limitS: number) => Promise<number | undefined>;
};
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', process.env['CHROMIUM']];
const hasChromium = chromium.some((path) => path !== undefined && existsSync(path));
const fixture = (name: string) => `test/fixtures/notebooks/${name}.ipynb`;

test.skipIf(!hasChromium)(
  'a good notebook passes; a failing cell and a request to another host fail, each named',
  async () => {
    const notebooks = ['success', 'failure', 'remote-picture'].map(fixture);
    const { exitCode, stdout } = await run(['scripts/door.cjs', 'lab-check', ...notebooks]);
    expect(stdout).toMatch(
      /^PASS {2}Lab: run success\.ipynb \(\d+\.\d s\)\n {6}4 code cells\n {6}charts drawn: \d+x\d+\n/,
    );
    expect(stdout).toMatch(
      /\nFAIL {2}Lab: run failure\.ipynb .*\n(?: {6}.*\n)* {6}! "throw new LaunchError.*died with exit code 3/,
    );
    expect(stdout).toContain(`! "console.log('never reached');" did not run`);
    expect(stdout).toMatch(
      /\nFAIL {2}Lab: run remote-picture\.ipynb .*\n(?: {6}.*\n)* {6}! request to https:\/\/example\.org\/picture\.png\n/,
    );
    expect(stdout).toMatch(/\nPASS {2}Lab: JupyterLab ends .*\n {6}nothing is left/);
    expect(stdout.trim().split('\n').at(-1)).toBe('Lab: 2 passed, 2 failed');
    expect(exitCode).toBe(1);
  },
  240_000,
);

test('a scenario that does not exist is answered with those that do', async () => {
  const { exitCode, stderr } = await run(['scripts/door.cjs', 'lab-check', '--only', 'run some']);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^There is no scenario run some; there are: run all, restart after a complete run,/);
});

test('processes are found by their environment, with children and session, until they are gone', async () => {
  const mark = `lab-test-${process.pid}`;
  // The second shell forgets the mark and leaves its parent: only the session tells whose it is.
  const child = spawn('sh', ['-c', '(env -i sh -c "sleep 30; :" &) ; sleep 30; :'], {
    env: { PATH: process.env['PATH'], LAB_TEST: mark },
    detached: true,
  });
  onTestFinished(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It is gone, as it should be.
    }
  });
  const found = () => processesWith({ LAB_TEST: mark });
  await expect.poll(() => found().filter(({ command }) => command === 'sleep 30')).toHaveLength(2);
  expect(found().map(({ pid }) => pid)).toContain(child.pid);
  expect(processesWith({ LAB_TEST: undefined, PATH: undefined }).map(({ pid }) => pid)).toContain(child.pid);
  expect(processesWith({ LAB_TEST: mark, OTHER: 'mark' })).toEqual([]);
  expect(found().map(({ pid }) => pid)).not.toContain(process.pid);
  expect(await secondsUntil(() => found().length === 0, 0.2)).toBeUndefined();
  process.kill(-(child.pid ?? 0), 'SIGKILL');
  expect(await secondsUntil(() => found().length === 0, 5)).toBeLessThan(5);
});

test('a port is free only while nobody listens on it', async () => {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  expect(await isPortFree(port)).toBe(false);
  await new Promise((closed) => server.close(closed));
  expect(await isPortFree(port)).toBe(true);
});
