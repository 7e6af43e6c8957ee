/**
 * Seconds per cause: effects of the experiment and times of our own probes, each with its interval, beside the least
 * this node could do it in; and what is left of the wall clock when all are taken from it.
 */
import { formatBytes } from '../interpret/format.js';
import { effectOf, excludesZero, type CellValue, type Effect } from './contrasts.js';
import { bestBytesPerS, timesOf, type ProbeName } from './probes.js';
import { type CentreInterval, centreOf } from '../statistics/intervals.js';
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
  readonly probes: readonly ProbeRow[];
  readonly weightsBytes?: number | undefined;
  readonly kvDifferenceBytes?: number | undefined;
  readonly device: string;
  /** Processes that start and import for themselves. */
  readonly engineProcesses?: number | undefined;
  /** Why there is no probe of the processes. */
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
    ...input.effects.map((effect) => effectRow(effect, input)),
    processRow(g, input),
    remainderRow(input, g?.centre),
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

function floorOf(cause: string, { probes, weightsBytes, kvDifferenceBytes, device }: LedgerInput) {
  const floor = (bytes: number | undefined, probe: ProbeName, what: string): Pick<CauseRow, 'floor' | 'floorMs'> => {
    const bytesPerS = bestBytesPerS(probes, probe);
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

/** G: every process starts and imports for itself, one of them makes a context on the GPU. */
function processCost({
  probes,
  engineProcesses,
  device,
}: LedgerInput): { centre: CentreInterval; how: string } | undefined {
  if (engineProcesses === undefined) return undefined;
  // A GPU's only worker lives in the engine's process; every process beyond the first two is a worker's.
  const workers = Math.max(0, engineProcesses - 2);
  const times = (probe: ProbeName): number[] => timesOf(probes, probe);
  const [front, engine, worker] = [times('import-front'), times('import-engine'), times('import-worker')];
  if (front.length === 0 || engine.length === 0 || (workers > 0 && worker.length === 0)) return undefined;
  const contexts = device === 'cuda' ? times('context') : [];
  const centre = centreOf(
    front.map((ms, at) => ms + (engine[at] ?? NaN) + workers * (worker[at] ?? 0) + (contexts[at] ?? 0)),
  );
  const context = contexts.length > 0 ? ', and one context on the GPU' : '';
  return centre && { centre, how: `own probes: ${engineProcesses} processes that start and import${context}` };
}

function processRow(cost: { centre: CentreInterval; how: string } | undefined, input: LedgerInput): CauseRow {
  const row = {
    cause: 'G',
    name: 'process, imports, context',
    window: 'launch -> ready',
    floor: 'none: no bytes that must be moved',
  } as const;
  if (!cost) return { ...row, how: 'own probes', absent: input.noProcessProbe ?? 'the probes were not run' };
  return {
    ...row,
    how: cost.how,
    centre: cost.centre,
    resolved: cost.centre.interval && excludesZero(cost.centre.interval),
  };
}

/** The all-cold start minus every cause, block by block; and minus G, which is the same in all of them. */
function remainderRow(input: LedgerInput, g: CentreInterval | undefined): CauseRow {
  const taken = input.effects.filter(({ cause }) => ['A', 'B', 'C', 'D'].includes(cause));
  const weights = taken.reduce<Record<string, number>>(
    (sum, effect) => {
      for (const [cell, weight] of Object.entries(effect.weights)) sum[cell] = (sum[cell] ?? 0) - weight;
      return sum;
    },
    { 'both-cold': 1 },
  );
  const names = [...taken.map(({ cause }) => cause), ...(g ? ['G'] : [])];
  const without = g ? '' : '; G is in it, as it was not measured by itself';
  const row = {
    cause: 'remainder',
    name: 'not explained by these',
    how: `all cold - (${names.join(' + ')})${without}`,
    window: 'launch -> ready',
    floor: '',
  } as const;
  const { centre } = effectOf({ cause: 'AxC', name: '', how: '', weights: weights }, input.values);
  if (!centre) return { ...row, absent: 'no block holds every cell that it needs' };
  const moved = g ? minus(centre, g) : centre;
  return { ...row, centre: moved, resolved: moved.interval && excludesZero(moved.interval) };
}

/** A difference of two that were measured apart: both intervals at their worst, so the level is at least the sum of what they lack. */
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
