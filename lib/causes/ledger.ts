/**
 * Seconds per cause: effects of the experiment and times of our own probes, each with its interval, beside the least
 * this node could do it in; and what is left of the wall clock when all are taken from it.
 */
import { formatBytes } from '../interpret/format.js';
import { effectOf, excludesZero, type CellValue, type Effect } from './contrasts.js';
import { bestBytesPerS, timesOf, type ProbeName } from './probes.js';
import { type CentreInterval, centreOf, intervalLevel } from '../statistics/intervals.js';
import { medianOf } from '../statistics/samples.js';
import type { CellRow, ProbeRow } from '../archive/cold-start-tables.js';

export interface CauseRow {
  readonly cause: string;
  readonly name: string;
  readonly how: string;
  readonly window: 'launch -> ready' | 'a warm request';
  readonly centre?: CentreInterval | undefined;
  /** Does the interval exclude 0? Absent: there is no interval. */
  readonly resolved?: boolean | undefined;
  /** Of the all-cold start, 0-1. */
  readonly share?: number | undefined;
  readonly floorMs?: number | undefined;
  /** What the floor is, with its figures; or why there is none. */
  readonly floor: string;
  /** Why there is no number. */
  readonly absent?: string | undefined;
}

export interface LedgerInput {
  readonly effects: readonly Effect[];
  readonly values: readonly CellValue[];
  readonly rows: readonly (CellRow & { readonly blockKey: string })[];
  /** Of each run by itself: repetitions of several probes are added, and belong to one machine. */
  readonly probes: readonly (readonly ProbeRow[])[];
  /** Why D cannot be asked of these launches. */
  readonly noOwnKv?: string | undefined;
  readonly weightsBytes?: number | undefined;
  readonly kvDifferenceBytes?: number | undefined;
  readonly device: string;
  /** Processes that start and import for themselves. */
  readonly engineProcesses?: number | undefined;
  /** Why no probe of the processes could be made here. */
  readonly noProcessProbe?: string | undefined;
}

export interface CauseLedger {
  /** The all-cold start; absent without that cell. */
  readonly wall?: CentreInterval | undefined;
  readonly rows: readonly CauseRow[];
}

export function causeLedger(input: LedgerInput): CauseLedger {
  const wall = centreOf(input.values.filter(({ cell }) => cell === 'both-cold').map(({ value }) => value));
  const g = processCost(input);
  const rows = [
    ...input.effects.flatMap((effect) => {
      const row = effectRow(effect, input);
      return effect.cause === 'D-size' && input.noOwnKv !== undefined ? [noKvRow(input.noOwnKv), row] : [row];
    }),
    processRow(g),
    remainderRow(input, 'centre' in g ? g.centre : undefined),
    ...requestRows(input),
  ];
  const shared = (row: CauseRow): CauseRow =>
    wall && row.centre && row.window === 'launch -> ready' && !['AxC', 'D-size'].includes(row.cause)
      ? { ...row, share: row.centre.centre / wall.centre }
      : row;
  return { wall, rows: rows.map(shared) };
}

function effectRow({ cause, name, how, centre, resolved }: Effect, input: LedgerInput): CauseRow {
  return { cause, name, how, window: 'launch -> ready', centre, resolved, ...floorOf(cause, input) };
}

const noKvRow = (absent: string): CauseRow => ({
  cause: 'D',
  name: 'KV cache and workspace',
  how: 'its own size - a small one',
  window: 'launch -> ready',
  floor: '',
  absent,
});

function floorOf(cause: string, { probes, weightsBytes, kvDifferenceBytes, device }: LedgerInput) {
  const floor = (bytes: number | undefined, probe: ProbeName, what: string): Pick<CauseRow, 'floor' | 'floorMs'> => {
    const bytesPerS = bestBytesPerS(probes.flat(), probe);
    if (bytes === undefined || bytesPerS === undefined) return { floor: `not measured here: ${what}` };
    return {
      floorMs: (bytes / bytesPerS) * 1000,
      floor: `${formatBytes(bytes)} at ${formatBytes(bytesPerS)}/s: ${what}`,
    };
  };
  if (cause === 'A') return floor(weightsBytes, 'disk-read', 'the best cold read of this disk');
  if (cause === 'B')
    return device === 'cuda'
      ? floor(weightsBytes, 'h2d-pinned', 'the best copy from pinned memory to this GPU')
      : floor(weightsBytes, 'cache-read', 'the best read out of the page cache');
  if (cause === 'D-size' && device === 'cuda') return floor(kvDifferenceBytes, 'hbm-fill', 'the best fill of this HBM');
  if (cause === 'E' && device === 'cuda')
    return floor(weightsBytes, 'hbm-fill', 'every weight passes once; the rate is that of a fill');
  return { floor: 'none: no bytes that must be moved' };
}

type ProcessCost = { readonly centre: CentreInterval; readonly how: string } | { readonly absent: string };

/** G: every process starts and imports for itself, one of them makes a context on the GPU. */
function processCost({ probes, engineProcesses, device, noProcessProbe }: LedgerInput): ProcessCost {
  if (engineProcesses === undefined) return { absent: 'no launch shows how many processes there are' };
  // A GPU's only worker lives in the engine's process; every process beyond the first two is a worker's.
  const workers = Math.max(0, engineProcesses - 2);
  const terms: readonly (readonly [probe: ProbeName, times: number])[] = [
    ['import-front', 1],
    ['import-engine', 1],
    ['import-worker', workers],
    ['context', device === 'cuda' ? 1 : 0],
  ];
  const needed = terms.filter(([, times]) => times > 0);
  const sums = probes.flatMap((own) => {
    const found = needed.map(([probe, times]) => timesOf(own, probe).map((ms) => times * ms));
    const repetitions = Math.min(...found.map((list) => list.length));
    return Array.from({ length: repetitions }, (_, at) => found.reduce((sum, list) => sum + (list[at] ?? NaN), 0));
  });
  const centre = centreOf(sums);
  if (!centre) {
    const missing = needed.filter(([probe]) => !probes.some((own) => timesOf(own, probe).length > 0));
    return {
      absent: noProcessProbe ?? `no run has all the probes it needs: ${missing.map(([probe]) => probe).join(', ')}`,
    };
  }
  const context = device === 'cuda' ? ', and one context on the GPU' : '';
  return { centre, how: `own probes: ${engineProcesses} processes that start and import${context}` };
}

function processRow(cost: ProcessCost): CauseRow {
  const row = {
    cause: 'G',
    name: 'process, imports, context',
    window: 'launch -> ready',
    floor: 'none: no bytes that must be moved',
  } as const;
  if ('absent' in cost) return { ...row, how: 'own probes', absent: cost.absent };
  return {
    ...row,
    how: cost.how,
    centre: cost.centre,
    resolved: cost.centre.interval && excludesZero(cost.centre.interval),
  };
}

/**
 * The all-cold start minus every cause, block by block; and minus what was measured apart: G, and a cause that only
 * blocks without an all-cold start hold.
 */
function remainderRow(input: LedgerInput, g: CentreInterval | undefined): CauseRow {
  const taken = input.effects.filter(({ cause }) => ['A', 'B', 'C', 'D'].includes(cause));
  const coldBlocks = new Set(input.values.filter(({ cell }) => cell === 'both-cold').map(({ block }) => block));
  const isApart = ({ differences }: Effect) => !differences.some(({ block }) => coldBlocks.has(block));
  const weights = taken
    .filter((effect) => !isApart(effect))
    .reduce<Record<string, number>>(
      (sum, effect) => {
        for (const [cell, weight] of Object.entries(effect.weights)) sum[cell] = (sum[cell] ?? 0) - weight;
        return sum;
      },
      { 'both-cold': 1 },
    );
  const names = [...taken.map(({ cause }) => cause), ...(g ? ['G'] : [])];
  const without = [
    ...(g ? [] : ['G is in it, as it was not measured by itself']),
    ...(input.noOwnKv === undefined ? [] : ['D is in it']),
  ].map((text) => `; ${text}`);
  const row = {
    cause: 'remainder',
    name: 'not explained by these',
    how: `all cold - (${names.join(' + ')})${without.join('')}`,
    window: 'launch -> ready',
    floor: '',
  } as const;
  const { centre } = effectOf({ cause: 'AxC', name: '', how: '', weights: weights }, input.values);
  if (!centre) return { ...row, absent: 'no block holds every cell that it needs' };
  const apart = [...taken.filter(isApart).map((effect) => effect.centre), g].flatMap((one) => one ?? []);
  const moved = apart.reduce(minus, centre);
  // Two intervals put together reach less than the level at which the others are called resolved.
  const isSure = moved.interval !== undefined && moved.interval.level >= intervalLevel;
  return { ...row, centre: moved, resolved: isSure && moved.interval ? excludesZero(moved.interval) : undefined };
}

/** A difference of two that were measured apart: from the outer ends of both intervals; what it lacks of certainty is at most what both lack. */
function minus(whole: CentreInterval, part: CentreInterval): CentreInterval {
  const [a, b] = [whole.interval, part.interval];
  const difference = { n: whole.n, centre: whole.centre - part.centre };
  if (!a || !b) return difference;
  return {
    ...difference,
    interval: { ...a, lower: a.lower - b.upper, upper: a.upper - b.lower, level: a.level + b.level - 1 },
  };
}

/** E and F are paid by every request, also by the first; what they cost is read off warm ones, one number a block. */
function requestRows(input: LedgerInput): CauseRow[] {
  const prefill = blockMedians(input, ({ serverFirstTokenMs }) => serverFirstTokenMs);
  const front = blockMedians(input, ({ warmTtftMs, serverFirstTokenMs }) =>
    warmTtftMs === undefined || serverFirstTokenMs === undefined ? undefined : warmTtftMs - serverFirstTokenMs,
  );
  const because = 'the server gives no times of its own with its answers';
  const row = (cause: 'E' | 'F', name: string, how: string, ms: readonly number[]): CauseRow => {
    const centre = centreOf(ms);
    const found = { cause, name, how, window: 'a warm request', ...floorOf(cause, input) } as const;
    return centre
      ? { ...found, centre, resolved: centre.interval && excludesZero(centre.interval) }
      : { ...found, absent: because };
  };
  return [
    row('E', 'prefill', "the server's time from scheduling to first token", prefill),
    row('F', 'queue and front end', 'TTFT minus that, connection apart', front),
  ];
}

function blockMedians({ rows }: LedgerInput, pick: (row: CellRow) => number | undefined): number[] {
  return [...new Set(rows.map(({ blockKey }) => blockKey))].flatMap((block) => {
    const own = rows.filter((row) => row.blockKey === block);
    const middle = medianOf(own.flatMap((row) => pick(row) ?? []));
    return middle === undefined ? [] : [middle];
  });
}
