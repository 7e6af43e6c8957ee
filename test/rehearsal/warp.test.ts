import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createWarp } from '../../lib/rehearsal/warp.js';

const phase = (name: string, startAtMs: number, endAtMs: number) => ({ name, startAtMs, endAtMs });

it('scales time outside of the phases that have a length of their own', () => {
  const warp = createWarp([phase('load', 100, 300)], { timeScale: 0.1, phasesMs: { load: 500 } });
  expect([0, 100, 200, 300, 1300].map(warp)).toEqual([0, 10, 260, 510, 610]);
});

it('gives a phase inside another its length, and the other the rest', () => {
  const phases = [phase('outer', 0, 400), phase('inner', 100, 200)];
  const warp = createWarp(phases, { timeScale: 1, phasesMs: { outer: 100, inner: 40 } });
  expect([0, 100, 200, 400].map(warp)).toEqual([0, 20, 60, 100]);
});

it('lets a phase take as long as what lies inside it, when it is given less', () => {
  const phases = [phase('outer', 0, 400), phase('inner', 100, 200)];
  const warp = createWarp(phases, { timeScale: 1, phasesMs: { outer: 10, inner: 40 } });
  expect([100, 200, 400].map(warp)).toEqual([0, 40, 40]);
});

it('refuses a phase that the recording does not have, and names those it has', () => {
  expect(() => createWarp([phase('load', 0, 1)], { timeScale: 1, phasesMs: { lode: 1 } })).toThrow(
    /no phase "lode"; it has "load"/,
  );
});

const recorded = fc.array(
  fc.record({
    name: fc.string({ minLength: 1 }),
    startAtMs: fc.integer({ min: 0, max: 100_000 }),
    lengthMs: fc.integer({ min: 1, max: 50_000 }),
    wantedMs: fc.option(fc.integer({ min: 0, max: 9000 }), { nil: undefined }),
  }),
  { maxLength: 8 },
);
const uniquely = <T extends { readonly name: string }>(all: readonly T[]) => [
  ...new Map(all.map((each) => [each.name, each])).values(),
];
const wantedOf = (all: readonly { readonly name: string; readonly wantedMs: number | undefined }[]) =>
  Object.fromEntries(all.flatMap(({ name, wantedMs }) => (wantedMs === undefined ? [] : [[name, wantedMs]])));

it('never runs backwards and begins at 0, however phases overlap', () => {
  fc.assert(
    fc.property(
      recorded,
      fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { minLength: 2 }),
      fc.double({ min: 0.001, max: 3, noNaN: true }),
      (drawn, instants, timeScale) => {
        const all = uniquely(drawn);
        const phases = all.map(({ name, startAtMs, lengthMs }) => phase(name, startAtMs, startAtMs + lengthMs));
        const warp = createWarp(phases, { timeScale, phasesMs: wantedOf(all) });
        expect(warp(0)).toBe(0);
        const told = [...instants].sort((a, b) => a - b).map(warp);
        for (const [at, ms] of told.entries()) expect(ms - (told[at - 1] ?? 0)).toBeGreaterThanOrEqual(-1e-6);
      },
    ),
  );
});

it('gives each of several separate phases its length, and the whole the sum of all parts', () => {
  fc.assert(
    fc.property(recorded, fc.double({ min: 0.001, max: 3, noNaN: true }), (drawn, timeScale) => {
      let endAtMs = 0;
      const all = uniquely(drawn).map((each) => {
        const startAtMs = endAtMs + (each.startAtMs % 1000);
        endAtMs = startAtMs + each.lengthMs;
        return { ...each, startAtMs, endAtMs };
      });
      const warp = createWarp(all, { timeScale, phasesMs: wantedOf(all) });
      let sumMs = (endAtMs + 500) * timeScale;
      for (const { startAtMs, endAtMs: stopAtMs, lengthMs, wantedMs } of all) {
        const ms = wantedMs ?? lengthMs * timeScale;
        expect(warp(stopAtMs) - warp(startAtMs)).toBeCloseTo(ms, 4);
        sumMs += ms - lengthMs * timeScale;
      }
      expect(warp(endAtMs + 500)).toBeCloseTo(sumMs, 4);
    }),
  );
});
