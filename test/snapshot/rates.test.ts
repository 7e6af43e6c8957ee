import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { achievedRate, bandOf, rateOfDistinctUpdates } from '../../lib/snapshot/rates.js';

interface Row {
  readonly atMs: number;
  readonly powerW?: number | undefined;
}
const rows = (values: readonly (number | undefined)[], intervalMs = 100): Row[] =>
  values.map((powerW, at) => ({ atMs: at * intervalMs, powerW }));

describe('the rate of distinct updates', () => {
  it('is that of the driver, not that of the sampler', () => {
    // Eleven readings in a second, renewed every 500 ms: two changes.
    expect(rateOfDistinctUpdates(rows([5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 5]), 'powerW')).toBe(2);
  });

  it('is 0 for a figure that never moved, and absent with one reading or none', () => {
    expect(rateOfDistinctUpdates(rows([5, 5, 5]), 'powerW')).toBe(0);
    expect(rateOfDistinctUpdates(rows([5]), 'powerW')).toBeUndefined();
    expect(rateOfDistinctUpdates(rows([]), 'powerW')).toBeUndefined();
    expect(rateOfDistinctUpdates(rows([undefined, 5, undefined]), 'powerW')).toBeUndefined();
  });

  it('does not take a missing reading for a change', () => {
    expect(rateOfDistinctUpdates(rows([5, undefined, 5, undefined, 6]), 'powerW')).toBe(2.5);
  });

  it('never passes the rate of readings', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined })), (values) => {
        const rate = rateOfDistinctUpdates(rows(values), 'powerW');
        if (rate !== undefined) expect(rate).toBeLessThanOrEqual(10 + 1e-9);
      }),
    );
  });
});

describe('a band', () => {
  it('gives median, 5th and 95th percentile of the window, ends included', () => {
    const values = Array.from({ length: 21 }, (_, at) => at * 10);
    expect(bandOf(rows([999, ...values, 999]), 'powerW', 100, 2100)).toEqual({
      n: 21,
      median: 100,
      low: 10,
      high: 190,
      distinctPerS: 10,
    });
  });

  it('interpolates between two readings', () => {
    const band = bandOf(rows([100, 200]), 'powerW', 0, 100);
    expect(band?.median).toBe(150);
    expect(band?.low).toBeCloseTo(105, 9);
    expect(band?.high).toBeCloseTo(195, 9);
  });

  it('is absent when nothing was read in the window', () => {
    expect(bandOf(rows([1, 2]), 'powerW', 500, 900)).toBeUndefined();
    expect(bandOf(rows([undefined]), 'powerW', 0, 100)).toBeUndefined();
  });

  it('stays within what was read, in order, whatever the order of values', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const band = bandOf(rows(values), 'powerW', 0, Infinity);
        if (!band) throw new Error('no band');
        expect(
          Math.min(...values) <= band.low &&
            band.low <= band.median &&
            band.median <= band.high &&
            band.high <= Math.max(...values),
        ).toBe(true);
        const sorted = bandOf(rows([...values].sort((a, b) => a - b)), 'powerW', 0, Infinity);
        expect(sorted?.median).toBe(band.median);
      }),
    );
  });
});

describe('the achieved rate', () => {
  it('shows the gap that a sampler left', () => {
    const at = (atMs: number) => ({ atMs });
    expect(achievedRate([at(100), at(200), at(300), at(700), at(800)], 100)).toEqual({
      n: 5,
      perS: 4000 / 700,
      medianPauseMs: 100,
      longestPauseMs: 400,
      missing: 3,
    });
  });

  it('does not count a planned pause as a gap, wherever in it the sampler stopped and began again', () => {
    const at = (atMs: number) => ({ atMs });
    // Two stretches of three readings; 4.45 s between them are planned.
    const rows = [at(100), at(200), at(300), at(4750), at(4850), at(4950)];
    const pauses = [{ fromAtMs: 340, toAtMs: 4650 }];
    expect(achievedRate(rows, 100, pauses)).toEqual({
      n: 6,
      perS: 10,
      medianPauseMs: 100,
      longestPauseMs: 100,
      missing: 0,
    });
    expect(achievedRate(rows, 100)?.missing).toBe(44);
    // A pause elsewhere excuses nothing.
    expect(achievedRate(rows, 100, [{ fromAtMs: 5000, toAtMs: 6000 }])?.missing).toBe(44);
  });

  it('is absent with fewer than two rows', () => {
    expect(achievedRate([], 100)).toBeUndefined();
    expect(achievedRate([{ atMs: 3 }], 100)).toBeUndefined();
  });
});
