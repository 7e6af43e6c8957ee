import { medianInterval, type Interval } from './intervals.js';
import { median, medianAbsoluteDeviation, sortSamples } from './samples.js';

/** A sample in brief; the unit is that of the field that holds it. `interval` is absent where n is too small for any. */
export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** Median absolute deviation from the median. */
  readonly mad: number;
  /** (max - min) / median, the seed's spread; a fraction. */
  readonly spread: number;
  readonly interval?: Interval | undefined;
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
