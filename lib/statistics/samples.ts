/** Order statistics of a sample. Everything about an empty sample is `undefined`. */

declare const sorted: unique symbol;
/** Finite numbers in rising order. Only `sortSamples` makes them. */
export type SortedSamples = readonly number[] & { readonly [sorted]: true };

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

/** The median of values in any order. Throws RangeError as `sortSamples` does. */
export function medianOf(values: readonly number[]): number | undefined {
  return median(sortSamples(values));
}

/** Median absolute deviation from the median, unscaled (times 1.4826 it estimates a normal's sigma). */
export function medianAbsoluteDeviation(samples: SortedSamples): number | undefined {
  const centre = median(samples);
  return centre === undefined ? undefined : medianOf(samples.map((value) => Math.abs(value - centre)));
}

/** The 99th percentile; undefined below `samplesForP99` samples, where the maximum stands for it. */
export function p99(samples: SortedSamples): number | undefined {
  return samples.length < samplesForP99 ? undefined : quantile(samples, 0.99);
}

/** The first quartile and the third, by the quantile definition of this project. Undefined for an empty sample. */
export function quartiles(samples: SortedSamples): { readonly lower: number; readonly upper: number } | undefined {
  const lower = quantile(samples, 0.25);
  const upper = quantile(samples, 0.75);
  return lower === undefined || upper === undefined ? undefined : { lower, upper };
}

/** A sample of errors or waits in brief: where its middle and its tail are. */
export interface Spread {
  readonly n: number;
  readonly median: number;
  /** Absent below `samplesForP99` samples. */
  readonly p99?: number | undefined;
  readonly max: number;
}

/** Undefined for an empty sample. Throws RangeError as `sortSamples` does. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const samples = sortSamples(values);
  const middle = median(samples);
  const max = samples[samples.length - 1];
  if (middle === undefined || max === undefined) return undefined;
  return { n: samples.length, median: middle, p99: p99(samples), max };
}
