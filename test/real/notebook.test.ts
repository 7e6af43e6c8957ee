/** The notebook, top to bottom, on a real vLLM: what it must show, and the same again from what it saved. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readRun, type RunData } from '../../lib/archive/folder.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { findProcessesOfRun } from '../../lib/launch/processes.js';
import { replayNotebook, startNotebook, type RunningNotebook } from './kernel.js';
import { chartsIn, failedCells, readNotebook, stderrIn } from '../rendered.js';

let notebook: RunningNotebook;
let ended: { code: number | null; output: string };
let data: RunData;

beforeAll(async () => {
  notebook = startNotebook();
  ended = await notebook.ended;
  expect(ended.code, ended.output.slice(-3000)).toBe(0);
  data = readRun(notebook.dir);
}, 900_000);

describe('day-007.ipynb on a real vLLM', () => {
  it('runs every cell without an error and draws four charts', () => {
    const rendered = readNotebook(join(notebook.dir, 'day-007.ipynb'));
    expect(failedCells(rendered)).toEqual([]);
    expect(stderrIn(rendered)).toEqual([]);
    expect(chartsIn(rendered)).toHaveLength(4);
  });

  it('explains at least 85 % of launch -> ready by named phases, in every launch', () => {
    const { launches } = interpret(data);
    expect(launches.map(({ outcome }) => outcome)).toEqual(['ready', 'ready']);
    for (const { coveredFraction } of launches) expect(coveredFraction).toBeGreaterThanOrEqual(0.85);
  });

  it('asks the planned requests, each with the same work, and all are answered', () => {
    const counts = new Map<string, number>();
    for (const { launch, name } of data.requests)
      counts.set(`${launch} ${name}`, (counts.get(`${launch} ${name}`) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({
      '1 sanity': 1,
      '1 cold_1': 1,
      '1 warm_1': 1,
      '1 warm': 6,
      '2 cold_1': 1,
      '2 warm_1': 1,
      '2 warm': 15,
      '2 cold-long': 1,
      '2 warm-unique': 6,
      '2 warm-cached': 6,
      '2 observer-warm': 1,
      '2 observed': 12,
      '2 unobserved': 12,
    });
    expect(data.requests.filter(({ outcome }) => outcome !== 'completed')).toEqual([]);
    const seed = data.requests.filter(({ workload }) => workload === 'seed');
    expect(new Set(seed.map(({ promptTokens, completionTokens }) => `${promptTokens}/${completionTokens}`)).size).toBe(
      1,
    );
  });

  it('proves by cached_tokens which long prompts were found in the prefix cache', () => {
    const cached = (name: string) =>
      data.requests.filter((request) => request.name === name).map(({ cachedTokens }) => cachedTokens);
    expect(cached('warm-unique')).toEqual(Array(6).fill(0));
    // 1,024 tokens in blocks of 128; the last block is never taken from the cache whole.
    expect(cached('warm-cached')).toEqual(Array(6).fill(896));
  });

  it('leaves no blank in the report and nothing in /proc', () => {
    const report = readFileSync(join(notebook.dir, 'first_token_latency.md'), 'utf8');
    expect(report).not.toMatch(/=\s*$/m);
    expect(report).not.toMatch(/undefined|NaN/);
    expect(data.stops.map(({ reason, leftoverProcesses }) => [reason, leftoverProcesses])).toEqual([
      ['asked', 0],
      ['asked', 0],
    ]);
    expect(findProcessesOfRun(notebook.runId)).toEqual([]);
  });

  it('is rebuilt from its CSV files alone, to the same numbers', async () => {
    const findings = JSON.parse(readFileSync(join(notebook.dir, 'findings.json'), 'utf8')) as unknown;
    const report = readFileSync(join(notebook.dir, 'first_token_latency.md'), 'utf8');
    for (const file of ['findings.json', 'first_token_latency.md', 'day-007.ipynb', 'day-007.html'])
      rmSync(join(notebook.dir, file));
    const again = await replayNotebook(notebook.dir, join(notebook.dir, 'rendered')).ended;
    expect(again.code, again.output.slice(-3000)).toBe(0);
    expect(JSON.parse(readFileSync(join(notebook.dir, 'findings.json'), 'utf8'))).toEqual(findings);
    expect(readFileSync(join(notebook.dir, 'first_token_latency.md'), 'utf8')).toBe(report);
    expect(chartsIn(readNotebook(join(notebook.dir, 'rendered/day-007.ipynb')))).toHaveLength(4);
    expect(existsSync(join(notebook.dir, 'rendered/day-007.html'))).toBe(true);
  });
});
