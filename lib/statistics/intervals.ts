/** Intervals from order statistics and ranks: exact for small samples, whatever the shape of the values. */
import { median, sortSamples, type SortedSamples } from './samples.js';

export interface Interval {
  readonly lower: number;
  readonly upper: number;
  /** The level it reaches, at least the one asked for. */
  readonly level: number;
}

/** Level an interval must reach: the customary 95 %. */
export const intervalLevel = 0.95;
/**
 * The narrowest interval [x(k), x(n+1-k)] that holds the true median with at least 95 %: its level is
 * 1 - 2 P(Bin(n, 1/2) <= k - 1), exact for any continuous distribution and a lower bound with ties.
 * Undefined for n < 6: [min, max] of five reaches 93.75 % only. Independence is assumed, not tested here.
 */
export function medianInterval(samples: SortedSamples, level = intervalLevel): Interval | undefined {
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

/** Differences `after - before` of two series that belong together item by item; the longer one's tail is left out. */
export function pairedDifferences(before: readonly number[], after: readonly number[]): number[] {
  return before.slice(0, after.length).map((value, index) => (after[index] ?? NaN) - value);
}

/** The median of paired differences with its interval, in the unit of the series. Undefined without a pair. */
export interface PairedComparison {
  readonly n: number;
  readonly medianDifference: number;
  readonly interval?: Interval | undefined;
}

export function comparePaired(before: readonly number[], after: readonly number[]): PairedComparison | undefined {
  const differences = sortSamples(pairedDifferences(before, after));
  const medianDifference = median(differences);
  if (medianDifference === undefined) return undefined;
  return { n: differences.length, medianDifference, interval: medianInterval(differences) };
}

/** The centre of paired differences, in their unit. */
export interface CentreInterval {
  readonly n: number;
  /** Hodges and Lehmann (1963): the median of the averages of all pairs of differences, each with itself included. */
  readonly centre: number;
  /** Exact where differences are symmetric about their centre; ties make it wider, never narrower. Absent below six. */
  readonly interval?: Interval | undefined;
}

/**
 * By how much one side of each pair lies above the other, by inverting Wilcoxon's signed-rank test: every shift that
 * the test would not reject. It supposes that within a pair either order was equally likely, so that differences are
 * symmetric about their centre; of the shape of the values it supposes nothing. Undefined without a difference.
 * Throws RangeError on NaN or infinity.
 */
export function centreOf(differences: readonly number[], level = intervalLevel): CentreInterval | undefined {
  const averages = sortSamples(differences.flatMap((a, at) => differences.slice(at).map((b) => a + (b - a) / 2)));
  const centre = median(averages);
  if (centre === undefined) return undefined;
  return { n: differences.length, centre, interval: signedRankInterval(averages, differences.length, level) };
}

/** [w(k), w(M + 1 - k)] of the M sorted averages, with the largest k that 1 - 2 P(W <= k - 1) >= level allows. */
function signedRankInterval(averages: SortedSamples, n: number, level: number): Interval | undefined {
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
