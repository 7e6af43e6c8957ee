/** The clients that can be held against each other: the probe, the bare socket, and two that are widely used. */
import { request } from 'node:http';
import type { Clock } from '../clock.js';
import { sendByUndici } from '../probe/encrypted.js';
import { exchange, type Exchange, type ExchangePlan, type Seen } from '../probe/exchange.js';
import type { BodyRead } from '../probe/sse.js';
import type { BenchClient } from './block.js';
import { decodeChunked, socketExchange } from './socket-client.js';

export const clients = {
  probe: { name: 'probe', exchange },
  socket: {
    name: 'socket',
    exchange: socketExchange,
    decode: (seen: Exchange) => ({ ...seen, reads: decodeChunked(seen.reads) }),
  },
  undici: { name: 'undici', exchange: undiciExchange },
  'node-http': { name: 'node-http', exchange: nodeExchange },
} as const satisfies Readonly<Record<string, BenchClient>>;

export type ClientName = keyof typeof clients;

/** undici's dispatch, without its pool: what the probe used until it had a thinner way, and uses for TLS. */
function undiciExchange(plan: ExchangePlan, clock: Clock): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const seen: Seen = { startAtMs: clock.nowMs(), reads: [] };
    sendByUndici(plan, clock, seen, (error) => (error ? reject(error) : resolve(seen)));
  });
}

/** node:http without an agent: a connection of its own, as the others have. */
function nodeExchange(plan: ExchangePlan, clock: Clock): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const startAtMs = clock.nowMs();
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(plan.body) };
    const sent = request(`${plan.origin}${plan.path}`, { method: 'POST', agent: false, headers }, (answer) => {
      const reads: BodyRead[] = [];
      answer.on('data', (bytes: Buffer) => reads.push({ atMs: clock.nowMs(), bytes }));
      answer.on('end', () => resolve({ startAtMs, endAtMs: clock.nowMs(), status: answer.statusCode, reads }));
    });
    sent.setNoDelay(true);
    sent.on('error', reject);
    sent.end(plan.body);
  });
}
