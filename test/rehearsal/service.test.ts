import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { exchange } from '../../lib/probe/exchange.js';
import { createPrefixCache } from '../../lib/rehearsal/prefix-cache.js';
import { planGeneration } from '../../lib/rehearsal/generation.js';
import { parseExposition } from '../../lib/snapshot/prometheus.js';
import { seedPayload } from '../../lib/freeze/workload.js';
import { clock } from '../launch/place.js';
import { chat, completion, profileOf, serve, streamed } from './serving.js';

const figure = (text: string, name: string, labels: Readonly<Record<string, string>> = {}) =>
  parseExposition(text).figures.find(
    (one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  )?.value;

const post = async (origin: string, path: string, body: string) => {
  const answer = await fetch(`${origin}${path}`, { method: 'POST', body });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
};

it('answers what a run asks before it sends anything', async () => {
  const { origin, truth, log } = await serve({}, { version: '0.32.0' });
  const health = await fetch(`${origin}/health`);
  expect([health.status, await health.text()]).toEqual([200, '']);
  expect(await (await fetch(`${origin}/version`)).json()).toEqual({ version: '0.32.0' });
  expect(await (await fetch(`${origin}/v1/models`)).json()).toMatchObject({
    object: 'list',
    data: [{ id: 'tiny', object: 'model', root: '/models/tiny', max_model_len: 4096 }],
  });
  await fetch(`${origin}/health`);
  expect(truth.map(({ event }) => event)).toEqual(['listening', 'first-health']);
  expect(log[0]).toMatch(/^INFO: {5}127\.0\.0\.1:\d+ - "GET \/health HTTP\/1\.1" 200 OK$/);
  expect(log).toHaveLength(4);
});

it('answers whole, with usage and its own times', async () => {
  const server = await serve({ prefillBaseMs: 6, decodeMsPerToken: 3 });
  const { seen, trace } = await server.ask(completion(seedPayload));
  expect(trace.request).toMatchObject({
    outcome: 'completed',
    finishReason: 'length',
    promptTokens: 38,
    completionTokens: 64,
    totalTokens: 102,
    cachedTokens: 0,
  });
  expect(trace.request.serverFirstTokenMs).toBeCloseTo(6, 6);
  expect(trace.request.serverGenerationMs).toBeCloseTo(63 * 3, 6);
  expect((seen.endAtMs ?? NaN) - (seen.sentAtMs ?? NaN)).toBeGreaterThan(6 + 63 * 3);
  const whole = await server.ask(chat({ stream: false }), '/v1/chat/completions');
  expect(whole.trace.request).toMatchObject({ outcome: 'completed', completionTokens: 6 });
});

it('leaves out what its command line did not ask for', async () => {
  const server = await serve({}, { perRequestMetrics: false, promptTokensDetails: false });
  const { request } = (await server.ask(streamed())).trace;
  expect(request).toMatchObject({ outcome: 'completed', completionTokens: 6 });
  expect([request.cachedTokens, request.serverFirstTokenMs]).toEqual([undefined, undefined]);
});

it('counts the tokens so far in every event when it is asked to', async () => {
  const server = await serve({ stream: { tokensPerChunk: 2 } });
  const { seen } = await server.ask(
    streamed({ stream_options: { include_usage: true, continuous_usage_stats: true } }),
  );
  const text = Buffer.concat(seen.reads.map(({ bytes }) => bytes)).toString();
  expect([...text.matchAll(/"completion_tokens":(\d+)/g)].map(([, count]) => Number(count))).toEqual([2, 4, 6, 6]);
});

it.each([
  ['an unknown model', '/v1/completions', JSON.stringify(completion({ model: 'nobody' })), 'unknown-model-404'],
  ['too many tokens', '/v1/completions', JSON.stringify(completion({ max_tokens: 99_999 })), 'too-long-400'],
  ['a negative count', '/v1/completions', JSON.stringify(completion({ max_tokens: -4 })), 'bad-request-400'],
])('refuses %s as vLLM did', async (_what, path, body, recorded) => {
  const { origin } = await serve();
  const { json } = await post(origin, path, body);
  expect(json).toEqual(JSON.parse(readFileSync(`test/fixtures/streams/vllm-0.32.0-cpu-${recorded}.json`, 'utf8')));
});

it.each([
  ['what is no JSON', '/v1/completions', '{"prompt":', 400, /^1 validation error:\n {2}\{'type': 'json_invalid'/],
  ['a request without a prompt', '/v1/completions', '{}', 400, /validation error.*body\.prompt/s],
  ['a chat without messages', '/v1/chat/completions', '{}', 400, /validation error.*body\.messages/s],
  ['a prompt that does not fit', '/v1/completions', JSON.stringify({ prompt: 'a'.repeat(5000) }), 400, /5000.*4096/],
  ['a path that it does not have', '/v1/embeddings', '{}', 404, /^Not Found$/],
  ['a method that the path does not have', '/health', '{}', 405, /^Method Not Allowed$/],
])('refuses %s in the form of an error', async (_what, path, body, status, message) => {
  const { origin } = await serve();
  const answer = await post(origin, path, body);
  expect(answer.status).toBe(status);
  const { error } = answer.json as { error: { message: string; type: string; code: number } };
  expect(error).toMatchObject({ code: status, type: expect.any(String) });
  expect(error.message).toMatch(message);
});

it('counts the tokens of a text and of a chat', async () => {
  const { origin } = await serve();
  const text = await post(origin, '/tokenize', JSON.stringify({ prompt: 'aé' }));
  expect(text.json).toEqual({ count: 3, max_model_len: 4096, tokens: [0x61, 0xc3, 0xa9], token_strs: null });
  const { json } = await post(origin, '/tokenize', JSON.stringify({ messages: [{ role: 'user', content: 'hi' }] }));
  const asked = await post(
    origin,
    '/v1/chat/completions',
    JSON.stringify({ ...chat({ stream: false }), messages: [{ role: 'user', content: 'hi' }] }),
  );
  expect((asked.json['usage'] as { prompt_tokens: number }).prompt_tokens).toBe(json['count']);
});

it('finds whole blocks of a prompt again, under the same salt only, and computes the rest', async () => {
  const server = await serve({ prefillMsPerToken: 0.5, prefixCache: { blockTokens: 16 } });
  const prompt = Array.from({ length: 100 }, (_, index) => 300 + index);
  const cachedOf = async (more: Readonly<Record<string, unknown>>) =>
    (await server.ask(streamed({ prompt, ...more }))).trace.request;
  expect((await cachedOf({ cache_salt: 'a' })).cachedTokens).toBe(0);
  const again = await cachedOf({ cache_salt: 'a' });
  expect(again.cachedTokens).toBe(96);
  // 4 ms, and half a millisecond for each of the 4 tokens that are no whole block.
  expect(again.serverFirstTokenMs).toBeCloseTo(4 + 2, 6);
  expect((await cachedOf({ cache_salt: 'b' })).cachedTokens).toBe(0);
  expect((await cachedOf({ cache_salt: 'a', prompt: prompt.slice(0, 96) })).cachedTokens).toBe(80);
  expect(
    (await cachedOf({ cache_salt: 'a', prompt: [...prompt.slice(0, 40), 1, ...prompt.slice(41)] })).cachedTokens,
  ).toBe(32);
  const text = await server.figures();
  expect(figure(text, 'vllm:prefix_cache_queries_total')).toBe(496);
  expect(figure(text, 'vllm:prefix_cache_hits_total')).toBe(96 + 80 + 32);
});

it('forgets the blocks that were not used for the longest time', () => {
  const cache = createPrefixCache(4, 8);
  const [a, b] = [Array<number>(5).fill(1), Array<number>(5).fill(2)];
  cache.keep(a, undefined);
  cache.keep(b, undefined);
  expect(cache.find(a, undefined)).toBe(4);
  cache.keep(Array<number>(5).fill(3), undefined);
  expect([cache.find(a, undefined), cache.find(b, undefined)]).toEqual([4, 0]);
});

it('generates one request at a time, and reports how long the others waited', async () => {
  const server = await serve({ prefillBaseMs: 60 });
  const traces = await Promise.all([1, 2, 3].map(() => server.ask(streamed({ max_tokens: 1 }))));
  const figures = traces
    .map(({ trace }) => ({
      queueMs: trace.request.serverQueueMs ?? NaN,
      // Sent at nearly the same time: who waited longer was first served later.
      firstTokenAtMs: trace.request.firstTokenAtMs ?? NaN,
    }))
    .sort((a, b) => a.queueMs - b.queueMs);
  expect(figures.map(({ firstTokenAtMs }) => firstTokenAtMs)).toEqual(
    figures.map(({ firstTokenAtMs }) => firstTokenAtMs).sort((a, b) => a - b),
  );
  const [first, second, third] = figures.map(({ queueMs }) => queueMs);
  expect(first).toBeLessThan(20);
  // Each waits until the one before it has its only token, at least 60 ms after that one was scheduled.
  expect((third ?? NaN) - (first ?? NaN)).toBeGreaterThan(60);
  expect(second).toBeGreaterThan(first ?? NaN);
});

it('counts what it did, under the names and types of vLLM', async () => {
  const server = await serve();
  for (let sent = 0; sent < 3; sent += 1) await server.ask(streamed());
  await server.ask(completion({ max_tokens: 2 }));
  await server.ask(completion({ model: 'nobody' }));
  const text = await server.figures();
  const { types, unread } = parseExposition(text);
  expect(unread).toEqual([]);
  const real = parseExposition(readFileSync('test/fixtures/prometheus/vllm-0.32-after-one-request.txt', 'utf8'));
  for (const [name, type] of types) expect([name, real.types.get(name)]).toEqual([name, type]);
  const counts: Readonly<Record<string, number>> = {
    'vllm:prompt_tokens_total': 20,
    'vllm:generation_tokens_total': 20,
    'vllm:num_requests_running': 0,
    'vllm:num_requests_waiting': 0,
    'vllm:kv_cache_usage_perc': 0,
    'vllm:time_to_first_token_seconds_count': 4,
    'vllm:e2e_request_latency_seconds_count': 4,
    'vllm:request_queue_time_seconds_count': 4,
    'vllm:inter_token_latency_seconds_count': 16,
    'vllm:request_generation_tokens_sum': 20,
    'vllm:iteration_tokens_total_sum': 40,
  };
  for (const [name, count] of Object.entries(counts)) expect([name, figure(text, name)]).toEqual([name, count]);
  expect(figure(text, 'vllm:request_success_total', { finished_reason: 'length' })).toBe(4);
  expect(figure(text, 'http_requests_total', { handler: '/v1/completions', status: '4xx' })).toBe(1);
  expect(figure(text, 'vllm:request_decode_time_seconds_sum')).toBeCloseTo((3 * 5 * 2 + 2) / 1000, 6);
});

it('has the bucket bounds of vLLM', async () => {
  const bounds = (text: string) => {
    const found = new Map<string, string[]>();
    for (const { name, labels } of parseExposition(text).figures)
      if (name.startsWith('vllm:') && name.endsWith('_bucket'))
        found.set(name, [...(found.get(name) ?? []), labels['le'] ?? '']);
    return found;
  };
  const ours = bounds(await (await serve()).figures());
  const real = bounds(readFileSync('test/fixtures/prometheus/vllm-0.32-after-one-request.txt', 'utf8'));
  expect(ours.size).toBeGreaterThan(10);
  for (const [name, values] of ours) expect([name, values]).toEqual([name, real.get(name)]);
});

it('gives a request up when its client has gone, and goes on with the next', async () => {
  const server = await serve({ stream: { stalls: [{ afterTokens: 2, forMs: 20_000 }] } });
  const gone = new AbortController();
  const plan = { origin: server.origin, path: '/v1/completions', body: JSON.stringify(streamed()), timeoutMs: 30_000 };
  const asked = exchange(plan, clock, gone.signal);
  await expect.poll(() => server.written(1).length).toBe(2);
  const during = await server.figures();
  expect(figure(during, 'vllm:num_requests_running')).toBe(1);
  expect(figure(during, 'vllm:kv_cache_usage_perc')).toBeGreaterThan(0);
  gone.abort();
  await asked;
  expect((await server.ask(streamed({ max_tokens: 1 }))).trace.request.outcome).toBe('completed');
  const text = await server.figures();
  expect(figure(text, 'vllm:request_success_total', { finished_reason: 'abort' })).toBe(1);
  expect(figure(text, 'vllm:generation_tokens_total')).toBe(3);
  expect(server.truth.filter(({ event }) => event === 'request-done').map(({ request }) => request)).toEqual([1, 2]);
});

it('takes the same time for the same seed, within the jitter, and never goes back in time', () => {
  const ask = { prompt: [1, 2, 3], cachedTokens: 0, maxTokens: 200, ordinal: 2 };
  const profile = profileOf({ jitterMs: 5, seed: 3 });
  const plan = planGeneration(profile, ask);
  expect(planGeneration(profile, ask)).toEqual(plan);
  expect(planGeneration(profile, { ...ask, ordinal: 3 }).atMs).not.toEqual(plan.atMs);
  const steps = plan.atMs.slice(1).map((atMs, index) => atMs - (plan.atMs[index] ?? NaN));
  expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...steps)).toBeLessThanOrEqual(2 + 5);
  expect(new Set(steps).size).toBeGreaterThan(50);
});
