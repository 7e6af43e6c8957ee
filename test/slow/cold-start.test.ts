/**
 * cold-start.ipynb, top to bottom, on a rehearsal whose causes have known prices: the experiment has to find them. What
 * each must be comes from the profile, before anything is launched.
 */
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { besideOf } from '../../lib/causes/beside.js';
import { designProgress } from '../../lib/causes/design.js';
import { causeFindings, readExperiment, type CauseFindings } from '../../lib/causes/findings.js';
import { formatMs } from '../../lib/interpret/format.js';
import { findProcessesOfRun } from '../../lib/launch/processes.js';
import { pricesSchema } from '../../lib/rehearsal/flags.js';
import {
  chartsIn,
  codeCells,
  failedCells,
  readNotebook,
  sourceOf,
  stderrIn,
  type RenderedNotebook,
} from '../rendered.js';
import { publishedExperiments as published } from '../published.js';
import { modelsDir, rehearse, type HeadlessRun } from '../notebook/headless.js';

/** What the profile puts in, in ms, for weights of that size and those two KV caches. */
function injectedMs(weightsBytes: number, smallGiB: number, largeGiB: number): Readonly<Record<string, number>> {
  const { startup } = JSON.parse(readFileSync('lib/rehearsal/profiles/cold-start.json', 'utf8')) as {
    startup: { prices: unknown };
  };
  const { cache, flags, weights, kvCache } = pricesSchema.parse(startup.prices);
  const sum = (phases: Readonly<Record<string, number>>): number => Object.values(phases).reduce((a, b) => a + b, 0);
  const eager = { ...cache.filled, ...flags['--enforce-eager'] };
  const warmMs = (weightsBytes / weights.warmBytesPerS) * 1000;
  const cacheMs = sum(cache.empty) - sum(cache.filled);
  const restMs = sum(cache.filled) - sum(eager);
  return {
    A: (weightsBytes / weights.coldBytesPerS) * 1000 - warmMs,
    B: warmMs,
    C: cacheMs + restMs,
    'C-cache': cacheMs,
    'C-rest': restMs,
    // Without the flag the profile adds nothing for a KV cache.
    D: -kvCache.msPerGiB * smallGiB,
    'D-size': kvCache.msPerGiB * (largeGiB - smallGiB),
  };
}

/** The KV cache of a cell, as the plan has it. */
const kvGiBOf = ({ runs }: CauseFindings, cell: string): number =>
  Number(runs[0]?.plan.find((row) => row.cell === cell)?.args?.replace('--kv-cache-memory-bytes ', '') ?? NaN) /
  2 ** 30;

/** The goal set for it: within 5 %, or 50 ms where that is more. */
const toleranceMs = (trueMs: number): number => Math.max(50, 0.05 * trueMs);

describe('cold-start.ipynb on the rehearsal engine', () => {
  let run: HeadlessRun;
  let notebook: RenderedNotebook;
  let findings: CauseFindings;

  beforeAll(async () => {
    run = await rehearse('cold-start', {}, ['--notebook', 'notebooks/cold-start.ipynb']).ended;
    const rendered = ['REHEARSAL-cold-start.ipynb', 'cold-start.ipynb']
      .map((name) => join(run.dir, name))
      .find(existsSync);
    expect(run.code, run.output).toBe(0);
    notebook = readNotebook(rendered ?? '');
    findings = causeFindings([readExperiment(run.dir)]);
  }, 900_000);

  afterAll(() => {
    for (const made of [run.dir, modelsDir]) rmSync(made, { recursive: true, force: true });
  });

  it('runs without an error, with three charts and the stamp REHEARSAL', () => {
    expect(failedCells(notebook)).toEqual([]);
    expect(stderrIn(notebook)).toEqual([]);
    expect(chartsIn(notebook)).toHaveLength(3);
    expect(JSON.stringify(notebook)).toContain('REHEARSAL: Seconds per cause');
    expect(findProcessesOfRun(run.runId)).toEqual([]);
  });

  it('counts every cell of six blocks, each launch with its proof', () => {
    const { rows, plan } = findings.runs[0] ?? { rows: [], plan: [] };
    expect(plan).toHaveLength(50);
    expect(findings.progress[0]).toMatchObject({ counted: 48, left: 0, wholeBlocks: 6 });
    for (const row of rows.filter(({ outcome, role }) => outcome === 'counted' && role === 'measure')) {
      expect(row.residentBeforeFraction).toBeDefined();
      expect(row.readBytes).toBeDefined();
      expect(row.cacheSaid).toBeDefined();
      expect(row.cachedTokens).toBe(0);
    }
  });

  it('finds what the profile put in, within 5 % or 50 ms', () => {
    const weightsBytes = findings.runs[0]?.data.record.model.weightsBytes ?? NaN;
    const found = findings.effects.map(({ cause, centre }) => [cause, centre?.centre ?? NaN] as const);
    const expected = injectedMs(weightsBytes, kvGiBOf(findings, 'kv-small'), kvGiBOf(findings, 'kv-large'));
    const missed = found.flatMap(([cause, ms]) => {
      const trueMs = expected[cause] ?? 0;
      return Math.abs(ms - trueMs) <= toleranceMs(trueMs) ? [] : [`${cause}: ${ms} ms for ${trueMs} ms`];
    });
    expect(found.map(([cause]) => cause)).toEqual(['A', 'B', 'C', 'C-cache', 'C-rest', 'D', 'D-size', 'AxC']);
    expect(missed).toEqual([]);
  });

  it('resolves the two largest causes, and states the remainder', () => {
    const row = (cause: string) => findings.ledger.rows.find((one) => one.cause === cause);
    expect(row('C')?.resolved).toBe(true);
    expect(row('A')?.resolved).toBe(true);
    expect(row('remainder')?.centre?.interval).toBeDefined();
    expect(row('G')?.absent).toContain('no Python program');
  });
});

describe.runIf(published.length > 0).each(published)('%s', (dir) => {
  it('is whole or says that it is not, of a size to share, and left no process behind', () => {
    const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
    const { data, plan, rows } = readExperiment(dir);
    // A borrowed machine may be gone before the plan is done: what ran stands, and the README of the folder counts it.
    const { left, wholeBlocks } = designProgress(plan, rows);
    expect(wholeBlocks).toBeGreaterThan(0);
    const readme = readFileSync(join(dir, 'README.md'), 'utf8');
    expect(/Planned launches that were not made: (\d+)/.exec(readme)?.[1] ?? '0').toBe(String(left));
    for (const { leftoverProcesses } of data.stops) expect(leftoverProcesses).toBe(0);
  });

  it('has a rendered notebook without an error, with three charts', () => {
    const notebook = readNotebook(join(dir, 'cold-start.ipynb'));
    expect(failedCells(notebook)).toEqual([]);
    expect(stderrIn(notebook)).toEqual([]);
    expect(chartsIn(notebook)).toHaveLength(3);
  });

  it('states in its notebook the effects that its rows give', () => {
    const text = readFileSync(join(dir, 'cold-start.ipynb'), 'utf8');
    const { folders, missing } = besideOf(dir, '.');
    expect(missing).toEqual([]);
    for (const { centre } of causeFindings([dir, ...folders].map(readExperiment)).effects)
      if (centre?.interval) expect(text).toContain(formatMs(centre.centre));
  });
});

// What is said of a kind of machine rests on enough blocks: here, where loans of such machines are put together.
it('the H100 experiment resolves its two largest causes by six whole blocks or more, each launch with its proof', () => {
  const dir = 'data/published/h100-cold-start-2026-11-26';
  const runs = [dir, ...besideOf(dir, '.').folders].map(readExperiment);
  const { ledger, effects } = causeFindings(runs);
  expect(effects.find(({ cause }) => cause === 'C')?.differences.length).toBeGreaterThanOrEqual(6);
  const causes = ledger.rows.filter(({ cause }) => ['A', 'B', 'C', 'D', 'G'].includes(cause));
  const largest = causes.sort((a, b) => (b.centre?.centre ?? 0) - (a.centre?.centre ?? 0)).slice(0, 2);
  expect(largest.map(({ cause, resolved }) => [cause, resolved])).toEqual([
    ['C', true],
    ['G', true],
  ]);
  const remainder = ledger.rows.find(({ cause }) => cause === 'remainder')?.centre;
  expect(remainder?.interval).toBeDefined();
  for (const { rows } of runs)
    for (const { outcome, residentBeforeFraction, cacheSaid } of rows.filter(({ role }) => role === 'measure')) {
      expect(outcome).toBe('counted');
      expect(residentBeforeFraction).toBeDefined();
      expect(cacheSaid).toBeDefined();
    }
  expect(readFileSync(join(dir, 'cold-start.ipynb'), 'utf8')).toContain(formatMs(remainder?.centre));
});

describe('notebooks/cold-start.ipynb', () => {
  const committed = readNotebook('notebooks/cold-start.ipynb');

  it('is short, in cells of at most five lines that use the facade alone', () => {
    expect(committed.cells.length).toBeLessThanOrEqual(24);
    for (const source of codeCells(committed).map(sourceOf)) {
      expect(source.split('\n').length).toBeLessThanOrEqual(5);
      for (const [, from] of source.matchAll(/from\s+"([^"]+)"/g)) expect(from).toBe('./lib/index.js');
    }
  });

  it('names no folder of a machine', () => {
    expect(readFileSync('notebooks/cold-start.ipynb', 'utf8')).not.toMatch(/\/(?:home|root|Users)\/\w/);
  });
});
