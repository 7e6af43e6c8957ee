import { expect, it } from 'vitest';
import { planGeneration } from '../../lib/rehearsal/generation.js';
import { chat, forms, profileOf, serve, streamed } from './serving.js';

it.each(forms)(
  'streams $name: known events, each read after it was written',
  async ({ stream, chat: asChat, kinds, outcome }) => {
    const server = await serve({ stream });
    const { seen, trace } = await (asChat ? server.ask(chat(), '/v1/chat/completions') : server.ask(streamed()));
    const written = server.written(1);
    expect(written.map(({ name }) => name).join(' ')).toBe(kinds);
    expect(written.map(({ sequence }) => sequence)).toEqual(written.map((_, index) => index + 1));
    expect(seen.status).toBe(200);
    expect(trace.request.outcome).toBe(outcome);
    // A reset connection may take bytes that were not read yet with it.
    const read = trace.chunks.map(({ kind }) => kind).join(' ');
    if ('cutOff' in stream) expect(kinds.startsWith(read)).toBe(true);
    else expect(read).toBe(kinds);
    trace.chunks.forEach(({ atMs }, index) => expect(atMs).toBeGreaterThan(written[index]?.atMs ?? NaN));
  },
);

it('gives the text whole again, however its characters were cut', async () => {
  const texts = await Promise.all(
    (['none', 'writes'] as const).map(async (splitUtf8) => {
      const server = await serve({ stream: { splitUtf8 } });
      return (await server.ask(streamed())).trace.request.outputPreview;
    }),
  );
  expect(texts[0]).toMatch(/^(?:noise\d+ ?){6}$/);
  expect(texts[1]).toMatch(/^noise\d+ nöise😀 noise\d+ noise\d+ noise\d+ nöise😀$/u);
});

it('holds half a character back, and gives it up as U+FFFD when nothing follows', async () => {
  const server = await serve({ stream: { splitUtf8: 'chunks' } });
  expect((await server.ask(streamed({ max_tokens: 3 }))).trace.request.outputPreview).toMatch(/^noise\d+😀$/u);
  expect((await server.ask(streamed({ max_tokens: 2 }))).trace.request.outputPreview).toMatch(/^noise\d+\uFFFD$/);
});

it('makes several events one read when they share a write', async () => {
  const server = await serve({ stream: { eventsPerWrite: 4 } });
  const { trace } = await server.ask(streamed());
  const stamps = new Set(trace.chunks.map(({ atMs }) => atMs));
  expect(stamps.size).toBe(2);
  expect(new Set(server.written(1).map(({ atMs }) => atMs)).size).toBe(2);
});

it('pauses where the profile says', async () => {
  const stream = { stalls: [{ afterTokens: 3, forMs: 60 }] };
  const plan = planGeneration(profileOf({ stream }), { prompt: [1], cachedTokens: 0, maxTokens: 5, ordinal: 1 });
  expect(plan.atMs).toEqual([4, 6, 8, 70, 72]);
  const server = await serve({ stream });
  await server.ask(streamed());
  const received = server.truth.find(({ event }) => event === 'request-received')?.atMs ?? NaN;
  expect((server.written(1)[3]?.atMs ?? NaN) - received).toBeGreaterThanOrEqual(70);
});

it('never writes before its time, and keeps to it over a whole stream', async () => {
  const server = await serve({ prefillBaseMs: 10, prefillMsPerToken: 1, decodeMsPerToken: 2.5 });
  await server.ask(streamed({ max_tokens: 40 }));
  const received = server.truth.find(({ event }) => event === 'request-received')?.atMs ?? NaN;
  server
    .written(1)
    .slice(0, 40)
    .forEach(({ atMs }, token) => expect(atMs - received).toBeGreaterThanOrEqual(10 + 5 + token * 2.5));
});

it('says what the first request waits for while it waits', async () => {
  const jitLines = ['(EngineCore pid=1) WARNING one', '(EngineCore pid=1) WARNING two'];
  const server = await serve({ firstRequest: { excessMs: 90, jitLines } });
  await server.ask(streamed());
  await server.ask(streamed());
  const jit = server.truth.filter(({ event }) => event === 'jit');
  expect(jit.map(({ request }) => request)).toEqual([1, 1]);
  expect(server.log.filter((line) => line.includes('WARNING'))).toEqual(jitLines);
  const [first, second] = [1, 2].map((request) => {
    const received = server.truth.find((one) => one.event === 'request-received' && one.request === request);
    return (server.written(request)[0]?.atMs ?? NaN) - (received?.atMs ?? NaN);
  });
  expect(first).toBeGreaterThanOrEqual(94);
  expect(second).toBeGreaterThanOrEqual(4);
  expect(jit[1]?.atMs).toBeLessThan(server.written(1)[0]?.atMs ?? NaN);
});

it('ends a stream in flight with an error event when it is stopped', async () => {
  const server = await serve({ stream: { stalls: [{ afterTokens: 2, forMs: 20_000 }] } });
  const asked = server.ask(streamed());
  await expect.poll(() => server.written(1).length).toBe(2);
  await server.close();
  const { trace } = await asked;
  expect(trace.chunks.map(({ kind }) => kind)).toEqual(['token', 'token', 'error', 'done']);
  expect(trace.request).toMatchObject({ outcome: 'failed', error: 'The server was stopped while it generated.' });
});
