/**
 * Paired differences -> their centre with an interval: the Hodges-Lehmann estimate and the interval that belongs to
 * Wilcoxon's signed-rank test. Exact for any sample size if the differences are symmetric about their centre, which
 * the difference of two launches with the same kind of noise is; no other shape is assumed.
 */
import { medianIntervalLevel, quantile, sortSamples } from '../interpret/stats.js';

export interface CentreInterval {
  readonly n: number;
  readonly centre: number;
  /** Absent below six differences: no such interval reaches 95 % there. */
  readonly interval?: { readonly lower: number; readonly upper: number; readonly level: number } | undefined;
}

/** Undefined for no difference at all. Throws RangeError on NaN or infinity. */
export function centreOf(differences: readonly number[], level = medianIntervalLevel): CentreInterval | undefined {
  const averages = sortSamples(walshAverages(differences));
  const centre = quantile(averages, 0.5);
  if (centre === undefined) return undefined;
  const n = differences.length;
  const rank = intervalRank(n, level);
  const lower = rank && averages[rank.rank - 1];
  const upper = rank && averages[averages.length - rank.rank];
  if (!rank || lower === undefined || upper === undefined) return { n, centre };
  return { n, centre, interval: { lower, upper, level: rank.level } };
}

/** The mean of every pair, each difference with itself included: n (n + 1) / 2 numbers. */
function walshAverages(values: readonly number[]): number[] {
  return values.flatMap((a, i) => values.slice(i).map((b) => (a + b) / 2));
}

/**
 * Which order statistic of the averages bounds the interval, from below and from above, and the exact level it
 * reaches: 1 - 2 P(T <= rank - 1), T the sum of the ranks 1..n that a fair coin chose. Undefined where none reaches `level`.
 */
export function intervalRank(n: number, level = medianIntervalLevel): { rank: number; level: number } | undefined {
  const ways = waysToSum(n);
  const all = 2 ** n;
  let tail = 0;
  let found: { rank: number; level: number } | undefined;
  for (let sum = 0; sum < ways.length; sum += 1) {
    tail += (ways[sum] ?? 0) / all;
    if (1 - 2 * tail < level) break;
    found = { rank: sum + 1, level: 1 - 2 * tail };
  }
  return found;
}

/** How many subsets of 1..n have each sum. */
function waysToSum(n: number): number[] {
  let ways = [1];
  for (let rank = 1; rank <= n; rank += 1) {
    const before = ways;
    ways = Array.from({ length: before.length + rank }, (_, sum) => (before[sum] ?? 0) + (before[sum - rank] ?? 0));
  }
  return ways;
}
