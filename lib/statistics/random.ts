/** Random numbers that come again: the same seed, the same numbers, on every machine. */

import { createHash } from 'node:crypto';

/** A seed, 0 to 2^32 - 1, that depends on the text alone. */
export function seedFrom(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE(0);
}

/** Numbers in [0, 1) from a 32-bit seed, by Tommy Ettinger's mulberry32 (public domain): period 2^32, enough for plans. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    const first = Math.imul(state ^ (state >>> 15), 1 | state);
    const second = first ^ (first + Math.imul(first ^ (first >>> 7), 61 | first));
    return ((second ^ (second >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The items in a random order (Fisher and Yates); the given list stays as it is. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

/** One of the items; undefined when there is none. */
export function pick<T>(items: readonly T[], random: () => number): T | undefined {
  return items[Math.floor(random() * items.length)];
}
