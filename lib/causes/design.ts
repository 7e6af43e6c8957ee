/**
 * Cells x blocks -> the order of launches, and at any time the next one. A block holds every cell once, in an order of
 * its own, so that a drift of the machine falls on all cells alike; differences are taken inside a block.
 */
import type { CellName } from './cells.js';
import { randomFrom, shuffled } from '../statistics/random.js';
import type { CellRow, PlanRow } from '../archive/cold-start-tables.js';

export interface DesignOptions {
  readonly cells: readonly CellName[];
  /** Six is the first number of blocks whose differences get a 95 % interval. */
  readonly blocks: number;
  /** Of the order within the blocks. */
  readonly seed: number;
}

/** How often a cell of a block is tried before it is given up. */
export const mostAttempts = 3;

/**
 * Launches that fill the caches before the first block: one for each way of compiling that a later cell needs warm.
 * The size of the KV cache and the format of the weights are no part of the key of vLLM's compile cache.
 */
const primingCells: readonly (readonly [prime: CellName, neededBy: readonly CellName[]])[] = [
  ['both-warm', ['both-warm', 'pages-cold', 'dummy', 'kv-small', 'kv-large']],
  ['eager', ['eager', 'eager-dummy', 'eager-kv-small', 'eager-kv-large']],
];

/**
 * The whole plan, block by block; block 0 fills the caches and is not counted. The order inside a block depends on the
 * seed and the block's number alone: more blocks later leave the earlier ones as they were.
 */
export function planDesign({ cells, blocks, seed }: DesignOptions): PlanRow[] {
  const primes = primingCells.filter(([, neededBy]) => neededBy.some((name) => cells.includes(name)));
  const first = primes.map(([cell], index): PlanRow => ({ block: 0, position: index + 1, cell, role: 'prime' }));
  const rest = Array.from({ length: blocks }, (_, index) => {
    const uniform = randomFrom(seed * 1009 + index + 1);
    return shuffled(cells, uniform).map((cell, at): PlanRow => ({
      block: index + 1,
      position: at + 1,
      cell,
      role: 'measure',
    }));
  });
  return [...first, ...rest.flat()];
}

/** A planned launch with the number of the try, from 1. */
export interface Attempt extends PlanRow {
  readonly attempt: number;
}

/**
 * The next launch, from what is on record alone: a resumed run continues exactly where it stopped. Blocks are finished
 * one after the other; a void launch is repeated at the end of its block. Undefined: the design is done.
 */
export function nextLaunch(plan: readonly PlanRow[], rows: readonly CellRow[]): Attempt | undefined {
  for (const block of new Set(plan.map((row) => row.block))) {
    const open = plan
      .filter((row) => row.block === block)
      .map((row) => ({ row, tries: triesOf(row, rows) }))
      .filter(({ row, tries }) => !isSettled(tries) && !isHopeless(row.cell, row.block, rows));
    const chosen = [...open].sort((a, b) => a.tries.length - b.tries.length || a.row.position - b.row.position)[0];
    if (chosen) return { ...chosen.row, attempt: chosen.tries.length + 1 };
  }
  return undefined;
}

function triesOf(row: PlanRow, rows: readonly CellRow[]): CellRow[] {
  return rows.filter((done) => done.block === row.block && done.cell === row.cell);
}

const isSettled = (tries: readonly CellRow[]): boolean =>
  tries.some(({ outcome }) => outcome === 'counted') || tries.length >= mostAttempts;

/**
 * A cell that never counted in a whole block of tries is not tried in later ones: this engine, or this machine, cannot
 * be brought into that state. Priming is not judged: its first launch compiles, as it must.
 */
export function isHopeless(cell: string, block: number, rows: readonly CellRow[]): boolean {
  const earlier = rows.filter((row) => row.cell === cell && row.block > 0 && row.block < block);
  return earlier.length >= mostAttempts && !earlier.some(({ outcome }) => outcome === 'counted');
}

/** How far a design is. `left` assumes that every launch to come counts. */
export interface DesignProgress {
  readonly counted: number;
  readonly void: number;
  readonly left: number;
  /** Blocks in which every cell of the plan was counted. */
  readonly wholeBlocks: number;
}

export function designProgress(plan: readonly PlanRow[], rows: readonly CellRow[]): DesignProgress {
  const measured = plan.filter(({ role }) => role === 'measure');
  const isCounted = (row: PlanRow) => triesOf(row, rows).some(({ outcome }) => outcome === 'counted');
  const left = plan.filter((row) => !isSettled(triesOf(row, rows)) && !isHopeless(row.cell, row.block, rows));
  const blocks = [...new Set(measured.map(({ block }) => block))];
  return {
    counted: measured.filter(isCounted).length,
    void: rows.filter(({ outcome }) => outcome === 'void' || outcome === 'failed').length,
    left: left.length,
    wholeBlocks: blocks.filter((block) => measured.filter((row) => row.block === block).every(isCounted)).length,
  };
}
