/** A launch counts only when its state is proven; what pretends to be cold or warm is caught. */
import { describe, expect, it } from 'vitest';
import { proveLaunch, readCacheWords, type ProofEvidence } from '../../lib/causes/proof.js';

const weightsBytes = 1_000_000_000;
const said = (...events: string[]) => events.map((event, index) => ({ event, atMs: index, text: event }));

const cold: ProofEvidence = {
  weightsBytes,
  residentBeforeFraction: 0.0004,
  readBytes: 1_600_000_000,
  loadingReadBytes: 999_000_000,
  cacheFilesBefore: 0,
  cacheFilesAfter: 52,
  processesBefore: 0,
  cachedTokens: 0,
  milestones: said('spawned', 'graph-compiled', 'compile-saved', 'ready'),
};
const warm: ProofEvidence = {
  ...cold,
  residentBeforeFraction: 1,
  readBytes: 3_000_000,
  loadingReadBytes: 0,
  cacheFilesBefore: 52,
  cacheFilesAfter: 54,
  milestones: said('spawned', 'compile-cache-hit', 'ready'),
};
const bothCold = { pages: 'cold', compileCache: 'cold' } as const;
const bothWarm = { pages: 'warm', compileCache: 'warm' } as const;

describe('a proven launch', () => {
  it('counts when it is what its cell says', () => {
    expect(proveLaunch(bothCold, cold)).toEqual({ outcome: 'counted', cacheSaid: 'compiled', problems: [] });
    expect(proveLaunch(bothWarm, warm)).toEqual({ outcome: 'counted', cacheSaid: 'hit', problems: [] });
  });

  it('counts without weights to prove when none are read', () => {
    const noPages = { pages: 'none', compileCache: 'warm' } as const;
    expect(proveLaunch(noPages, { ...warm, residentBeforeFraction: undefined }).outcome).toBe('counted');
  });

  it('counts where the log is silent and the root did not change', () => {
    const silent = { ...warm, milestones: said('spawned', 'ready'), cacheFilesAfter: 52 };
    expect(proveLaunch(bothWarm, silent).outcome).toBe('counted');
    expect(proveLaunch(bothWarm, { ...silent, cacheFilesAfter: 53 }).outcome).toBe('void');
  });
});

describe('a faked cold', () => {
  it('is void when the pages were read again after they were dropped: resident before spawn', () => {
    const { outcome, problems } = proveLaunch(bothCold, { ...cold, residentBeforeFraction: 0.62 });
    expect(outcome).toBe('void');
    expect(problems.join()).toContain('62.0 % resident before spawn');
  });

  it('is void when they were read again between the look and the spawn: nothing came from storage', () => {
    const { outcome, problems } = proveLaunch(bothCold, { ...cold, loadingReadBytes: 12_000_000 });
    expect(outcome).toBe('void');
    expect(problems.join()).toContain('came from storage');
  });

  it('is void by the libraries read meanwhile: they do not stand for weights', () => {
    expect(proveLaunch(bothCold, { ...cold, loadingReadBytes: 899_000_000 }).outcome).toBe('void');
    expect(proveLaunch(bothCold, { ...cold, loadingReadBytes: 901_000_000 }).outcome).toBe('counted');
  });

  it('is void when nothing was observed', () => {
    expect(proveLaunch(bothCold, { ...cold, residentBeforeFraction: undefined }).outcome).toBe('void');
    expect(proveLaunch(bothCold, { ...cold, readBytes: undefined, loadingReadBytes: undefined }).outcome).toBe('void');
  });

  it('is void when compiled code was found although the root was empty', () => {
    const elsewhere = { ...cold, milestones: said('compile-cache-hit') };
    expect(proveLaunch(bothCold, elsewhere).problems.join()).toContain('the log says hit');
    expect(proveLaunch(bothCold, { ...cold, cacheFilesBefore: 3 }).outcome).toBe('void');
  });
});

describe('a faked warm', () => {
  it('is void when the root holds files that are of no use: the log says it compiled', () => {
    const { outcome, problems } = proveLaunch(bothWarm, { ...warm, milestones: said('compile-saved') });
    expect(outcome).toBe('void');
    expect(problems.join()).toContain('yet the log says compiled');
  });

  it('is void when the engine refuses what it finds, and when the root was empty', () => {
    const refused = { ...warm, milestones: said('compile-cache-hit', 'compile-cache-stale') };
    expect(proveLaunch(bothWarm, refused)).toMatchObject({ outcome: 'void', cacheSaid: 'rejected' });
    expect(proveLaunch(bothWarm, { ...warm, cacheFilesBefore: 0 }).outcome).toBe('void');
  });

  it('is void when its pages are not there, or are read from storage all the same', () => {
    expect(proveLaunch(bothWarm, { ...warm, residentBeforeFraction: 0.98 }).outcome).toBe('void');
    expect(proveLaunch(bothWarm, { ...warm, loadingReadBytes: 200_000_000 }).outcome).toBe('void');
  });
});

it('an earlier process, or tokens in the prefix cache, make any launch void', () => {
  expect(proveLaunch(bothWarm, { ...warm, processesBefore: 1 }).problems.join()).toContain('process');
  expect(proveLaunch(bothWarm, { ...warm, cachedTokens: 16 }).problems.join()).toContain('prefix cache');
});

it('eager starts need no cache, and may not compile', () => {
  const eager = { pages: 'warm', compileCache: 'unused' } as const;
  expect(proveLaunch(eager, { ...warm, milestones: said('spawned') }).outcome).toBe('counted');
  expect(proveLaunch(eager, { ...warm, milestones: said('compile-saved') }).outcome).toBe('void');
});

it('reads the words of the log, the refusal above all', () => {
  expect(readCacheWords(said('compile-cache-hit', 'compile-saved', 'compile-cache-stale'))).toBe('rejected');
  expect(readCacheWords(said('compile-cache-hit'))).toBe('hit');
  expect(readCacheWords(said('graph-compiled'))).toBe('compiled');
  expect(readCacheWords([])).toBe('silent');
});
