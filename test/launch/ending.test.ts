import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { endProcesses } from '../../lib/launch/ending.js';
import { readProcessTree } from '../../lib/launch/processes.js';

const clock = createClock();
const after = (ms: number) => {
  const atMs = clock.nowMs() + ms;
  return () => atMs;
};

/** A shell in a session of its own, once it has said that it is up. */
async function startShell(script: string): Promise<number> {
  const shell = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = shell.pid ?? NaN;
  onTestFinished(() => {
    for (const left of readProcessTree(pid)) process.kill(left.pid, 'SIGKILL');
  });
  await once(shell.stdout, 'data');
  return pid;
}
const livingOf = (pid: number) => () => readProcessTree(pid).map((stat) => stat.pid);

it('calls it an exit when nothing lives any more', async () => {
  expect(await endProcesses(1, () => [], after(1000), clock)).toMatchObject({ how: 'exit', leftover: 0 });
});

it('ends by asking when that is enough', async () => {
  const pid = await startShell('echo up; exec sleep 1000');
  expect(await endProcesses(pid, livingOf(pid), after(30_000), clock)).toMatchObject({ how: 'sigterm', leftover: 0 });
});

it('asks the others as soon as the root is gone', async () => {
  // The root ends when asked and tells nobody; the sleeper is left for us to ask.
  const pid = await startShell('sleep 1000 & echo up; wait');
  const began = clock.nowMs();
  const ending = await endProcesses(pid, livingOf(pid), after(30_000), clock);
  expect(ending).toMatchObject({ how: 'sigterm', leftover: 0 });
  expect(ending.goneAtMs - began).toBeLessThan(30_000);
});

it('kills at the instant given, and takes an instant that is moved earlier', async () => {
  const pid = await startShell(`trap '' TERM; echo up; while :; do sleep 1000; done`);
  let killAtMs = clock.nowMs() + 600_000;
  setTimeout(() => (killAtMs = clock.nowMs()), 50);
  expect(await endProcesses(pid, livingOf(pid), () => killAtMs, clock)).toMatchObject({ how: 'sigkill', leftover: 0 });
});

it('says what is left when something cannot be ended', async () => {
  // No process has this pid (the kernel's limit is lower): signals change nothing, as with a process stuck in the kernel.
  const stuck = 2 ** 22 + 1;
  const ending = await endProcesses(stuck, () => [stuck], after(0), clock);
  expect(ending).toMatchObject({ how: 'sigkill', leftover: 1 });
});
