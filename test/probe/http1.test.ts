import fc from 'fast-check';
import { expect, it } from 'vitest';
import { closeAnswer, followAnswer, FramingError, newAnswer } from '../../lib/probe/http1.js';
import { brokenAnswers, cutAt, cuts, framedAnswer } from './answers.js';

const follow = (parts: readonly Buffer[]) => {
  const answer = newAnswer();
  const body = parts.flatMap((part) => followAnswer(answer, part));
  return { answer, body: Buffer.concat(body) };
};

it('finds status, body and end of any answer, however its bytes are cut into reads', () => {
  fc.assert(
    fc.property(framedAnswer, cuts, (framed, fractions) => {
      const { answer, body } = follow(cutAt(framed.wire, fractions));
      expect([answer.status, body]).toEqual([framed.status, framed.body]);
      expect(answer.phase).toBe(framed.framing === 'close' ? 'until-close' : 'done');
      expect(closeAnswer(answer)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

it('is not done one byte before the end, and a connection that closes there broke', () => {
  fc.assert(
    fc.property(framedAnswer, cuts, (framed, fractions) => {
      fc.pre(framed.framing !== 'close');
      const { answer } = follow(cutAt(framed.wire.subarray(0, -1), fractions));
      expect(answer.phase).not.toBe('done');
      expect(closeAnswer(answer)).toBe(false);
    }),
    { numRuns: 300 },
  );
});

it('ignores what comes after the end', () => {
  fc.assert(
    fc.property(framedAnswer, fc.uint8Array({ minLength: 1 }), cuts, (framed, more, fractions) => {
      fc.pre(framed.framing !== 'close');
      const { answer, body } = follow(cutAt(Buffer.concat([framed.wire, more]), fractions));
      expect([answer.phase, body]).toEqual(['done', framed.body]);
    }),
  );
});

it.each(brokenAnswers)('refuses %s, in one read and byte by byte', (_what, wire) => {
  const bytes = Buffer.from(wire);
  expect(() => follow([bytes])).toThrow(FramingError);
  expect(() => follow(Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1)))).toThrow(FramingError);
});

it('reads a header that goes on in the next line, and the last of several codings', () => {
  const head = 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\ntransfer-encoding: gzip,\r\n\tchunked\r\n\r\n';
  const { answer, body } = follow([Buffer.from(`${head}3\r\nabc\r\n0\r\n\r\n`)]);
  expect([answer.phase, body.toString()]).toEqual(['done', 'abc']);
  const open = follow([Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc')]);
  expect([open.answer.phase, open.body.toString()]).toEqual(['until-close', 'abc']);
});
