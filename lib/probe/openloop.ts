/**
 * An open loop: each request is sent at its planned instant, however many answers are outstanding. A closed loop
 * sends less while the server stalls, and so leaves the wait out of what it measures (coordinated omission).
 */
import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { RequestRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import type { Exchange } from './exchange.js';
import { type Spread, spreadOf } from '../statistics/samples.js';

export interface PlannedExchange {
  /** Position in the plan, from 0. */
  readonly index: number;
  readonly plannedAtMs: number;
  readonly seen: Exchange;
}

/** A timer is good to a millisecond or two; the rest of the wait is spent in turns of the event loop. */
const timerCoarsenessMs = 2;
/** What came back is handed on only where the next request is farther away than this: parsing it takes its time. */
const quietMs = 20;

/**
 * Send at `offsetsMs` after now, in rising order, whatever is outstanding, and hand what came back to `settled` in
 * batches: while nothing is in flight and nothing due, and at the end. Once `signal` is aborted nothing more is
 * sent; what is in flight is the sender's to end. Resolves when all that was sent has ended.
 */
export async function sendAsPlanned(
  offsetsMs: readonly number[],
  send: (index: number) => Promise<Exchange>,
  clock: Clock,
  settled: (batch: readonly PlannedExchange[]) => void,
  signal?: AbortSignal,
): Promise<void> {
  // Every request in flight listens to it: many listeners are no leak here.
  if (signal) setMaxListeners(0, signal);
  const startAtMs = clock.nowMs();
  const inFlight = new Set<Promise<void>>();
  let batch: PlannedExchange[] = [];
  let nextAtMs = startAtMs;
  const handOn = () => {
    const ended = batch;
    batch = [];
    if (ended.length > 0) settled(ended);
  };
  for (const [index, offsetMs] of offsetsMs.entries()) {
    const plannedAtMs = startAtMs + offsetMs;
    await waitUntil(plannedAtMs, clock, signal);
    if (signal?.aborted) break;
    nextAtMs = startAtMs + (offsetsMs[index + 1] ?? Infinity);
    const one = send(index).then((seen) => {
      batch.push({ index, plannedAtMs, seen });
      inFlight.delete(one);
      if (inFlight.size === 0 && nextAtMs - clock.nowMs() > quietMs) handOn();
    });
    inFlight.add(one);
  }
  await Promise.all(inFlight);
  handOn();
}

async function waitUntil(atMs: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  const restMs = atMs - clock.nowMs() - timerCoarsenessMs;
  if (restMs > 0) await sleep(restMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  while (clock.nowMs() < atMs && !signal?.aborted) await nextTurn();
}

/** The times of one request of an open loop in ms; absent: that instant never came. */
export interface OpenLoopTimes {
  /** Sent minus planned: what the probe itself was late, its connecting included. */
  readonly sendSkewMs?: number | undefined;
  /** From sent to the end: what the server took for this request. */
  readonly serviceMs?: number | undefined;
  /** From planned to the end: what a user who came then has waited. */
  readonly responseMs?: number | undefined;
  readonly serviceTtftMs?: number | undefined;
  readonly responseTtftMs?: number | undefined;
}

export function openLoopTimes({ plannedAtMs, sentAtMs, firstTokenAtMs, endAtMs }: RequestRow): OpenLoopTimes {
  const between = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : to - from;
  return {
    sendSkewMs: between(plannedAtMs, sentAtMs),
    serviceMs: between(sentAtMs, endAtMs),
    responseMs: between(plannedAtMs, endAtMs),
    serviceTtftMs: between(sentAtMs, firstTokenAtMs),
    responseTtftMs: between(plannedAtMs, firstTokenAtMs),
  };
}

export interface OpenLoopSummary {
  readonly planned: number;
  /** Requests by outcome; those never sent are missing in all of them. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of all that were sent. */
  readonly sendSkewMs?: Spread | undefined;
  /** Of the completed ones alone, as are the three below: a request that failed is no fast request. */
  readonly serviceMs?: Spread | undefined;
  readonly responseMs?: Spread | undefined;
  readonly serviceTtftMs?: Spread | undefined;
  readonly responseTtftMs?: Spread | undefined;
}

export function summarizeOpenLoop(planned: number, rows: readonly RequestRow[]): OpenLoopSummary {
  const outcomes: Record<string, number> = {};
  for (const { outcome } of rows) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const completed = rows.filter(({ outcome }) => outcome === 'completed');
  const spread = (of: readonly RequestRow[], name: keyof OpenLoopTimes) =>
    spreadOf(of.map((row) => openLoopTimes(row)[name]).filter((value): value is number => value !== undefined));
  return {
    planned,
    outcomes,
    sendSkewMs: spread(rows, 'sendSkewMs'),
    serviceMs: spread(completed, 'serviceMs'),
    responseMs: spread(completed, 'responseMs'),
    serviceTtftMs: spread(completed, 'serviceTtftMs'),
    responseTtftMs: spread(completed, 'responseTtftMs'),
  };
}
