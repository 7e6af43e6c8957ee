import fc from 'fast-check';
import { expect, it } from 'vitest';
import { median, p99, quantile, sortSamples } from '../../lib/interpret/stats.js';
import { quantileOf, spreadOf } from '../../lib/probe/spread.js';

const sample = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
  minLength: 1,
  maxLength: 200,
});

it('is the quantile of the interpretation, number by number', () => {
  fc.assert(
    fc.property(sample, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
      const sorted = sortSamples(values);
      expect(quantileOf(sorted, q)).toBeCloseTo(quantile(sorted, q) ?? NaN, 6);
      const spread = spreadOf(values);
      expect(spread?.median).toBeCloseTo(median(sorted) ?? NaN, 6);
      expect(spread?.p99 === undefined).toBe(p99(sorted) === undefined);
      expect(spread?.max).toBe(sorted.at(-1));
    }),
  );
});

it('says nothing of nothing, and refuses what is no number', () => {
  expect(spreadOf([])).toBeUndefined();
  expect(() => spreadOf([1, NaN])).toThrow(RangeError);
});
