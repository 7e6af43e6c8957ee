/** Questions to startup.csv: which milestones a launch passed, and what its log said while a request ran. */
import type { StartupRow } from '../archive/tables.js';
import { parseLogLine, recognizeMilestone } from '../launch/milestones.js';

/** A recognised observation of a launch. Log lines are recognised anew, so that an older run gains what was learned since. */
export interface PassedMilestone {
  readonly event: string;
  readonly atMs: number;
  readonly value?: number | undefined;
  readonly text: string;
}

/** The milestones of one launch in order of time; lines no pattern knows are left out. */
export function milestonesOf(rows: readonly StartupRow[], launch: number): PassedMilestone[] {
  return rows
    .filter((row) => row.launch === launch)
    .flatMap((row): PassedMilestone[] => {
      const found =
        row.source === 'log'
          ? recognizeMilestone(parseLogLine(row.text).message)
          : row.event === undefined
            ? undefined
            : { event: row.event, value: row.value };
      return found ? [{ event: found.event, atMs: row.atMs, value: found.value, text: row.text }] : [];
    })
    .sort((a, b) => a.atMs - b.atMs);
}

/**
 * Warnings of the server's JIT monitor inside a window. Absent when the monitor never said it is on and never spoke:
 * silence then proves nothing (vLLM's CPU backend has no such monitor).
 */
export function jitLinesIn(milestones: readonly PassedMilestone[], fromMs: number, toMs: number): number | undefined {
  const lines = milestones.filter(({ event }) => event === 'jit-in-request');
  if (lines.length === 0 && !milestones.some(({ event }) => event === 'jit-monitor-on')) return undefined;
  return lines.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).length;
}
