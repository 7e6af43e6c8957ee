/** The cells of a ledger: a value with its source, or one of three reasons for having none. */
import type { LedgerCell, SixTermRow } from './findings.js';

/** One window of the equation: a cell a term. */
export type Cells = Readonly<Record<SixTermRow['term'], LedgerCell>>;

export function value(ms: number, source: string, note?: string): LedgerCell {
  return { kind: 'value', ms, source, ...(note === undefined ? {} : { note }) };
}

/** Nothing of this term happens in this window. */
export const none = (note: string): LedgerCell => ({ kind: 'none', note });
/** It happens, mixed with something else. */
export const notSeparable = (note: string): LedgerCell => ({ kind: 'not-separable', note });
/** It cannot be seen from here. */
export const notObservable = (note: string): LedgerCell => ({ kind: 'not-observable', note });

export function everyCell(cell: LedgerCell): Cells {
  return { A: cell, B: cell, C: cell, D: cell, E: cell, F: cell, G: cell, remainder: cell };
}
