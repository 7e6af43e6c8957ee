import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createLineSplitter, type StampedLine } from '../../lib/launch/lines.js';

/** Feed `bytes` in pieces cut at `cuts`; the read that ends at byte n is stamped n, so a stamp says where its read ended. */
function splitAt(bytes: Uint8Array, cuts: readonly number[]): StampedLine[] {
  const splitter = createLineSplitter();
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const lines: StampedLine[] = [];
  let from = 0;
  for (const end of ends) {
    lines.push(...splitter.push(bytes.subarray(from, end), end));
    from = end;
  }
  return [...lines, ...splitter.flush(-1)];
}

const textOf = (lines: readonly StampedLine[]) => lines.map(({ text }) => text);
const piece = fc.constantFrom('a', 'é', '█', '😀', '\u2028', '\n', '\r', '\r\n', ' ', '\t', '\0');
const logText = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));

it('gives the same lines however the bytes are cut, inside a character and between CR and LF too', () => {
  fc.assert(
    fc.property(logText, fc.array(fc.nat(400), { maxLength: 40 }), (text, cuts) => {
      const whole = text.split(/[\r\n]/).filter((line) => line !== '');
      expect(textOf(splitAt(Buffer.from(text), cuts))).toEqual(whole);
    }),
  );
});

it('stamps a line with the read that held its end', () => {
  fc.assert(
    fc.property(logText, fc.array(fc.nat(400), { maxLength: 40 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const reads = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
      const expected: number[] = [];
      let letters = 0;
      bytes.forEach((byte, at) => {
        if (byte !== 0x0a && byte !== 0x0d) letters += 1;
        // A line without letters is no line. The read that holds byte `at` is the first that ends after it.
        else if (letters > 0) expected.push(reads.find((end) => end > at) ?? NaN);
        if (byte === 0x0a || byte === 0x0d) letters = 0;
      });
      if (letters > 0) expected.push(-1);
      expect(splitAt(bytes, cuts).map(({ atMs }) => atMs)).toEqual(expected);
    }),
  );
});

it('reads a progress bar, which returns without a line feed, as one line per state', () => {
  const bar = 'shards:   0%\rshards:  50%\rshards: 100%\n';
  expect(textOf(splitAt(Buffer.from(bar), [5]))).toEqual(['shards:   0%', 'shards:  50%', 'shards: 100%']);
});

it('keeps last words that have no line end, with the stamp of the end of the pipe', () => {
  const splitter = createLineSplitter();
  expect(splitter.push(Buffer.from('killed in the mid'), 1)).toEqual([]);
  expect(splitter.push(Buffer.from('dle'), 2)).toEqual([]);
  expect(splitter.flush(3)).toEqual([{ atMs: 3, text: 'killed in the middle' }]);
});

it('splits a recorded log byte by byte into the lines it has', () => {
  const bytes = readFileSync('test/fixtures/startup/vllm-0.32.0-cpu-kvtoobig.txt');
  // vLLM ends the lines of a message of several lines with CR LF.
  const whole = bytes
    .toString('utf8')
    .split(/[\r\n]/)
    .filter((line) => line !== '');
  expect(bytes.includes('\r\n')).toBe(true);
  expect(textOf(splitAt(bytes, Array.from(bytes.keys())))).toEqual(whole);
});
