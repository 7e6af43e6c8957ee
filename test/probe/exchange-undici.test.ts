/** The probe's own reading of HTTP/1.1 beside undici's, on the same bytes in the same pieces. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { sendByUndici } from '../../lib/probe/encrypted.js';
import { exchange, type Exchange, type ExchangePlan, type Seen } from '../../lib/probe/exchange.js';
import { brokenAnswers, cutAt, cuts, framedAnswer } from './answers.js';
import { scripted } from './scripted.js';

const clock = createClock();

function byUndici(plan: ExchangePlan): Promise<Exchange> {
  return new Promise((resolve) => {
    const seen: Seen = { startAtMs: clock.nowMs(), reads: [] };
    sendByUndici(plan, clock, seen, (error) => {
      if (error) seen.failure = { code: error.code ?? error.name, message: error.message };
      resolve(seen);
    });
  });
}

const told = ({ status, reads, failure, endAtMs }: Exchange) => ({
  status,
  body: Buffer.concat(reads.map(({ bytes }) => bytes)).toString('hex'),
  failed: failure !== undefined,
  ended: endAtMs !== undefined,
});

it('brings back what undici brings back, whatever the framing and the reads', async () => {
  let pieces: readonly Buffer[] = [];
  let hangUp = false;
  const server = await scripted(({ socket }) => {
    const rest = [...pieces];
    const next = () => {
      const piece = rest.shift();
      if (piece) socket.write(piece, () => setImmediate(next));
      else if (hangUp) socket.end();
    };
    next();
  });
  const plan = { origin: server.origin, path: '/v1/completions', body: '{}', timeoutMs: 20_000 };
  await fc.assert(
    fc.asyncProperty(framedAnswer, cuts, async (framed, fractions) => {
      // undici breaks off at a 100 that it did not ask for; RFC 9110, section 15.2, has a client pass over it.
      fc.pre(!framed.wire.includes('HTTP/1.1 100 '));
      pieces = cutAt(framed.wire, fractions);
      hangUp = framed.framing === 'close';
      const [ours, theirs] = [told(await exchange(plan, clock)), told(await byUndici(plan))];
      expect(ours).toEqual(theirs);
      expect(ours).toEqual({ status: framed.status, body: framed.body.toString('hex'), failed: false, ended: true });
    }),
    { numRuns: 60 },
  );
});

it.each(brokenAnswers)('fails where undici fails: %s', async (_what, wire) => {
  const server = await scripted(({ socket }) => socket.end(wire));
  const plan = { origin: server.origin, path: '/v1/completions', body: '{}', timeoutMs: 20_000 };
  const [ours, theirs] = [await exchange(plan, clock), await byUndici(plan)];
  expect([ours.failure !== undefined, ours.endAtMs]).toEqual([true, undefined]);
  expect([theirs.failure !== undefined, theirs.endAtMs]).toEqual([true, undefined]);
});

it('asks for the same, header by header', async () => {
  const requests: string[] = [];
  const server = await scripted(({ socket, request }) => {
    requests.push(request);
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  });
  const plan = {
    origin: server.origin,
    path: '/behind/v1/completions?x=1',
    body: '{"prompt":"Grüße \u2028"}',
    headers: { authorization: 'Bearer x' },
    timeoutMs: 20_000,
  };
  await exchange(plan, clock);
  await byUndici(plan);
  const [ours, theirs] = requests.map((request) => {
    const [head = '', body = ''] = request.split('\r\n\r\n');
    const [line, ...headers] = head.split('\r\n');
    return { line, headers: headers.sort(), body };
  });
  expect(ours).toEqual(theirs);
  expect(server.bodies).toEqual([plan.body, plan.body]);
});
