/**
 * One POST over a plain TCP connection of its own, thinner than an HTTP client for one reason: what a read costs
 * delays the stamps of all others. So a read is stamped and copied, and nothing else, until the event loop has
 * handed out all the reads it holds; then the answers are followed one a turn.
 */
import { validateHeaderName } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { ExchangePlan, Seen, Transport } from './exchange.js';
import { closeAnswer, followAnswer, newAnswer, type Answer } from './http1.js';

/** Where the kernel's bytes are read to, by every connection in turn: each read is copied out before the next. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

/** A connection and what came over it. */
interface Call {
  readonly seen: Seen;
  readonly answer: Answer;
  readonly socket: Socket;
  /** Stamped reads that were not yet followed. */
  fresh: { readonly atMs: number; readonly bytes: Buffer }[];
  readonly bodies: { readonly atMs: number; readonly spans: readonly Uint8Array[] }[];
  /** Absent: it was called. */
  finish?: ((error?: NodeJS.ErrnoException) => void) | undefined;
}

export const sendPlain: Transport = (plan, clock, seen, finish) => {
  const url = new URL(plan.origin);
  const request = requestText(url, plan);
  const socket = connect({
    // node:net wants an IPv6 address without its brackets.
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 80),
    noDelay: true,
    // A cold server may be silent for minutes; what stands between must not forget the connection.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    onread: {
      buffer: readBuffer,
      callback: (count) => {
        const atMs = clock.nowMs();
        call.fresh.push({ atMs, bytes: Buffer.from(readBuffer.subarray(0, count)) });
        if (call.fresh.length === 1) followInTurn(call);
        return true;
      },
    },
  });
  const call: Call = { seen, answer: newAnswer(), socket, fresh: [], bodies: [], finish };
  socket.once('connect', () => {
    seen.connectedAtMs = clock.nowMs();
    seen.sentAtMs = clock.nowMs();
    socket.write(request);
  });
  socket.on('error', (error) => stop(call, error));
  socket.once('end', () => {
    const atMs = clock.nowMs();
    follow(call);
    if (closeAnswer(call.answer)) {
      seen.endAtMs ??= atMs;
      return end(call);
    }
    const cause = new Error('the server closed before the answer was complete');
    end(call, Object.assign(cause, { code: 'closed' }));
  });
  return (reason) => stop(call, reason);
};

/** Follow the answer through the reads that came since the last time, and end the call where the answer ends. */
function follow(call: Call): void {
  const { answer, seen, fresh } = call;
  call.fresh = [];
  try {
    for (const { atMs, bytes } of fresh) {
      const spans = followAnswer(answer, bytes);
      seen.status ??= answer.status;
      if (seen.status !== undefined) seen.headersAtMs ??= atMs;
      if (spans.length > 0) call.bodies.push({ atMs, spans });
      if (answer.phase !== 'done') continue;
      seen.endAtMs ??= atMs;
      return end(call);
    }
  } catch (error) {
    end(call, error as Error);
  }
}

function stop(call: Call, reason: NodeJS.ErrnoException): void {
  follow(call);
  end(call, reason);
}

function end(call: Call, error?: NodeJS.ErrnoException): void {
  const { finish } = call;
  call.finish = undefined;
  call.socket.destroy();
  if (!finish) return;
  // Joined only now: between two reads there is no time for it.
  for (const { atMs, spans } of call.bodies) call.seen.reads.push({ atMs, bytes: joined(spans) });
  finish(error);
}

const waiting: Call[] = [];

/** Follow this call after the reads that the event loop holds now; one call a turn, so that new reads come between. */
function followInTurn(call: Call): void {
  waiting.push(call);
  if (waiting.length === 1) setImmediate(followNext);
}

function followNext(): void {
  const call = waiting[0];
  if (call) follow(call);
  waiting.shift();
  if (waiting.length > 0) setImmediate(followNext);
}

/** Head and body in one write. Throws on what HTTP/1.1 cannot carry. */
function requestText(url: URL, { path, headers = {}, body }: ExchangePlan): string {
  if (!/^\/[\x21-\x7e]*$/.test(path)) throw new TypeError(`a request cannot ask for the path ${JSON.stringify(path)}`);
  let given = '';
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    if (/^(?:host|connection|content-length|transfer-encoding)$/i.test(name) || /[^\t\x20-\x7e]/.test(value))
      throw new TypeError(`a request cannot carry the header ${name}: ${JSON.stringify(value)}`);
    given += `${name}: ${value}\r\n`;
  }
  if (!/^content-type:/im.test(given)) given += 'content-type: application/json\r\n';
  if (!/^accept:/im.test(given)) given += 'accept: */*\r\n';
  const framing = `connection: keep-alive\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `POST ${path} HTTP/1.1\r\nhost: ${url.host}\r\n${framing}${given}\r\n${body}`;
}

function joined(spans: readonly Uint8Array[]): Uint8Array {
  const [only] = spans;
  return only !== undefined && spans.length === 1 ? only : Buffer.concat(spans);
}
