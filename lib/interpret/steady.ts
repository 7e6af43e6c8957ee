/** The steady window: the longest stretch of back-to-back warm requests, over which bands are read. */
import type { RequestRow } from '../archive/tables.js';
import type { SteadyWindow } from './findings.js';

export const steadyThresholds = {
  /** NVML averages utilisation over up to 1 s and power longer: ten such windows make a band. */
  windowMs: 10_000,
  /** A longer pause than this lets the GPU clock down and ends "back to back". Ours. */
  pauseMs: 2_000,
} as const;

/** Long prompts, unique and cached, take turns: together they are one block. */
const blocks: Readonly<Record<string, string>> = {
  warm: 'warm',
  'warm-unique': 'warm-unique and warm-cached',
  'warm-cached': 'warm-unique and warm-cached',
};

/** The longest run of completed warm requests of one block in one launch. Undefined when there is none. */
export function steadyWindow(rows: readonly RequestRow[]): SteadyWindow | undefined {
  let longest: SteadyWindow | undefined;
  let current: SteadyWindow | undefined;
  for (const row of [...rows].sort((a, b) => a.startAtMs - b.startAtMs)) {
    current = extend(current, row);
    if (current && (!longest || lengthMs(current) > lengthMs(longest))) longest = current;
  }
  return longest;
}

export function lengthMs(window: SteadyWindow): number {
  return window.endAtMs - window.startAtMs;
}

function extend(run: SteadyWindow | undefined, row: RequestRow): SteadyWindow | undefined {
  const name = blocks[row.name];
  if (name === undefined || row.outcome !== 'completed' || row.endAtMs === undefined) return undefined;
  const follows =
    run && run.launch === row.launch && run.name === name && row.startAtMs - run.endAtMs <= steadyThresholds.pauseMs;
  if (!follows) return { launch: row.launch, name, requests: 1, startAtMs: row.startAtMs, endAtMs: row.endAtMs };
  return { ...run, requests: run.requests + 1, endAtMs: Math.max(run.endAtMs, row.endAtMs) };
}
