import { describe, expect, it } from 'vitest';
import { parseChunk } from '../../lib/probe/chunk.js';
import { parseEvents } from '../../lib/probe/sse.js';
import { readsOf, recorded } from './recorded.js';

const chunksOf = (name: string) => parseEvents(readsOf(recorded(name))).map(({ data }) => parseChunk(data));
const kindsOf = (name: string) => chunksOf(name).map(({ kind }) => kind);
const chunk = (body: unknown) => parseChunk(JSON.stringify(body));
const delta = (fields: unknown, finish_reason: string | null = null) =>
  chunk({ choices: [{ index: 0, delta: fields, finish_reason }] });

it('classifies the recorded completions stream: 64 tokens, usage, done', () => {
  const chunks = chunksOf('completions.sse');
  expect(chunks.map(({ kind }) => kind)).toEqual([...Array<string>(64).fill('token'), 'usage', 'done']);
  expect(chunks.map(({ text }) => text).join('')).toBe('.'.repeat(64));
  expect(chunks.map(({ finishReason }) => finishReason).filter((reason) => reason !== undefined)).toEqual(['length']);
  expect(chunks[64]).toEqual({
    kind: 'usage',
    text: '',
    hasChoice: false,
    finishReason: undefined,
    usage: { promptTokens: 38, completionTokens: 64, totalTokens: 102, cachedTokens: 0 },
    metrics: { firstTokenMs: 760.5561949999355, queueMs: 0.17033599988280912, generationMs: 9603.171680000287 },
    error: undefined,
  });
});

describe('streams of vLLM 0.26.0 on a GPU', () => {
  it('have its own times beside the usage, and events without text where a byte of a character is held back', () => {
    const chunks = chunksOf('vllm-0.26.0-cuda-completions.sse');
    const silent = [4, 38, 42];
    const events = Array.from({ length: 64 }, (_, at) => (silent.includes(at) ? 'empty' : 'token'));
    expect(chunks.map(({ kind }) => kind)).toEqual([...events, 'usage', 'done']);
    expect(chunks.at(-2)).toMatchObject({
      usage: { promptTokens: 49, completionTokens: 64, totalTokens: 113, cachedTokens: 0 },
      metrics: { firstTokenMs: 18.224398000029396, queueMs: 0.054612999974779086, generationMs: 138.74542700000347 },
    });
  });

  it('begin with a role in a chat', () => {
    const chunks = chunksOf('vllm-0.26.0-cuda-chat.sse');
    expect(chunks.map(({ kind }) => kind)).toEqual(['role', ...Array<string>(16).fill('token'), 'usage', 'done']);
    expect(chunks.at(-2)?.usage).toEqual({ promptTokens: 34, completionTokens: 16, totalTokens: 50, cachedTokens: 0 });
  });
});

it('reads a running usage beside the token that it counts', () => {
  const chunks = chunksOf('completions-running-usage.sse');
  expect(kindsOf('completions-running-usage.sse')).toEqual([...Array<string>(8).fill('token'), 'usage', 'done']);
  expect(chunks.map(({ usage }) => usage?.completionTokens)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8, undefined]);
});

it('calls an event empty when the server still holds back half a character', () => {
  expect(chunksOf('completions-without-usage.sse').map(({ kind, text }) => [kind, text])).toEqual([
    ['token', ' w493'],
    ['token', ' w667'],
    ['empty', ''],
    ['token', '\uFFFD w676'],
    ['done', ''],
  ]);
});

it('classifies the recorded chat stream: role first, the finish in a token, usage, done', () => {
  const chunks = chunksOf('chat.sse');
  expect(chunks[0]).toMatchObject({ kind: 'role', hasChoice: true, text: '' });
  expect(chunks.slice(1, -2).every(({ kind }) => kind === 'token')).toBe(true);
  // 16 tokens came in 15 events: the first holds two. Chunks are not tokens.
  expect(chunks).toHaveLength(1 + 15 + 2);
  expect(
    chunks
      .slice(1, -2)
      .map(({ text }) => text.length)
      .reduce((sum, length) => sum + length, 0),
  ).toBe(16);
  expect(chunks.slice(-2)).toMatchObject([{ kind: 'usage', usage: { completionTokens: 16 } }, { kind: 'done' }]);
});

it('finds the error that a stopped server puts into its stream', () => {
  const chunks = chunksOf('completions-server-stopped.sse');
  expect(chunks.slice(-2)).toMatchObject([
    { kind: 'error', error: 'EngineCore encountered an issue. See stack trace (above) for the root cause.' },
    { kind: 'done' },
  ]);
  expect(chunks.slice(0, -2).every(({ kind }) => kind === 'token')).toBe(true);
});

it.each([
  ['completions-answer.json', '.'.repeat(64), 102],
  ['chat-answer.json', '\n'.repeat(16), 45],
])('reads the whole answer %s', (name, text, totalTokens) => {
  expect(parseChunk(recorded(name).toString())).toMatchObject({
    kind: 'token',
    text,
    finishReason: 'length',
    usage: { totalTokens, cachedTokens: 0 },
  });
});

it.each([
  ['unknown-model-404.json', 'The model `nobody` does not exist. Valid aliases: tiny.'],
  ['bad-request-400.json', 'max_tokens must be at least 1, got -4. (parameter=max_tokens, value=-4)'],
])("takes the server's own words from the error body %s", (name, error) => {
  expect(parseChunk(recorded(name).toString())).toMatchObject({ kind: 'error', error });
});

it('knows reasoning under both of its names', () => {
  expect(delta({ reasoning: 'hm' })).toMatchObject({ kind: 'reasoning', text: 'hm' });
  expect(delta({ reasoning_content: 'hm', content: null })).toMatchObject({ kind: 'reasoning', text: 'hm' });
  expect(delta({ reasoning: '', content: '' })).toMatchObject({ kind: 'empty' });
});

it('calls an event with reasoning and content a token, and counts the text of both', () => {
  expect(delta({ reasoning: 'hm', content: 'yes' })).toMatchObject({ kind: 'token', text: 'hmyes' });
});

it('counts a tool call as generated text', () => {
  const call = [{ index: 0, function: { name: 'f', arguments: '{' } }];
  expect(delta({ tool_calls: call })).toMatchObject({ kind: 'token', text: JSON.stringify(call) });
  expect(delta({ tool_calls: [] })).toMatchObject({ kind: 'empty' });
});

it('calls the last event of a chat, which has an empty delta, empty, and keeps its finish reason', () => {
  expect(delta({}, 'stop')).toMatchObject({ kind: 'empty', hasChoice: true, finishReason: 'stop' });
});

it('takes an event without choices and usage for empty, not for a token', () => {
  expect(chunk({ choices: [] })).toMatchObject({ kind: 'empty', hasChoice: false });
  expect(chunk({})).toMatchObject({ kind: 'empty', hasChoice: false });
});

it.each([
  ['an object with a message', { error: { message: 'no', code: 500 } }, 'no'],
  ['an object without one', { error: { code: 500 } }, '{"code":500}'],
  ['plain text', { error: 'no' }, 'no'],
  ['the older form, at the top', { object: 'error', message: 'no', code: 404 }, 'no'],
])('reads an error given as %s', (_form, body, error) => {
  expect(chunk(body)).toEqual({ kind: 'error', text: '', hasChoice: false, error });
});

it('takes error: null for no error', () => {
  expect(chunk({ error: null, choices: [{ index: 0, text: 'a' }] })).toMatchObject({ kind: 'token', text: 'a' });
});

it.each(['<html>', '', 'null', '3', '[1]', '"text"', '{"half":'])(
  'calls %j, which is no JSON object, an error that quotes it',
  (data) => {
    expect(parseChunk(data)).toEqual({
      kind: 'error',
      text: '',
      hasChoice: false,
      error: `not a JSON object: ${data}`,
    });
  },
);

it('leaves out what is not a number', () => {
  expect(chunk({ choices: [], usage: { prompt_tokens: 'many', total_tokens: null } }).usage).toEqual({
    promptTokens: undefined,
    completionTokens: undefined,
    totalTokens: undefined,
    cachedTokens: undefined,
  });
});
