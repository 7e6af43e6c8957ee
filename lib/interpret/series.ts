/**
 * Which requests of a run play which part. Only completed ones count, and launches are never pooled: a set of warm
 * requests always comes from one launch.
 */
import type { RequestTiming } from './findings.js';

/** A quantity of a request, with the name it goes by. */
export type Measure = 'TTFT' | 'wall_s';

/** Warm requests of one launch and what to call them in a sentence. */
export interface WarmSet {
  readonly launch: number;
  readonly timings: readonly RequestTiming[];
  readonly label: string;
}

export function isCompleted(timing: RequestTiming): boolean {
  return timing.outcome === 'completed';
}

/** Completed requests of a name, in the order they were sent; of one launch where one is given. */
export function requestsNamed(timings: readonly RequestTiming[], name: string, launch?: number): RequestTiming[] {
  return timings
    .filter(
      (timing) => timing.name === name && isCompleted(timing) && (launch === undefined || timing.launch === launch),
    )
    .sort((a, b) => a.launch - b.launch || a.index - b.index);
}

/** The first request of a launch; undefined when it was not made or did not complete. */
export function coldOf(timings: readonly RequestTiming[], launch: number, name = 'cold_1'): RequestTiming | undefined {
  return requestsNamed(timings, name, launch)[0];
}

/** The launch that holds most of these requests; the later one of two with equally many. */
export function launchWithMost(timings: readonly RequestTiming[]): number | undefined {
  const counts = new Map<number, number>();
  for (const timing of timings) counts.set(timing.launch, (counts.get(timing.launch) ?? 0) + 1);
  const ranked = [...counts].sort(([launchA, a], [launchB, b]) => b - a || launchB - launchA);
  return ranked[0]?.[0];
}

/**
 * The warm requests that a request of `launch` is measured against: of the same launch where it has any, else of the
 * launch with most of them, which the label then says. `streamed` keeps like with like; undefined takes both.
 */
export function warmSet(
  timings: readonly RequestTiming[],
  launch: number | undefined,
  streamed: boolean | undefined,
  name = 'warm',
): WarmSet | undefined {
  const candidates = requestsNamed(timings, name).filter(
    (timing) => streamed === undefined || timing.streamed === streamed,
  );
  const own = candidates.filter((timing) => timing.launch === launch);
  const from = own.length > 0 ? launch : launchWithMost(candidates);
  if (from === undefined) return undefined;
  const chosen = candidates.filter((timing) => timing.launch === from);
  const kind = streamed === undefined ? '' : streamed ? 'streamed ' : 'not streamed ';
  const borrowed = launch === undefined || from === launch ? '' : ` (launch ${launch} has none)`;
  return { launch: from, timings: chosen, label: `${chosen.length} ${kind}${name} of launch ${from}${borrowed}` };
}

/** Values of one field, absent ones left out. */
export function valuesOf(timings: readonly RequestTiming[], field: keyof RequestTiming): number[] {
  return timings.map((timing) => timing[field]).filter((value): value is number => typeof value === 'number');
}

/** A request's value of a measure in ms: TTFT, or wall_s turned into ms. */
export function measureMs(timing: RequestTiming, measure: Measure): number | undefined {
  if (measure === 'TTFT') return timing.ttftMs;
  return timing.wallS === undefined ? undefined : timing.wallS * 1000;
}

/** From queued to first token in ms, as the engine says. Absent where the answer carries no figures of the server. */
export function engineMs({ serverQueueMs, serverFirstTokenMs }: RequestTiming): number | undefined {
  return serverQueueMs === undefined || serverFirstTokenMs === undefined
    ? undefined
    : serverQueueMs + serverFirstTokenMs;
}

/** The measures of several requests in ms, absent ones left out. */
export function measuresMs(timings: readonly RequestTiming[], measure: Measure): number[] {
  return timings.map((timing) => measureMs(timing, measure)).filter((ms): ms is number => ms !== undefined);
}

/** Distinct launches in rising order. */
export function launchesOf(timings: readonly RequestTiming[]): number[] {
  return [...new Set(timings.map((timing) => timing.launch))].sort((a, b) => a - b);
}
