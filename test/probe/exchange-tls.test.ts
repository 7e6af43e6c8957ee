/** A server behind TLS: the certificate is made for the test, with a key that never existed before. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { exchange } from '../../lib/probe/exchange.js';
import { temporaryFolder } from '../launch/place.js';

const clock = createClock();
const openssl = spawnSync('openssl', ['version']).status === 0;
afterEach(() => void vi.unstubAllEnvs());

async function startServer(): Promise<string> {
  const folder = temporaryFolder();
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = spawnSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert]);
  expect([made.status, made.stderr.toString()]).toEqual([0, expect.any(String)]);
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: a\n\n');
    setTimeout(() => response.end('data: [DONE]\n\n'), 20);
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it.skipIf(!openssl)('asks a server behind TLS, with the same stamps', async () => {
  const plan = { origin: await startServer(), path: '/v1/completions', body: '{}', timeoutMs: 20_000 };
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const seen = await exchange(plan, clock);
  expect([seen.failure, seen.status]).toEqual([undefined, 200]);
  expect(seen.reads.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['data: a\n\n', 'data: [DONE]\n\n']);
  const { startAtMs, connectedAtMs, sentAtMs, headersAtMs, endAtMs } = seen;
  const stamps = [startAtMs, connectedAtMs, sentAtMs, headersAtMs, ...seen.reads.map(({ atMs }) => atMs), endAtMs];
  expect(stamps).not.toContain(undefined);
  expect(stamps).toEqual([...stamps].sort((a, b) => (a ?? NaN) - (b ?? NaN)));
});

it.skipIf(!openssl)('trusts no certificate that nobody vouches for, and gives up at its own limit', async () => {
  const origin = await startServer();
  const plan = { origin, path: '/v1/completions', body: '{}', timeoutMs: 20_000 };
  const seen = await exchange(plan, clock);
  expect(seen.failure?.code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect([seen.connectedAtMs, seen.sentAtMs]).toEqual([undefined, undefined]);
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const late = await exchange({ ...plan, timeoutMs: 10 }, clock);
  expect(late.failure?.code).toBe('timeout');
});
