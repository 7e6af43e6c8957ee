import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { exchange } from '../../lib/probe/exchange.js';
import { parseEvents } from '../../lib/probe/sse.js';
import { clock } from '../launch/place.js';

async function start() {
  const program = resolve('lib/rehearsal/known-truth.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, String(clock.originNs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const origin = `http://127.0.0.1:${port.toString().trim()}`;
  const ask = async (body: string) => {
    const seen = await exchange({ origin, path: '/v1/completions', body, timeoutMs: 30_000 }, clock);
    const events = parseEvents(seen.reads);
    const instants = events
      .filter(({ data }) => data !== '[DONE]')
      .map(({ data, atMs }) => ({ atMs, writtenAtMs: (JSON.parse(data) as { writtenAtMs: number }).writtenAtMs }));
    return { seen, instants, done: events.at(-1)?.data === '[DONE]' };
  };
  return { child, ask };
}

it('answers with as many events as asked, when they are due, each with the instant of its write', async () => {
  const { ask } = await start();
  expect((await ask('{}')).instants).toHaveLength(4);
  const { seen, instants, done } = await ask('{"max_tokens":10,"firstDelayMs":20,"chunkDelayMs":5}');
  expect(done).toBe(true);
  expect(instants).toHaveLength(10);
  instants.forEach(({ atMs, writtenAtMs }, index) => {
    expect(writtenAtMs - (seen.sentAtMs ?? NaN)).toBeGreaterThan(20 + 5 * index);
    expect(atMs).toBeGreaterThan(writtenAtMs);
  });
});

it('refuses a plan that it cannot follow', async () => {
  const { ask } = await start();
  expect((await ask('{"max_tokens":0}')).seen.status).toBe(400);
  expect((await ask('{')).seen.status).toBe(400);
});

it('holds 64 streams at once, each whole and in order', async () => {
  const { ask } = await start();
  const body = '{"max_tokens":50,"firstDelayMs":2,"chunkDelayMs":2}';
  const answers = await Promise.all(Array.from({ length: 64 }, () => ask(body)));
  for (const { seen, instants, done } of answers) {
    expect([seen.status, seen.failure, done, instants.length]).toEqual([200, undefined, true, 50]);
    for (const { atMs, writtenAtMs } of instants) expect(atMs).toBeGreaterThan(writtenAtMs);
    const written = instants.map(({ writtenAtMs }) => writtenAtMs);
    expect(written).toEqual([...written].sort((a, b) => a - b));
  }
});

it('keeps its rate over a long stream without a pause between its events', async () => {
  const { ask } = await start();
  const { instants } = await ask('{"max_tokens":2000,"firstDelayMs":0,"chunkDelayMs":0.1}');
  expect(instants).toHaveLength(2000);
  const tookMs = (instants.at(-1)?.writtenAtMs ?? NaN) - (instants[0]?.writtenAtMs ?? NaN);
  expect(tookMs).toBeGreaterThan(190);
});

it('ends with its standard input, and not by an interrupt', async () => {
  const { child, ask } = await start();
  child.kill('SIGINT');
  expect((await ask('{}')).done).toBe(true);
  child.stdin.end();
  expect(await once(child, 'exit')).toEqual([0, null]);
});
