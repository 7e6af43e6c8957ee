/** What ran during the stretches of launch -> ready that no phase explains. */
import type { RunData } from '../archive/folder.js';
import type { ProcessRow } from '../archive/tables.js';
import type { Gap, StartupTimeline } from '../launch/timeline.js';
import { formatBytes, formatCounted, formatMs } from './format.js';

/** The three largest gaps are explained; the rest is small change. */
const gapsExplained = 3;
/** CPU time is counted in 10 ms ticks (USER_HZ = 100): less than one tick is nothing. */
const leastCpuMs = 10;

interface Used {
  readonly name: string;
  readonly cpuMs: number;
  readonly majorFaults: number;
  readonly readBytes: number;
}

/** One sentence a gap, in the order of `timeline.gaps`, three at most. */
export function gapActivity(timeline: StartupTimeline, data: Pick<RunData, 'processes'>): string[] {
  const rows = data.processes.filter((row) => row.launch === timeline.launch);
  return timeline.gaps.slice(0, gapsExplained).map((gap) => activityDuring(gap, rows));
}

function activityDuring(gap: Gap, rows: readonly ProcessRow[]): string {
  if (rows.length === 0) return 'not observable: no process was sampled';
  const inside = rows.filter((row) => row.atMs > gap.startAtMs && row.atMs <= gap.endAtMs);
  if (inside.length === 0)
    return `not observable: no tick of the sampler fell into these ${formatMs(gap.endAtMs - gap.startAtMs)}`;
  const used = usedByName(gap, rows);
  const busy = used.filter(({ cpuMs }) => cpuMs >= leastCpuMs).sort((a, b) => b.cpuMs - a.cpuMs);
  const cpu =
    busy.length > 0
      ? busy.map(({ name, cpuMs }) => `${name} ${formatMs(cpuMs)} of CPU`).join(', ')
      : 'no process of the tree used the CPU';
  const faults = used.reduce((sum, { majorFaults }) => sum + majorFaults, 0);
  const bytes = used.reduce((sum, { readBytes }) => sum + readBytes, 0);
  return `${cpu}; ${formatCounted(faults, 'major fault')}, ${formatBytes(bytes)} read from storage`;
}

/** What each process name used between the last tick before the gap (or its birth) and the last tick inside. */
function usedByName(gap: Gap, rows: readonly ProcessRow[]): Used[] {
  const byName = new Map<string, Used>();
  for (const pid of new Set(rows.map((row) => row.pid))) {
    const own = rows.filter((row) => row.pid === pid).sort((a, b) => a.atMs - b.atMs);
    const before = own.filter((row) => row.atMs <= gap.startAtMs).at(-1);
    const last = own.filter((row) => row.atMs <= gap.endAtMs).at(-1);
    if (!last || last.atMs <= gap.startAtMs) continue;
    const sum = byName.get(last.name) ?? { name: last.name, cpuMs: 0, majorFaults: 0, readBytes: 0 };
    byName.set(last.name, {
      name: last.name,
      cpuMs: sum.cpuMs + last.cpuMs - (before?.cpuMs ?? 0),
      majorFaults: sum.majorFaults + last.majorFaults - (before?.majorFaults ?? 0),
      readBytes: sum.readBytes + (last.readBytes ?? 0) - (before?.readBytes ?? 0),
    });
  }
  return [...byName.values()];
}
