/**
 * How far a counter or a level moved over a window, from samples that rarely fall on its edges. The ticks actually
 * used are part of the answer: a change over the bracket is an upper bound for the window inside it.
 */
import type { GpuRow, SampleRow } from '../archive/tables.js';

export interface Window {
  readonly startAtMs: number;
  readonly endAtMs: number;
}

/** A change between the two ticks that bracket a window. */
export interface Change {
  readonly by: number;
  readonly fromAtMs: number;
  readonly toAtMs: number;
}

interface Tick {
  readonly atMs: number;
  readonly value: number;
}

type NumericColumn<Row> = { [K in keyof Row]-?: NonNullable<Row[K]> extends number ? K : never }[keyof Row];

/** The increase of a cumulative column over a window. Absent without ticks on both sides, and when the counter ran backwards. */
export function counterIncreaseOver(
  samples: readonly SampleRow[],
  column: NumericColumn<SampleRow>,
  window: Window,
): Change | undefined {
  const change = changeOver(ticksOf(samples, column), window);
  return change && change.by >= 0 ? change : undefined;
}

/** The fastest growth of a cumulative column between two neighbouring ticks, per second. Absent with fewer than two ticks. */
export function fastestIncreasePerS(
  samples: readonly SampleRow[],
  column: NumericColumn<SampleRow>,
): number | undefined {
  const ticks = ticksOf(samples, column);
  const rates = ticks.slice(1).flatMap((tick, index) => {
    const before = ticks[index];
    return before && tick.atMs > before.atMs ? [((tick.value - before.value) * 1000) / (tick.atMs - before.atMs)] : [];
  });
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

/** The change of a level (page cache, resident memory), either sign. Absent without ticks on both sides. */
export function levelChangeOver(
  samples: readonly SampleRow[],
  column: NumericColumn<SampleRow>,
  window: Window,
): Change | undefined {
  return changeOver(ticksOf(samples, column), window);
}

/** The change of HBM in use, summed over the GPUs, in MiB. Absent unless every GPU has a reading on both sides. */
export function hbmChangeOver(rows: readonly GpuRow[], window: Window): Change | undefined {
  const gpus = [...new Set(rows.map((row) => row.gpu))];
  const changes = gpus.map((gpu) =>
    changeOver(
      ticksOf(
        rows.filter((row) => row.gpu === gpu),
        'memoryUsedMiB',
      ),
      window,
    ),
  );
  const whole = changes.filter((change): change is Change => change !== undefined);
  if (whole.length === 0 || whole.length < changes.length) return undefined;
  return {
    by: whole.reduce((sum, change) => sum + change.by, 0),
    fromAtMs: Math.min(...whole.map((change) => change.fromAtMs)),
    toAtMs: Math.max(...whole.map((change) => change.toAtMs)),
  };
}

/** Values of a column at the ticks inside a window, absent ones left out. */
export function valuesInside<Row extends { readonly atMs: number }>(
  rows: readonly Row[],
  column: NumericColumn<Row>,
  window: Window,
): number[] {
  return ticksOf(rows, column)
    .filter((tick) => tick.atMs >= window.startAtMs && tick.atMs <= window.endAtMs)
    .map((tick) => tick.value);
}

/** Rows by time: those of several processes are interleaved in a file. */
export function inOrder<Row extends { readonly atMs: number }>(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => a.atMs - b.atMs);
}

function changeOver(ticks: readonly Tick[], window: Window): Change | undefined {
  const before = ticks.filter((tick) => tick.atMs <= window.startAtMs).at(-1);
  const after = ticks.find((tick) => tick.atMs >= window.endAtMs);
  if (!before || !after) return undefined;
  return { by: after.value - before.value, fromAtMs: before.atMs, toAtMs: after.atMs };
}

function ticksOf<Row extends { readonly atMs: number }>(rows: readonly Row[], column: NumericColumn<Row>): Tick[] {
  return rows
    .flatMap((row) => {
      const value = row[column] as number | undefined;
      return value === undefined ? [] : [{ atMs: row.atMs, value }];
    })
    .sort((a, b) => a.atMs - b.atMs);
}
