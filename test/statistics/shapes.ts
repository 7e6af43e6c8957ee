/** Seeded random numbers for simulations, so that a test that passes once passes always. */

export interface Shape {
  readonly name: string;
  readonly trueMedian: number;
  readonly draw: (random: () => number) => number;
  /** Values that can be equal: an interval of order statistics is then at least as wide as it must be. */
  readonly ties?: boolean;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** One-humped shapes as latencies take them, each with its true median. */
export const shapes: readonly Shape[] = [
  { name: 'normal', trueMedian: 0, draw: normal },
  { name: 'uniform', trueMedian: 0.5, draw: (random) => random() },
  { name: 'exponential', trueMedian: Math.LN2, draw: (random) => -Math.log(1 - random()) },
  { name: 'lognormal', trueMedian: 1, draw: (random) => Math.exp(0.5 * normal(random)) },
];

/** Shapes that a symmetric one-humped world does not know: two groups of latencies, and a coarse clock. */
export const clumpedShapes: readonly Shape[] = [
  {
    name: 'of two groups',
    // Seven of ten lie in the lower group: the median is its quantile 5/7.
    trueMedian: 10 + 0.565948821932863,
    draw: (random) => (random() < 0.7 ? 10 : 20) + normal(random),
  },
  { name: 'rounded to whole numbers', trueMedian: 10, draw: (random) => Math.round(10 + normal(random)), ties: true },
];

/** A series whose every value is `share` of the one before plus noise; its median is 0. */
export function autocorrelated(share: number, n: number, random: () => number): number[] {
  let value = normal(random) / Math.sqrt(1 - share * share);
  return Array.from({ length: n }, () => (value = share * value + normal(random)));
}

export function drawMany(shape: Shape, n: number, random: () => number): number[] {
  return Array.from({ length: n }, () => shape.draw(random));
}
