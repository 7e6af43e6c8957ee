import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCounted,
  formatFactor,
  formatMiB,
  formatMs,
  formatNumber,
  formatPercent,
  formatQuantity,
  formatSeconds,
} from '../../lib/interpret/format.js';

describe('format', () => {
  it('keeps three significant digits and never an exponent', () => {
    expect(
      [0.04213, 3.14159, 98.06, 812.4, 999.6, 9.996, 1049.4, 1234567, 0].map((value) => formatNumber(value)),
    ).toEqual(['0.0421', '3.14', '98.1', '812', '1,000', '10.0', '1,049', '1,234,567', '0']);
    expect(formatNumber(-1234.5)).toBe('-1,235');
  });

  it('turns milliseconds into seconds from one second on', () => {
    expect(formatMs(0.42)).toBe('0.420 ms');
    expect(formatMs(999)).toBe('999 ms');
    expect(formatMs(1373)).toBe('1.37 s');
    expect(formatSeconds(0.25)).toBe('250 ms');
  });

  it('scales bytes by 1024', () => {
    expect(formatBytes(0)).toBe('0 bytes');
    expect(formatBytes(1536)).toBe('1.50 KiB');
    expect(formatMiB(2048)).toBe('2.00 GiB');
  });

  it('prints a dash for what is absent', () => {
    for (const format of [formatMs, formatSeconds, formatBytes, formatMiB, formatPercent, formatFactor, formatNumber])
      expect(format(undefined)).toBe('–');
    expect(formatNumber(NaN)).toBe('–');
    expect(formatQuantity(undefined, 'W')).toBe('–');
  });

  it('writes percentages, ratios and counted nouns', () => {
    expect(formatPercent(0.4137)).toBe('41.4 %');
    expect(formatFactor(3.416)).toBe('3.42 ×');
    expect(formatCounted(1, 'request')).toBe('1 request');
    expect(formatCounted(1200, 'request')).toBe('1,200 requests');
  });

  it('is within half a unit of the third digit for any number', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (value) => {
        const shown = Number(formatNumber(value).replaceAll(',', ''));
        expect(Math.abs(shown - value)).toBeLessThanOrEqual(value * 0.00501 + 1e-12);
      }),
    );
  });
});
