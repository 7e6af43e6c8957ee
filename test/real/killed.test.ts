/** kill -9 of the notebook's kernel with a real vLLM below it: nothing is left, and what was measured is kept. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readRun } from '../../lib/archive/folder.js';
import { findProcessesOfRun, readProcessTree } from '../../lib/launch/processes.js';
import {
  helpersOf,
  isRunning,
  kernelOf,
  readServerMark,
  rowsWritten,
  startNotebook,
  until,
  type RunningNotebook,
  type ServerMark,
} from './kernel.js';

/** The promise of the project: two seconds after the kernel died, nothing of the run is left. */
const allowedMs = 2000;

async function killKernel(
  notebook: RunningNotebook,
  server: ServerMark,
): Promise<{ treeSize: number; left: string[] }> {
  const helpers = helpersOf(notebook);
  const tree = readProcessTree(server.pid, { sessionId: server.sid });
  const kernel = kernelOf(notebook);
  expect(kernel, 'the kernel is found').toBeDefined();
  process.kill(kernel ?? -1, 'SIGKILL');
  await sleep(allowedMs);
  const served = findProcessesOfRun(notebook.runId, { sessionIds: [server.sid], launch: server.launch });
  const ours = helpers.filter(isRunning);
  const left = [...served.map(({ pid, name }) => `${pid} ${name}`), ...ours.map((pid) => `${pid} (ours)`)];
  await notebook.ended;
  return { treeSize: tree.length, left };
}

describe('the kernel is killed', () => {
  it('while the model loads: no process of the server is left, and the start-up seen so far is on disk', async () => {
    const notebook = startNotebook();
    // The worker has been born: the tree is API server, engine and worker.
    const server = await until(notebook, () => {
      const mark = readServerMark(notebook.dir);
      return mark && readProcessTree(mark.pid, { sessionId: mark.sid }).length >= 3 ? mark : undefined;
    });
    const { treeSize, left } = await killKernel(notebook, server);
    expect(treeSize).toBeGreaterThanOrEqual(3);
    expect(left).toEqual([]);
    const data = readRun(notebook.dir);
    expect(data.startup.some(({ event }) => event === 'spawned')).toBe(true);
    expect(data.samples.length).toBeGreaterThan(0);
    expect(data.stops).toMatchObject([{ launch: 1, reason: 'owner-gone', leftoverProcesses: 0 }]);
  });

  it('in the middle of a stream: the request in flight is on disk as cut off, the ones before it are whole', async () => {
    // Thousands of warm requests back to back: whenever the kernel is killed, one is in flight or about to be.
    const notebook = startNotebook({ DAY007_LAUNCHES: '1', DAY007_WARM_RUNS: '5000' });
    const server = await until(notebook, () =>
      rowsWritten(notebook.dir, 'requests.csv') >= 12 ? readServerMark(notebook.dir) : undefined,
    );
    const { treeSize, left } = await killKernel(notebook, server);
    expect(treeSize).toBeGreaterThanOrEqual(3);
    expect(left).toEqual([]);
    const { requests, chunks, stops } = readRun(notebook.dir);
    const whole = requests.filter(({ outcome }) => outcome === 'completed');
    expect(whole.length).toBeGreaterThanOrEqual(10);
    expect(requests.filter(({ outcome }) => outcome !== 'completed').length).toBeLessThanOrEqual(1);
    const streamed = whole.filter((request) => request.streamed);
    for (const { requestId } of streamed)
      expect(chunks.some((chunk) => chunk.requestId === requestId && chunk.kind === 'done')).toBe(true);
    expect(stops).toMatchObject([{ reason: 'owner-gone', leftoverProcesses: 0 }]);
  });

  it('between requests: the answers so far are on disk', async () => {
    const notebook = startNotebook({ DAY007_LAUNCHES: '1', DAY007_PAUSE_BEFORE_COLD_MS: '60000' });
    // The sanity check is answered, and cold_1 waits for its planned pause.
    const server = await until(notebook, () =>
      rowsWritten(notebook.dir, 'requests.csv') >= 1 ? readServerMark(notebook.dir) : undefined,
    );
    const { left } = await killKernel(notebook, server);
    expect(left).toEqual([]);
    const data = readRun(notebook.dir);
    expect(data.requests.map(({ name }) => name)).toEqual(['sanity']);
    expect(data.launches).toMatchObject([{ launch: 1, outcome: 'ready' }]);
    expect(data.metrics.length).toBeGreaterThan(0);
    expect(data.stops).toMatchObject([{ reason: 'owner-gone', leftoverProcesses: 0 }]);
  });
});
