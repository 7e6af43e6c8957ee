import { createServer, type AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { exchange, type ExchangePlan } from '../../lib/probe/exchange.js';
import { freePort } from '../launch/place.js';
import { recorded } from './recorded.js';
import { httpAnswer, piece, scripted, streamEnd, streamHead } from './scripted.js';

const clock = createClock();
const planTo = (origin: string, more: Partial<ExchangePlan> = {}): ExchangePlan => ({
  origin,
  path: '/v1/completions',
  body: '{"model":"tiny"}',
  timeoutMs: 20_000,
  ...more,
});
const textOf = (reads: readonly { bytes: Uint8Array }[]) => Buffer.concat(reads.map(({ bytes }) => bytes)).toString();

it('posts the body on a connection of its own and brings back the bytes as they were', async () => {
  const body = recorded('completions-answer.json');
  let request = '';
  const server = await scripted((connection) => {
    request = connection.request;
    connection.socket.write(httpAnswer('200 OK', body));
  });
  const seen = await exchange(planTo(server.origin, { headers: { authorization: 'Bearer x' } }), clock);
  expect(request).toMatch(/^POST \/v1\/completions HTTP\/1\.1\r\n/);
  expect(request).toContain('authorization: Bearer x');
  expect(server.bodies).toEqual(['{"model":"tiny"}']);
  expect([seen.status, seen.failure]).toEqual([200, undefined]);
  expect(textOf(seen.reads)).toBe(body.toString());
});

it('stamps connection, sending, headers, each read and the end, in this order', async () => {
  const server = await scripted(({ socket }) => {
    socket.write(streamHead);
    const steps = [...['one', 'two', 'three'].map(piece), streamEnd];
    const timer: NodeJS.Timeout = setInterval(
      () => (steps.length > 0 ? socket.write(steps.shift() ?? '') : clearInterval(timer)),
      15,
    );
  });
  const seen = await exchange(planTo(server.origin), clock);
  expect(seen.reads.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['one', 'two', 'three']);
  const stamps = [
    seen.startAtMs,
    seen.connectedAtMs,
    seen.sentAtMs,
    seen.headersAtMs,
    ...seen.reads.map(({ atMs }) => atMs),
    seen.endAtMs,
  ];
  expect(stamps).not.toContain(undefined);
  expect(stamps).toEqual([...stamps].sort((a, b) => (a ?? NaN) - (b ?? NaN)));
  // Three pauses of 15 ms lie between the headers and the third read; a timer may fire a millisecond early.
  expect((seen.reads[2]?.atMs ?? NaN) - (seen.headersAtMs ?? NaN)).toBeGreaterThan(3 * 15 - 3);
});

it('closes its connection each time, though the server would keep it', async () => {
  const server = await scripted(({ socket }) => socket.write(httpAnswer('200 OK', '{}')));
  for (let sent = 0; sent < 5; sent += 1) await exchange(planTo(server.origin), clock);
  await server.allClosed(5);
  expect(server.open()).toBe(0);
});

it.each([
  ['404 Not Found', 'unknown-model-404.json', 404],
  ['400 Bad Request', 'bad-request-400.json', 400],
  ['500 Internal Server Error', 'not-json-400.json', 500],
])('brings back %s with its body: an answer, not a failure', async (status, name, code) => {
  const server = await scripted(({ socket }) => socket.write(httpAnswer(status, recorded(name))));
  const seen = await exchange(planTo(server.origin), clock);
  expect([seen.status, seen.failure]).toEqual([code, undefined]);
  expect(textOf(seen.reads)).toBe(recorded(name).toString());
  await server.allClosed(1);
});

it('reports a refused connection, with no instant after the start', async () => {
  const seen = await exchange(planTo(`http://127.0.0.1:${await freePort()}`), clock);
  expect(seen.failure?.code).toBe('ECONNREFUSED');
  expect([seen.connectedAtMs, seen.sentAtMs, seen.headersAtMs, seen.endAtMs, seen.status]).toEqual(
    Array(5).fill(undefined),
  );
});

it('gives up before the headers at its own limit, and hangs up', async () => {
  const server = await scripted(() => undefined);
  const seen = await exchange(planTo(server.origin, { timeoutMs: 100 }), clock);
  expect(seen.failure).toEqual({ code: 'timeout', message: 'no complete answer within 100 ms' });
  expect(seen.sentAtMs).toBeDefined();
  expect([seen.headersAtMs, seen.endAtMs]).toEqual([undefined, undefined]);
  await server.allClosed(1);
});

it('gives up in the middle of the body, keeps what came, and hangs up', async () => {
  const server = await scripted(({ socket }) => socket.write(streamHead + piece('data: a\n\n')));
  const seen = await exchange(planTo(server.origin, { timeoutMs: 200 }), clock);
  expect(seen.failure?.code).toBe('timeout');
  expect(seen.status).toBe(200);
  expect(textOf(seen.reads)).toBe('data: a\n\n');
  expect(seen.endAtMs).toBeUndefined();
  await server.allClosed(1);
});

it.each([
  ['resets the connection', (socket: { resetAndDestroy(): void }) => socket.resetAndDestroy()],
  ['closes it without the end of the body', (socket: { destroy(): void }) => socket.destroy()],
])('keeps what came when the server %s in the middle of a stream', async (_how, cut) => {
  const server = await scripted(({ socket }) => {
    socket.write(streamHead + piece('data: a\n\n'));
    setTimeout(() => cut(socket), 30);
  });
  const seen = await exchange(planTo(server.origin), clock);
  expect(['ECONNRESET', 'closed']).toContain(seen.failure?.code);
  expect(textOf(seen.reads)).toBe('data: a\n\n');
  expect(seen.endAtMs).toBeUndefined();
});

it('reports an answer that is not HTTP', async () => {
  const server = await scripted(({ socket }) => socket.write('hello\r\n\r\n'));
  const seen = await exchange(planTo(server.origin), clock);
  expect(seen.failure).toBeDefined();
  expect(seen.status).toBeUndefined();
  await server.allClosed(1);
});

it.each([
  ['a header name with a space', { headers: { 'bad header': 'x' } }, 'ERR_INVALID_HTTP_TOKEN'],
  ['a header that would begin another', { headers: { x: 'a\r\ny: b' } }, 'TypeError'],
  ['a header that frames the body', { headers: { 'Content-Length': '3' } }, 'TypeError'],
  ['a path with a line in it', { path: '/v1 HTTP/1.1\r\nx: y' }, 'TypeError'],
  ['an address that is none', { origin: 'http://' }, 'ERR_INVALID_URL'],
])('reports a request that cannot be written, and sends nothing: %s', async (_what, more, code) => {
  const server = await scripted(() => undefined);
  const seen = await exchange(planTo(server.origin, more), clock);
  expect([seen.failure?.code, seen.connectedAtMs, seen.sentAtMs]).toEqual([code, undefined, undefined]);
  expect(server.bodies).toEqual([]);
});

it('brings back a redirect, and follows none', async () => {
  const server = await scripted(({ socket }) =>
    socket.write('HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n'),
  );
  const seen = await exchange(planTo(server.origin), clock);
  expect([seen.status, seen.failure, server.bodies.length]).toEqual([307, undefined, 1]);
});

it('takes a body of 64 MiB, in reads whose stamps rise', async () => {
  const body = Buffer.alloc(64 * 1024 * 1024, 'day007');
  const server = await scripted(({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
  });
  const seen = await exchange(planTo(server.origin), clock);
  expect(Buffer.concat(seen.reads.map(({ bytes }) => bytes)).equals(body)).toBe(true);
  const stamps = seen.reads.map(({ atMs }) => atMs);
  expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
});

it('gives one read all events that came in it, and one stamp', async () => {
  const server = await scripted(({ socket }) =>
    socket.write(streamHead + piece('data: a\n\n') + piece('data: b\n\n') + streamEnd),
  );
  const seen = await exchange(planTo(server.origin), clock);
  expect(seen.reads.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['data: a\n\ndata: b\n\n']);
  expect(seen.reads[0]?.atMs).toBe(seen.endAtMs);
});

it('keeps many answers apart that come at once', async () => {
  const server = await scripted(({ socket, body }) => {
    socket.write(streamHead);
    const pieces = Array.from({ length: 5 }, (_, at) => piece(`${body}-${at};`));
    const timer = setInterval(() => {
      const next = pieces.shift();
      if (next !== undefined) return socket.write(next);
      clearInterval(timer);
      return socket.write(streamEnd);
    }, 2);
  });
  const seen = await Promise.all(
    Array.from({ length: 64 }, (_, index) => exchange(planTo(server.origin, { body: `request ${index}` }), clock)),
  );
  for (const [index, { reads, failure }] of seen.entries()) {
    expect(failure).toBeUndefined();
    expect(textOf(reads)).toBe([0, 1, 2, 3, 4].map((at) => `request ${index}-${at};`).join(''));
  }
});

it('reaches a server by IPv6, its address in brackets', async () => {
  const server = createServer((socket) => socket.end(httpAnswer('200 OK', '{}')));
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, '::1', () => resolve(true));
  });
  onTestFinished(() => void server.close());
  if (!listening) return;
  const seen = await exchange(planTo(`http://[::1]:${(server.address() as AddressInfo).port}`), clock);
  expect([seen.failure, seen.status]).toEqual([undefined, 200]);
});

it('ends when interrupted before the headers and in the middle of a stream, and hangs up', async () => {
  for (const beginning of ['', streamHead + piece('data: a\n\n')]) {
    const interrupt = new AbortController();
    const server = await scripted(({ socket }) => {
      socket.write(beginning);
      setTimeout(() => interrupt.abort(), 30);
    });
    const seen = await exchange(planTo(server.origin), clock, interrupt.signal);
    expect(seen.failure?.code).toBe('aborted');
    expect(seen.reads).toHaveLength(beginning === '' ? 0 : 1);
    await server.allClosed(1);
  }
});

it('connects to nobody when it was interrupted before it began', async () => {
  const server = await scripted(() => undefined);
  const seen = await exchange(planTo(server.origin), clock, AbortSignal.abort());
  expect(seen.failure?.code).toBe('aborted');
  expect([seen.connectedAtMs, seen.sentAtMs]).toEqual([undefined, undefined]);
});

it('does not notice an interrupt that comes after the end', async () => {
  const server = await scripted(({ socket }) => socket.write(httpAnswer('200 OK', '{}')));
  const interrupt = new AbortController();
  const seen = await exchange(planTo(server.origin), clock, interrupt.signal);
  interrupt.abort();
  expect(seen.failure).toBeUndefined();
});
