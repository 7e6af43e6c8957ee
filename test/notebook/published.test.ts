/** What is published must be what its data says: rebuilt here from the CSV files alone. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readRun } from '../../lib/archive/folder.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { withAnswer } from '../../lib/notebook/readme.js';
import { firstTokenLatencyMarkdown } from '../../lib/report/template.js';
import { publishedRuns as published } from '../published.js';
import { chartsIn, codeCells, failedCells, readNotebook, sourceOf, stderrIn } from '../rendered.js';

const mebibyte = 1024 * 1024;

/** Text was redacted when the run was shared; numbers never are. */
function numbersIn(value: unknown): unknown {
  if (typeof value === 'string') return '';
  if (Array.isArray(value)) return value.map(numbersIn);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, numbersIn(one)]));
}

/** Lines of a report, those that name a folder left out: a shared run names none. */
const linesWithoutFolders = (report: string, names: ReadonlySet<number>) =>
  report.split('\n').filter((_line, at) => !names.has(at));
const linesWithFolders = (report: string): ReadonlySet<number> =>
  new Set(report.split('\n').flatMap((line, at) => (/&lt;(?:project|path|home)>/.test(line) ? [at] : [])));

it('there is a published run', () => expect(published.length).toBeGreaterThan(0));

describe.each(published)('%s', (dir) => {
  it('has findings and a report that its CSV files give again, number by number', () => {
    const data = readRun(dir);
    const findings = interpret(data);
    const saved = JSON.parse(readFileSync(join(dir, 'findings.json'), 'utf8')) as unknown;
    expect(numbersIn(JSON.parse(JSON.stringify(findings)))).toEqual(numbersIn(saved));
    const rebuilt = firstTokenLatencyMarkdown(data, findings);
    const folders = linesWithFolders(rebuilt);
    expect(folders.size).toBeLessThan(10);
    const report = readFileSync(join(dir, 'first_token_latency.md'), 'utf8');
    expect(linesWithoutFolders(rebuilt, folders)).toEqual(linesWithoutFolders(report, folders));
  });

  it('has a rendered notebook without an error, with four charts', () => {
    const notebook = readNotebook(join(dir, 'day-007.ipynb'));
    expect(failedCells(notebook)).toEqual([]);
    expect(stderrIn(notebook)).toEqual([]);
    expect(chartsIn(notebook)).toHaveLength(4);
  });

  it('is of a size to share, and left no process behind', () => {
    const bytes = readdirSync(dir, { recursive: true, encoding: 'utf8' }).reduce(
      (sum, name) => sum + statSync(join(dir, name)).size,
      0,
    );
    expect(bytes).toBeLessThanOrEqual(4 * mebibyte);
    for (const stop of readRun(dir).stops) expect(stop.leftoverProcesses).toBe(0);
  });

  it('explains at least 90 % of launch -> ready by named phases', () => {
    for (const launch of interpret(readRun(dir)).launches) expect(launch.coveredFraction).toBeGreaterThanOrEqual(0.9);
  });
});

describe('notebooks/day-007.ipynb', () => {
  const notebook = readNotebook('notebooks/day-007.ipynb');

  it('carries the outputs of a run that is published', () => {
    expect(failedCells(notebook)).toEqual([]);
    expect(chartsIn(notebook)).toHaveLength(4);
    const text = readFileSync('notebooks/day-007.ipynb', 'utf8');
    expect(published.some((dir) => text.includes(readRun(dir).record.runId))).toBe(true);
  });

  it('uses the facade alone, in cells of at most five lines', () => {
    for (const source of codeCells(notebook).map(sourceOf)) {
      expect(source.split('\n').length).toBeLessThanOrEqual(5);
      for (const [, from] of source.matchAll(/from\s+"([^"]+)"/g)) expect(from).toBe('./lib/index.js');
    }
    expect(codeCells(notebook).length).toBeLessThanOrEqual(30);
  });

  it('names no folder of the machine it ran on', () => {
    const text = readFileSync('notebooks/day-007.ipynb', 'utf8');
    expect(text).not.toMatch(/\/(?:home|root|Users)\/\w/);
  });
});

it('README.md carries the answer of the run that its chart shows', () => {
  const readme = readFileSync('README.md', 'utf8');
  expect(withAnswer(readme, process.cwd())).toBe(readme);
  for (const [, file] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) expect(existsSync(file ?? ''), file).toBe(true);
});

it('a published run renders again through Jupyter with no server: npm start -- --replay', { timeout: 300_000 }, () => {
  const out = mkdtempSync(join(tmpdir(), 'day007-replay-'));
  onTestFinished(() => rmSync(out, { recursive: true, force: true }));
  // A replay writes findings and report into the run's folder: it gets a copy.
  const dir = join(out, 'run');
  cpSync(published[0] ?? '', dir, { recursive: true });
  for (const file of ['findings.json', 'first_token_latency.md', 'day-007.ipynb', 'day-007.html'])
    rmSync(join(dir, file), { force: true });
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DAY007_')));
  const done = spawnSync(process.execPath, ['scripts/door.cjs', 'start', '--replay', dir, '--out', out], {
    encoding: 'utf8',
    env,
  });
  expect(done.status, done.stdout + done.stderr).toBe(0);
  const notebook = readNotebook(join(out, 'day-007.ipynb'));
  expect(failedCells(notebook)).toEqual([]);
  expect(stderrIn(notebook)).toEqual([]);
  expect(chartsIn(notebook)).toHaveLength(4);
  expect(existsSync(join(out, 'day-007.html'))).toBe(true);
  expect(numbersIn(JSON.parse(readFileSync(join(dir, 'findings.json'), 'utf8')))).toEqual(
    numbersIn(JSON.parse(readFileSync(join(published[0] ?? '', 'findings.json'), 'utf8'))),
  );
});
