/**
 * Request 1 minus the warm median of its kind, part by part. The parts are differences of medians that need not add
 * up by themselves; the remainder is what they leave, so that parts and remainder always do.
 *
 * By TTFT the connection is outside (TTFT starts at sending) and is reported beside the sum; by wall_s it is a part.
 */
import type { ExcessLedger, RequestTiming } from './findings.js';
import { coldOf, launchesOf, measureMs, measuresMs, requestsNamed, valuesOf, warmSet, type Measure, type WarmSet } from './series.js';
import { median, sortSamples } from './stats.js';

/** Ledgers of every launch's cold_1, then of the first long request of each launch that made one. */
export function excessLedgers(timings: readonly RequestTiming[]): ExcessLedger[] {
  const first = launchesOf(timings).flatMap((launch) => ledgersOf(coldOf(timings, launch), timings, 'warm'));
  const long = requestsNamed(timings, 'cold-long').flatMap((cold) => ledgersOf(cold, timings, 'warm-unique'));
  return [...first, ...long];
}

function ledgersOf(cold: RequestTiming | undefined, timings: readonly RequestTiming[], warmName: string): ExcessLedger[] {
  if (!cold) return [];
  const warm = warmSet(timings, cold.launch, cold.streamed, warmName);
  const ledger = warm && excessLedger(cold, warm, cold.streamed ? 'TTFT' : 'wall_s');
  return ledger ? [ledger] : [];
}

interface Part {
  readonly name: string;
  readonly term: string;
  readonly source: string;
  readonly of: (timing: RequestTiming) => number | undefined;
}

const queue: Part = { name: 'queue', term: 'F', source: "the server's queue_time_ms", of: (timing) => timing.serverQueueMs };
const firstToken: Part = { name: 'engine, to the first token', term: 'C+D+E', source: "the server's time_to_first_token_ms (scheduled to first token)", of: (timing) => timing.serverFirstTokenMs };

const partsOf: Readonly<Record<Measure, readonly Part[]>> = {
  TTFT: [
    queue,
    firstToken,
    { name: 'front end (HTTP, tokenizer, detokenizer, SSE)', term: 'G', source: 'TTFT minus queue minus server first token', of: (timing) => timing.frontEndMs },
  ],
  wall_s: [
    { name: 'connection', term: 'F', source: "the client's stamps", of: (timing) => timing.connectMs },
    queue,
    firstToken,
    { name: 'tokens after the first', term: 'E', source: "the server's generation_time_ms", of: (timing) => timing.serverGenerationMs },
  ],
};

/** The ledger of one first request. Undefined when it, or the warm set, lacks the measure. */
export function excessLedger(cold: RequestTiming, warm: WarmSet, by: Measure): ExcessLedger | undefined {
  const coldMs = measureMs(cold, by);
  const warmMedianMs = median(sortSamples(measuresMs(warm.timings, by)));
  if (coldMs === undefined || warmMedianMs === undefined) return undefined;
  const excessMs = coldMs - warmMedianMs;
  const parts = partsOf[by].flatMap(({ name, term, source, of }) => {
    const ms = above(of, cold, warm);
    return ms === undefined ? [] : [{ name, term, ms, source }];
  });
  return {
    requestId: cold.requestId,
    launch: cold.launch,
    coldMs,
    warmMedianMs,
    excessMs,
    parts,
    remainderMs: excessMs - parts.reduce((sum, part) => sum + part.ms, 0),
    by,
    warmOf: warm.label,
    connectionMs: by === 'TTFT' ? above((timing) => timing.connectMs, cold, warm) : undefined,
  };
}

/** The request's value minus the warm median of the same quantity; absent when either is. */
function above(of: Part['of'], cold: RequestTiming, warm: WarmSet): number | undefined {
  const own = of(cold);
  const usual = median(sortSamples(warm.timings.map(of).filter((value): value is number => value !== undefined)));
  return own === undefined || usual === undefined ? undefined : own - usual;
}

/** Median of one field over a warm set. */
export function warmMedianOf(warm: WarmSet | undefined, field: keyof RequestTiming): number | undefined {
  return warm && median(sortSamples(valuesOf(warm.timings, field)));
}
