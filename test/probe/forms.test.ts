/** Every form of stream that the rehearsal engine can write, cut anywhere: the same events, each with the read that completed it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChunk } from '../../lib/probe/chunk.js';
import { parseEvents } from '../../lib/probe/sse.js';
import { streamWrites } from '../../lib/rehearsal/events.js';
import { planGeneration } from '../../lib/rehearsal/generation.js';
import { forms, profileOf } from '../rehearsal/serving.js';
import { readsOf } from './recorded.js';

const head = { id: 'cmpl-1', createdS: 1_795_000_000, model: 'tiny' };

/** The bytes of a form's stream, and where each of its events ends, from the writes alone. */
function bytesOf(stream: Readonly<Record<string, unknown>>, chat: boolean, tokens: number) {
  const profile = profileOf({ stream });
  const prompt = [104, 105];
  const request = { chat, prompt, maxTokens: tokens, streamed: true, includeUsage: true, continuousUsage: true };
  const { writes } = streamWrites({
    request,
    head: { ...head, chat },
    form: profile.stream,
    plan: planGeneration(profile, { prompt, cachedTokens: 0, maxTokens: tokens, ordinal: 1 }),
    cachedTokens: 0,
    times: undefined,
  });
  const bytes = Buffer.concat(writes.map((write) => Buffer.from(write.bytes as Uint8Array)));
  return { bytes, kinds: writes.flatMap(({ kinds }) => kinds).filter((kind) => kind !== 'comment') };
}

/** Read the plain way: blocks end with an empty line, and a block with data is an event. */
function endsOf(bytes: Buffer, blank: string): number[] {
  const ends: number[] = [];
  let from = 0;
  for (let at = bytes.indexOf(blank); at >= 0; at = bytes.indexOf(blank, from)) {
    const end = at + blank.length;
    if (!bytes.subarray(from, end).toString().startsWith(':')) ends.push(end);
    from = end;
  }
  return ends;
}

describe.each(forms)('$name', ({ stream, chat, kinds }) => {
  const { bytes, kinds: written } = bytesOf(stream, chat, 6);
  const blank = 'crlf' in stream ? '\r\n\r\n' : '\n\n';
  const ends = endsOf(bytes, blank);
  const whole = parseEvents(readsOf(bytes)).map(({ data }) => data);

  it('holds the events that it is said to hold', () => {
    expect(written.join(' ')).toBe(kinds);
    expect(whole.map((data) => parseChunk(data).kind)).toEqual(written);
    expect(ends).toHaveLength(written.length);
  });

  it('gives the same events, each stamped by the read that completed it, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 60 }), (cuts) => {
        const reads = readsOf(bytes, cuts);
        const events = parseEvents(reads);
        expect(events.map(({ data }) => data)).toEqual(whole);
        expect(events.map(({ atMs }) => atMs)).toEqual(ends.map((end) => reads.find(({ atMs }) => atMs >= end)?.atMs));
        for (const { read, atMs } of events) expect(reads[read - 1]?.atMs).toBe(atMs);
      }),
    );
  });

  it('is read byte by byte as well', () => {
    const events = parseEvents(readsOf(bytes, Array.from(bytes.keys())));
    expect(events.map(({ data }) => data)).toEqual(whole);
    expect(events.map(({ atMs }) => atMs)).toEqual(ends);
  });
});

it('counts the tokens right in any mixture of forms, however it is cut', () => {
  const mixture = fc.record({
    reasoningTokens: fc.nat(4),
    emptyChunks: fc.nat(3),
    tokensPerChunk: fc.integer({ min: 1, max: 5 }),
    splitUtf8: fc.constantFrom('none', 'writes', 'chunks'),
    crlf: fc.boolean(),
    commentEvery: fc.nat(3),
    eventsPerWrite: fc.integer({ min: 1, max: 4 }),
  });
  const tokens = fc.integer({ min: 1, max: 20 });
  fc.assert(
    fc.property(
      mixture,
      tokens,
      fc.boolean(),
      fc.array(fc.nat(8000), { maxLength: 40 }),
      (stream, made, chat, cuts) => {
        const { bytes, kinds } = bytesOf(stream, chat, made);
        const chunks = parseEvents(readsOf(bytes, cuts)).map(({ data }) => parseChunk(data));
        expect(chunks.map(({ kind }) => kind)).toEqual(kinds);
        const counted = chunks.flatMap(({ usage }) => usage?.completionTokens ?? []);
        expect(counted).toEqual([...counted].sort((a, b) => a - b));
        expect(counted.at(-1)).toBe(made);
        expect(chunks.filter(({ finishReason }) => finishReason !== undefined)).toHaveLength(1);
        expect(chunks.at(-1)?.kind).toBe('done');
      },
    ),
  );
});
