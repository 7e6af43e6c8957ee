/**
 * Which processes belong to a server or to a run, read from /proc.
 * Used to stop a server, to search for leftovers, and by the sampler to add up a server's tree.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.js';

/** The fields of /proc/<pid>/stat that this project uses. */
export interface ProcStat {
  readonly pid: number;
  /** comm: at most 15 bytes, may hold spaces and parentheses ("VLLM::EngineCor"). */
  readonly name: string;
  /** One letter; Z is a zombie: it has ended and holds no memory. */
  readonly state: string;
  readonly parentPid: number;
  readonly sessionId: number;
  readonly majorFaults: number;
  /** User plus system time in clock ticks, all threads, ended children not included. */
  readonly cpuTicks: number;
  /** Start of the process in clock ticks since boot (CLOCK_BOOTTIME). */
  readonly startTicks: number;
  /** Resident pages. The kernel keeps this figure per CPU and adds it up lazily, so it can lag by some MiB. */
  readonly rssPages: number;
}

/** Units of /proc, as the kernel tells every process in its auxiliary vector (the same figures as getconf's). */
export interface ProcUnits {
  readonly ticksPerS: number;
  readonly pageBytes: number;
}

export interface FindOptions {
  /** Sessions that the run's servers lead (a server's pid, when it was started in a session of its own). */
  readonly sessionIds?: readonly number[] | undefined;
  /** Pids never to be listed, such as the keeper's. The caller and its ancestors are never listed anyway. */
  readonly exceptPids?: readonly number[] | undefined;
  /** Only processes of this launch, by DAY007_LAUNCH; absent: of any launch. Sessions are listed either way. */
  readonly launch?: number | undefined;
  readonly procDir?: string | undefined;
}

export interface FoundProcess {
  readonly pid: number;
  readonly name: string;
}

/**
 * Every living process of the tree below `rootPid`, the root included: descendants by parent pid, and the
 * processes of session `sessionId` (default: the session that the root leads). A worker whose parent has died is
 * handed to init but keeps its session, so it stays in the tree. Zombies are left out. Unsorted.
 */
export function readProcessTree(
  rootPid: number,
  options: { readonly sessionId?: number; readonly procDir?: string } = {},
): ProcStat[] {
  return treeOf(readAllProcesses(options.procDir), rootPid, options.sessionId ?? rootPid).filter(isAlive);
}

/**
 * Living processes of a run: DAY007_RUN_ID=<runId> in their environment, or a session of the run, or descent from such a one.
 * The environment alone does not suffice: vLLM's EngineCore and Worker rename themselves with setproctitle, which
 * overwrites the memory behind /proc/<pid>/environ, so an orphaned Worker is known only by its session.
 */
export function findProcessesOfRun(runId: string, options: FindOptions = {}): FoundProcess[] {
  const procDir = options.procDir ?? '/proc';
  const all = readAllProcesses(procDir).filter(isAlive);
  const sessions = new Set(options.sessionIds);
  const excluded = new Set([...(options.exceptPids ?? []), ...ancestorsOf(process.pid, all)]);
  const marks = [
    `DAY007_RUN_ID=${runId}`,
    ...(options.launch === undefined ? [] : [`DAY007_LAUNCH=${options.launch}`]),
  ];
  const roots = all.filter(
    ({ pid, sessionId }) => !excluded.has(pid) && (sessions.has(sessionId) || hasEnvironment(procDir, pid, marks)),
  );
  const found = new Set(
    withDescendants(
      all,
      roots.map(({ pid }) => pid),
    ),
  );
  return all.filter(({ pid }) => found.has(pid) && !excluded.has(pid)).map(({ pid, name }) => ({ pid, name }));
}

/**
 * When a process was started, on the run's clock, in ms. Resolution: one clock tick (10 ms), rounded down.
 * Absent when the process is gone or /proc cannot be read.
 */
export function readBirthMs(pid: number, clock: Clock, procDir = '/proc'): number | undefined {
  const stat = readProcStat(pid, procDir);
  const offsetMs = readBootOffsetMs(clock, procDir);
  return stat && offsetMs !== undefined
    ? birthMs(stat.startTicks, readProcUnits(procDir).ticksPerS, offsetMs)
    : undefined;
}

/** `startTicks` on the run's clock, in ms. `bootOffsetMs` is what the run's clock showed when the machine booted. */
export function birthMs(startTicks: number, ticksPerS: number, bootOffsetMs: number): number {
  return (startTicks * 1000) / ticksPerS + bootOffsetMs;
}

/**
 * What the run's clock showed at boot, in ms (negative in practice). Absent when /proc/uptime cannot be read.
 * CLOCK_BOOTTIME runs on while a machine sleeps, CLOCK_MONOTONIC does not. On a machine that never slept
 * they agree, and then /proc/uptime's rounding to 10 ms must not be added to every birth.
 */
export function readBootOffsetMs(clock: Clock, procDir = '/proc'): number | undefined {
  const uptime = readText(join(procDir, 'uptime'));
  const monotonicAtBootMs = -Number(clock.originNs) / 1e6;
  const uptimeMs = Number(uptime?.split(' ')[0]) * 1000;
  if (!Number.isFinite(uptimeMs)) return undefined;
  return bootOffsetMs(uptimeMs, clock.nowMs(), monotonicAtBootMs);
}

const uptimeResolutionMs = 10;
const readingMs = 5;

/** The rule of `readBootOffsetMs`, on numbers: uptime and run clock read together, and the run clock at monotonic zero. */
export function bootOffsetMs(uptimeMs: number, nowMs: number, monotonicZeroMs: number): number {
  const measuredMs = nowMs - uptimeMs;
  const differenceMs = measuredMs - monotonicZeroMs;
  return differenceMs >= 0 && differenceMs <= uptimeResolutionMs + readingMs ? monotonicZeroMs : measuredMs;
}

/** One line of /proc/<pid>/stat. Absent when it is not one. */
export function parseProcStat(text: string): ProcStat | undefined {
  // comm may itself hold ") ": the last parenthesis of the line ends it.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const pid = Number(text.slice(0, open));
  const fields = text
    .slice(close + 2)
    .trimEnd()
    .split(' ');
  // Field 3 of the manual (state) is fields[0].
  const at = (field: number) => Number(fields[field - 3]);
  const stat = {
    pid,
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    parentPid: at(4),
    sessionId: at(6),
    majorFaults: at(12),
    cpuTicks: at(14) + at(15),
    startTicks: at(22),
    rssPages: at(24),
  };
  const numbers = [
    pid,
    stat.parentPid,
    stat.sessionId,
    stat.majorFaults,
    stat.cpuTicks,
    stat.startTicks,
    stat.rssPages,
  ];
  return numbers.every((value) => Number.isFinite(value)) ? stat : undefined;
}

/** The members of a tree among `all`: descendants of the root, and everyone in the session with their descendants. */
export function treeOf(all: readonly ProcStat[], rootPid: number, sessionId: number): ProcStat[] {
  const roots = all.filter((stat) => stat.pid === rootPid || stat.sessionId === sessionId).map(({ pid }) => pid);
  const members = withDescendants(all, roots);
  return all.filter(({ pid }) => members.has(pid));
}

function withDescendants(all: readonly ProcStat[], roots: readonly number[]): Set<number> {
  const children = new Map<number, number[]>();
  for (const { pid, parentPid } of all) {
    const siblings = children.get(parentPid);
    if (siblings) siblings.push(pid);
    else children.set(parentPid, [pid]);
  }
  const found = new Set(roots);
  // A Set visits what is added while it is walked: this reaches every generation.
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return found;
}

function ancestorsOf(pid: number, all: readonly ProcStat[]): number[] {
  const byPid = new Map(all.map((stat) => [stat.pid, stat]));
  const line: number[] = [];
  for (let at = pid; at > 0 && !line.includes(at); at = byPid.get(at)?.parentPid ?? 0) line.push(at);
  return line;
}

export function isAlive({ state }: ProcStat): boolean {
  return state !== 'Z' && state !== 'X';
}

/** Pids in /proc now; none when there is no /proc. */
export function readPids(procDir = '/proc'): number[] {
  try {
    return readdirSync(procDir).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Absent when the process is gone. */
export function readProcStat(pid: number, procDir = '/proc'): ProcStat | undefined {
  const text = readText(join(procDir, String(pid), 'stat'));
  return text === undefined ? undefined : parseProcStat(text);
}

export function readAllProcesses(procDir = '/proc'): ProcStat[] {
  return readPids(procDir).flatMap((pid) => readProcStat(pid, procDir) ?? []);
}

const auxPageSize = 6n;
const auxTicksPerS = 17n;

/** Clock ticks and page size of this machine, from /proc/self/auxv; 100 per second and 4096 bytes where it cannot be read. */
export function readProcUnits(procDir = '/proc'): ProcUnits {
  const values = new Map<bigint, number>();
  try {
    const auxv = readFileSync(join(procDir, 'self', 'auxv'));
    for (let at = 0; at + 16 <= auxv.length; at += 16)
      values.set(auxv.readBigUInt64LE(at), Number(auxv.readBigUInt64LE(at + 8)));
  } catch {
    // No auxv: the assumptions below hold on every common Linux.
  }
  return { ticksPerS: values.get(auxTicksPerS) ?? 100, pageBytes: values.get(auxPageSize) ?? 4096 };
}

/** A process of another user, a kernel thread and one that has just ended all read as "no". */
function hasEnvironment(procDir: string, pid: number, marks: readonly string[]): boolean {
  const environment = readText(join(procDir, String(pid), 'environ'))?.split('\0') ?? [];
  return marks.every((mark) => environment.includes(mark));
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
