import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { awaitReadiness } from '../../lib/launch/readiness.js';
import { freePort } from './place.js';

const clock = createClock();

function listen(answer: RequestListener, port = 0): Promise<string> {
  const server: Server = createServer(answer).listen(port, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return new Promise((found) =>
    server.once('listening', () => found(`http://127.0.0.1:${(server.address() as AddressInfo).port}/health`)),
  );
}

it('takes only status 200 for an answer', async () => {
  const statuses = [503, 404, 200];
  const url = await listen((_request, response) => response.writeHead(statuses.shift() ?? 500).end());
  const began = clock.nowMs();
  const found = await awaitReadiness(url, 1, clock, new AbortController().signal);
  expect(found?.polls).toBe(3);
  expect(found?.readyAtMs).toBeGreaterThan(began);
  expect(statuses).toEqual([]);
});

it('takes a refused connection for "not yet" and counts it', async () => {
  const port = await freePort();
  const waiting = awaitReadiness(`http://127.0.0.1:${port}/health`, 1, clock, new AbortController().signal);
  await listen((_request, response) => response.end(), port);
  const found = await waiting;
  expect(found?.polls).toBeGreaterThanOrEqual(1);
});

it('asks on a connection of its own each time', async () => {
  const ports = new Set<number | undefined>();
  const url = await listen((request, response) => {
    ports.add(request.socket.remotePort);
    response.writeHead(ports.size < 4 ? 503 : 200).end();
  });
  expect((await awaitReadiness(url, 1, clock, new AbortController().signal))?.polls).toBe(4);
  expect(ports.size).toBe(4);
});

it('shows a slow answer as its longest pause', async () => {
  let asked = 0;
  const url = await listen((_request, response) => {
    asked += 1;
    if (asked === 1) setTimeout(() => response.writeHead(503).end(), 80);
    else response.end();
  });
  const found = await awaitReadiness(url, 1, clock, new AbortController().signal);
  expect(found?.polls).toBe(2);
  // Timers may fire a millisecond early.
  expect(found?.longestPauseMs).toBeGreaterThanOrEqual(79);
});

it('ends at once when aborted, also while a poll hangs', async () => {
  const stop = new AbortController();
  const url = await listen(() => stop.abort());
  expect(await awaitReadiness(url, 1, clock, stop.signal)).toBeUndefined();
});

it('takes no answer that came after the abort', async () => {
  const stop = new AbortController();
  const url = await listen((_request, response) => {
    response.end();
    stop.abort();
  });
  expect(await awaitReadiness(url, 1, clock, stop.signal)).toBeUndefined();
});
