import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEvents } from '../../lib/probe/sse.js';
import { readsOf, readsOfText, recorded, wholeStreams } from './recorded.js';

const dataOf = (text: string) => parseEvents(readsOfText(text)).map(({ data }) => data);

it.each([
  ['completions.sse', 66],
  ['completions-running-usage.sse', 10],
  ['completions-without-usage.sse', 5],
  ['chat.sse', 18],
  ['completions-server-stopped.sse', 91],
  ['vllm-0.26.0-cuda-completions.sse', 66],
  ['vllm-0.26.0-cuda-chat.sse', 19],
])('finds the events of the recorded %s, [DONE] last', (name, count) => {
  const events = parseEvents(readsOf(recorded(name)));
  expect(events).toHaveLength(count);
  expect(events.at(-1)?.data).toBe('[DONE]');
  for (const { data } of events.slice(0, -1)) expect(() => void JSON.parse(data)).not.toThrow();
});

describe.each([...wholeStreams, 'completions-server-stopped.sse'])('the recorded %s', (name) => {
  const bytes = recorded(name);
  const whole = parseEvents(readsOf(bytes)).map(({ data }) => data);
  /** Where each event's blank line ends. */
  const ends: number[] = [];
  for (let at = bytes.indexOf('\n\n'); at >= 0; at = bytes.indexOf('\n\n', at + 2)) ends.push(at + 2);

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

  it('survives being read byte by byte, inside characters too', () => {
    const events = parseEvents(readsOf(bytes, Array.from(bytes.keys())));
    expect(events.map(({ data }) => data)).toEqual(whole);
    expect(events.map(({ atMs }) => atMs)).toEqual(ends);
  });
});

it('gives the same events of any stream, however it is cut, with any line end', () => {
  const line = fc.constantFrom(
    'data: a',
    'data:b',
    'data: é😀\u2028',
    ': comment',
    'event: x',
    'id: 1',
    'retry: 5',
    'nonsense',
    '',
    '',
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom('\n', '\r\n'), fc.array(fc.nat(200)), (lines, end, cuts) => {
      const bytes = Buffer.from(lines.map((one) => one + end).join(''));
      const cut = parseEvents(readsOf(bytes, cuts));
      expect(cut.map(({ data }) => data)).toEqual(parseEvents(readsOf(bytes)).map(({ data }) => data));
      expect(cut.map(({ read }) => read)).toEqual([...cut.map(({ read }) => read)].sort((a, b) => a - b));
    }),
  );
});

it('reads CR LF, data without a space, and data of several lines', () => {
  expect(dataOf('data: a\r\n\r\ndata:b\n\ndata: c\ndata: d\n\n')).toEqual(['a', 'b', 'c\nd']);
});

it('takes one space only from the front of the data', () => {
  expect(dataOf('data:  a\n\n')).toEqual([' a']);
});

it('drops comments, other fields and events without data', () => {
  expect(dataOf(': keep-alive\n\nevent: ping\n\nretry: 3\nid: 7\ndata: a\n\n: ping\n\n')).toEqual(['a']);
});

it('does not end a line at U+2028, U+2029 or a line end that JSON has escaped', () => {
  const data = JSON.stringify({ text: 'one\u2028two\u2029three\nfour\r' });
  expect(dataOf(`data: ${data}\n\n`)).toEqual([data]);
});

it('drops an event whose final blank line never came', () => {
  expect(dataOf('data: a\n\ndata: b\n')).toEqual(['a']);
  expect(dataOf('data: a\n\ndata: {"choices"')).toEqual(['a']);
});

it('finds nothing in nothing, nor in an answer that is no stream', () => {
  expect(parseEvents([])).toEqual([]);
  expect(parseEvents(readsOf(recorded('completions-answer.json')))).toEqual([]);
});
