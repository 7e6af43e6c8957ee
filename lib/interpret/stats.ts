/**
 * Small-sample statistics: order statistics first, means never. Everything about an empty sample is `undefined`.
 */
import type { MedianInterval, Summary } from './findings.js';

declare const sorted: unique symbol;
/** Finite numbers in rising order. Only `sortSamples` makes them. */
export type SortedSamples = readonly number[] & { readonly [sorted]: true };

/** Level an interval for a median must reach: the customary 95 %. */
export const medianIntervalLevel = 0.95;
/** Below this many samples a 99th percentile is another name for the maximum. */
export const samplesForP99 = 100;

/** Sort a copy. Throws RangeError on NaN or infinity: an absent value must be left out, not passed on. */
export function sortSamples(values: readonly number[]): SortedSamples {
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new RangeError(`a sample cannot hold ${bad}: leave the absent value out`);
  return [...values].sort((a, b) => a - b) as unknown as SortedSamples;
}

/**
 * The q-quantile, 0 <= q <= 1, by linear interpolation between order statistics at position (n - 1) q
 * (Hyndman & Fan 1996, type 7; numpy's default). The only quantile definition of this project.
 */
export function quantile(samples: SortedSamples, q: number): number | undefined {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile needs 0 <= q <= 1, got ${q}`);
  const position = (samples.length - 1) * q;
  const below = samples[Math.floor(position)];
  const above = samples[Math.ceil(position)];
  if (below === undefined || above === undefined) return undefined;
  const between = below + (above - below) * (position - Math.floor(position));
  return Math.min(Math.max(between, below), above);
}

export function median(samples: SortedSamples): number | undefined {
  return quantile(samples, 0.5);
}

/** Median absolute deviation from the median, unscaled (times 1.4826 it estimates a normal's sigma). */
export function medianAbsoluteDeviation(samples: SortedSamples): number | undefined {
  const centre = median(samples);
  return centre === undefined ? undefined : median(sortSamples(samples.map((value) => Math.abs(value - centre))));
}

/** The 99th percentile; undefined below `samplesForP99` samples, where the maximum stands for it. */
export function p99(samples: SortedSamples): number | undefined {
  return samples.length < samplesForP99 ? undefined : quantile(samples, 0.99);
}

/**
 * The narrowest interval [x(k), x(n+1-k)] that holds the true median with at least 95 %: its level is
 * 1 - 2 P(Bin(n, 1/2) <= k - 1), exact for any continuous distribution and a lower bound with ties.
 * Undefined for n < 6: [min, max] of five reaches 93.75 % only. Independence is assumed, not tested here.
 */
export function medianInterval(samples: SortedSamples, level = medianIntervalLevel): MedianInterval | undefined {
  const n = samples.length;
  let reached: number | undefined;
  let rank = 0;
  let tail = 0;
  let logPoint = -n * Math.LN2;
  for (let i = 0; i < n / 2; i += 1) {
    tail += Math.exp(logPoint);
    if (1 - 2 * tail < level) break;
    reached = 1 - 2 * tail;
    rank = i + 1;
    logPoint += Math.log((n - i) / (i + 1));
  }
  const lower = samples[rank - 1];
  const upper = samples[n - rank];
  if (reached === undefined || lower === undefined || upper === undefined) return undefined;
  return { lower, upper, level: reached };
}

/**
 * A sample of durations or other non-negative quantities in brief. Undefined for an empty sample, and for one
 * whose median is 0 while its maximum is not: a spread relative to 0 has no meaning.
 */
export function summarize(values: readonly number[]): Summary | undefined {
  const samples = sortSamples(values);
  const min = samples[0];
  const max = samples[samples.length - 1];
  const middle = median(samples);
  const mad = medianAbsoluteDeviation(samples);
  if (min === undefined || max === undefined || middle === undefined || mad === undefined) return undefined;
  const spread = max === min ? 0 : (max - min) / middle;
  if (!Number.isFinite(spread)) return undefined;
  return { n: samples.length, min, median: middle, max, mad, spread, interval: medianInterval(samples) };
}

/** Differences `after - before` of two series that belong together item by item; the longer one's tail is left out. */
export function pairedDifferences(before: readonly number[], after: readonly number[]): number[] {
  return before.slice(0, after.length).map((value, index) => (after[index] ?? NaN) - value);
}

/** The median of paired differences with its interval, in the unit of the series. Undefined without a pair. */
export interface PairedComparison {
  readonly n: number;
  readonly medianDifference: number;
  readonly interval?: MedianInterval | undefined;
}

export function comparePaired(before: readonly number[], after: readonly number[]): PairedComparison | undefined {
  const differences = sortSamples(pairedDifferences(before, after));
  const medianDifference = median(differences);
  if (medianDifference === undefined) return undefined;
  return { n: differences.length, medianDifference, interval: medianInterval(differences) };
}

/** A shift estimated from pairs, in their unit. `interval` is absent below six pairs. */
export interface ShiftEstimate {
  readonly n: number;
  /** Hodges and Lehmann (1963): the median of the averages of all pairs of differences, each with itself included. */
  readonly shift: number;
  /** Exact where differences are symmetric about the shift; ties make it wider, never narrower. */
  readonly interval?: MedianInterval | undefined;
}

/**
 * By how much one side of each pair lies above the other, by inverting Wilcoxon's signed-rank test: every shift that
 * the test would not reject. It supposes that within a pair either order was equally likely, so that differences are
 * symmetric about the shift; of the shape of the values it supposes nothing. Undefined without a difference.
 */
export function shiftOf(differences: readonly number[], level = medianIntervalLevel): ShiftEstimate | undefined {
  const averages = sortSamples(differences.flatMap((a, at) => differences.slice(at).map((b) => a + (b - a) / 2)));
  const shift = median(averages);
  if (shift === undefined) return undefined;
  return { n: differences.length, shift, interval: signedRankInterval(averages, differences.length, level) };
}

/** [w(k), w(M + 1 - k)] of the M sorted averages, with the largest k that 1 - 2 P(W <= k - 1) >= level allows. */
function signedRankInterval(averages: SortedSamples, n: number, level: number): MedianInterval | undefined {
  const chances = signedRankChances(n);
  let tail = 0;
  let rank = 0;
  let reached: number | undefined;
  for (const chance of chances) {
    tail += chance;
    if (1 - 2 * tail < level) break;
    reached = 1 - 2 * tail;
    rank += 1;
  }
  const lower = averages[rank - 1];
  const upper = averages[averages.length - rank];
  if (reached === undefined || lower === undefined || upper === undefined) return undefined;
  return { lower, upper, level: reached };
}

/** P(W = w) for w = 0 ... n (n + 1) / 2: each rank from 1 to n is in the sum with chance 1/2. */
export function signedRankChances(n: number): readonly number[] {
  let chances: number[] = [1];
  for (let rank = 1; rank <= n; rank += 1) {
    const before = chances;
    chances = Array.from({ length: before.length + rank }, (_, w) => ((before[w] ?? 0) + (before[w - rank] ?? 0)) / 2);
  }
  return chances;
}

/** The first quartile and the third, by the quantile definition of this project. Undefined for an empty sample. */
export function quartiles(samples: SortedSamples): { readonly lower: number; readonly upper: number } | undefined {
  const lower = quantile(samples, 0.25);
  const upper = quantile(samples, 0.75);
  return lower === undefined || upper === undefined ? undefined : { lower, upper };
}

// Two-sided 5 % and 80 % power, the customary pair: z(0.975) + z(0.80).
const zOfLevelAndPower = 1.959964 + 0.841621;
// Standard error of a median of n normal samples, in units of sigma / sqrt(n): sqrt(pi / 2).
const medianPenalty = Math.sqrt(Math.PI / 2);
const sigmaPerMad = 1.4826;

/**
 * Requests needed on each side so that a difference of two medians of this size is found in four of five tries
 * at 5 %: n = 2 (z 1.2533 sigma / difference)^2 with sigma = 1.4826 MAD. A normal approximation, never less than
 * the 6 an interval needs. Undefined when the difference is not above 0.
 */
export function runsToResolve(mad: number, difference: number): number | undefined {
  if (!(difference > 0)) return undefined;
  const ratio = (zOfLevelAndPower * medianPenalty * sigmaPerMad * mad) / difference;
  return Math.max(6, Math.ceil(2 * ratio * ratio));
}
