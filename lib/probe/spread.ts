/** A sample of instants' errors or waits in brief: where its middle and its tail are. */

export interface Spread {
  readonly n: number;
  readonly median: number;
  /** Absent below 100 samples, where it would be another name for the maximum. */
  readonly p99?: number | undefined;
  readonly max: number;
}

const samplesForP99 = 100;

/**
 * The q-quantile of values in rising order, by linear interpolation at position (n - 1) q: Hyndman and Fan's type 7,
 * the one definition of the project. Undefined for an empty sample.
 */
export function quantileOf(rising: ArrayLike<number>, q: number): number | undefined {
  const position = (rising.length - 1) * q;
  const below = rising[Math.floor(position)];
  const above = rising[Math.ceil(position)];
  if (below === undefined || above === undefined) return undefined;
  return below + (above - below) * (position - Math.floor(position));
}

/** Undefined for an empty sample. Throws RangeError on NaN or infinity: what was not seen must be left out. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.some((value) => !Number.isFinite(value))) throw new RangeError('a sample cannot hold what is no number');
  const rising = Float64Array.from(values).sort();
  const median = quantileOf(rising, 0.5);
  const max = rising[rising.length - 1];
  if (median === undefined || max === undefined) return undefined;
  return { n: values.length, median, p99: values.length < samplesForP99 ? undefined : quantileOf(rising, 0.99), max };
}
