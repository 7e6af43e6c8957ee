/**
 * Is this sample one steady thing? Drift, neighbours alike, two groups, outliers: each with the number read, the threshold and
 * where the threshold comes from. A sample too small for a test says so and raises nothing.
 */
import { formatMs, formatNumber, formatPercent } from './format.js';
import { median, medianAbsoluteDeviation, medianOf, sortSamples } from '../statistics/samples.js';

export interface Flag {
  readonly flag: string;
  readonly raised: boolean;
  readonly reading: string;
  readonly threshold: string;
}

export const flagThresholds = {
  /** Two-sided 5 % of the normal approximation of Kendall's S (Mann 1945, Kendall 1975). */
  driftZ: 1.96,
  /** That approximation is customarily trusted from ten samples on (Kendall 1975). */
  driftSamples: 10,
  /** A drift below 2 % of the median over the whole block changes no decision here; ours, fixed before any run. */
  driftFraction: 0.02,
  /** The gap must be half as wide again as the wider group. On samples of ten and more without two groups (normal,
   * uniform, exponential, lognormal) that happens in less than 3 % of simulated cases: test/interpret/flags.test.ts. */
  groupGap: 1.5,
  /** A group has at least three members and a fifth of the sample; fewer are outliers. */
  groupSamples: 3,
  groupFraction: 0.2,
  bimodalSamples: 10,
  /** One-sided 2.5 % of the normal approximation of Bartels' rank version of von Neumann's ratio (1982). */
  serialZ: -1.96,
  /** Bartels finds that approximation good from ten samples on. */
  serialSamples: 10,
  /** Modified z-score of Iglewicz and Hoaglin (1993): |0.6745 (x - median)| / MAD above 3.5. */
  outlierZ: 3.5,
  outlierSamples: 6,
} as const;

/** Kendall's S turned into z, and the Theil-Sen slope over the whole series; absent below `driftSamples`. */
export interface Drift {
  readonly z: number;
  /** Median slope per step times (n - 1): how far the series moved, in its own unit. */
  readonly overall: number;
}

/** `values` in the order they were measured. */
export function driftOf(values: readonly number[]): Drift | undefined {
  const n = values.length;
  if (n < flagThresholds.driftSamples) return undefined;
  const slopes: number[] = [];
  let s = 0;
  values.forEach((later, j) => {
    values.slice(0, j).forEach((earlier, i) => {
      s += Math.sign(later - earlier);
      slopes.push((later - earlier) / (j - i));
    });
  });
  const variance = (n * (n - 1) * (2 * n + 5) - tieCorrection(values)) / 18;
  const z = variance > 0 ? (s - Math.sign(s)) / Math.sqrt(variance) : 0;
  return { z, overall: (medianOf(slopes) ?? 0) * (n - 1) };
}

function tieCorrection(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts.values()].reduce((sum, t) => sum + t * (t - 1) * (2 * t + 5), 0);
}

/** Flag a steady rise or fall of durations (ms) given in the order of measurement. */
export function driftFlag(valuesMs: readonly number[]): Flag {
  const { driftZ, driftSamples, driftFraction } = flagThresholds;
  const threshold = `|z| >= ${driftZ} and ${formatPercent(driftFraction, 1)} of the median over the block (Mann-Kendall, Theil-Sen)`;
  const drift = driftOf(valuesMs);
  const centre = medianOf(valuesMs);
  if (!drift || centre === undefined || centre <= 0) return tooFew('drift', valuesMs.length, driftSamples, threshold);
  const fraction = drift.overall / centre;
  return {
    flag: 'drift',
    raised: Math.abs(drift.z) >= driftZ && Math.abs(fraction) >= driftFraction,
    reading: `z ${formatNumber(drift.z)}, ${formatMs(drift.overall)} over the block (${formatPercent(fraction)})`,
    threshold,
  };
}

/** How alike neighbours are: z of Bartels' ratio, below 0 where they are; and about the rank autocorrelation. */
export interface SerialDependence {
  readonly z: number;
  readonly autocorrelation: number;
}

/** `values` in the order they were measured. Absent below `serialSamples`, and where all values are equal. */
export function serialDependence(values: readonly number[]): SerialDependence | undefined {
  const n = values.length;
  if (n < flagThresholds.serialSamples) return undefined;
  const ranks = ranksOf(values);
  const mean = (n + 1) / 2;
  const spread = ranks.reduce((sum, rank) => sum + (rank - mean) ** 2, 0);
  if (spread === 0) return undefined;
  const steps = ranks.slice(1).reduce((sum, rank, at) => sum + (rank - (ranks[at] ?? rank)) ** 2, 0);
  const ratio = steps / spread;
  const variance = (4 * (n - 2) * (5 * n * n - 2 * n - 9)) / (5 * n * (n + 1) * (n - 1) ** 2);
  return { z: (ratio - 2) / Math.sqrt(variance), autocorrelation: 1 - ratio / 2 };
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  const sorted = sortSamples(values);
  return values.map((value) => {
    const below = sorted.filter((other) => other < value).length;
    const equal = sorted.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}

/** Flag durations (ms) that take after the one before: order statistics suppose that they do not. */
export function serialFlag(valuesMs: readonly number[]): Flag {
  const { serialSamples, serialZ } = flagThresholds;
  const threshold = `z <= ${serialZ} (Bartels 1982); an interval of the median is then too narrow`;
  const found = serialDependence(valuesMs);
  if (!found)
    return valuesMs.length < serialSamples
      ? tooFew('neighbours alike', valuesMs.length, serialSamples, threshold)
      : { flag: 'neighbours alike', raised: false, reading: 'all values are equal', threshold };
  return {
    flag: 'neighbours alike',
    raised: found.z <= serialZ,
    reading: `z ${formatNumber(found.z)}, rank autocorrelation about ${formatNumber(found.autocorrelation, 2)}`,
    threshold,
  };
}

/** The best split of a sample into two groups; `gap` in units of the wider group's range. */
export interface Split {
  readonly gap: number;
  readonly lowerGroup: readonly number[];
  readonly upperGroup: readonly number[];
}

export function widestSplit(values: readonly number[]): Split | undefined {
  const { bimodalSamples, groupSamples, groupFraction } = flagThresholds;
  const samples = sortSamples(values);
  const n = samples.length;
  if (n < bimodalSamples) return undefined;
  const smallest = Math.max(groupSamples, Math.ceil(groupFraction * n));
  let best: Split | undefined;
  for (let cut = smallest; cut <= n - smallest; cut += 1) {
    const lowerGroup = samples.slice(0, cut);
    const upperGroup = samples.slice(cut);
    const gap = relativeGap(lowerGroup, upperGroup);
    if (!best || gap > best.gap) best = { gap, lowerGroup, upperGroup };
  }
  return best;
}

function relativeGap(lower: readonly number[], upper: readonly number[]): number {
  const range = (group: readonly number[]) => (group[group.length - 1] ?? 0) - (group[0] ?? 0);
  const distance = (upper[0] ?? 0) - (lower[lower.length - 1] ?? 0);
  if (distance <= 0) return 0;
  return distance / Math.max(range(lower), range(upper), Number.MIN_VALUE);
}

/** Flag a sample of durations (ms) that falls into two separate groups. Careful: it misses groups with stragglers between. */
export function bimodalFlag(valuesMs: readonly number[]): Flag {
  const { bimodalSamples, groupGap } = flagThresholds;
  const threshold = `a gap wider than ${formatNumber(groupGap, 2)} × the wider group, each group a fifth of the sample`;
  const split = widestSplit(valuesMs);
  if (!split) return tooFew('two groups', valuesMs.length, bimodalSamples, threshold);
  const centres = [split.lowerGroup, split.upperGroup].map((group) => formatMs(medianOf(group)));
  return {
    flag: 'two groups',
    raised: split.gap > groupGap,
    reading: `${split.lowerGroup.length} around ${centres[0]} and ${split.upperGroup.length} around ${centres[1]}, gap ${split.gap > 1000 ? 'over 1,000' : formatNumber(split.gap)} × the wider group`,
    threshold,
  };
}

/** Modified z-score of a value against a sample; undefined when the sample is empty or its MAD is 0. */
export function modifiedZ(value: number, values: readonly number[]): number | undefined {
  const samples = sortSamples(values);
  const centre = median(samples);
  const mad = medianAbsoluteDeviation(samples);
  if (centre === undefined || mad === undefined || mad === 0) return undefined;
  return (0.6745 * (value - centre)) / mad;
}

const outliersListed = 5;

/** Flag durations (ms) far from the rest. They stay in every statistic: flagged, not removed. */
export function outlierFlag(valuesMs: readonly number[]): Flag {
  const { outlierSamples, outlierZ } = flagThresholds;
  const threshold = `modified z-score above ${outlierZ} (Iglewicz and Hoaglin 1993)`;
  if (valuesMs.length < outlierSamples) return tooFew('outliers', valuesMs.length, outlierSamples, threshold);
  const scored = valuesMs.map((value) => ({ value, z: Math.abs(modifiedZ(value, valuesMs) ?? 0) }));
  const outliers = scored.filter(({ z }) => z > outlierZ).sort((a, b) => b.z - a.z);
  const worst = Math.max(...scored.map(({ z }) => z));
  const listed = outliers.slice(0, outliersListed).map(({ value }) => formatMs(value));
  const list = `${outliers.length > listed.length ? 'the farthest ' : ''}${listed.join(', ')}`;
  return {
    flag: 'outliers',
    raised: outliers.length > 0,
    reading:
      outliers.length > 0
        ? `${outliers.length} of ${valuesMs.length}: ${list}`
        : `none of ${valuesMs.length}; largest score ${formatNumber(worst)}`,
    threshold,
  };
}

function tooFew(flag: string, n: number, needed: number, threshold: string): Flag {
  return { flag, raised: false, reading: `not tested: n = ${n}, the test needs ${needed}`, threshold };
}
