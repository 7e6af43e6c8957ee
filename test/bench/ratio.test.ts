import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decide, p99Ratio, p99WithInterval, type RoundErrors } from '../../lib/bench/ratio.js';
import { randomFrom } from '../../lib/statistics/random.js';
import { quantile, sortSamples } from '../../lib/statistics/samples.js';

/** Blocks of one sitting, or of several with so many rounds each. */
const inSittings = (blocks: readonly (readonly number[])[], roundsEach = Infinity): RoundErrors[] =>
  blocks.map((errors, at) => ({ sitting: Math.floor(at / roundsEach) + 1, errors }));

const blocks = fc.array(fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 40 }), {
  minLength: 1,
  maxLength: 12,
});

it('takes the p99 over all requests of all blocks, as the one quantile of the project does', () => {
  fc.assert(
    fc.property(blocks, (given) => {
      const { estimate, lower, upper } = p99WithInterval(inSittings(given, 3), 1);
      expect(estimate).toBeCloseTo(quantile(sortSamples(given.flat()), 0.99) ?? NaN, 9);
      expect(lower).toBeLessThanOrEqual(upper);
      expect(lower).toBeGreaterThanOrEqual(Math.min(...given.flat()));
      expect(upper).toBeLessThanOrEqual(Math.max(...given.flat()));
    }),
    { numRuns: 25 },
  );
});

it('draws rounds, not blocks: a client that is always twice as late as the other is exactly that', () => {
  fc.assert(
    fc.property(blocks, (given) => {
      const twice = given.map((errors) => errors.map((error) => 2 * error));
      const { estimate, lower, upper } = p99Ratio(inSittings(twice, 3), inSittings(given, 3), 1);
      for (const value of [estimate, lower, upper]) expect(value).toBeCloseTo(2, 9);
    }),
    { numRuns: 10 },
  );
});

it('gives the same interval for the same seed, and refuses rounds that do not match', () => {
  const given = inSittings([[1, 2, 3], [4], [5, 6]], 2);
  const other = inSittings([[2, 2], [3], [9]], 2);
  expect(p99Ratio(given, other, 5)).toEqual(p99Ratio(given, other, 5));
  expect(() => p99Ratio(given, other.slice(1), 5)).toThrow(RangeError);
  expect(() => p99Ratio(given, inSittings([[2, 2], [3], [9]]), 5)).toThrow(RangeError);
  expect(() => p99WithInterval(inSittings([[], []]), 5)).toThrow(RangeError);
});

it('holds the true ratio nearly as often as it says, when rounds differ as a busy machine makes them', () => {
  const random = randomFrom(11);
  const exponential = () => -Math.log(1 - random());
  const trials = 120;
  let held = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const rounds = Array.from({ length: 40 }, () => 1 + 2 * random());
    const draw = () => rounds.map((level) => Array.from({ length: 25 }, () => level * exponential()));
    const { lower, upper } = p99Ratio(inSittings(draw()), inSittings(draw()), trial + 1);
    if (lower <= 1 && 1 <= upper) held += 1;
  }
  // A percentile of a tail is a hard case for a bootstrap; below nine in ten it would mislead.
  expect(held / trials).toBeGreaterThan(0.9);
}, 60_000);

it('holds it as often when each process has a pace of its own, which rounds of one process do not show', () => {
  const random = randomFrom(12);
  const exponential = () => -Math.log(1 - random());
  const [trials, sittings, each] = [120, 12, 10];
  let held = 0;
  let heldByRounds = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const draw = () =>
      Array.from({ length: sittings }, () => 1 + random()).flatMap((pace) =>
        Array.from({ length: each }, () => Array.from({ length: 25 }, () => pace * exponential())),
      );
    const [probe, socket] = [draw(), draw()];
    const { lower, upper } = p99Ratio(inSittings(probe, each), inSittings(socket, each), trial + 1);
    if (lower <= 1 && 1 <= upper) held += 1;
    const byRounds = p99Ratio(inSittings(probe), inSittings(socket), trial + 1);
    if (byRounds.lower <= 1 && 1 <= byRounds.upper) heldByRounds += 1;
  }
  expect(held / trials).toBeGreaterThan(0.9);
  expect(heldByRounds).toBeLessThan(held);
}, 120_000);

it.each([
  [1.0, 1.5, 'within'],
  [0.2, 1.4999, 'within'],
  [1.4, 1.5001, 'not resolved'],
  [1.5, 1.6, 'not resolved'],
  [1.5001, 9, 'not within'],
])('says of an interval from %d to %d against 1.5: %s', (lower, upper, verdict) => {
  expect(decide({ estimate: (lower + upper) / 2, lower, upper }, 1.5)).toBe(verdict);
});
