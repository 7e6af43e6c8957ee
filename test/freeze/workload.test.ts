import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expectedCachedTokens,
  kvBlockTokens,
  longPayload,
  planWorkloads,
  seedPayload,
  type WorkloadPlan,
} from '../../lib/freeze/workload.js';

const plan: WorkloadPlan = {
  seed: 7,
  longPromptTokens: 1024,
  longMaxTokens: 16,
  device: 'cpu',
  vocabSize: 1024,
  specialTokenIds: new Set([1021, 1022, 1023]),
};

function longOf(given: WorkloadPlan) {
  const workload = planWorkloads(given)[1];
  if (workload?.name !== 'long') throw new Error('the second workload is the long one');
  return workload;
}

describe('planWorkloads', () => {
  it("keeps the seed's payload word for word", () => {
    expect(planWorkloads(plan)[0]).toMatchObject({
      name: 'seed',
      payload: { prompt: 'Say hello from a small language model.', max_tokens: 64, temperature: 0 },
    });
    expect(Object.keys(seedPayload)).toEqual(['prompt', 'max_tokens', 'temperature']);
  });

  it('makes every long request the same work: fixed length, no early end, no chance', () => {
    const { payload, promptTokenIds } = longOf(plan);
    expect(payload).toEqual({
      prompt: promptTokenIds,
      max_tokens: 16,
      min_tokens: 16,
      ignore_eos: true,
      temperature: 0,
    });
  });

  it('draws exactly as many ids as asked, all ordinary: at least 300, in the vocabulary, not special', () => {
    const specials = fc.uniqueArray(fc.integer({ min: 290, max: 420 }), { maxLength: 60 });
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 256, max: 600 }),
        fc.integer({ min: 400, max: 500 }),
        specials,
        (seed, longPromptTokens, vocabSize, special) => {
          const ids =
            longOf({ ...plan, seed, longPromptTokens, vocabSize, specialTokenIds: new Set(special) }).promptTokenIds ??
            [];
          expect(ids).toHaveLength(longPromptTokens);
          expect(ids.filter((id) => id < 300 || id >= vocabSize || special.includes(id))).toEqual([]);
        },
      ),
    );
  });

  it('gives the same plan for the same seed, and another prompt for another', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        const same =
          JSON.stringify(planWorkloads({ ...plan, seed: a })) === JSON.stringify(planWorkloads({ ...plan, seed: b }));
        expect(same).toBe(a === b);
      }),
    );
  });

  it('extends a prompt without changing its beginning', () => {
    const short = longOf({ ...plan, longPromptTokens: 256 }).promptTokenIds;
    expect(longOf(plan).promptTokenIds?.slice(0, 256)).toEqual(short);
  });

  it('refuses a vocabulary without ordinary ids instead of drawing special ones', () => {
    expect(() => planWorkloads({ ...plan, vocabSize: 300 })).toThrow(RangeError);
    expect(() => planWorkloads({ ...plan, vocabSize: 302, specialTokenIds: new Set([300, 301]) })).toThrow(RangeError);
  });

  it('says that it assumes a vocabulary when none is known', () => {
    const long = longOf({ ...plan, device: 'unknown', vocabSize: undefined, specialTokenIds: undefined });
    expect(Math.max(...(long.promptTokenIds ?? []))).toBeLessThan(32_000);
    expect(long.note).toContain('not known');
  });
});

describe('expectedCachedTokens', () => {
  it('counts whole blocks and leaves a token to compute', () => {
    expect(expectedCachedTokens(1024, 128)).toBe(896);
    expect(expectedCachedTokens(1024, 16)).toBe(1008);
    expect(expectedCachedTokens(1025, 16)).toBe(1024);
    expect(expectedCachedTokens(9, 16)).toBe(0);
    expect(expectedCachedTokens(0, 16)).toBe(0);
  });

  it('knows the block of each device, and none of an unknown one', () => {
    expect([kvBlockTokens('cpu'), kvBlockTokens('cuda'), kvBlockTokens('unknown')]).toEqual([128, 16, undefined]);
  });
});

describe('longPayload', () => {
  const long = longOf(plan);
  const saltOf = (row: Parameters<typeof longPayload>[1], at: Partial<Parameters<typeof longPayload>[2]> = {}) =>
    longPayload(long, row, { runId: 'r', launch: 1, index: 1, ...at })['cache_salt'];

  it('gives each unique request a salt no other request has', () => {
    const salts = [1, 2].flatMap((launch) => [1, 2, 3].map((index) => saltOf('warm-unique', { launch, index })));
    expect(new Set([...salts, saltOf('warm-cached'), saltOf('warm-unique', { runId: 's' })]).size).toBe(8);
  });

  it('gives all cached requests of a run one salt, which cold-long fills', () => {
    expect(saltOf('warm-cached', { index: 5, launch: 2 })).toBe(saltOf('cold-long'));
    expect(saltOf('warm-cached', { runId: 's' })).not.toBe(saltOf('warm-cached'));
  });

  it('is the same for the same request, and changes nothing but the salt', () => {
    expect(saltOf('warm-unique')).toBe(saltOf('warm-unique'));
    expect(longPayload(long, 'warm-unique', { runId: 'r', launch: 1, index: 1 })).toMatchObject(long.payload);
  });
});
