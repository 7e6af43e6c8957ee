/** Effects from cells: exact on made-up numbers, and an interval whose level is what it says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contrasts, differencesOf, effectsOf, type CellValue } from '../../lib/causes/contrasts.js';
import { centreOf } from '../../lib/statistics/intervals.js';

/** Seconds of a server that is 100 s bare; every cause has a length of its own. */
const truth: Readonly<Record<string, number>> = {
  'both-cold': 100 + 20 + 7 + 3 + 50 + 4,
  'pages-cold': 100 + 20 + 7 + 3,
  'compile-cold': 100 + 7 + 3 + 50,
  'both-warm': 100 + 7 + 3,
  eager: 100 + 3,
  dummy: 100 + 7,
  'kv-small': 109.75,
  'kv-large': 111,
};
const design = (blocks: number, drift: (block: number) => number): CellValue[] =>
  Array.from({ length: blocks }, (_, block) =>
    Object.entries(truth).map(([cell, value]) => ({ block: `m ${block}`, cell, value: value + drift(block) })),
  ).flat();

describe('effects', () => {
  it('are exact without noise, whatever the level of a block', () => {
    const effects = effectsOf(design(6, (block) => block * 1000));
    const of = (cause: string) => effects.find((effect) => effect.cause === cause)?.centre?.centre;
    expect(of('A')).toBeCloseTo(22);
    expect(of('B')).toBeCloseTo(3);
    expect(of('C')).toBeCloseTo(59);
    expect(of('C-cache')).toBeCloseTo(52);
    expect(of('C-rest')).toBeCloseTo(7);
    expect(of('D')).toBeCloseTo(0.25);
    expect(of('D-size')).toBeCloseTo(1.25);
    expect(of('AxC')).toBeCloseTo(4);
  });

  it('of pages and compile cache add up to all cold minus all warm, interaction or not', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 4, maxLength: 4 }), (ms) => {
        const cells = ['both-cold', 'pages-cold', 'compile-cold', 'both-warm'];
        const values = cells.map((cell, index) => ({ block: '1', cell, value: ms[index] ?? 0 }));
        const [a, c] = ['A', 'C-cache'].map((cause) => {
          const weights = contrasts.find((contrast) => contrast.cause === cause)?.weights ?? {};
          return differencesOf(weights, values)[0]?.difference ?? NaN;
        });
        expect((a ?? NaN) + (c ?? NaN)).toBeCloseTo((ms[0] ?? 0) - (ms[3] ?? 0), 6);
      }),
      { seed: 7 },
    );
  });

  it('leave a block out that lacks one of the cells, and use another way where a cell is never there', () => {
    const values = design(6, () => 0).filter(({ block, cell }) => !(block === 'm 2' && cell === 'dummy'));
    expect(effectsOf(values).find(({ cause }) => cause === 'B')?.differences).toHaveLength(5);
    const noCache = design(6, () => 0).filter(({ cell }) => cell === 'both-cold' || cell === 'compile-cold');
    const effects = effectsOf(noCache);
    expect(effects.map(({ cause }) => cause)).toEqual(['A']);
    expect(effects[0]?.centre?.centre).toBeCloseTo(24);
  });

  it('are resolved when the interval excludes 0, and not judged below six blocks', () => {
    const noisy = (block: number) => ((block * 7919) % 13) / 10;
    const six = effectsOf(design(6, () => 0).map((one, at) => ({ ...one, value: one.value + noisy(at) })));
    expect(six.find(({ cause }) => cause === 'A')?.resolved).toBe(true);
    expect(six.find(({ cause }) => cause === 'D')?.resolved).toBe(false);
    expect(effectsOf(design(5, () => 0)).every(({ resolved }) => resolved === undefined)).toBe(true);
  });
});

describe('the interval of paired differences', () => {
  it('is that of every pair of differences, worked out by hand', () => {
    const found = centreOf([1, 2, 3, 4, 5, 6]);
    expect(found?.centre).toBe(3.5);
    expect(found?.interval).toMatchObject({ lower: 1, upper: 6 });
  });

  it('moves with the data, grows with its scale, and does not know its order', () => {
    const finite = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 6, maxLength: 15 });
    fc.assert(
      fc.property(finite, fc.integer({ min: -50, max: 50 }), (values, shift) => {
        const plain = centreOf(values);
        const moved = centreOf([...values].reverse().map((value) => 2 * value + shift));
        expect(moved?.centre).toBeCloseTo(2 * (plain?.centre ?? NaN) + shift);
        expect(moved?.interval?.lower).toBeCloseTo(2 * (plain?.interval?.lower ?? NaN) + shift);
        expect(moved?.interval?.upper).toBeCloseTo(2 * (plain?.interval?.upper ?? NaN) + shift);
      }),
      { seed: 7 },
    );
  });

  it('of nothing is undefined', () => expect(centreOf([])).toBeUndefined());
});
