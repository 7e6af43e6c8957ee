import { Client } from 'undici';
import { afterEach, expect, it, vi } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { exchange } from '../../lib/probe/exchange.js';
import { piece, scripted, streamEnd, streamHead } from './scripted.js';

// In a file of its own: the HTTP client keeps one timer for all of its limits, and it must not be a real one here.
const clock = createClock();
afterEach(() => void vi.useRealTimers());

it('waits longer for headers, and between reads, than the HTTP client does by itself', async () => {
  const server = await scripted(({ socket, body }) => {
    if (body === 'usual') return;
    setTimeout(() => socket.write(streamHead + piece('data: a\n\n')), 400_000);
    setTimeout(() => socket.write(piece(' b') + streamEnd), 800_000);
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  const usual = new Client(server.origin)
    .request({ method: 'POST', path: '/', body: 'usual' })
    .catch((error: { code: string }) => error.code);
  const patient = exchange(
    { origin: server.origin, path: '/v1/completions', body: 'patient', timeoutMs: 900_000 },
    clock,
  );
  let seen: Awaited<typeof patient> | undefined;
  void patient.then((result) => (seen = result));
  // Only timers are fake: bytes need turns of the real event loop, before, between and after the jumps.
  while (server.bodies.length < 2) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(401_000);
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(401_000);
  while (!seen) await new Promise(setImmediate);
  expect(seen.failure).toBeUndefined();
  expect(Buffer.concat(seen.reads.map(({ bytes }) => bytes)).toString()).toBe('data: a\n\n b');
  // The control: the same wait under the client's own limits.
  expect(await usual).toBe('UND_ERR_HEADERS_TIMEOUT');
});
