/** A plan of writes -> an HTTP response that makes them when they are due, with the instant just before each. */
import type { ServerResponse } from 'node:http';

export interface PlannedWrite {
  /** When it is due: ms after the one before it was due; for the first, after the plan began. */
  readonly delayMs: number;
  /** What is written, or how it is made from the instant just before the write, in ms. */
  readonly bytes: string | Uint8Array | ((atMs: number) => string);
}

export interface StreamOptions<W> {
  /** From when the delays count, on the clock of `nowMs`; absent: now. */
  readonly beginAtMs?: number | undefined;
  /** Told of each write, after it, with the instant just before it. */
  readonly written?: ((write: W, atMs: number) => void) | undefined;
  /** Aborted: no further write is made. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Make each write when it is due, never earlier, in one piece on the socket (HTTP's chunk framing included). A write
 * that is late does not move those after it. Two writes never share a turn of the event loop, so other streams get
 * theirs. Ends early, without an error, when it is aborted; when the client has gone, at the next write at the latest.
 *
 * Plain callbacks, one listener for the whole stream: on a core shared with the reader, what is done after a write
 * keeps the reader from it.
 */
export function writePlan<W extends PlannedWrite>(
  response: ServerResponse,
  plan: Iterable<W>,
  nowMs: () => number,
  { beginAtMs = nowMs(), written, signal }: StreamOptions<W> = {},
): Promise<void> {
  response.socket?.setNoDelay(true);
  const writes = plan[Symbol.iterator]();
  let dueAtMs = beginAtMs;
  return new Promise((resolve) => {
    let cancel = () => undefined as void;
    const end = () => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const next = () => {
      const step = writes.next();
      if (step.done || response.destroyed) return end();
      const write = step.value;
      dueAtMs += write.delayMs;
      cancel = whenDue(dueAtMs, nowMs, () => {
        const atMs = writeNow(response, write.bytes, nowMs);
        written?.(write, atMs);
        next();
      });
    };
    if (signal?.aborted) return resolve();
    signal?.addEventListener('abort', end, { once: true });
    next();
  });
}

/** Stamp, then write. Without the cork, node:http would hold the bytes until the end of the turn. */
function writeNow(response: ServerResponse, bytes: PlannedWrite['bytes'], nowMs: () => number): number {
  response.socket?.cork();
  const atMs = nowMs();
  response.write(typeof bytes === 'function' ? bytes(atMs) : bytes);
  response.socket?.uncork();
  return atMs;
}

/** Resolves at an instant, never earlier and never within this turn; at once when it is aborted. */
export function waitUntil(dueAtMs: number, nowMs: () => number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = whenDue(dueAtMs, nowMs, () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    const stop = () => {
      cancel();
      resolve();
    };
    if (signal?.aborted) return stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** A timer may fire early by part of a millisecond, so the clock is asked again. Returns how to give up. */
function whenDue(dueAtMs: number, nowMs: () => number, act: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const leftMs = dueAtMs - nowMs();
    if (leftMs <= 0) return act();
    timer = setTimeout(look, Math.ceil(leftMs));
  };
  const leftMs = dueAtMs - nowMs();
  if (leftMs > 0) {
    timer = setTimeout(look, Math.ceil(leftMs));
    return () => clearTimeout(timer);
  }
  const turn = setImmediate(look);
  return () => clearImmediate(turn);
}
