import { resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { findProcessesOfRun } from '../../lib/launch/processes.js';
import { startProber, type Prober } from '../../lib/probe/client.js';
import type { RequestLabel } from '../../lib/probe/trace.js';
import { clock, left, nothing, temporaryFolder, until } from '../launch/place.js';
import { recorded } from './recorded.js';
import { httpAnswer, piece, scripted, streamEnd, streamHead } from './scripted.js';

let started = 0;

function start(runDir?: string): { prober: Prober; runId: string } {
  started += 1;
  const runId = `probe-${process.pid}-${started}`;
  const prober = startProber({ runDir, clockOriginNs: String(clock.originNs), projectRoot: resolve('.') }, runId);
  onTestFinished(() => prober.stop());
  return { prober, runId };
}

const label = (index: number, streamed = true): RequestLabel => ({
  requestId: `1-warm-${index}`,
  launch: 1,
  name: 'warm',
  index,
  workload: 'seed',
  streamed,
});
const planTo = (origin: string) => ({ origin, path: '/v1/completions', body: '{}', timeoutMs: 30_000 });
const wholeStream = streamHead + piece(recorded('completions.sse').toString()) + streamEnd;

it('writes each request and its chunks down, and hands back the same rows', async () => {
  const runDir = temporaryFolder();
  const { prober } = start(runDir);
  const server = await scripted(({ socket }) => socket.write(wholeStream));
  const traces = [
    await prober.probe(label(1), planTo(server.origin)),
    await prober.probe(label(2), planTo(server.origin)),
  ];
  const rows = readRows(runDir, tables.requests);
  const stated = (row: object | undefined) =>
    Object.fromEntries(Object.entries(row ?? {}).filter(([, value]) => value !== undefined));
  expect(rows.map(stated)).toEqual(traces.map(({ request }) => stated(request)));
  expect(readRows(runDir, tables.chunks)).toEqual(traces.flatMap(({ chunks }) => chunks));
  expect(rows[1]).toMatchObject({ requestId: '1-warm-2', outcome: 'completed', completionTokens: 64 });
  await server.allClosed(2);
});

it('records the pause since the previous request of the same launch, from end to start', async () => {
  const { prober } = start();
  const server = await scripted(({ socket }) => socket.write(wholeStream));
  const first = (await prober.probe(label(1), planTo(server.origin))).request;
  const second = (await prober.probe(label(2), planTo(server.origin))).request;
  const other = (await prober.probe({ ...label(1), launch: 2 }, planTo(server.origin))).request;
  expect(first.idleBeforeMs).toBeUndefined();
  expect(second.idleBeforeMs).toBeCloseTo(second.startAtMs - (first.endAtMs ?? NaN), 6);
  expect(second.idleBeforeMs).toBeGreaterThan(0);
  expect(other.idleBeforeMs).toBeUndefined();
});

it('carries text that JSON does not escape', async () => {
  const { prober } = start();
  const answer = JSON.stringify({ choices: [{ text: 'one\u2028two', finish_reason: 'stop' }] });
  const server = await scripted(({ socket }) => socket.write(httpAnswer('200 OK', answer)));
  const plan = { ...planTo(server.origin), body: JSON.stringify({ prompt: 'a\u2028b' }) };
  const { request } = await prober.probe(label(1, false), plan);
  expect(request.outputPreview).toBe('one\u2028two');
  expect(server.bodies).toEqual([plan.body]);
});

it('writes a row of a refused request, too', async () => {
  const runDir = temporaryFolder();
  const { prober } = start(runDir);
  const server = await scripted(({ socket }) =>
    socket.write(httpAnswer('404 Not Found', recorded('unknown-model-404.json'))),
  );
  expect((await prober.probe(label(1), planTo(server.origin))).request.outcome).toBe('refused');
  expect(readRows(runDir, tables.requests)).toMatchObject([{ outcome: 'refused', httpStatus: 404 }]);
});

it('ends the request that is interrupted, and only that one, and writes what was seen of it', async () => {
  const runDir = temporaryFolder();
  const { prober } = start(runDir);
  const interrupt = new AbortController();
  const server = await scripted(({ socket }) => {
    if (server.bodies.length > 1) return socket.write(wholeStream);
    socket.write(streamHead + piece(recorded('completions.sse').subarray(0, 1000).toString()));
    setTimeout(() => interrupt.abort(), 100);
    return undefined;
  });
  const cut = prober.probe(label(1), planTo(server.origin), interrupt.signal);
  const next = prober.probe(label(2), planTo(server.origin), new AbortController().signal);
  expect((await cut).request).toMatchObject({
    outcome: 'cut-off',
    error: 'aborted: the request was interrupted',
    httpStatus: 200,
  });
  expect((await next).request.outcome).toBe('completed');
  const [first, second] = readRows(runDir, tables.requests);
  expect([first?.outcome, second?.outcome]).toEqual(['cut-off', 'completed']);
  expect(first?.chunks).toBe(
    readRows(runDir, tables.chunks).filter(({ requestId }) => requestId === '1-warm-1').length,
  );
  expect(first?.chunks).toBeGreaterThan(0);
});

it('does not send a request that was interrupted before its turn', async () => {
  const { prober } = start();
  const server = await scripted(({ socket }) => socket.write(wholeStream));
  const { request } = await prober.probe(label(1), planTo(server.origin), AbortSignal.abort());
  expect(request.outcome).toBe('cut-off');
  expect(request.sentAtMs).toBeUndefined();
  expect(server.bodies).toEqual([]);
});

it('calibrates, writes the rows, and says in which mode it ran', async () => {
  const runDir = temporaryFolder();
  const { prober } = start(runDir);
  const { rows, mode } = await prober.calibrate(1, 2);
  expect(rows.map(({ warmup }) => warmup)).toEqual([true, false, false]);
  expect(readRows(runDir, tables.calibration)).toEqual(rows);
  expect(mode).toContain('event loop');
});

it('says what it could not do, and goes on', async () => {
  const { prober } = start('/nowhere/run');
  const server = await scripted(({ socket }) => socket.write(wholeStream));
  await expect(prober.probe(label(1), planTo(server.origin))).rejects.toThrow(/the prober could not do it: ENOENT/);
  await expect(prober.probe(label(2), planTo(server.origin))).rejects.toThrow(/ENOENT/);
  expect(server.bodies).toHaveLength(2);
});

it('ends when asked, with the request in flight written down and those that wait not sent', async () => {
  const runDir = temporaryFolder();
  const { prober, runId } = start(runDir);
  let reached = () => undefined as void;
  const inFlight = new Promise<void>((resolve) => (reached = resolve));
  const server = await scripted(({ socket }) => {
    socket.write(streamHead);
    reached();
  });
  const waiting = prober.probe(label(1), planTo(server.origin)).catch((error: Error) => error.message);
  const never = prober.probe(label(2), planTo(server.origin)).catch((error: Error) => error.message);
  await inFlight;
  await prober.stop();
  expect(left(runId)).toEqual([]);
  expect(readRows(runDir, tables.requests)).toMatchObject([{ requestId: '1-warm-1', outcome: 'cut-off' }]);
  expect(await never).toContain('the prober ended');
  await waiting;
});

it('fails what is asked of a prober that was killed, before and after, instead of waiting for ever', async () => {
  const { prober, runId } = start();
  const server = await scripted(() => {
    for (const { pid } of findProcessesOfRun(runId)) process.kill(pid, 'SIGKILL');
  });
  await expect(prober.probe(label(1), planTo(server.origin))).rejects.toThrow('the prober ended (SIGKILL)');
  await expect(prober.calibrate(1, 1)).rejects.toThrow('the prober ended (SIGKILL)');
  await until(() => left(runId), nothing);
});

const planned = (origin: string, count: number, gapMs: number) =>
  Array.from({ length: count }, (_, at) => ({ label: label(at + 1), plan: planTo(origin), offsetMs: at * gapMs }));

it('sends an open loop as planned, however long the first answers take, and writes planned and sent instants', async () => {
  const runDir = temporaryFolder();
  const { prober } = start(runDir);
  const held: (() => void)[] = [];
  const server = await scripted(({ socket }) => {
    held.push(() => socket.write(wholeStream));
    // A closed loop would wait for the first answer here.
    if (held.length === 8) for (const answer of held) answer();
  });
  const traces = await prober.openLoop(planned(server.origin, 8, 10));
  expect(traces.map(({ request }) => request.requestId)).toEqual(planned('', 8, 0).map(({ label }) => label.requestId));
  const rows = readRows(runDir, tables.requests).sort((a, b) => a.index - b.index);
  expect(rows.map(({ outcome }) => outcome)).toEqual(Array(8).fill('completed'));
  const [first] = rows;
  for (const [at, { plannedAtMs = NaN, sentAtMs = NaN, idleBeforeMs }] of rows.entries()) {
    expect(plannedAtMs - (first?.plannedAtMs ?? NaN)).toBeCloseTo(10 * at, 6);
    expect(sentAtMs).toBeGreaterThan(plannedAtMs);
    expect(idleBeforeMs).toBeUndefined();
  }
  expect(readRows(runDir, tables.chunks)).toHaveLength(traces.flatMap(({ chunks }) => chunks).length);
});

it('ends an open loop that is interrupted: what was sent is written, the rest is not sent', async () => {
  const runDir = temporaryFolder();
  const { prober } = start(runDir);
  const interrupt = new AbortController();
  const server = await scripted(() => {
    if (server.bodies.length === 3) interrupt.abort();
  });
  const traces = await prober.openLoop(planned(server.origin, 50, 100), interrupt.signal);
  expect(traces.length).toBeGreaterThanOrEqual(3);
  expect(traces.length).toBeLessThan(50);
  expect(new Set(traces.map(({ request }) => request.outcome))).toEqual(new Set(['cut-off']));
  expect(readRows(runDir, tables.requests)).toHaveLength(traces.length);
  await server.allClosed(traces.length);
});
