/** A whole session against an attached, scripted server: the real prober and sampler, no vLLM. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { onTestFinished, expect, it } from 'vitest';
import { readRun } from '../../lib/archive/folder.js';
import { SanityError } from '../../lib/experiment/sanity.js';
import { openSession } from '../../lib/experiment/session.js';
import { resolveConfig } from '../../lib/freeze/config.js';
import { freezeRun, type FrozenRun } from '../../lib/freeze/freeze.js';
import type { ConfigInput } from '../../lib/freeze/settings.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { scripted, type Connection } from '../probe/scripted.js';

const projectRoot = resolve('.');

function answer(socket: Connection['socket'], type: string, body: string): void {
  socket.end(
    `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Speaks just enough of vLLM's HTTP: one model, the same two tokens for every prompt, one figure in /metrics. */
function speak({ socket, request, body }: Connection): void {
  if (request.startsWith('GET /metrics'))
    return answer(socket, 'text/plain', 'vllm:num_requests_running{engine="0"} 0.0\n');
  if (request.startsWith('GET /v1/models')) return answer(socket, 'application/json', '{"data":[{"id":"served"}]}');
  const asked = JSON.parse(body) as { stream?: boolean; prompt: string | number[] };
  const usage = { prompt_tokens: asked.prompt.length, completion_tokens: 2, total_tokens: asked.prompt.length + 2 };
  const choice = (text: string, finish: string | null) => ({ choices: [{ index: 0, text, finish_reason: finish }] });
  if (!asked.stream) return answer(socket, 'application/json', JSON.stringify({ ...choice('hi', 'length'), usage }));
  const events = [choice('h', null), choice('i', 'length'), { choices: [], usage }].map(
    (event) => `data: ${JSON.stringify(event)}\n\n`,
  );
  // Slowly enough that a block of requests spans several readings of the samplers.
  setTimeout(() => answer(socket, 'text/event-stream', `${events.join('')}data: [DONE]\n\n`), 10);
}

async function attachedRun(url: string, settings: ConfigInput = {}): Promise<FrozenRun> {
  const dir = mkdtempSync(join(tmpdir(), 'day007-session-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const config = resolveConfig(
    { url, model: 'served', longRuns: 2, warmRuns: 6, ...settings },
    { projectRoot: dir, env: {} },
  );
  return freezeRun({ ...config, projectRoot: dir }, { env: {} });
}

/** The session starts our programs from the project's own root; the run folder may lie elsewhere. */
const open = (run: FrozenRun) => openSession({ ...run, config: { ...run.config, projectRoot } });

it('probes an attached server from the first request to the last and keeps every row', async () => {
  const server = await scripted(speak);
  const run = await attachedRun(server.origin, { sampleIntervalMs: 20 });
  const session = await open(run);
  await session.calibrate();
  await session.snapshot('before-launch');
  expect(await session.launch()).toMatchObject({ launch: 1, outcome: 'attached' });
  await session.sanityCheck();
  expect((await session.cold()).request).toMatchObject({ name: 'cold_1', streamed: true, outcome: 'completed' });
  await session.warmAtOnce();
  const warm = await session.warm({ whole: 5, streamed: 6 });
  expect(warm.map(({ request }) => request.index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  await session.long();
  expect(await session.stop()).toBeUndefined();
  await session.close();

  const data = readRun(run.dir);
  expect(data.requests.map(({ name }) => name)).toEqual([
    'sanity',
    'cold_1',
    'warm_1',
    ...Array<string>(11).fill('warm'),
    'cold-long',
    'warm-unique',
    'warm-cached',
    'warm-unique',
    'warm-cached',
  ]);
  expect(data.calibration).toHaveLength(120);
  expect(new Set(data.metrics.map(({ scrape }) => scrape))).toEqual(
    new Set(['after-ready', 'after-warm_1', 'after-whole', 'after-warm', 'after-long']),
  );
  expect(data.snapshots.map(({ point }) => point)).toEqual([
    'before-launch',
    'after-ready',
    'after-cold_1',
    'after-warm',
  ]);
  expect(data.stops).toEqual([]);
  const warmFromMs = warm[0]?.request.startAtMs ?? NaN;
  const whileWarm = data.samples.filter(({ atMs }) => atMs >= warmFromMs).map(({ launch }) => launch);
  expect(new Set(whileWarm)).toEqual(new Set([1]));
  expect(data.samples[0]?.launch).toBe(0);
  const findings = interpret(data);
  expect(findings.warmTtftMs?.n).toBe(6);
  expect(findings.launches).toMatchObject([{ outcome: 'attached' }]);
});

it('sends the same request with the samplers on and off, in turns, and never samples while they are off', async () => {
  const server = await scripted(speak);
  const run = await attachedRun(server.origin);
  const session = await open(run);
  await session.launch();
  expect(await session.observer({ runs: 0 })).toEqual([]);
  const traces = await session.observer({ runs: 3 });
  await session.close();

  const data = readRun(run.dir);
  const sent = data.requests.filter(({ name }) => name.endsWith('observed')).map(({ name }) => name);
  const [on, off] = ['observed', 'unobserved'];
  expect(sent).toEqual([on, off, off, on, off, on, on, off]);
  expect(traces).toHaveLength(8);
  expect(data.requests[0]?.name).toBe('observer-warm');
  // A resumed sampler goes on until the next pause; two requests in a row with it off share one.
  expect(data.pauses).toHaveLength(3);
  for (const { fromAtMs, toAtMs } of data.pauses)
    expect(data.samples.filter(({ atMs }) => atMs >= fromAtMs && atMs <= toAtMs)).toEqual([]);
  const inPause = (atMs: number) => data.pauses.some(({ fromAtMs, toAtMs }) => atMs >= fromAtMs && atMs <= toAtMs);
  for (const { name, sentAtMs = 0, endAtMs = 0 } of data.requests.slice(1))
    expect([inPause(sentAtMs), inPause(endAtMs)]).toEqual([name === 'unobserved', name === 'unobserved']);
  expect(data.observers).toHaveLength(8 * 3);
  expect(new Set(data.observers.map(({ role }) => role))).toEqual(new Set(['sampler', 'prober', 'kernel']));
  const idle = data.observers.filter(({ role, samplersOn }) => role === 'sampler' && !samplersOn);
  expect(idle.reduce((sum, { cpuMs }) => sum + cpuMs, 0)).toBeLessThanOrEqual(10);
  const { observer } = interpret(data);
  expect(observer).toMatchObject({ finding: { pairs: 4, readingsWhileOff: 0, verdict: 'not resolved' } });
});

it('goes on counting when steps are done again, and sends no second first request', async () => {
  const server = await scripted(speak);
  const run = await attachedRun(server.origin);
  const session = await open(run);
  await session.launch();
  await session.cold();
  await expect(session.cold()).rejects.toThrow(/Launch 1 has been sent its first request already.*launch cell again/);
  await session.warmAtOnce();
  await session.warmAtOnce();
  const controller = new AbortController();
  const cut = session.warm(
    { whole: 2, streamed: 6 },
    ({ request }) => {
      if (request.index === 3) controller.abort();
    },
    controller.signal,
  );
  await expect(cut).rejects.toThrow(/abort/i);
  const again = await session.warm({ whole: 1, streamed: 2 });
  expect(again.map(({ request }) => [request.index, request.streamed])).toEqual([
    [4, false],
    [5, true],
    [6, true],
  ]);
  await session.long();
  await session.long();
  expect(session.readyLaunches()).toBe(1);
  await session.launch();
  expect((await session.cold()).request.requestId).toBe('2-cold_1-1');
  await session.close();

  const { requests, chunks } = readRun(run.dir);
  const ids = requests.map(({ requestId }) => requestId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.filter((id) => id.includes('cold-long'))).toEqual(['1-cold-long-1']);
  expect(ids.filter((id) => id.includes('warm-unique'))).toEqual([1, 2, 3, 4].map((index) => `1-warm-unique-${index}`));
  // Events of two requests under one id would make gaps between tokens that nobody saw.
  const keys = chunks.map(({ requestId, sequence }) => `${requestId} ${sequence}`);
  expect(new Set(keys).size).toBe(keys.length);
});

it('goes on sampling when the comparison is interrupted', async () => {
  const server = await scripted(speak);
  const run = await attachedRun(server.origin);
  const session = await open(run);
  await session.launch();
  const controller = new AbortController();
  const interrupted = session.observer(
    { runs: 2 },
    ({ request }) => {
      if (request.name === 'unobserved') controller.abort();
    },
    controller.signal,
  );
  await expect(interrupted).rejects.toThrow(/abort/i);
  const pausesBefore = readRun(run.dir).pauses;
  expect(pausesBefore).toHaveLength(1);
  await session.close();
  expect(readRun(run.dir).pauses).toEqual(pausesBefore);
});

it('sends streamed warm requests until they last as long as was asked for', async () => {
  const server = await scripted(speak);
  const run = await attachedRun(server.origin);
  const session = await open(run);
  await session.launch();
  const traces = await session.warm({ whole: 1, streamed: 2, atLeastMs: 500 });
  await session.close();
  const streamed = traces.filter(({ request }) => request.streamed).map(({ request }) => request);
  expect(streamed.length).toBeGreaterThan(2);
  expect(streamed.map(({ index }) => index)).toEqual(streamed.map((_, at) => at + 2));
  expect((streamed.at(-1)?.endAtMs ?? 0) - (streamed[0]?.startAtMs ?? 0)).toBeGreaterThan(400);
});

it('sends the constant payload of the seed, and salts that make each unique prompt new and the cached ones alike', async () => {
  const server = await scripted(speak);
  const session = await open(await attachedRun(server.origin));
  await session.launch();
  await session.cold();
  await session.long();
  await session.close();
  const [seed, ...long] = server.bodies
    .filter((body) => body !== '')
    .map((body) => JSON.parse(body) as Record<string, unknown>);
  expect(seed).toEqual({
    model: 'served',
    prompt: 'Say hello from a small language model.',
    max_tokens: 64,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  const salts = long.map((body) => body['cache_salt']);
  expect(salts[0]).toBe(salts[2]);
  expect(salts[2]).toBe(salts[4]);
  expect(new Set(salts).size).toBe(3);
  expect(new Set(long.map((body) => JSON.stringify(body['prompt']))).size).toBe(1);
});

it('refuses a server that serves another model, and names those it serves', async () => {
  const server = await scripted(speak);
  const session = await open(await attachedRun(server.origin, { model: 'wanted' }));
  await session.launch();
  const failure = await session.sanityCheck().catch((error: unknown) => error);
  await session.close();
  expect(failure).toBeInstanceOf(SanityError);
  expect((failure as SanityError).served).toEqual(['served']);
  expect((failure as SanityError).message).toContain('lists served, not wanted');
});

it('records a request to a server that is gone as refused and goes on', async () => {
  const session = await open(await attachedRun('http://127.0.0.1:1'));
  await session.launch();
  expect((await session.cold()).request).toMatchObject({ outcome: 'refused' });
  await session.close();
});
