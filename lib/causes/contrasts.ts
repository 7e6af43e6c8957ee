/**
 * Counted launches -> effects. Each cause is a weighted difference of cells, taken inside every block; its centre and
 * interval are over the blocks. Nothing is got by subtracting other causes from a whole.
 */
import type { CellName } from './cells.js';
import { type CentreInterval, centreOf } from '../statistics/intervals.js';

export type CauseId = 'A' | 'B' | 'C' | 'C-cache' | 'C-rest' | 'D' | 'D-size' | 'AxC';

export type Weights = Readonly<Partial<Record<CellName, number>>>;

export interface Contrast {
  readonly cause: CauseId;
  readonly name: string;
  /** What is compared, in words. */
  readonly how: string;
  readonly weights: Weights;
}

const pagesMain: Weights = { 'both-cold': 0.5, 'compile-cold': -0.5, 'pages-cold': 0.5, 'both-warm': -0.5 };
const cacheMain: Weights = { 'both-cold': 0.5, 'compile-cold': 0.5, 'pages-cold': -0.5, 'both-warm': -0.5 };

/**
 * The ways to ask for each cause, best first; the first that gets an interval is used, else the one with most blocks. With the four cells
 * of pages x compile cache the effects are averaged over the other factor: A and C-cache then add up to
 * both-cold - both-warm exactly, interaction or not.
 */
export const contrasts: readonly Contrast[] = [
  {
    cause: 'A',
    name: 'storage -> RAM',
    how: 'pages cold - warm, mean over the compile cache cold and warm',
    weights: pagesMain,
  },
  {
    cause: 'A',
    name: 'storage -> RAM',
    how: 'pages cold - warm, compile cache cold',
    weights: { 'both-cold': 1, 'compile-cold': -1 },
  },
  {
    cause: 'B',
    name: 'RAM -> device',
    how: 'warm pages - no weights (--load-format dummy)',
    weights: { 'both-warm': 1, dummy: -1 },
  },
  {
    cause: 'B',
    name: 'RAM -> device',
    how: 'warm pages - no weights (--load-format dummy), both eager',
    weights: { eager: 1, 'eager-dummy': -1 },
  },
  {
    cause: 'C',
    name: 'compile, autotune, capture',
    how: 'compile cache cold - warm (mean over pages), plus warm - eager',
    weights: { ...cacheMain, 'both-warm': 0.5, eager: -1 },
  },
  {
    cause: 'C',
    name: 'compile, autotune, capture',
    how: 'compile cache cold - eager, pages warm',
    weights: { 'compile-cold': 1, eager: -1 },
  },
  {
    cause: 'C-cache',
    name: 'of C: what a filled cache spares',
    how: 'compile cache cold - warm, mean over pages cold and warm',
    weights: cacheMain,
  },
  {
    cause: 'C-rest',
    name: 'of C: what is left with a filled cache',
    how: 'caches warm - eager',
    weights: { 'both-warm': 1, eager: -1 },
  },
  {
    cause: 'D',
    name: 'KV cache and workspace',
    how: 'the KV cache of its own choice - a small one',
    weights: { 'both-warm': 1, 'kv-small': -1 },
  },
  {
    cause: 'D',
    name: 'KV cache and workspace',
    how: 'the KV cache of its own choice - a small one, both eager',
    weights: { eager: 1, 'eager-kv-small': -1 },
  },
  {
    cause: 'D-size',
    name: 'price of a large KV cache',
    how: 'large KV cache - small one',
    weights: { 'kv-large': 1, 'kv-small': -1 },
  },
  {
    cause: 'D-size',
    name: 'price of a large KV cache',
    how: 'large KV cache - small one, both eager',
    weights: { 'eager-kv-large': 1, 'eager-kv-small': -1 },
  },
  {
    cause: 'AxC',
    name: 'interaction of pages and compile cache',
    how: '(pages cold - warm) with a cold compile cache, minus the same with a warm one',
    weights: { 'both-cold': 1, 'compile-cold': -1, 'pages-cold': -1, 'both-warm': 1 },
  },
];

export const causeOrder: readonly CauseId[] = ['A', 'B', 'C', 'C-cache', 'C-rest', 'D', 'D-size', 'AxC'];

/** One counted launch as the contrasts see it: where it belongs, and one number. */
export interface CellValue {
  /** Unique over all runs that are put together: a block lies on one machine. */
  readonly block: string;
  /** A name that no contrast asks for is left alone. */
  readonly cell: string;
  readonly value: number;
}

export interface Effect extends Contrast {
  /** One difference a block that holds all cells of the contrast. */
  readonly differences: readonly { readonly block: string; readonly difference: number }[];
  readonly centre?: CentreInterval | undefined;
  /** Does the interval exclude 0? Absent: there is no interval. */
  readonly resolved?: boolean | undefined;
}

/** The effect of every cause that the cells at hand can tell of. */
export function effectsOf(values: readonly CellValue[]): Effect[] {
  return causeOrder.flatMap((cause) => {
    const ways = contrasts.filter((contrast) => contrast.cause === cause).map((contrast) => effectOf(contrast, values));
    const most = Math.max(...ways.map(({ differences }) => differences.length));
    const best =
      ways.find(({ centre }) => centre?.interval) ?? ways.find(({ differences }) => differences.length === most);
    return best && most > 0 ? [best] : [];
  });
}

export function effectOf(contrast: Contrast, values: readonly CellValue[]): Effect {
  const differences = differencesOf(contrast.weights, values);
  const centre = centreOf(differences.map(({ difference }) => difference));
  return { ...contrast, differences, centre, resolved: centre?.interval && excludesZero(centre.interval) };
}

/** The weighted sum of the cells in every block that holds them all; a cell counted twice in a block enters as its mean. */
export function differencesOf(weights: Weights, values: readonly CellValue[]): Effect['differences'] {
  const wanted = Object.entries(weights);
  return [...new Set(values.map(({ block }) => block))].flatMap((block) => {
    const parts = wanted.map(([cell, weight]) => {
      const own = values.filter((value) => value.block === block && value.cell === cell);
      return own.length === 0 ? undefined : (weight * own.reduce((sum, { value }) => sum + value, 0)) / own.length;
    });
    const known = parts.filter((part): part is number => part !== undefined);
    return known.length < parts.length ? [] : [{ block, difference: known.reduce((sum, part) => sum + part, 0) }];
  });
}

export const excludesZero = ({ lower, upper }: { readonly lower: number; readonly upper: number }): boolean =>
  lower > 0 || upper < 0;
