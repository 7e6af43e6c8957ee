import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { downsample, ratePerS } from '../../lib/report/downsample.js';

const curve = fc
  .array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 400 })
  .map((ys) => ys.map((y, x) => ({ x, y })));

describe('downsample', () => {
  it('keeps the ends and each extreme of a stretch', () => {
    const points = [0, 5, 1, 9, 2, 3, -4, 0].map((y, x) => ({ x, y }));
    expect(downsample(points, 6).map((point) => point.y)).toEqual([0, 1, 9, 3, -4, 0]);
  });
  it('gives a short curve back as it is', () => {
    expect(downsample([{ x: 0, y: 1 }], 4)).toEqual([{ x: 0, y: 1 }]);
    expect(downsample([], 4)).toEqual([]);
  });
  it('never passes its limit, keeps order, ends, lowest and highest', () => {
    fc.assert(
      fc.property(curve, fc.integer({ min: 4, max: 60 }), (points, limit) => {
        const kept = downsample(points, limit);
        expect(kept.length).toBeLessThanOrEqual(limit);
        expect(kept.map((point) => point.x)).toEqual([...kept.map((point) => point.x)].sort((a, b) => a - b));
        expect([kept[0], kept[kept.length - 1]]).toEqual([points[0], points[points.length - 1]]);
        const ys = points.map((point) => point.y);
        const keptYs = kept.map((point) => point.y);
        expect([Math.min(...keptYs), Math.max(...keptYs)]).toEqual([Math.min(...ys), Math.max(...ys)]);
      }),
    );
  });
});

describe('ratePerS', () => {
  it('divides growth by time and leaves out a counter that restarted', () => {
    expect(
      ratePerS(
        [
          { x: 0, y: 10 },
          { x: 2, y: 30 },
          { x: 3, y: 5 },
          { x: 4, y: 6 },
        ],
        1,
      ),
    ).toEqual([
      { x: 2, y: 10 },
      { x: 4, y: 1 },
    ]);
  });
});
