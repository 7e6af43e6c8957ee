import fc from 'fast-check';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { readJsonLines } from '../../lib/launch/jsonlines.js';

it('gives back every value, however its line is cut, with U+2028 and line ends inside', async () => {
  const value = fc.record({
    text: fc.string({ unit: fc.constantFrom('a', '\u2028', '\u2029', '\n', '\r', '😀', '"') }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 5 }), fc.integer({ min: 1, max: 9 }), async (values, size) => {
      const pipe = new PassThrough();
      const seen: unknown[] = [];
      readJsonLines(pipe, (one) => seen.push(one));
      const bytes = Buffer.from(values.map((one) => `${JSON.stringify(one)}\n`).join(''));
      for (let at = 0; at < bytes.length; at += size) pipe.write(bytes.subarray(at, at + size));
      pipe.end();
      await new Promise((ended) => pipe.once('end', ended));
      expect(seen).toEqual(values);
    }),
  );
});

it('drops a last line that was never finished', async () => {
  const pipe = new PassThrough();
  const seen: unknown[] = [];
  readJsonLines(pipe, (one) => seen.push(one));
  pipe.end('{"a":1}\n{"a":');
  await new Promise((ended) => pipe.once('end', ended));
  expect(seen).toEqual([{ a: 1 }]);
});
