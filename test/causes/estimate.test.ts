/** How long it will take, before it starts. */
import { describe, expect, it } from 'vitest';
import { allCells, designs } from '../../lib/causes/cells.js';
import { planDesign } from '../../lib/causes/design.js';
import { estimateDesign, findRecorded, minutes } from '../../lib/causes/estimate.js';
import { resolveOptions } from '../../lib/causes/options.js';
import type { CellRow } from '../../lib/archive/cold-start-tables.js';

const cells = allCells({ smallBytes: 2 ** 30, largeBytes: 2 ** 32, by: 'flag' });
const plan = planDesign({ cells: designs.full, blocks: 6, seed: 7 });
const recorded = findRecorded('.', { kind: 'vllm', device: 'cuda' }, ['data/published']);

const counted = (block: number, cell: string, ms: number): CellRow => ({
  launch: 1,
  block,
  cell,
  role: block === 0 ? 'prime' : 'measure',
  attempt: 1,
  machine: 'a',
  boot: 'b',
  outcome: 'counted',
  startedAtMs: 0,
  endedAtMs: ms,
});

describe('the estimate', () => {
  it('comes from recorded launches in the same state of the compile cache, and counts every launch', () => {
    const estimate = estimateDesign(plan, [], cells, recorded);
    expect(estimate.launches).toBe(50);
    // 14 starts with an empty cache, 36 with a filled one; none is shorter than the shortest or longer than the longest
    // on record in its state, apart from what a launch takes beside its start.
    const readyMs = (state: 'cold' | 'warm') =>
      recorded.filter(({ compileCache }) => compileCache === state).map((launch) => launch.readyMs);
    const [cold, warm] = [readyMs('cold'), readyMs('warm')];
    expect(Math.min(...cold)).toBeGreaterThan(1.5 * Math.min(...warm));
    expect(estimate.ms).toBeGreaterThan(14 * Math.min(...cold) + 36 * Math.min(...warm));
    expect(estimate.ms).toBeLessThan(14 * Math.max(...cold) + 36 * Math.max(...warm) + 50 * 20_000);
    const runs = new Set(recorded.map(({ runId }) => runId)).size;
    expect(estimate.text).toBe(
      `50 launches, about ${minutes(estimate.ms ?? NaN)} (from ${recorded.length} recorded launches of ${runs} runs)`,
    );
  });

  it('prefers the launches of the run itself, and shrinks as they are done', () => {
    const done = plan.filter(({ block }) => block <= 1).map((row) => counted(row.block, row.cell, 10_000));
    const estimate = estimateDesign(plan, done, cells, recorded);
    expect(estimate.ms).toBe(40 * 10_000);
    expect(estimate.text).toMatch(/^40 launches, about 7 min \(from 10 launches of this run\)$/);
  });

  it('says so where nothing comparable is on record, and where nothing is left', () => {
    expect(estimateDesign(plan, [], cells, []).ms).toBeUndefined();
    expect(estimateDesign(plan, [], cells, []).text).toContain('not known');
    const all = plan.map((row) => counted(row.block, row.cell, 1));
    expect(estimateDesign(plan, all, cells, []).text).toBe('no launch is left');
  });

  it('is told in minutes', () => {
    expect([40_000, 22 * 60_000, 65 * 60_000].map(minutes)).toEqual(['40 s', '22 min', '1 h 05 min']);
  });
});

describe('the options', () => {
  const engine = { kind: 'vllm', device: 'cuda' } as const;

  it('come from the cell, then the environment, then the engine', () => {
    const env = { DAY007_COLD_START_DESIGN: 'without-kv', DAY007_COLD_START_BLOCKS: '8' };
    expect(resolveOptions({ blocks: 2 }, engine, env)).toEqual({ design: 'without-kv', blocks: 2 });
    expect(resolveOptions({}, engine, { DAY007_COLD_START_MINUTES: '1.5' }).sittingMs).toBe(90_000);
    expect(resolveOptions({}, engine, { DAY007_COLD_START_PROBE_RUNS: '3' }).probeRuns).toBe(3);
    expect(resolveOptions({}, engine, {})).toEqual({ design: 'full', blocks: 6 });
    expect(resolveOptions({}, { kind: 'vllm', device: 'cpu' }, {}).design).toBe('no-cache');
  });

  it('that are wrong say what is allowed', () => {
    expect(() => resolveOptions({}, engine, { DAY007_COLD_START_BLOCKS: 'six' })).toThrow('DAY007_COLD_START_BLOCKS');
    expect(() => resolveOptions({}, engine, { DAY007_COLD_START_DESIGN: 'half' })).toThrow(
      'full, without-kv, kv, no-cache',
    );
  });
});
