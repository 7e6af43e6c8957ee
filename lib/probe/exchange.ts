/**
 * One HTTP exchange, timed. Only stamping happens while it is in flight: bytes are kept as they come and
 * parsed after the last of them (trace.ts).
 */
import { buildConnector, Client, type Dispatcher } from 'undici';
import type { Clock } from '../clock.js';
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

/**
 * POST `plan.body` on a connection of its own, as the seed's client does, and stamp connection, sending,
 * headers, every body read and the end. Never rejects: a refused or broken exchange is a result.
 */
export async function exchange(plan: ExchangePlan, clock: Clock, signal?: AbortSignal): Promise<Exchange> {
  const seen: { -readonly [K in keyof Exchange]: Exchange[K] } & { reads: BodyRead[] } = {
    startAtMs: clock.nowMs(),
    reads: [],
  };
  // undici's own limits (10 s to connect, 300 s to headers and between reads) are shorter than a cold start can be.
  // The plan's limit is enforced below; the connector's comes later, and only takes down a connection never made.
  const connect = buildConnector({ timeout: plan.timeoutMs + 1000 });
  const client = new Client(plan.origin, {
    bodyTimeout: 0,
    headersTimeout: 0,
    connect: (options, callback) =>
      connect(options, (...result) => {
        seen.connectedAtMs = result[0] === null ? clock.nowMs() : undefined;
        callback(...result);
      }),
  });
  let stop: (reason: Error) => void = () => undefined;
  const timer = setTimeout(
    () => stop(Object.assign(new Error(`no complete answer within ${plan.timeoutMs} ms`), { code: 'timeout' })),
    plan.timeoutMs,
  );
  const abort = () => stop(Object.assign(new Error('the request was interrupted'), { code: 'aborted' }));
  signal?.addEventListener('abort', abort, { once: true });
  // Dispatching throws nothing: an error goes to the handler.
  await new Promise<void>((resolve) => {
    const finish = (error?: NodeJS.ErrnoException) => {
      if (error) seen.failure ??= { code: error.code ?? error.name, message: error.message };
      resolve();
    };
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        seen.sentAtMs = clock.nowMs();
        stop = (reason) => controller.abort(reason);
      },
      onResponseStart(_controller, status) {
        seen.headersAtMs = clock.nowMs();
        seen.status = status;
      },
      onResponseData(_controller, bytes) {
        seen.reads.push({ atMs: clock.nowMs(), bytes });
      },
      onResponseEnd() {
        seen.endAtMs = clock.nowMs();
        finish();
      },
      onResponseError: (_controller, error) => finish(error),
    };
    stop = (reason) => {
      void client.destroy(reason);
      finish(reason);
    };
    if (signal?.aborted) return abort();
    const headers = { 'content-type': 'application/json', accept: '*/*', ...plan.headers };
    client.dispatch({ method: 'POST', path: plan.path, headers, body: plan.body }, handler);
  });
  clearTimeout(timer);
  signal?.removeEventListener('abort', abort);
  // Destroying takes down the connection now; the server may still be closing its side.
  await client.destroy();
  return seen;
}
