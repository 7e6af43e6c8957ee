/** The plan of a designed experiment: nothing repeated, nothing lost, wherever it is cut short. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { designs, type CellName } from '../../lib/causes/cells.js';
import {
  designProgress,
  isHopeless,
  mostAttempts,
  nextLaunch,
  planDesign,
  type Attempt,
} from '../../lib/causes/design.js';
import { runDesign } from '../../lib/causes/run-design.js';
import type { CellRow, PlanRow } from '../../lib/archive/cold-start-tables.js';

const cells = designs.full;
const plan = planDesign({ cells, blocks: 6, seed: 7 });

const rowOf = (attempt: Attempt, launch: number, outcome: string): CellRow => ({
  launch,
  block: attempt.block,
  cell: attempt.cell,
  role: attempt.role,
  attempt: attempt.attempt,
  machine: 'aaaaaaaa',
  boot: 'bbbbbbbb',
  outcome,
  startedAtMs: launch * 10,
  endedAtMs: launch * 10 + 5,
});

describe('the plan', () => {
  it('holds every cell once in every block, and fills the caches before', () => {
    for (let block = 1; block <= 6; block += 1) {
      const own = plan.filter((row) => row.block === block).map(({ cell }) => cell);
      expect([...own].sort()).toEqual([...cells].sort());
    }
    expect(plan.filter(({ role }) => role === 'prime').map(({ cell }) => cell)).toEqual(['both-warm', 'eager']);
    expect(plan).toHaveLength(6 * 8 + 2);
  });

  it('is the same for a seed, another for another seed, and does not change when blocks are added', () => {
    expect(planDesign({ cells, blocks: 6, seed: 7 })).toEqual(plan);
    expect(planDesign({ cells, blocks: 6, seed: 8 })).not.toEqual(plan);
    expect(planDesign({ cells, blocks: 9, seed: 7 }).slice(0, plan.length)).toEqual(plan);
  });

  it('puts every cell in every place of a block about equally often', () => {
    const many = planDesign({ cells, blocks: 1600, seed: 3 });
    const firsts = many.filter(({ role, position }) => role === 'measure' && position === 1);
    for (const cell of cells) {
      const share = firsts.filter((row) => row.cell === cell).length / firsts.length;
      // Standard error of a share of 1/8 over 1,600 blocks: 0.8 %.
      expect(Math.abs(share - 1 / 8)).toBeLessThan(0.035);
    }
  });
});

/** Outcomes of the launches to come, by number; what is not listed counts. */
async function runFrom(rows: CellRow[], outcomeOf: (attempt: Attempt) => string, stopAt = Infinity): Promise<void> {
  const controller = new AbortController();
  let started = 0;
  await runDesign(
    plan,
    {
      readRows: () => [...rows],
      launch: (attempt) => {
        started += 1;
        if (started > stopAt) {
          controller.abort();
          return Promise.reject(new Error('cut short: no row'));
        }
        const row = rowOf(attempt, rows.length + 1, outcomeOf(attempt));
        rows.push(row);
        return Promise.resolve(row);
      },
    },
    controller.signal,
  );
}

const key = ({ block, cell, attempt }: CellRow) => `${block} ${cell} ${attempt}`;

describe('an interrupted experiment', () => {
  it('gives the same launches as one that was not, wherever and however often it is cut', async () => {
    const isVoid = (attempt: Attempt) =>
      attempt.cell === 'pages-cold' && attempt.block % 2 === 0 && attempt.attempt === 1;
    const outcomeOf = (attempt: Attempt) => (isVoid(attempt) ? 'void' : 'counted');
    const whole: CellRow[] = [];
    await runFrom(whole, outcomeOf);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 6 }), async (cuts) => {
        const rows: CellRow[] = [];
        for (const cut of cuts) await runFrom(rows, outcomeOf, cut).catch(() => undefined);
        await runFrom(rows, outcomeOf);
        expect(rows.map(key)).toEqual(whole.map(key));
        expect(new Set(rows.map(key)).size).toBe(rows.length);
      }),
      { seed: 7, numRuns: 60 },
    );
    expect(designProgress(plan, whole)).toEqual({ counted: 48, void: 3, left: 0, wholeBlocks: 6 });
  });

  it('stops before the next launch when it is asked to', async () => {
    const controller = new AbortController();
    controller.abort(new Error('asked'));
    const launches: string[] = [];
    const launch = (attempt: Attempt) => {
      launches.push(attempt.cell);
      return Promise.resolve(rowOf(attempt, 1, 'counted'));
    };
    await expect(runDesign(plan, { readRows: () => [], launch }, controller.signal)).rejects.toThrow('asked');
    expect(launches).toEqual([]);
  });
});

it('a sitting that is over ends before a launch, without an error, and the next one goes on', async () => {
  const rows: CellRow[] = [];
  const launch = (attempt: Attempt) => {
    const row = rowOf(attempt, rows.length + 1, 'counted');
    rows.push(row);
    return Promise.resolve(row);
  };
  const { signal } = new AbortController();
  await runDesign(plan, { readRows: () => [...rows], launch, isOver: () => rows.length >= 7 }, signal);
  expect(rows).toHaveLength(7);
  await runDesign(plan, { readRows: () => [...rows], launch }, signal);
  expect(rows.map(({ cell }) => cell)).toEqual(plan.map(({ cell }) => cell));
});

describe('a void launch', () => {
  it('is repeated at the end of its block, and given up after the last attempt', async () => {
    const rows: CellRow[] = [];
    await runFrom(rows, ({ cell }) => (cell === 'dummy' ? 'void' : 'counted'));
    const inFirst = rows.filter(({ block }) => block === 1).map(({ cell }) => cell);
    expect(inFirst.slice(-2)).toEqual(['dummy', 'dummy']);
    expect(rows.filter(({ cell, block }) => cell === 'dummy' && block === 1)).toHaveLength(mostAttempts);
    // A state that cannot be had is not tried again in every block.
    expect(rows.filter(({ cell, block }) => cell === 'dummy' && block > 1)).toHaveLength(0);
    expect(isHopeless('dummy', 2, rows)).toBe(true);
    expect(designProgress(plan, rows)).toMatchObject({ counted: 42, void: 3, left: 0, wholeBlocks: 0 });
  });

  it('makes no cell hopeless that has counted before', async () => {
    const rows: CellRow[] = [];
    const late = ({ cell, block }: Attempt) => cell === 'eager' && block >= 2;
    await runFrom(rows, (attempt) => (late(attempt) ? 'failed' : 'counted'));
    expect(rows.filter(({ cell, role }) => cell === 'eager' && role === 'measure')).toHaveLength(1 + 5 * mostAttempts);
  });
});

it('nothing is left when every row is on record', () => {
  const rows = plan.map((row: PlanRow, index) => rowOf({ ...row, attempt: 1 }, index + 1, 'counted'));
  expect(nextLaunch(plan, rows)).toBeUndefined();
  const without = (cell: CellName) => rows.filter((row) => row.cell !== cell || row.block !== 4);
  expect(nextLaunch(plan, without('eager'))).toMatchObject({ block: 4, cell: 'eager', attempt: 1 });
});
