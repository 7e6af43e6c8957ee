import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../lib/probe/exchange.js';
import { traceOf, type RequestLabel, type Trace } from '../../lib/probe/trace.js';
import { readsOf, readsOfText, recorded, wholeStreams } from './recorded.js';

const label = (streamed: boolean): RequestLabel => ({
  requestId: '1-warm-3',
  launch: 1,
  name: 'warm',
  index: 3,
  workload: 'seed',
  streamed,
  idleBeforeMs: 5,
});
/** A whole exchange; the reads are stamped with the position of their end, the other instants lie around them. */
const whole = (reads: Exchange['reads'], more: Partial<Exchange> = {}): Exchange => ({
  startAtMs: -30,
  connectedAtMs: -20,
  sentAtMs: -10,
  headersAtMs: -1,
  status: 200,
  reads,
  endAtMs: (reads.at(-1)?.atMs ?? 0) + 1,
  ...more,
});
const streamed = (text: string, more?: Partial<Exchange>) => traceOf(label(true), whole(readsOfText(text), more));
const event = (fields: unknown) => `data: ${JSON.stringify(fields)}\n\n`;
const token = (text: string, finish_reason: string | null = null) =>
  event({ choices: [{ index: 0, text, finish_reason }] });
const done = 'data: [DONE]\n\n';

describe('the recorded completions stream, read event by event', () => {
  const bytes = recorded('completions.sse');
  const ends: number[] = [];
  for (let at = bytes.indexOf('\n\n'); at >= 0; at = bytes.indexOf('\n\n', at + 2)) ends.push(at + 2);
  const { request, chunks } = traceOf(label(true), whole(readsOf(bytes, ends)));

  it('becomes one row with every stamp', () => {
    expect(request).toEqual({
      requestId: '1-warm-3',
      launch: 1,
      name: 'warm',
      index: 3,
      workload: 'seed',
      streamed: true,
      idleBeforeMs: 5,
      outcome: 'completed',
      httpStatus: 200,
      startAtMs: -30,
      connectedAtMs: -20,
      sentAtMs: -10,
      headersAtMs: -1,
      firstByteAtMs: ends[0],
      firstEventAtMs: ends[0],
      firstChoiceAtMs: ends[0],
      firstTokenAtMs: ends[0],
      firstVisibleAtMs: ends[0],
      lastTokenAtMs: ends[63],
      doneAtMs: ends[65],
      endAtMs: bytes.length + 1,
      chunks: 64,
      promptTokens: 38,
      completionTokens: 64,
      totalTokens: 102,
      cachedTokens: 0,
      finishReason: 'length',
      serverFirstTokenMs: 760.5561949999355,
      serverQueueMs: 0.17033599988280912,
      serverGenerationMs: 9603.171680000287,
      outputPreview: '.'.repeat(64),
    });
  });

  it('becomes one chunk row per event, numbered from 1, with its read', () => {
    expect(chunks).toHaveLength(66);
    expect(chunks[0]).toEqual({
      requestId: '1-warm-3',
      sequence: 1,
      read: 1,
      atMs: ends[0],
      kind: 'token',
      characters: 1,
      bytes: (ends[0] ?? 0) - 'data: \n\n'.length,
    });
    expect(chunks.map(({ read }) => read)).toEqual(chunks.map(({ sequence }) => sequence));
    expect(chunks.at(-1)).toMatchObject({ kind: 'done', characters: 0, bytes: 6 });
  });
});

const generatedStamps = ({ chunks }: Trace) =>
  chunks.filter(({ kind }) => kind === 'token' || kind === 'reasoning').map(({ atMs }) => atMs);

describe.each(wholeStreams)('the recorded %s, cut anywhere', (name) => {
  const bytes = recorded(name);
  const cuts = fc.array(fc.nat(bytes.length), { maxLength: 40 });
  const atOnce = traceOf(label(true), whole(readsOf(bytes)));

  it('gives the same kinds, text, usage and outcome', () => {
    const timeless = ({ request, chunks }: Trace) => ({
      kinds: chunks.map(({ kind, characters }) => [kind, characters]),
      row: Object.fromEntries(Object.entries(request).filter(([key]) => !key.endsWith('AtMs'))),
    });
    fc.assert(
      fc.property(cuts, (at) => {
        expect(timeless(traceOf(label(true), whole(readsOf(bytes, at))))).toEqual(timeless(atOnce));
      }),
    );
    expect(atOnce.request.outcome).toBe('completed');
  });

  it('has TTFT plus all gaps between chunks equal to the last chunk minus the sending', () => {
    fc.assert(
      fc.property(cuts, (at) => {
        const trace = traceOf(label(true), whole(readsOf(bytes, at)));
        const stamps = generatedStamps(trace);
        const { sentAtMs = NaN, firstTokenAtMs = NaN, lastTokenAtMs = NaN } = trace.request;
        const gapsMs = stamps.slice(1).map((stamp, index) => stamp - (stamps[index] ?? NaN));
        expect(gapsMs.every((gap) => gap >= 0)).toBe(true);
        expect(firstTokenAtMs - sentAtMs + gapsMs.reduce((sum, gap) => sum + gap, 0)).toBe(lastTokenAtMs - sentAtMs);
        expect(trace.request.chunks).toBe(stamps.length);
      }),
    );
  });

  it('has its stamps in the order of their meaning', () => {
    fc.assert(
      fc.property(cuts, (at) => {
        const { request } = traceOf(label(true), whole(readsOf(bytes, at)));
        const order = [
          request.startAtMs,
          request.connectedAtMs,
          request.sentAtMs,
          request.headersAtMs,
          request.firstByteAtMs,
          request.firstEventAtMs,
          request.firstChoiceAtMs,
          request.firstTokenAtMs,
          request.lastTokenAtMs,
          request.doneAtMs,
          request.endAtMs,
        ];
        expect(order).toEqual([...order].sort((a, b) => (a ?? NaN) - (b ?? NaN)));
      }),
    );
  });
});

it('ends TTFT at the first event with text, not at the role, and tells reasoning from visible text', () => {
  const events = [
    event({ choices: [{ delta: { role: 'assistant', content: '' } }] }),
    event({ choices: [{ delta: { reasoning: 'hm' } }] }),
    event({ choices: [{ delta: { content: 'yes' } }] }),
    event({ choices: [{ delta: {}, finish_reason: 'stop' }] }),
    done,
  ];
  const ends = events.map((_, index) => events.slice(0, index + 1).join('').length);
  const { request } = traceOf(label(true), whole(readsOfText(events.join(''), ends)));
  expect(request).toMatchObject({
    firstEventAtMs: ends[0],
    firstChoiceAtMs: ends[0],
    firstTokenAtMs: ends[1],
    firstVisibleAtMs: ends[2],
    lastTokenAtMs: ends[2],
    doneAtMs: ends[4],
    chunks: 2,
    outputPreview: 'hmyes',
  });
});

it('gives events that came in one read the stamp of that read', () => {
  const { chunks } = streamed(token('a') + token('b', 'length') + done);
  expect(new Set(chunks.map(({ atMs }) => atMs)).size).toBe(1);
  expect(chunks.map(({ read, sequence }) => [read, sequence])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
});

it.each([
  ['without [DONE]', token('a', 'length'), 'cut-off', 'without a finish reason and [DONE]'],
  ['without a finish reason', token('a') + done, 'cut-off', 'without a finish reason and [DONE]'],
  ['in the middle of an event', `${token('a')}data: {"choi`, 'cut-off', 'without a finish reason and [DONE]'],
  ['before its first event', '', 'cut-off', 'without a finish reason and [DONE]'],
  ['with an error event', token('a') + event({ error: { message: 'engine dead' } }) + done, 'failed', 'engine dead'],
  ['with text that is no JSON', `${token('a')}data: <html>\n\n${done}`, 'failed', 'not a JSON object: <html>'],
  ['by being aborted', token('a', 'abort') + done, 'cut-off', 'finish_reason abort'],
])('does not call a stream completed that ended %s', (_how, text, outcome, error) => {
  const { request } = streamed(text);
  expect(request.outcome).toBe(outcome);
  expect(request.error).toContain(error);
});

it('calls the stream of a server that was stopped failed, in its words, with what had come', () => {
  const { request } = traceOf(label(true), whole(readsOf(recorded('completions-server-stopped.sse'))));
  expect(request).toMatchObject({
    outcome: 'failed',
    chunks: 89,
    error: 'EngineCore encountered an issue. See stack trace (above) for the root cause.',
  });
});

it('keeps stamps and chunks of a stream whose connection broke', () => {
  const failure = { code: 'UND_ERR_SOCKET', message: 'other side closed' };
  const { request, chunks } = streamed(token('a') + token('b'), { failure, endAtMs: undefined });
  expect(request).toMatchObject({
    outcome: 'cut-off',
    error: 'UND_ERR_SOCKET: other side closed',
    chunks: 2,
    outputPreview: 'ab',
  });
  expect(request.firstTokenAtMs).toBe(token('a').length * 2);
  expect(request.endAtMs).toBeUndefined();
  expect(chunks.map(({ kind }) => kind)).toEqual(['token', 'token']);
});

it.each([
  ['a timeout', { code: 'timeout' }, {}, 'timed-out'],
  ['a timeout before the connection', { code: 'timeout' }, { connectedAtMs: undefined }, 'timed-out'],
  ['an interrupt', { code: 'aborted' }, {}, 'cut-off'],
  ['an interrupt before the connection', { code: 'aborted' }, { connectedAtMs: undefined }, 'cut-off'],
  ['a refused connection', { code: 'ECONNREFUSED' }, { connectedAtMs: undefined }, 'refused'],
  ['a connection reset before the answer', { code: 'ECONNRESET' }, {}, 'failed'],
])('classifies %s', (_name, { code }, more, outcome) => {
  for (const kind of [true, false]) {
    const { request, chunks } = traceOf(label(kind), {
      startAtMs: 0,
      connectedAtMs: 1,
      sentAtMs: 2,
      reads: [],
      failure: { code, message: 'm' },
      ...more,
    });
    expect(request).toMatchObject({ outcome, error: `${code}: m` });
    expect(request.firstTokenAtMs).toBeUndefined();
    expect(chunks).toEqual([]);
  }
});

it('calls an answer with another status refused and quotes the body, streamed or not', () => {
  for (const kind of [true, false]) {
    const { request, chunks } = traceOf(
      label(kind),
      whole(readsOf(recorded('unknown-model-404.json')), { status: 404 }),
    );
    expect(request).toMatchObject({ outcome: 'refused', httpStatus: 404 });
    expect(request.error).toMatch(/^HTTP 404: .+The model `nobody` does not exist/);
    expect(chunks).toEqual([]);
  }
});

it('reads the recorded answer that was not streamed, without token stamps', () => {
  const { request, chunks } = traceOf(label(false), whole(readsOf(recorded('completions-answer.json'), [100])));
  expect(request).toMatchObject({
    outcome: 'completed',
    firstByteAtMs: 100,
    endAtMs: 885,
    promptTokens: 38,
    completionTokens: 64,
    totalTokens: 102,
    finishReason: 'length',
    outputPreview: '.'.repeat(64),
  });
  expect([request.firstTokenAtMs, request.doneAtMs, request.chunks]).toEqual([undefined, undefined, undefined]);
  expect(chunks).toEqual([]);
});

it.each([
  ['not JSON', '<html>', 'not a JSON object: <html>'],
  ['null', 'null', 'not a JSON object: null'],
  ['without choices', '{"object":"list"}', 'the answer has no choices: {"object":"list"}'],
  ['an error', '{"error":{"message":"no"}}', 'no'],
])('calls a 200 answer that is %s failed', (_what, text, error) => {
  expect(traceOf(label(false), whole(readsOfText(text))).request).toMatchObject({ outcome: 'failed', error });
});

it('previews 80 whole characters of the trimmed text', () => {
  const answer = (text: string) =>
    traceOf(label(false), whole(readsOfText(JSON.stringify({ choices: [{ text }] })))).request.outputPreview;
  expect(answer(` \n${'x'.repeat(90)}`)).toBe('x'.repeat(80));
  expect(answer('😀'.repeat(81))).toBe('😀'.repeat(80));
  expect(answer('one\u2028two')).toBe('one\u2028two');
});
