import { expect, it } from 'vitest';
import { planArrivals } from '../../lib/probe/arrivals.js';

it('spaces a fixed pace evenly, from the first instant on', () => {
  expect(planArrivals({ pace: 'fixed', ratePerS: 4, requests: 4, seed: 1 })).toEqual([0, 250, 500, 750]);
});

it('draws Poisson arrivals: the asked rate, rising, gaps as an exponential has them', () => {
  const ratePerS = 20;
  const instants = planArrivals({ pace: 'poisson', ratePerS, requests: 20_000, seed: 3 });
  const gaps = instants.map((atMs, index) => atMs - (instants[index - 1] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(0);
  const meanMs = (instants.at(-1) ?? NaN) / instants.length;
  expect(meanMs).toBeCloseTo(1000 / ratePerS, -0.5);
  // Of an exponential's gaps, 1/e are longer than the mean, and 1/e^2 longer than twice of it.
  const longer = (factor: number) => gaps.filter((gap) => gap > (factor * 1000) / ratePerS).length / gaps.length;
  expect(longer(1)).toBeCloseTo(Math.exp(-1), 2);
  expect(longer(2)).toBeCloseTo(Math.exp(-2), 2);
});

it('gives the same plan for the same seed, and another one for another', () => {
  const plan = (seed: number) => planArrivals({ pace: 'poisson', ratePerS: 5, requests: 50, seed });
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
});
