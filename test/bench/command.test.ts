import { execFile, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { parseRows } from '../../lib/archive/csv.js';
import type { BenchSummary } from '../../lib/bench/report.js';
import { benchBlocksTable, benchQuantilesTable, benchRampTable, benchRequestsTable } from '../../lib/bench/tables.js';
import { temporaryFolder } from '../launch/place.js';

function bench(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((ended) => {
    const run: ChildProcess = execFile(
      process.execPath,
      ['--import', 'tsx', resolve('lib/bench/probe-command.ts'), ...args],
      (_error, out, err) => ended({ code: run.exitCode ?? -1, out, err }),
    );
  });
}

it('measures, decides nothing from few requests, and writes what it saw, whole and to be published', async () => {
  const [out, thin] = [join(temporaryFolder(), 'bench'), join(temporaryFolder(), 'thin')];
  const { code, out: said } = await bench(
    '--quick',
    '--seed',
    '5',
    '--rounds',
    '5',
    '--out',
    out,
    '--publish',
    thin,
    '--target-ms',
    '9',
  );
  expect(code).toBe(3);
  expect(said).toContain('against 9 ms: not resolved');

  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as BenchSummary;
  expect(summary).toMatchObject({ format: 1, seed: 5, verdict: 'not resolved', machine: { node: process.version } });
  expect(JSON.stringify(summary)).not.toContain(out);
  expect(summary.settings.map(({ streams, rounds }) => [streams, rounds])).toEqual([
    [1, 5],
    [8, 5],
  ]);
  expect(summary.settings.map(({ sittings }) => sittings)).toEqual([2, 2]);
  expect(summary.command).toContain(' --seed 5 --rounds 5 --target-ms 9 --quick');
  expect(summary.calibrationLike.calibration.n).toBe(8);

  const text = (file: string) => readFileSync(join(out, file), 'utf8');
  const requests = parseRows(benchRequestsTable, text('requests.csv'));
  const blocks = parseRows(benchBlocksTable, text('blocks.csv'));
  for (const { streams, rounds, requestsPerBlock, clients } of summary.settings) {
    for (const { client, ttftErrorMs } of clients) {
      const own = requests.filter((row) => row.streams === streams && row.client === client);
      expect(own).toHaveLength(rounds * requestsPerBlock);
      expect(Math.max(...own.map(({ firstTokenErrorMs }) => firstTokenErrorMs))).toBe(ttftErrorMs.max);
      // Interleaved: each round has one block of every client.
      const places = blocks.filter((row) => row.streams === streams && row.client === client);
      expect(places.map(({ round }) => round)).toEqual(Array.from({ length: rounds }, (_, at) => at + 1));
    }
  }
  expect(blocks.filter(({ client, streams }) => client === 'probe' && streams === 1).map((row) => row.sitting)).toEqual(
    [1, 1, 2, 2, 2],
  );
  const positions = new Set(blocks.filter(({ client }) => client === 'probe').map(({ position }) => position));
  expect(positions.size).toBe(2);
  const quantiles = parseRows(benchQuantilesTable, text('quantiles.csv'));
  const half = quantiles.find((row) => row.client === 'probe' && row.error === 'ttft' && row.quantile === 0.5);
  const probe = summary.settings[0]?.clients.find(({ client }) => client === 'probe');
  expect(half?.errorMs).toBeCloseTo(probe?.ttftErrorMs.median ?? NaN, 9);
  expect(parseRows(benchRampTable, text('ramp.csv')).length).toBeGreaterThan(1);

  expect(readdirSync(out).sort()).toEqual(
    ['README.md', 'blocks.csv', 'quantiles.csv', 'ramp.csv', 'requests.csv', 'summary.json'].sort(),
  );
  expect(readdirSync(thin)).toEqual(readdirSync(out).filter((file) => file !== 'requests.csv'));
  const bytes = readdirSync(thin).reduce((sum, file) => sum + statSync(join(thin, file)).size, 0);
  expect(bytes).toBeLessThan(200 * 1024);

  const again = await bench('--quick', '--out', out);
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('holds a bench already')]);
});

it.each([
  [['--clients', 'probe'], '--clients reads "probe"; expected probe, socket and any of'],
  [['--clients', 'probe,socket,curl'], '--clients reads "probe,socket,curl"'],
  [['--target-ms', 'soon'], '--target-ms reads "soon"; expected a number above 0.'],
  [['--rounds', '2.5'], '--rounds reads "2.5"; expected a whole number'],
  [['--fast'], "Unknown option '--fast'"],
])('answers %j with what is wrong and how it is used', async (args, message) => {
  const { code, err } = await bench(...args);
  expect(code).toBe(2);
  expect(err.startsWith(message)).toBe(true);
  expect(err).toContain('Usage: npm run bench:probe');
});
