/**
 * The measure that the probe is held against: a socket, a request written by hand, and a stamp at the top of the
 * data handler. It knows chunked answers only, and finds their end by the bytes that end every one of them.
 */
import { connect } from 'node:net';
import type { Clock } from '../clock.js';
import type { Exchange, ExchangePlan } from '../probe/exchange.js';
import type { BodyRead } from '../probe/sse.js';

const end = Buffer.from('0\r\n\r\n');

/** POST as the probe does it. Rejects when the connection breaks: the server on the other side is ours. */
export function socketExchange(plan: ExchangePlan, clock: Clock): Promise<Exchange> {
  const { hostname, port, host } = new URL(plan.origin);
  const request =
    `POST ${plan.path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n` +
    `content-type: application/json\r\naccept: */*\r\ncontent-length: ${Buffer.byteLength(plan.body)}\r\n\r\n${plan.body}`;
  return new Promise((resolve, reject) => {
    const raw: BodyRead[] = [];
    const startAtMs = clock.nowMs();
    let connectedAtMs = NaN;
    let sentAtMs = NaN;
    const socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => {
      connectedAtMs = clock.nowMs();
      sentAtMs = clock.nowMs();
      socket.write(request);
    });
    socket.on('data', (bytes) => {
      const atMs = clock.nowMs();
      raw.push({ atMs, bytes });
      if (!bytes.subarray(-end.length).equals(end)) return;
      socket.destroy();
      resolve({ startAtMs, connectedAtMs, sentAtMs, endAtMs: atMs, status: 200, reads: raw });
    });
    socket.on('error', reject);
    socket.on('end', () => reject(new Error('the known-truth stream hung up on the bare socket')));
  });
}

/** The body of a chunked answer, read by read. Done after a block: nothing is parsed between two stamps. */
export function decodeChunked(raw: readonly BodyRead[]): BodyRead[] {
  const all = Buffer.concat(raw.map(({ bytes }) => bytes));
  const reads: BodyRead[] = [];
  let read = 0;
  let readEnd = raw[0]?.bytes.length ?? 0;
  let at = all.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const lineEnd = all.indexOf('\r\n', at);
    const size = parseInt(all.toString('latin1', at, lineEnd), 16);
    if (!(size > 0)) return reads;
    at = lineEnd + 2 + size + 2;
    // A chunk is there when its last byte is.
    while (readEnd < lineEnd + 2 + size) readEnd += raw[(read += 1)]?.bytes.length ?? Infinity;
    reads.push({ atMs: raw[read]?.atMs ?? NaN, bytes: all.subarray(lineEnd + 2, lineEnd + 2 + size) });
  }
}
