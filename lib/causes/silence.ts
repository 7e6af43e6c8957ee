/** Where the log was silent for long, and what ran meanwhile: a log names what its authors thought of. */
import type { RunData } from '../archive/folder.js';
import type { ProcessRow } from '../archive/tables.js';
import type { StartupTimeline } from '../launch/timeline.js';
import { groupByLaunch } from './measures.js';

export interface Silence {
  readonly launch: number;
  /** Since spawn. */
  readonly startMs: number;
  readonly lengthMs: number;
  /** Of launch -> ready, 0-1. */
  readonly share: number;
  readonly lineBefore: string;
  readonly lineAfter: string;
  /** The phase that covers its middle; absent: none does. */
  readonly phase?: string | undefined;
  /** CPU time by process name, most first. */
  readonly ran: readonly { readonly name: string; readonly cpuMs: number }[];
}

/** A twentieth of the start: below that a silence explains little. */
export const leastSilenceShare = 0.05;

/** Stretches between two lines of the log that took at least `leastSilenceShare` of launch -> ready, longest first. */
export function silencesOf(data: RunData, timelines: readonly StartupTimeline[]): Silence[] {
  const processes = groupByLaunch(data.processes);
  const startup = groupByLaunch(data.startup);
  return timelines
    .flatMap((timeline) => {
      const { launch, spawnAtMs, readyAtMs, phases } = timeline;
      const spoken = (startup.get(launch) ?? [])
        .filter(({ source, atMs }) => source !== 'process' && atMs >= spawnAtMs && atMs <= readyAtMs)
        .sort((a, b) => a.atMs - b.atMs);
      return spoken.slice(1).flatMap((after, index): Silence[] => {
        const before = spoken[index] ?? after;
        const lengthMs = after.atMs - before.atMs;
        const share = lengthMs / (readyAtMs - spawnAtMs);
        if (share < leastSilenceShare) return [];
        const middle = (before.atMs + after.atMs) / 2;
        return [
          {
            launch,
            startMs: before.atMs - spawnAtMs,
            lengthMs,
            share,
            lineBefore: before.text,
            lineAfter: after.text,
            phase: phases.filter((phase) => phase.startAtMs <= middle && phase.endAtMs >= middle).at(-1)?.name,
            ran: cpuBetween(processes.get(launch) ?? [], before.atMs, after.atMs),
          },
        ];
      });
    })
    .sort((a, b) => b.lengthMs - a.lengthMs);
}

/** CPU time each process name used between two instants, from the ticks nearest inside and before. */
export function cpuBetween(
  rows: readonly ProcessRow[],
  fromMs: number,
  toMs: number,
): { readonly name: string; readonly cpuMs: number }[] {
  const used = new Map<string, number>();
  for (const own of groupBy(rows, ({ pid }) => pid).values()) {
    const sorted = [...own].sort((a, b) => a.atMs - b.atMs);
    const before = sorted.filter(({ atMs }) => atMs <= fromMs).at(-1)?.cpuMs ?? 0;
    const last = sorted.filter(({ atMs }) => atMs > fromMs && atMs <= toMs).at(-1);
    if (last) used.set(last.name, (used.get(last.name) ?? 0) + last.cpuMs - before);
  }
  return [...used]
    .map(([name, cpuMs]) => ({ name, cpuMs }))
    .filter(({ cpuMs }) => cpuMs > 0)
    .sort((a, b) => b.cpuMs - a.cpuMs);
}

function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}
