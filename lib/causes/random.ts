/** Seeded chance: the same seed gives the same order of launches and the same simulated designs on every machine. */

/** Numbers in [0, 1). The "mulberry32" mixer, public domain. */
export function createUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A shuffled copy (Fisher and Yates): each order is equally likely. */
export function shuffled<T>(items: readonly T[], uniform: () => number): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(uniform() * left.length), 1));
  return order;
}

/** One of the items; undefined when there is none. */
export function pick<T>(items: readonly T[], uniform: () => number): T | undefined {
  return items[Math.floor(uniform() * items.length)];
}
