import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countEdits, nearestName } from '../../lib/freeze/nearest.js';

describe('nearestName', () => {
  it('finds the name with a letter swapped, missing or doubled', () => {
    const known = ['MODEL', 'MAX_MODEL_LEN', 'PORT'];
    expect(nearestName('MODLE', known)).toBe('MODEL');
    expect(nearestName('MAX_MODELLEN', known)).toBe('MAX_MODEL_LEN');
    expect(nearestName('PORTT', known)).toBe('PORT');
  });

  it('suggests nothing when no name is near', () => {
    expect(nearestName('UNRELATED_THING', ['PORT', 'MODEL'])).toBeUndefined();
    expect(nearestName('x', [])).toBeUndefined();
  });
});

describe('countEdits', () => {
  it('is 3 from kitten to sitting', () => {
    expect(countEdits('kitten', 'sitting')).toBe(3);
  });

  it('is 0 only for equal texts, the same in both directions, and at most the longer length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const edits = countEdits(a, b);
        expect(edits === 0).toBe(a === b);
        expect(countEdits(b, a)).toBe(edits);
        expect(edits).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
