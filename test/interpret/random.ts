/** Seeded random numbers for simulations, so that a test that passes once passes always. */

/** Numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function uniformFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Shape {
  readonly name: string;
  readonly trueMedian: number;
  readonly draw: (random: () => number) => number;
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

export function drawMany(shape: Shape, n: number, random: () => number): number[] {
  return Array.from({ length: n }, () => shape.draw(random));
}
