import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { LaunchError } from '../../lib/launch/failure.js';
import { readProcStat } from '../../lib/launch/processes.js';
import { launchServer, type LaunchPlan, type LaunchProgress } from '../../lib/launch/server.js';
import { startupTimeline } from '../../lib/launch/timeline.js';
import { clock, left, nothing, planFor, until } from './place.js';

async function failureOf(plan: LaunchPlan, options?: Parameters<typeof launchServer>[2]): Promise<LaunchError> {
  const failure = await launchServer(plan, clock, options).catch((error: unknown) => error);
  if (!(failure instanceof LaunchError)) throw new Error(`expected a LaunchError, got ${String(failure)}`);
  return failure;
}

const stopsOf = (plan: LaunchPlan) => readRows(plan.runDir, tables.stops);

it('launches, records phases with observed ends, and stops by SIGTERM with nothing left', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'healthy-after=300', 'talkative']);
  const seen: LaunchProgress[] = [];
  const server = await launchServer(plan, clock, { onProgress: (progress) => seen.push(progress) });
  expect(JSON.parse(readFileSync(join(plan.runDir, 'server.json'), 'utf8'))).toEqual({
    launch: 1,
    pid: server.pid,
    sid: server.pid,
  });
  expect(server.ended()).toBeUndefined();
  expect(server.readyAtMs - server.spawnAtMs).toBeGreaterThanOrEqual(300);
  expect(server.healthPolls).toBeGreaterThan(1);
  expect(server.longestPauseMs).toBeGreaterThan(0);
  expect(seen.map(({ milestone }) => milestone)).toEqual(
    expect.arrayContaining(['api-server-speaks', 'config-resolved', 'engine-initializing']),
  );
  expect(seen.map(({ line }) => line).join('\n')).toContain('one\u2028line');

  const stopped = await server.stop();
  expect(stopped).toMatchObject({ reason: 'asked', how: 'sigterm', signal: 'SIGTERM', leftoverProcesses: 0 });
  expect(stopped.goneAtMs).toBeGreaterThanOrEqual(stopped.askedAtMs);
  expect(await server.stop()).toEqual(stopped);
  expect(server.ended()).toEqual(stopped);
  const { event: _, ...row } = stopped;
  expect(stopsOf(plan)).toEqual([{ launch: 1, ...row }]);
  expect(existsSync(join(plan.runDir, 'server.json'))).toBe(false);
  expect(statSync(join(plan.runDir, 'server-1.log')).mode & 0o777).toBe(0o600);
  await until(() => left(plan.runId), nothing);

  const rows = readRows(plan.runDir, tables.startup);
  const timeline = startupTimeline(rows, 1);
  expect(timeline).toMatchObject({ spawnAtMs: server.spawnAtMs, readyAtMs: server.readyAtMs });
  const engine = timeline?.phases.find(({ name }) => name === 'Engine process: start and imports');
  // A birth is read from /proc in ticks of 10 ms, rounded down.
  expect(engine?.startAtMs).toBeGreaterThanOrEqual(server.spawnAtMs - 10);
  expect(engine?.endAtMs).toBeGreaterThanOrEqual(engine?.startAtMs ?? Infinity);
  expect(timeline?.phases.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['API server: start and imports', 'Configuration and model inspection']),
  );
});

it('insists with SIGKILL when the server does not listen to SIGTERM', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'ignore-term'], { termGraceMs: 300 });
  const server = await launchServer(plan, clock);
  const stopped = await server.stop();
  expect(stopped).toMatchObject({ reason: 'asked', how: 'sigkill', signal: 'SIGKILL', leftoverProcesses: 0 });
  expect(stopped.goneAtMs - stopped.askedAtMs).toBeGreaterThanOrEqual(300);
  await until(() => left(plan.runId), nothing);
});

it('insists with SIGKILL when only a child does not listen', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'stubborn-child'], { termGraceMs: 300 });
  const server = await launchServer(plan, clock);
  expect(await server.stop()).toMatchObject({ how: 'sigkill', signal: 'SIGTERM', leftoverProcesses: 0 });
  await until(() => left(plan.runId), nothing);
});

it('asks a re-parented process by itself, well before the grace is over', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'orphan']);
  const server = await launchServer(plan, clock);
  const stopped = await server.stop();
  expect(stopped).toMatchObject({ how: 'sigterm', leftoverProcesses: 0 });
  expect(stopped.goneAtMs - stopped.askedAtMs).toBeLessThan(plan.termGraceMs);
  await until(() => left(plan.runId), nothing);
});

it('sees a server that is killed after it was ready, and ends what it left behind', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'orphan']);
  const server = await launchServer(plan, clock);
  process.kill(server.pid, 'SIGKILL');
  const ended = await until(
    () => server.ended(),
    (end) => end !== undefined,
  );
  expect(ended).toMatchObject({ reason: 'died', signal: 'SIGKILL', how: 'sigterm', leftoverProcesses: 0 });
  expect(await server.stop()).toEqual(ended);
  await until(() => left(plan.runId), nothing);
});

it('says of a server that died before it was ready: exit code, cause and last lines', async () => {
  const plan = await planFor('dies.mjs');
  const error = await failureOf(plan);
  expect(error).toMatchObject({ reason: 'died', details: { launch: 1, exitCode: 3, signal: undefined } });
  expect(error.details.logTail.at(-1)).toBe("KeyError: 'no such quantization'");
  expect(error.message).toMatch(
    /^The server died \d+\.\d s after launch \(exit code 3\), before it answered\.\nIt says: KeyError: 'no such quantization'\nWhat to try: /,
  );
  expect(stopsOf(plan)).toMatchObject([{ reason: 'died', how: 'exit', exitCode: 3, leftoverProcesses: 0 }]);
  await until(() => left(plan.runId), nothing);
});

it('does not wait any longer after a fatal line, and quotes the error that follows it', async () => {
  const plan = await planFor('hangs.mjs', ['fatal']);
  const error = await failureOf(plan);
  expect(error.reason).toBe('died');
  expect(error.message).toMatch(/^The server reported a fatal error .+\nIt says: ValueError: no blocks of that size\n/);
  expect(error.details.afterMs).toBeLessThan(plan.readyTimeoutMs);
  expect(stopsOf(plan)).toMatchObject([{ reason: 'asked', how: 'sigterm' }]);
  await until(() => left(plan.runId), nothing);
});

it('gives up on a server that never answers, and stops it', async () => {
  const plan = await planFor('hangs.mjs', [], { readyTimeoutMs: 3000 });
  const error = await failureOf(plan);
  expect(error.reason).toBe('never-ready');
  expect(error.message).toContain('had not answered on /health');
  await until(() => left(plan.runId), nothing);
});

it('stops the server when the launch is interrupted', async () => {
  const plan = await planFor('hangs.mjs');
  const interrupt = new AbortController();
  const error = await failureOf(plan, { signal: interrupt.signal, onProgress: () => interrupt.abort() });
  expect(error.reason).toBe('interrupted');
  expect(error.details.logTail).toHaveLength(1);
  expect(stopsOf(plan)).toMatchObject([{ reason: 'asked', how: 'sigterm' }]);
  await until(() => left(plan.runId), nothing);
});

it('takes an interrupt that came before the launch', async () => {
  const plan = await planFor('hangs.mjs');
  expect((await failureOf(plan, { signal: AbortSignal.abort() })).reason).toBe('interrupted');
  await until(() => left(plan.runId), nothing);
});

it('names an executable that is not there, not on PATH, or not executable', async () => {
  const plan = await planFor('server.mjs');
  const text = join(plan.runDir, 'vllm');
  writeFileSync(text, 'no program', { mode: 0o600 });
  for (const executable of ['/nowhere/vllm', 'day007-no-such-program', text]) {
    const error = await failureOf({ ...plan, command: [executable] });
    expect(error.reason).toBe('executable-missing');
    expect(error.message).toContain(executable);
    expect(error.message).toContain('DAY007_VLLM');
  }
  expect(stopsOf(plan)).toEqual([]);
  await until(() => left(plan.runId), nothing);
});

it('refuses a port that another program has, and starts nothing', async () => {
  const plan = await planFor('server.mjs', ['PORT']);
  const other = createServer().listen(plan.port, '127.0.0.1');
  await new Promise((listening) => other.once('listening', listening));
  const error = await failureOf(plan);
  other.close();
  expect(error.reason).toBe('port-taken');
  expect(error.message).toContain(`Port ${plan.port} on 127.0.0.1 cannot be used (EADDRINUSE)`);
  expect(existsSync(join(plan.runDir, 'server-1.log'))).toBe(false);
});

it('fails before anything is started when the run folder is not there', async () => {
  const plan = await planFor('server.mjs', ['PORT'], { runDir: '/nowhere/run' });
  const error = await failureOf(plan);
  expect(error.reason).toBe('died');
  expect(error.message).toContain('/nowhere/run can be written');
  await until(() => left(plan.runId), nothing);
});

it('ends the server when the keeper cannot write down what it sees', async () => {
  const plan = await planFor('server.mjs', ['PORT']);
  mkdirSync(join(plan.runDir, 'startup.csv'));
  const error = await failureOf(plan);
  expect(error.message).toMatch(/^The server's keeper failed .+EISDIR.+, and the server was stopped\./);
  expect(stopsOf(plan)).toMatchObject([{ reason: 'keeper-failed', leftoverProcesses: 0 }]);
  await until(() => left(plan.runId), nothing);
});

it('ends the server from here when its keeper is killed', async () => {
  const plan = await planFor('server.mjs', ['PORT', 'stubborn-child']);
  const server = await launchServer(plan, clock);
  process.kill(readProcStat(server.pid)?.parentPid ?? NaN, 'SIGKILL');
  const ended = await until(
    () => server.ended(),
    (end) => end !== undefined,
  );
  expect(ended).toMatchObject({ reason: 'keeper-failed', how: 'sigkill', leftoverProcesses: 0 });
  expect(left(plan.runId)).toEqual([]);
  expect(stopsOf(plan)).toMatchObject([{ reason: 'keeper-failed', how: 'sigkill' }]);
  expect(await server.stop()).toEqual(ended);
});
