import fc from 'fast-check';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { runBlock } from '../../lib/bench/block.js';
import { clients } from '../../lib/bench/clients.js';
import { decodeChunked } from '../../lib/bench/socket-client.js';
import { createClock } from '../../lib/clock.js';
import { calibrationRow } from '../../lib/probe/calibrate.js';
import { calibrationAsked, judgeStamps, startTruthStream } from '../../lib/probe/truth.js';
import { cutAt, cuts, framedAnswer } from '../probe/answers.js';

const clock = createClock();

it('decodes what the bare socket kept: the body, and each chunk with the read that completed it', () => {
  fc.assert(
    fc.property(framedAnswer, cuts, ({ wire, body, framing }, fractions) => {
      fc.pre(framing === 'chunked' && !wire.includes('HTTP/1.1 10'));
      let end = 0;
      const reads = cutAt(wire, fractions).map((bytes) => ({ atMs: (end += bytes.length), bytes }));
      const decoded = decodeChunked(reads);
      expect(Buffer.concat(decoded.map(({ bytes }) => bytes)).equals(body)).toBe(true);
      // A read is stamped with the place of its last byte, so no chunk can be seen before its own.
      let seen = 0;
      for (const { atMs, bytes } of decoded) {
        seen = wire.indexOf(bytes, seen) + bytes.length;
        expect(atMs).toBeGreaterThanOrEqual(Math.min(seen, wire.length));
      }
    }),
  );
});

it('runs every client against the known truth: the asked events, no stamp before its write', async () => {
  const truth = await startTruthStream(resolve('.'), clock);
  try {
    for (const client of Object.values(clients)) {
      const body = JSON.stringify(calibrationAsked);
      const plan = { origin: truth.origin, streams: 4, requests: 10, bodyOf: () => body };
      const { exchanges, cpuMs, wallMs } = await runBlock(client, plan, clock);
      expect(exchanges).toHaveLength(10);
      for (const seen of exchanges) {
        const stamps = judgeStamps(seen);
        expect(stamps).toHaveLength(calibrationAsked.max_tokens);
        expect(Math.min(...stamps.map(({ errorMs }) => errorMs))).toBeGreaterThan(0);
      }
      expect(cpuMs).toBeGreaterThan(0);
      // Ten answers by four workers are at least three in a row of 6 + 3 x 3 ms; a timer may fire a millisecond early.
      expect(wallMs).toBeGreaterThan(3 * 14);
    }
  } finally {
    truth.stop();
  }
});

it('takes the same error from an exchange as the calibration of a run does', async () => {
  const truth = await startTruthStream(resolve('.'), clock);
  try {
    const body = JSON.stringify(calibrationAsked);
    const plan = { origin: truth.origin, path: '/v1/completions', body, timeoutMs: 10_000 };
    const seen = await clients.probe.exchange(plan, clock);
    const errors = judgeStamps(seen).map(({ errorMs }) => errorMs);
    const row = calibrationRow(seen, 1, false);
    expect([row.firstTokenErrorMs, row.worstChunkErrorMs]).toEqual([errors[0], Math.max(...errors)]);
  } finally {
    truth.stop();
  }
});

it('asks for what the known truth gives unasked: a calibration of an older run meant the same', async () => {
  const truth = await startTruthStream(resolve('.'), clock);
  try {
    const gaps = async (body: string) => {
      const plan = { origin: truth.origin, path: '/v1/completions', body, timeoutMs: 10_000 };
      const stamps = judgeStamps(await clients.probe.exchange(plan, clock));
      return stamps.map(({ writtenAtMs }, at) => writtenAtMs - (stamps[at - 1]?.writtenAtMs ?? NaN)).slice(1);
    };
    const [asked, unasked] = [await gaps(JSON.stringify(calibrationAsked)), await gaps('{}')];
    expect(asked).toHaveLength(unasked.length);
    for (const gap of [...asked, ...unasked]) expect(gap).toBeGreaterThan(0);
  } finally {
    truth.stop();
  }
});
