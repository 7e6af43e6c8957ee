/** One POST over TLS, on a connection of its own, by undici: its stamps come after its parser. */
import { buildConnector, Client } from 'undici';
import type { Transport } from './exchange.js';

export const sendByUndici: Transport = (plan, clock, seen, finish) => {
  // undici's own limits (10 s to connect, 300 s to headers and between reads) are shorter than a cold start can be.
  // The plan's limit is enforced by the caller; the connector's comes later, and only takes down a connection never made.
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
  let over = false;
  const end = (error?: NodeJS.ErrnoException) => {
    if (over) return;
    over = true;
    // Destroying takes down the connection now; the server may still be closing its side.
    void client.destroy(error ?? null);
    finish(error);
  };
  const headers = { 'content-type': 'application/json', accept: '*/*', ...plan.headers };
  // Dispatching throws nothing: an error goes to the handler.
  client.dispatch(
    { method: 'POST', path: plan.path, headers, body: plan.body },
    {
      onRequestStart() {
        seen.sentAtMs = clock.nowMs();
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
        end();
      },
      onResponseError: (_controller, error) => end(error),
    },
  );
  return end;
};
