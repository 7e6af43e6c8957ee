/** Where the log was silent for long, and what ran meanwhile: a log names what its authors thought of. */
import type { RunData } from '../archive/folder.js';
import type { ProcessRow } from '../archive/tables.js';
import type { StartupTimeline } from '../launch/timeline.js';
import type { StackRow } from '../archive/cold-start-tables.js';
import { groupBy, groupByLaunch } from './rows.js';
import { looksInRounds, whereaboutsBetween, type Whereabouts } from './stacks.js';

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

/** A stretch of a watched start that the log leaves open: a silence, or a gap between the phases; and what ran in it. */
export interface WatchedStretch {
  readonly launch: number;
  /** Since spawn. */
  readonly startMs: number;
  readonly lengthMs: number;
  /** The phase that covers its middle; absent: none does. */
  readonly phase?: string | undefined;
  /** Every process found running in it, the busiest first. */
  readonly where: readonly Whereabouts[];
}

/** `stacks`: the rows of this launch. Silences and gaps of at least `leastSilenceShare` of the start, longest first; a gap inside a silence is part of it. */
export function watchedStretches(
  data: RunData,
  timeline: StartupTimeline,
  stacks: readonly StackRow[],
): WatchedStretch[] {
  const { launch, spawnAtMs, readyAtMs, gaps } = timeline;
  const silences = silencesOf(data, [timeline]);
  const isInSilence = (atMs: number): boolean =>
    silences.some(({ startMs, lengthMs }) => atMs >= startMs && atMs <= startMs + lengthMs);
  const open = gaps
    .map(({ startAtMs, endAtMs }) => ({ startMs: startAtMs - spawnAtMs, lengthMs: endAtMs - startAtMs }))
    .filter(({ lengthMs }) => lengthMs / (readyAtMs - spawnAtMs) >= leastSilenceShare)
    .filter(({ startMs, lengthMs }) => !isInSilence(startMs + lengthMs / 2));
  return [...silences, ...open]
    .map(({ startMs, lengthMs, ...rest }) => ({
      launch,
      startMs,
      lengthMs,
      phase: 'phase' in rest ? rest.phase : undefined,
      where: whereaboutsBetween(stacks, spawnAtMs + startMs, spawnAtMs + startMs + lengthMs),
    }))
    .sort((a, b) => b.lengthMs - a.lengthMs);
}

/**
 * `stacks`: likewise. Of the time that no phase names: the part in which the busiest process of each gap was found
 * running, of all rounds of looks in it; and how many looks that rests on.
 */
export function namedInGaps(
  timeline: StartupTimeline,
  stacks: readonly StackRow[],
): { readonly namedMs: number; readonly looks: number } {
  return timeline.gaps.reduce(
    (sum, { startAtMs, endAtMs }) => {
      const [busiest] = whereaboutsBetween(stacks, startAtMs, endAtMs);
      const running = busiest ? busiest.activeShare * busiest.looks : 0;
      const rounds = looksInRounds(stacks, startAtMs, endAtMs);
      const share = rounds > 0 ? Math.min(1, running / rounds) : 0;
      return { namedMs: sum.namedMs + (endAtMs - startAtMs) * share, looks: sum.looks + Math.round(running) };
    },
    { namedMs: 0, looks: 0 },
  );
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
