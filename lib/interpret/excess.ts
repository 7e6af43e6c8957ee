/**
 * Request 1 minus the warm median of its kind, part by part. The parts are differences of medians that need not add
 * up by themselves; the remainder is what they leave, so that parts and remainder always do.
 *
 * By TTFT the connection is outside (TTFT starts at sending) and is reported beside the sum; by wall_s it is a part,
 * and so are the tokens after the first: a first request can lose more there than before its first token.
 */
import type { ExcessLedger, RequestTiming } from './findings.js';
import {
  coldOf,
  launchesOf,
  measureMs,
  measuresMs,
  requestsNamed,
  valuesOf,
  warmSet,
  type Measure,
  type WarmSet,
} from './series.js';
import { medianOf } from '../statistics/samples.js';

/** Ledgers of every launch's cold_1 (by TTFT where it was streamed, and by wall_s), then of each first long request by TTFT. */
export function excessLedgers(timings: readonly RequestTiming[]): ExcessLedger[] {
  const first = launchesOf(timings).flatMap((launch) =>
    ledgersOf(coldOf(timings, launch), timings, 'warm', ['TTFT', 'wall_s']),
  );
  const long = requestsNamed(timings, 'cold-long').flatMap((cold) => ledgersOf(cold, timings, 'warm-unique', ['TTFT']));
  return [...first, ...long];
}

function ledgersOf(
  cold: RequestTiming | undefined,
  timings: readonly RequestTiming[],
  warmName: string,
  measures: readonly Measure[],
): ExcessLedger[] {
  const warm = cold && warmSet(timings, cold.launch, cold.streamed, warmName);
  if (!cold || !warm) return [];
  return measures
    .map((by) => excessLedger(cold, warm, by))
    .filter((ledger): ledger is ExcessLedger => ledger !== undefined);
}

/** What request 1 of a launch lost after its first token: by the server's word, else the excess of wall_s over that of TTFT. */
export function afterFirstTokenMs(ledgers: readonly ExcessLedger[], launch: number | undefined): number | undefined {
  const own = ledgers.filter((ledger) => ledger.launch === launch);
  const whole = own.find(({ by }) => by === 'wall_s');
  const first = own.find(({ by }) => by === 'TTFT');
  const told = whole?.parts.find(({ name }) => name === tokensAfter)?.ms;
  return told ?? (whole && first ? whole.excessMs - first.excessMs - (first.connectionMs ?? 0) : undefined);
}

const tokensAfter = 'tokens after the first';

interface Part {
  readonly name: string;
  readonly term: string;
  readonly source: string;
  readonly of: (timing: RequestTiming) => number | undefined;
}

const queue: Part = {
  name: 'queue',
  term: 'F',
  source: "the server's queue_time_ms",
  of: (timing) => timing.serverQueueMs,
};
const firstToken: Part = {
  name: 'engine, to the first token',
  term: 'C+D+E',
  source: "the server's time_to_first_token_ms (scheduled to first token)",
  of: (timing) => timing.serverFirstTokenMs,
};

const partsOf: Readonly<Record<Measure, readonly Part[]>> = {
  TTFT: [
    queue,
    firstToken,
    {
      name: 'front end (HTTP, tokenizer, detokenizer, SSE)',
      term: 'G',
      source: 'TTFT minus queue minus server first token',
      of: (timing) => timing.frontEndMs,
    },
  ],
  wall_s: [
    { name: 'connection', term: 'F', source: "the client's stamps", of: (timing) => timing.connectMs },
    queue,
    firstToken,
    {
      name: tokensAfter,
      term: 'C+D+E',
      source: "the server's generation_time_ms",
      of: (timing) => timing.serverGenerationMs,
    },
  ],
};

/** The ledger of one first request. Undefined when it, or the warm set, lacks the measure. */
export function excessLedger(cold: RequestTiming, warm: WarmSet, by: Measure): ExcessLedger | undefined {
  const coldMs = measureMs(cold, by);
  const warmMedianMs = medianOf(measuresMs(warm.timings, by));
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
  const usual = medianOf(warm.timings.map(of).filter((value): value is number => value !== undefined));
  return own === undefined || usual === undefined ? undefined : own - usual;
}

/** Median of one field over a warm set. */
export function warmMedianOf(warm: WarmSet | undefined, field: keyof RequestTiming): number | undefined {
  return warm && medianOf(valuesOf(warm.timings, field));
}
