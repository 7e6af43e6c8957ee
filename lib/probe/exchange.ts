/**
 * One HTTP exchange, timed. Only stamping happens while it is in flight: bytes are kept as they come and
 * parsed after the last of them (trace.ts).
 */
import type { Clock } from '../clock.js';
import { sendByUndici } from './encrypted.js';
import { sendPlain } from './plain.js';
import type { BodyRead } from './sse.js';

export interface ExchangePlan {
  /** Scheme, host and port; a numeric host avoids a name look-up inside the measurement. */
  readonly origin: string;
  readonly path: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs: number;
}

/** What was seen of an exchange; an instant that never came is absent. */
export interface Exchange {
  readonly startAtMs: number;
  readonly connectedAtMs?: number | undefined;
  readonly sentAtMs?: number | undefined;
  readonly headersAtMs?: number | undefined;
  readonly endAtMs?: number | undefined;
  readonly status?: number | undefined;
  readonly reads: readonly BodyRead[];
  /** Why it did not complete: the code of the socket error, 'timeout' or 'aborted'. */
  readonly failure?: { readonly code: string; readonly message: string } | undefined;
}

/** An exchange that is still being filled in. */
export type Seen = { -readonly [K in keyof Exchange]: Exchange[K] } & { readonly reads: BodyRead[] };

/**
 * A way to send: it fills in `seen` as things happen, calls `finish` once, and returns how to end it early. It may
 * throw on a plan that cannot be sent; nothing was sent then.
 */
export type Transport = (
  plan: ExchangePlan,
  clock: Clock,
  seen: Seen,
  finish: (error?: NodeJS.ErrnoException) => void,
) => (reason: NodeJS.ErrnoException) => void;

/**
 * POST `plan.body` on a connection of its own, as the seed's client does, and stamp connection, sending,
 * headers, every body read and the end. Never rejects: a refused or broken exchange is a result.
 */
export async function exchange(plan: ExchangePlan, clock: Clock, signal?: AbortSignal): Promise<Exchange> {
  const seen: Seen = { startAtMs: clock.nowMs(), reads: [] };
  await new Promise<void>((resolve) => {
    const finish = (error?: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (error) seen.failure ??= { code: error.code ?? error.name, message: error.message };
      resolve();
    };
    let stop: (reason: NodeJS.ErrnoException) => void = finish;
    const abort = () => stop(Object.assign(new Error('the request was interrupted'), { code: 'aborted' }));
    const timer = setTimeout(
      () => stop(Object.assign(new Error(`no complete answer within ${plan.timeoutMs} ms`), { code: 'timeout' })),
      plan.timeoutMs,
    );
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const send = plan.origin.startsWith('https:') ? sendByUndici : sendPlain;
      stop = send(plan, clock, seen, finish);
    } catch (error) {
      finish(error as Error);
    }
  });
  return seen;
}
