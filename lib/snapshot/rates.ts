/** How often readings were really taken, how often a figure really changed, and its band over a window. Pure. */
import { quantile, sortSamples } from '../statistics/samples.js';

interface Stamped {
  readonly atMs: number;
}

/** The columns of a row that hold numbers, absent ones included. */
export type NumberColumnOf<R> = { [K in keyof R]-?: NonNullable<R[K]> extends number ? K : never }[keyof R];

/**
 * Changes of a figure per second: the rate at which its source renews it, at least. An update to the same value
 * cannot be seen. Absent with fewer than two readings. Rows in time order, of one GPU; readings without the figure are left out.
 */
export function rateOfDistinctUpdates<R extends Stamped>(
  rows: readonly R[],
  column: NumberColumnOf<R>,
): number | undefined {
  const seen = valuesOf(rows, column);
  const [first, last] = [seen[0], seen[seen.length - 1]];
  if (!first || !last || last.atMs <= first.atMs) return undefined;
  const changes = seen.filter(({ value }, at) => at > 0 && value !== seen[at - 1]?.value).length;
  return (changes * 1000) / (last.atMs - first.atMs);
}

export interface Band {
  readonly n: number;
  readonly median: number;
  /** 5th percentile: with fewer than 20 readings it leans on the lowest one. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
  /** Absent with one reading. When it is far below the sampling rate, n overstates how much was seen. */
  readonly distinctPerS?: number | undefined;
}

/** The band of a figure over fromMs <= atMs <= toMs. Absent when the window holds no reading of it. */
export function bandOf<R extends Stamped>(
  rows: readonly R[],
  column: NumberColumnOf<R>,
  fromMs: number,
  toMs: number,
): Band | undefined {
  const inWindow = rows.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const sorted = sortSamples(valuesOf(inWindow, column).map(({ value }) => value));
  const [low, median, high] = [0.05, 0.5, 0.95].map((share) => quantile(sorted, share));
  if (low === undefined || median === undefined || high === undefined) return undefined;
  return { n: sorted.length, median, low, high, distinctPerS: rateOfDistinctUpdates(inWindow, column) };
}

function valuesOf<R extends Stamped>(
  rows: readonly R[],
  column: NumberColumnOf<R>,
): { readonly atMs: number; readonly value: number }[] {
  return rows.flatMap((row) => {
    const value = row[column] as number | undefined;
    return value === undefined ? [] : [{ atMs: row.atMs, value }];
  });
}

export interface AchievedRate {
  readonly n: number;
  readonly perS: number;
  readonly medianPauseMs: number;
  readonly longestPauseMs: number;
  /** Planned readings that are not there: gaps of the sampler. */
  readonly missing: number;
}

/** A stretch in which nothing was meant to be read. */
export interface PlannedPause {
  readonly fromAtMs: number;
  readonly toAtMs: number;
}

/**
 * What a sampler with a planned interval really delivered, from its rows in time order. A gap around a planned pause
 * is no gap of the sampler and counts nowhere. Absent with fewer than two rows that follow each other.
 */
export function achievedRate(
  rows: readonly Stamped[],
  plannedIntervalMs: number,
  planned: readonly PlannedPause[] = [],
): AchievedRate | undefined {
  const gaps = rows.slice(1).map(({ atMs }, at) => ({ fromMs: rows[at]?.atMs ?? atMs, toMs: atMs }));
  const own = gaps.filter((gap) => !planned.some(({ fromAtMs, toAtMs }) => gap.fromMs < toAtMs && gap.toMs > fromAtMs));
  const pauses = own.map(({ fromMs, toMs }) => toMs - fromMs);
  const spanMs = pauses.reduce((sum, pause) => sum + pause, 0);
  const sorted = sortSamples(pauses);
  const median = quantile(sorted, 0.5);
  const longest = sorted[sorted.length - 1];
  if (median === undefined || longest === undefined || spanMs <= 0) return undefined;
  const stretches = 1 + gaps.length - own.length;
  const due = Math.round(spanMs / plannedIntervalMs) + stretches;
  return {
    n: rows.length,
    perS: (pauses.length * 1000) / spanMs,
    medianPauseMs: median,
    longestPauseMs: longest,
    missing: Math.max(0, due - rows.length),
  };
}
