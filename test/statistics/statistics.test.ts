import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  centreOf,
  comparePaired,
  medianInterval,
  pairedDifferences,
  runsToResolve,
  signedRankChances,
} from '../../lib/statistics/intervals.js';
import {
  median,
  medianAbsoluteDeviation,
  p99,
  quantile,
  quartiles,
  sortSamples,
} from '../../lib/statistics/samples.js';
import { summarize } from '../../lib/statistics/summary.js';
import { randomFrom } from '../../lib/statistics/random.js';
import { autocorrelated, clumpedShapes, drawMany, shapes, type Shape } from './shapes.js';

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 60 });
const fractions = fc.double({ min: 0, max: 1, noNaN: true });

/** The same definition written the slow way: walk to the position and mix its two neighbours. */
function naiveQuantile(sample: readonly number[], q: number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const index = Math.trunc(position);
  const left = sorted[index] ?? NaN;
  const right = sorted[index + 1] ?? left;
  return left * (1 - (position - index)) + right * (position - index);
}

function binomial(n: number, k: number): number {
  let product = 1;
  for (let i = 1; i <= k; i += 1) product *= (n - k + i) / i;
  return product;
}

/** P(x(k) <= median <= x(n+1-k)) by adding up binomial coefficients. */
function exactLevel(n: number, k: number): number {
  let inside = 0;
  for (let i = k; i <= n - k; i += 1) inside += binomial(n, i);
  return inside / 2 ** n;
}

describe('quantile', () => {
  it('interpolates between order statistics as worked out by hand', () => {
    const samples = sortSamples([40, 10, 30, 20]);
    expect(quantile(samples, 0)).toBe(10);
    expect(quantile(samples, 0.25)).toBe(17.5);
    expect(median(samples)).toBe(25);
    expect(quantile(samples, 1)).toBe(40);
  });

  it('equals a naive reference', () => {
    fc.assert(
      fc.property(values, fractions, (sample, q) => {
        expect(quantile(sortSamples(sample), q)).toBeCloseTo(naiveQuantile(sample, q), 6);
      }),
    );
  });

  it('rises with q, stays within the sample, and ignores order', () => {
    fc.assert(
      fc.property(values, fractions, fractions, (sample, q1, q2) => {
        const samples = sortSamples(sample);
        const [low, high] = [quantile(samples, Math.min(q1, q2)) ?? NaN, quantile(samples, Math.max(q1, q2)) ?? NaN];
        expect(low).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual(Math.min(...sample));
        expect(high).toBeLessThanOrEqual(Math.max(...sample));
        expect(quantile(sortSamples([...sample].reverse()), q1)).toBe(quantile(samples, q1));
      }),
    );
  });

  it('has nothing to say about nothing, and refuses NaN and shares outside 0-1', () => {
    expect(quantile(sortSamples([]), 0.5)).toBeUndefined();
    expect(() => sortSamples([1, NaN])).toThrow(RangeError);
    expect(() => quantile(sortSamples([1]), 1.5)).toThrow(RangeError);
  });

  it('gives no 99th percentile below 100 samples', () => {
    const samples = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(p99(sortSamples(samples.slice(1)))).toBeUndefined();
    expect(p99(sortSamples(samples))).toBeCloseTo(99.01, 10);
  });
});

describe('medianInterval', () => {
  it('is absent below six samples, where no interval reaches 95 %', () => {
    for (let n = 0; n < 6; n += 1)
      expect(medianInterval(sortSamples(Array.from({ length: n }, (_, i) => i)))).toBeUndefined();
  });

  it('is [min, max] at 96.875 % for six samples', () => {
    expect(medianInterval(sortSamples([6, 5, 4, 3, 2, 1]))).toEqual({ lower: 1, upper: 6, level: 0.96875 });
  });

  it('is the narrowest symmetric interval, with the exact level, for every n to 60', () => {
    for (let n = 6; n <= 60; n += 1) {
      const interval = medianInterval(sortSamples(Array.from({ length: n }, (_, index) => index + 1)));
      const k = interval?.lower ?? NaN;
      expect(interval?.upper).toBe(n + 1 - k);
      expect(interval?.level).toBeCloseTo(exactLevel(n, k), 10);
      expect(interval?.level).toBeGreaterThanOrEqual(0.95);
      expect(exactLevel(n, k + 1)).toBeLessThan(0.95);
    }
  });

  it('still works where 2^-n is below the smallest number', () => {
    const interval = medianInterval(sortSamples(Array.from({ length: 2001 }, (_, index) => index + 1)));
    // Half-width of about 1.96 sqrt(n) / 2 = 43.8 ranks around the middle.
    expect(interval?.lower).toBe(957);
    expect(interval?.upper).toBe(1045);
  });

  it.each(shapes)('covers the true median of a $name sample as often as its level says', (shape) => {
    const random = randomFrom(7);
    for (const n of [6, 10, 25]) {
      let covered = 0;
      let level = 0;
      for (let set = 0; set < 1000; set += 1) {
        const interval = medianInterval(sortSamples(drawMany(shape, n, random)));
        if (interval && interval.lower <= shape.trueMedian && shape.trueMedian <= interval.upper) covered += 1;
        level = interval?.level ?? 0;
      }
      // Four standard errors of 1,000 tries.
      expect(Math.abs(covered / 1000 - level)).toBeLessThan(4 * Math.sqrt((level * (1 - level)) / 1000));
    }
  });
});

describe('summarize', () => {
  it('gives the brief worked out by hand', () => {
    expect(summarize([3, 1, 2, 10, 4])).toEqual({
      n: 5,
      min: 1,
      median: 3,
      max: 10,
      mad: 1,
      spread: 3,
      interval: undefined,
    });
  });

  it('is undefined for nothing, and for a median of 0 with a spread', () => {
    expect(summarize([])).toBeUndefined();
    expect(summarize([0, 0, 5])).toBeUndefined();
    expect(summarize([0, 0])?.spread).toBe(0);
  });

  it('scales with its unit and ignores order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 30 }), (sample) => {
        const one = summarize(sample);
        const thousand = summarize([...sample].reverse().map((value) => value * 1024));
        expect(thousand?.median).toBe((one?.median ?? NaN) * 1024);
        expect(thousand?.mad).toBe((one?.mad ?? NaN) * 1024);
        expect(thousand?.spread).toBeCloseTo(one?.spread ?? NaN, 12);
      }),
    );
  });

  it('has a MAD that one wild value does not move', () => {
    expect(medianAbsoluteDeviation(sortSamples([9, 10, 11, 12, 13]))).toBe(1);
    expect(medianAbsoluteDeviation(sortSamples([9, 10, 11, 12, 1e9]))).toBe(1);
  });
});

describe('paired differences', () => {
  it('subtract item by item and leave the longer tail out', () => {
    expect(pairedDifferences([1, 2, 3], [5, 7])).toEqual([4, 5]);
  });

  it('compare by the median difference, with an interval from six pairs on', () => {
    expect(comparePaired([1, 2, 3], [2, 4, 6])).toEqual({ n: 3, medianDifference: 2, interval: undefined });
    expect(comparePaired([0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6])?.interval).toEqual({
      lower: 1,
      upper: 6,
      level: 0.96875,
    });
    expect(comparePaired([], [1])).toBeUndefined();
  });

  it('turn around with the order of the two sides', () => {
    fc.assert(
      fc.property(values, (sample) => {
        const shifted = sample.map((value) => value + 1);
        expect(comparePaired(sample, shifted)?.medianDifference).toBeCloseTo(
          -(comparePaired(shifted, sample)?.medianDifference ?? NaN),
          6,
        );
      }),
    );
  });
});

/** Every subset of the ranks 1 ... n is as likely as any other: count the sums one by one. */
function naiveSignedRankChances(n: number): number[] {
  const counts = Array.from({ length: (n * (n + 1)) / 2 + 1 }, () => 0);
  for (let subset = 0; subset < 2 ** n; subset += 1) {
    let sum = 0;
    for (let rank = 1; rank <= n; rank += 1) if (Math.floor(subset / 2 ** (rank - 1)) % 2 === 1) sum += rank;
    counts[sum] = (counts[sum] ?? 0) + 1;
  }
  return counts.map((count) => count / 2 ** n);
}

/** Shifts that the test keeps, found by trying: reject where the smaller rank sum is below what the level allows. */
function keepsShift(differences: readonly number[], shift: number, level: number): boolean {
  const ranked = differences.map((value) => value - shift).sort((a, b) => Math.abs(a) - Math.abs(b));
  const positive = ranked.reduce((sum, value, at) => sum + (value > 0 ? at + 1 : 0), 0);
  const negative = ranked.reduce((sum, value, at) => sum + (value < 0 ? at + 1 : 0), 0);
  const chances = naiveSignedRankChances(differences.length);
  const tail = chances.slice(0, Math.min(positive, negative) + 1).reduce((sum, chance) => sum + chance, 0);
  return 2 * tail > 1 - level;
}

describe('centreOf', () => {
  it('is worked out by hand for three differences', () => {
    // Averages of all pairs: 1, 1.5, 3.5, 2, 4, 6. Their median is 2.75.
    expect(centreOf([1, 2, 6])).toEqual({ n: 3, centre: 2.75, interval: undefined });
  });

  it('has no interval below six pairs, and [min, max] at 96.875 % for six', () => {
    expect(centreOf([1, 2, 3, 4, 5])?.interval).toBeUndefined();
    expect(centreOf([5, 3, 1, 9, 7, 4])?.interval).toEqual({ lower: 1, upper: 9, level: 0.96875 });
    expect(centreOf([])).toBeUndefined();
  });

  it('has the level of the published table for twelve pairs: 14th smallest and largest average, 95.75 %', () => {
    // Critical value 13 at two-sided 5 % (Wilcoxon 1945): P(W <= 13) = 0.0212.
    const twelve = Array.from({ length: 12 }, (_, at) => 2 ** at);
    const averages = twelve.flatMap((a, at) => twelve.slice(at).map((b) => (a + b) / 2)).sort((a, b) => a - b);
    const interval = centreOf(twelve)?.interval;
    expect([interval?.lower, interval?.upper]).toEqual([averages[13], averages[78 - 14]]);
    expect(interval?.level).toBeCloseTo(0.95752, 5);
  });

  it('counts the chances of a rank sum as trying every sign does', () => {
    for (let n = 0; n <= 10; n += 1) {
      const naive = naiveSignedRankChances(n);
      expect(signedRankChances(n)).toHaveLength(naive.length);
      signedRankChances(n).forEach((chance, w) => expect(chance).toBeCloseTo(naive[w] ?? NaN, 12));
    }
  });

  it('ends its interval exactly where the test begins to reject', () => {
    const random = randomFrom(23);
    for (let set = 0; set < 40; set += 1) {
      const differences = Array.from({ length: 6 + (set % 5) }, () => random() * 10 - 3);
      const { lower = NaN, upper = NaN } = centreOf(differences)?.interval ?? {};
      const step = 1e-6;
      expect([lower - step, lower + step].map((shift) => keepsShift(differences, shift, 0.95))).toEqual([false, true]);
      expect([upper - step, upper + step].map((shift) => keepsShift(differences, shift, 0.95))).toEqual([true, false]);
    }
  });

  it('moves with its differences and turns around with them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 6, maxLength: 20 }), (values) => {
        const centre = centreOf(values);
        const turned = centreOf(values.map((value) => -value));
        expect(turned?.centre).toBeCloseTo(-(centre?.centre ?? NaN), 9);
        expect(turned?.interval?.lower).toBeCloseTo(-(centre?.interval?.upper ?? NaN), 9);
        expect(centreOf(values.map((value) => value + 512))?.centre).toBeCloseTo((centre?.centre ?? NaN) + 512, 9);
      }),
    );
  });
});

const trials = 1000;
/** Four standard errors of 1,000 tries: a test that fails has found something. */
const slack = (level: number) => 4 * Math.sqrt((level * (1 - level)) / trials);

/** How often the interval of a shift holds the true one, for pairs whose two sides have the same shape. */
function shiftCoverage(draw: (n: number) => readonly number[], pairs: number, shift: number, drift: number) {
  let covered = 0;
  let level = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const values = draw(2 * pairs).map((value, at) => value + drift * at);
    const differences = Array.from({ length: pairs }, (_, pair) => {
      const [first = 0, second = 0] = values.slice(2 * pair, 2 * pair + 2);
      // On and off take turns in going first, as in the order of the requests.
      return pair % 2 === 0 ? first + shift - second : second + shift - first;
    });
    const { interval } = centreOf(differences) ?? {};
    level = interval?.level ?? 0;
    if (interval && interval.lower <= shift && shift <= interval.upper) covered += 1;
  }
  return { covered: covered / trials, level };
}

describe('the interval of a shift, over 1,000 made-up comparisons', () => {
  it.each(shapes)('holds the true shift of $name values as often as its level says', (shape) => {
    const random = randomFrom(31);
    for (const pairs of [6, 12, 20]) {
      const { covered, level } = shiftCoverage((n) => drawMany(shape, n, random), pairs, 0.7, 0);
      expect(Math.abs(covered - level)).toBeLessThan(slack(level));
    }
  });

  it.each(clumpedShapes)('holds it at least so often where values are $name', (shape) => {
    const random = randomFrom(33);
    const { covered, level } = shiftCoverage((n) => drawMany(shape, n, random), 12, 2, 0);
    expect(covered).toBeGreaterThan(level - slack(level));
  });

  it('is not misled by a steady drift, because on and off take turns in going first', () => {
    const random = randomFrom(35);
    const normal = shapes[0] as Shape;
    const { covered, level } = shiftCoverage((n) => drawMany(normal, n, random), 12, 0.7, 0.3);
    expect(covered).toBeGreaterThan(level - slack(level));
  });

  it('keeps its level where neighbours are alike: what they share cancels', () => {
    const random = randomFrom(37);
    const { covered, level } = shiftCoverage((n) => autocorrelated(0.8, n, random), 12, 0.7, 0);
    expect(covered).toBeGreaterThan(level - slack(level));
  });
});

describe('the interval of a median, over 1,000 made-up samples', () => {
  const coverage = (draw: () => readonly number[], truth: number) => {
    let covered = 0;
    let level = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const interval = medianInterval(sortSamples(draw()));
      level = interval?.level ?? 0;
      if (interval && interval.lower <= truth && truth <= interval.upper) covered += 1;
    }
    return { covered: covered / trials, level };
  };

  it.each([...shapes, ...clumpedShapes])(
    'is held for $name values: at its level, or above where there are ties',
    (shape) => {
      const random = randomFrom(41);
      for (const n of [10, 65]) {
        const { covered, level } = coverage(() => drawMany(shape, n, random), shape.trueMedian);
        expect(level).toBeLessThan(0.98);
        expect(covered).toBeGreaterThan(level - slack(level));
        if (shape.ties !== true) expect(covered).toBeLessThan(level + slack(level));
      }
    },
  );

  it('is not held where each value takes after the one before: the limit that its doc comment names', () => {
    const random = randomFrom(43);
    expect(coverage(() => autocorrelated(0.8, 60, random), 0).covered).toBeLessThan(0.8);
  });
});

describe('quartiles', () => {
  it('follow the quantile definition', () => {
    expect(quartiles(sortSamples([40, 10, 30, 20]))).toEqual({ lower: 17.5, upper: 32.5 });
    expect(quartiles(sortSamples([]))).toBeUndefined();
  });
});

describe('runsToResolve', () => {
  it('follows the formula worked out by hand', () => {
    // sigma 1.4826, (2.801585 * 1.253314 * 1.4826)^2 = 27.10; twice that for two sides.
    expect(runsToResolve(1, 1)).toBe(55);
    expect(runsToResolve(1, 2)).toBe(14);
  });

  it('never asks for fewer than six and needs a difference', () => {
    expect(runsToResolve(0, 5)).toBe(6);
    expect(runsToResolve(1, 0)).toBeUndefined();
  });

  it('finds the difference in about four of five tries', () => {
    const random = randomFrom(11);
    const normal = shapes[0];
    if (!normal) throw new Error('no shape');
    // MAD of a standard normal is 0.6745.
    const n = runsToResolve(0.6745, 1) ?? 0;
    let found = 0;
    for (let trial = 0; trial < 1000; trial += 1) {
      const before = median(sortSamples(drawMany(normal, n, random))) ?? 0;
      const after = median(sortSamples(drawMany(normal, n, random).map((value) => value + 1))) ?? 0;
      if (Math.abs(after - before) > 1.96 * Math.sqrt(Math.PI / n)) found += 1;
    }
    expect(found / 1000).toBeGreaterThan(0.75);
    expect(found / 1000).toBeLessThan(0.87);
  });
});
