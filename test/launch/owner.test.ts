import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Columns, Table } from '../../lib/archive/columns.js';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { findProcessesOfRun } from '../../lib/launch/processes.js';
import type { LaunchPlan } from '../../lib/launch/server.js';
import { left, nothing, planFor, until } from './place.js';

/** Start an owner in a session of its own; `said` fills with what it reports. */
function startOwner(task: { plan: LaunchPlan; probe?: boolean; stop?: boolean }): {
  owner: ChildProcess;
  said: string[];
} {
  const owner = spawn(
    process.execPath,
    ['--import', 'tsx', resolve('test/fixtures/programs/owner.ts'), JSON.stringify(task)],
    { detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => void owner.kill('SIGKILL'));
  const said: string[] = [];
  owner.stdout?.on('data', (bytes: Buffer) => said.push(...bytes.toString().trim().split('\n')));
  return { owner, said };
}

/** Every table that is there parses; returns the names of the files. */
function readAllTables(plan: LaunchPlan): string[] {
  const files = (Object.values(tables) as Table<Columns>[]).filter(({ file }) =>
    readdirSync(plan.runDir).includes(file),
  );
  for (const table of files) expect(readRows(plan.runDir, table).length).toBeGreaterThan(0);
  return files.map(({ file }) => file);
}

const emptyWithinTwoSeconds = (plan: LaunchPlan) => until(() => left(plan.runId), nothing, 2000);

it('leaves nothing 2 s after the owner is killed while the server loads', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'healthy-after=600000', 'stubborn-child', 'orphan']);
  const { owner, said } = startOwner({ plan });
  await until(
    () => said,
    (words) => words.includes('loading'),
  );
  owner.kill('SIGKILL');
  await emptyWithinTwoSeconds(plan);
  expect(readAllTables(plan)).toEqual(['stops.csv', 'startup.csv']);
  expect(readRows(plan.runDir, tables.stops)).toMatchObject([
    { reason: 'owner-gone', how: 'sigkill', leftoverProcesses: 0 },
  ]);
  expect(readRows(plan.runDir, tables.startup).map(({ event }) => event)).not.toContain('ready');
});

it('leaves nothing 2 s after the owner of a ready server is killed, though the server ignores SIGTERM', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'ignore-term', 'orphan']);
  const { owner, said } = startOwner({ plan });
  await until(
    () => said,
    (words) => words.includes('ready'),
  );
  owner.kill('SIGKILL');
  await emptyWithinTwoSeconds(plan);
  readAllTables(plan);
  expect(readRows(plan.runDir, tables.stops)).toMatchObject([
    { reason: 'owner-gone', how: 'sigkill', signal: 'SIGKILL' },
  ]);
});

it('writes down the request in flight when the owner is killed in the middle of a stream', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'orphan']);
  const { owner, said } = startOwner({ plan, probe: true });
  await until(
    () => said,
    (words) => words.includes('streaming'),
  );
  owner.kill('SIGKILL');
  await emptyWithinTwoSeconds(plan);
  expect(readAllTables(plan)).toEqual(['stops.csv', 'startup.csv', 'requests.csv', 'chunks.csv']);
  const [request, ...others] = readRows(plan.runDir, tables.requests);
  expect(others).toEqual([]);
  expect(request).toMatchObject({ requestId: '1-cold_1-1', outcome: 'cut-off', httpStatus: 200 });
  expect(request?.chunks).toBeGreaterThanOrEqual(3);
  expect(request?.firstTokenAtMs).toBeGreaterThan(request?.sentAtMs ?? Infinity);
  expect(request?.endAtMs).toBeUndefined();
  expect(readRows(plan.runDir, tables.chunks).map(({ kind }) => kind)).toEqual(Array(request?.chunks).fill('token'));
});

it('does not let a stop that has begun outlive the owner by its long grace', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'ignore-term'], { termGraceMs: 600_000 });
  const { owner, said } = startOwner({ plan, stop: true });
  await until(
    () => said,
    (words) => words.includes('stopping'),
  );
  owner.kill('SIGKILL');
  await emptyWithinTwoSeconds(plan);
  expect(readRows(plan.runDir, tables.stops)).toMatchObject([
    { reason: 'asked', how: 'sigkill', leftoverProcesses: 0 },
  ]);
});

it('keeps server, keeper and prober through an interrupt of the group and of each of our programs', async () => {
  const plan = await planFor('server.mjs', ['PORT']);
  const { owner, said } = startOwner({ plan, probe: true });
  await until(
    () => said,
    (words) => words.includes('streaming'),
  );
  const before = findProcessesOfRun(plan.runId);
  const server = new Set(findProcessesOfRun(plan.runId, { launch: plan.launch }).map(({ pid }) => pid));
  process.kill(-(owner.pid ?? NaN), 'SIGINT');
  for (const { pid } of before) if (!server.has(pid)) process.kill(pid, 'SIGINT');
  // The answer comes after the signals: whoever they ended would be gone by then.
  expect((await fetch(plan.healthUrl)).status).toBe(200);
  expect(findProcessesOfRun(plan.runId)).toEqual(before);
  expect(before.length - server.size).toBe(2);
  owner.kill('SIGKILL');
  await emptyWithinTwoSeconds(plan);
});

it('stops the server when the owner ends in peace without having stopped it', async () => {
  const plan = await planFor('server.mjs', ['PORT']);
  const { owner, said } = startOwner({ plan });
  await until(
    () => said,
    (words) => words.includes('ready'),
  );
  owner.kill('SIGTERM');
  await emptyWithinTwoSeconds(plan);
  expect(readRows(plan.runDir, tables.stops)).toMatchObject([{ reason: 'owner-gone', how: 'sigterm' }]);
});
