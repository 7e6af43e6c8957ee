/** When requests are to be sent, decided before any of them is: what a server answers cannot move it. */
import { randomFrom } from '../statistics/random.js';

export interface ArrivalPlan {
  /** `fixed`: evenly spaced. `poisson`: as from many users who know nothing of each other, exponential gaps. */
  readonly pace: 'fixed' | 'poisson';
  readonly ratePerS: number;
  readonly requests: number;
  readonly seed: number;
}

/** Instants in ms after the start, rising. The first of a fixed pace is 0; of a Poisson one it is a gap, too. */
export function planArrivals({ pace, ratePerS, requests, seed }: ArrivalPlan): readonly number[] {
  const gapMs = 1000 / ratePerS;
  if (pace === 'fixed') return Array.from({ length: requests }, (_, index) => index * gapMs);
  const random = randomFrom(seed);
  let atMs = 0;
  return Array.from({ length: requests }, () => (atMs -= Math.log(1 - random()) * gapMs));
}
