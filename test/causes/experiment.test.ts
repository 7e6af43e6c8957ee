/**
 * A small plan on the rehearsal engine: launched for real, cut short in the middle of a launch, gone on with, and with
 * two fakes in it - pages read again behind its back, and a cache root that holds only rubbish.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { appendRows, readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { openExperiment, weightFiles, type ExperimentProgress } from '../../lib/causes/experiment.js';
import { openRun } from '../../lib/causes/resume.js';
import { cellsTable, planTable, type PlanRow } from '../../lib/archive/cold-start-tables.js';
import { resolveConfig, type RunConfig } from '../../lib/freeze/config.js';
import { evictFromPageCache, readResidency } from '../../lib/freeze/pagecache.js';
import { freePort, left, nothing, until } from '../launch/place.js';

const projectRoot = resolve('.');

/** The H100 profile at a pace for tests. */
function quickProfile(folder: string): string {
  const profile = JSON.parse(readFileSync('lib/rehearsal/profiles/h100.json', 'utf8')) as {
    startup: Record<string, unknown>;
    serving: Record<string, unknown>;
  };
  const file = join(folder, 'quick.json');
  const startup = { ...profile.startup, timeScale: 0.005 };
  writeFileSync(file, JSON.stringify({ ...profile, startup, serving: { ...profile.serving, decodeMsPerToken: 0.2 } }));
  return file;
}

const plan: readonly PlanRow[] = [
  { block: 1, position: 1, cell: 'both-warm', role: 'measure' },
  { block: 1, position: 2, cell: 'pages-cold', role: 'measure' },
];
const options = { design: 'full', blocks: 1, warmRequests: 1 } as const;

it('repeats what is void, does again what was cut short, and nothing else', { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'day007-causes-'));
  // Weights of its own, on the project's file system: another test that reads the usual ones would warm their pages.
  const cacheDir = join(projectRoot, '.cache', `causes-${process.pid}`);
  onTestFinished(() => {
    for (const made of [folder, cacheDir]) rmSync(made, { recursive: true, force: true });
  });
  const runId = `causes-${process.pid}`;
  const config = resolveConfig(
    { engine: 'rehearsal', rehearsalProfile: quickProfile(folder), runId, port: await freePort(), cacheDir },
    { projectRoot, env: {} },
  );
  // The run folder lies apart; the programs are started from the project's own root.
  const open = async (): Promise<Awaited<ReturnType<typeof openRun>>> => {
    const run = await openRun({ ...config, projectRoot: folder });
    return { ...run, config };
  };

  const first = await open();
  expect(first.how).toBe('new');
  appendRows(first.dir, planTable, plan);
  const files = weightFiles(first.record);
  const canTell = readResidency(files).kind === 'read' && evictFromPageCache(files).kind === 'read';
  expect(canTell, 'this file system does not tell residency').toBe(true);
  mkdirSync(join(first.dir, 'vllm-cache/kept'), { recursive: true });
  writeFileSync(join(first.dir, 'vllm-cache/kept/rubbish'), 'of no use to anybody');

  let fakes = 1;
  const stopping = new AbortController();
  const ports = {
    // Pages read again after they were dropped and looked at, just before the start.
    beforeSpawn: ({ cell }: PlanRow) => {
      if (cell !== 'pages-cold' || fakes-- <= 0) return;
      for (const file of files) readFileSync(file);
    },
  };
  const begun = openExperiment(first, options, ports);
  const seen: ExperimentProgress[] = [];
  const cut = begun.go((progress) => {
    seen.push(progress);
    // The third launch is cut short as soon as its log speaks.
    if (progress.line !== undefined && begun.rows().length === 2) stopping.abort(new Error('enough for today'));
  }, stopping.signal);
  await expect(cut).rejects.toThrow();
  await begun.close();
  const before = readRows(first.dir, cellsTable);
  expect(before.map(({ cell, outcome }) => [cell, outcome])).toEqual([
    ['both-warm', 'void'],
    ['pages-cold', 'void'],
  ]);
  expect(before[0]?.because).toMatch(/^compile cache: 1 files before spawn, yet the log says compiled/);
  expect(before[1]?.because).toMatch(/^pages: only .* came from storage/);
  expect(before[1]?.residentBeforeFraction).toBeLessThan(0.01);
  await until(() => left(runId), nothing);

  const again = await open();
  expect(again.how).toBe('resumed');
  const gone = openExperiment(again, options, ports);
  await gone.go(undefined, new AbortController().signal);
  await gone.go(undefined, new AbortController().signal);
  await gone.close();
  const rows = readRows(first.dir, cellsTable);
  expect(rows.slice(0, 2)).toEqual(before);
  // A machine that takes pages back while nobody asks (docs/measured.md) makes a launch void: then it was tried again, too.
  const counted = rows.filter(({ outcome }) => outcome === 'counted');
  for (const { outcome, because } of rows.slice(2))
    if (outcome !== 'counted') expect([outcome, because]).toEqual(['void', expect.stringMatching(/^pages: /)]);
  expect(counted.map(({ cell }) => cell)).toEqual(['both-warm', 'pages-cold']);
  for (const { cell, attempt } of counted)
    expect(attempt).toBe(rows.filter((row) => row.cell === cell && row.outcome === 'void').length + 1);
  // The launch that was cut short keeps its number; no row of another launch can be taken for its own.
  expect(rows.map(({ launch }) => launch)).toEqual([1, 2, ...rows.slice(2).map((_row, at) => 4 + at)]);
  expect(readRows(first.dir, tables.stops).every(({ leftoverProcesses }) => leftoverProcesses === 0)).toBe(true);
  const [warm, cold] = counted;
  expect(warm).toMatchObject({ cacheSaid: 'hit', cachedTokens: 0, processesBefore: 0 });
  expect(cold?.loadingReadBytes).toBeGreaterThanOrEqual(0.9 * (cold?.weightsBytes ?? Infinity));
  await until(() => left(runId), nothing);

  const other: RunConfig = { ...config, dtype: 'float16', projectRoot: folder };
  await expect(openRun(other)).rejects.toThrow('dtype was auto when this run was begun and is float16 now');
  expect(existsSync(join(first.dir, 'vllm-cache/kept'))).toBe(true);
});
