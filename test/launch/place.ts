/** Where the tests launch small servers: a run folder and a free port of their own, and a way to wait for what must come. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { findProcessesOfRun } from '../../lib/launch/processes.js';
import type { LaunchPlan } from '../../lib/launch/server.js';

export const clock = createClock();
const programs = resolve('test/fixtures/programs');
let launched = 0;

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'day007-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function freePort(): Promise<number> {
  return new Promise((found) => {
    const trial = createServer();
    trial.listen(0, '127.0.0.1', () => {
      const { port } = trial.address() as AddressInfo;
      trial.close(() => found(port));
    });
  });
}

/** A plan to launch a fixture program; PORT among its arguments becomes the plan's port. */
export async function planFor(
  program: string,
  args: readonly string[] = [],
  more: Partial<LaunchPlan> = {},
): Promise<LaunchPlan> {
  const port = await freePort();
  launched += 1;
  const runId = `test-${process.pid}-${launched}-${port}`;
  onTestFinished(() => endRun(runId));
  return {
    projectRoot: resolve('.'),
    runDir: temporaryFolder(),
    runId,
    launch: 1,
    clockOriginNs: String(clock.originNs),
    command: [process.execPath, join(programs, program), ...args.map((arg) => (arg === 'PORT' ? String(port) : arg))],
    env: {},
    port,
    healthUrl: `http://127.0.0.1:${port}/health`,
    healthIntervalMs: 10,
    readyTimeoutMs: 60_000,
    termGraceMs: 15_000,
    ...more,
  };
}

/** Processes of a run, its keeper and prober included. */
export const left = (runId: string) => findProcessesOfRun(runId).map(({ name }) => name);

/** Wait for what must come; after `withinMs` the test fails with what was seen instead. */
export async function until<T>(read: () => T, wanted: (seen: T) => boolean, withinMs = 20_000): Promise<T> {
  const deadlineMs = clock.nowMs() + withinMs;
  for (;;) {
    const seen = read();
    if (wanted(seen)) return seen;
    if (clock.nowMs() > deadlineMs) throw new Error(`after ${withinMs} ms there was still ${JSON.stringify(seen)}`);
    await sleep(10);
  }
}

export const nothing = (seen: readonly unknown[]) => seen.length === 0;

/** A failed test leaves no process behind. */
function endRun(runId: string): void {
  for (const { pid } of findProcessesOfRun(runId)) process.kill(pid, 'SIGKILL');
}
