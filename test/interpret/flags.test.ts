import { describe, expect, it } from 'vitest';
import {
  bimodalFlag,
  driftFlag,
  driftOf,
  flagThresholds,
  modifiedZ,
  outlierFlag,
  serialDependence,
  serialFlag,
  widestSplit,
} from '../../lib/interpret/flags.js';
import { randomFrom } from '../../lib/statistics/random.js';
import { autocorrelated, drawMany, shapes } from '../statistics/shapes.js';

const rising = (step: number) => Array.from({ length: 10 }, (_, index) => 100 + step * index);

describe('drift', () => {
  it('is worked out by hand for ten rising values', () => {
    // S = 45, variance = 10 * 9 * 25 / 18 = 125, z = 44 / sqrt(125); slope 1 over 9 steps.
    const drift = driftOf(rising(1));
    expect(drift?.z).toBeCloseTo(44 / Math.sqrt(125), 12);
    expect(drift?.overall).toBeCloseTo(9, 12);
  });

  it('is flagged just over 2 % of the median and not just under', () => {
    expect(driftFlag(rising(0.23)).raised).toBe(true);
    expect(driftFlag(rising(0.22)).raised).toBe(false);
  });

  it('is not flagged where the order is without trend, however wide the values', () => {
    expect(driftFlag([100, 150, 90, 160, 100, 140, 95, 155, 99, 145]).raised).toBe(false);
  });

  it('needs ten values and counts ties as no evidence', () => {
    expect(driftFlag(rising(5).slice(1)).reading).toContain('not tested');
    expect(driftOf(Array.from({ length: 12 }, () => 7))?.z).toBe(0);
  });

  it('is raised by chance in about one of twenty steady samples at most', () => {
    const random = randomFrom(3);
    const raised = shapes.map(
      (shape) =>
        Array.from(
          { length: 500 },
          () => Math.abs(driftOf(drawMany(shape, 12, random))?.z ?? 0) >= flagThresholds.driftZ,
        ).filter(Boolean).length / 500,
    );
    for (const rate of raised) expect(rate).toBeLessThan(0.08);
  });
});

describe('neighbours alike', () => {
  it('is worked out by hand for ten rising values', () => {
    // Steps of one rank: ratio 9 / 82.5; variance 4 * 8 * 471 / (5 * 10 * 11 * 81) = 0.33831.
    const found = serialDependence(rising(1));
    expect(found?.z).toBeCloseTo((9 / 82.5 - 2) / Math.sqrt(15_072 / 44_550), 12);
    expect(found?.autocorrelation).toBeCloseTo(1 - 9 / 165, 12);
    expect(serialFlag(rising(1)).raised).toBe(true);
  });

  it('needs ten values, knows nothing of equal ones, and is not raised where neighbours are unlike', () => {
    expect(serialFlag(rising(1).slice(1)).reading).toContain('not tested');
    expect(serialFlag(Array.from({ length: 12 }, () => 7)).reading).toBe('all values are equal');
    expect(serialFlag([1, 9, 2, 8, 3, 7, 4, 6, 5, 10]).raised).toBe(false);
  });

  it('ignores the shape of the values: ranks alone decide', () => {
    const values = [5, 3, 4, 9, 8, 7, 1, 2, 6, 10, 12, 11];
    expect(serialDependence(values.map((value) => Math.exp(value)))).toEqual(serialDependence(values));
  });

  it.each(shapes)('is raised by chance in about 2.5 % of independent $name samples of 10 and 60', (shape) => {
    const random = randomFrom(13);
    for (const n of [10, 60]) {
      let raised = 0;
      for (let set = 0; set < 2000; set += 1) if (serialFlag(drawMany(shape, n, random)).raised) raised += 1;
      expect(raised / 2000).toBeLessThan(0.04);
    }
  });

  it('is raised in nearly every sample of 60 whose values take after the one before by 0.8', () => {
    const random = randomFrom(15);
    let raised = 0;
    for (let set = 0; set < 500; set += 1) if (serialFlag(autocorrelated(0.8, 60, random)).raised) raised += 1;
    expect(raised / 500).toBeGreaterThan(0.98);
  });
});

describe('two groups', () => {
  it('are flagged when the gap is just over 1.5 times the wider group, and not when just under', () => {
    const withGap = (gap: number) => [0, 1, 2, 2, 3, 3, 4, 4 + gap, 5 + gap, 6 + gap];
    expect(bimodalFlag(withGap(6.01)).raised).toBe(true);
    expect(bimodalFlag(withGap(5.99)).raised).toBe(false);
  });

  it('need three members each: two stragglers are outliers', () => {
    expect(bimodalFlag([10, 10.1, 10.2, 10.1, 10, 10.2, 10.1, 10, 50, 51]).raised).toBe(false);
    expect(widestSplit([1, 2, 3, 4, 5, 6, 7, 8, 9])).toBeUndefined();
  });

  it('are seen where all members of a group are equal', () => {
    expect(bimodalFlag([1, 1, 1, 1, 1, 5, 5, 5, 5, 5]).raised).toBe(true);
    expect(bimodalFlag([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]).raised).toBe(false);
  });

  it.each(shapes)('are raised in less than 3 % of $name samples of 10 and 25', (shape) => {
    const random = randomFrom(5);
    for (const n of [10, 25]) {
      let raised = 0;
      for (let set = 0; set < 4000; set += 1)
        if ((widestSplit(drawMany(shape, n, random))?.gap ?? 0) > flagThresholds.groupGap) raised += 1;
      expect(raised / 4000).toBeLessThan(0.03);
    }
  });
});

describe('outliers', () => {
  // Median 11, MAD 1: the score of 11 + d is 0.6745 d, so 3.5 is passed at d = 5.189.
  const withLast = (value: number) => [9, 10, 11, 11, 12, 13, 10, value];

  it('are flagged just over a score of 3.5 and not just under', () => {
    expect(modifiedZ(16.2, withLast(16.2))).toBeGreaterThan(3.5);
    expect(outlierFlag(withLast(16.2)).raised).toBe(true);
    expect(outlierFlag(withLast(16.1)).raised).toBe(false);
  });

  it('stay flagged when they get worse', () => {
    for (const worse of [20, 200, 2e9]) expect(outlierFlag(withLast(worse)).raised).toBe(true);
  });

  it('are not tested below six values, nor where most values are equal', () => {
    expect(outlierFlag([1, 1, 1, 1, 90]).reading).toContain('not tested');
    expect(modifiedZ(90, [1, 1, 1, 1, 90])).toBeUndefined();
  });
});
