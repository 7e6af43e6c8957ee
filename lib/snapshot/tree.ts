/**
 * A server's process tree, read again and again: who belongs to it, and what it has used so far,
 * processes that have ended included.
 */
import { join } from 'node:path';
import {
  birthMs,
  isAlive,
  parseProcStat,
  readPids,
  readProcStat,
  treeOf,
  type ProcStat,
  type ProcUnits,
} from '../launch/processes.js';
import { openText, parseReadBytes, type OpenText } from './procfs.js';

/** What one process has used since it was started. */
export interface ProcessUse {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
  /** On the run's clock; absent where /proc/uptime cannot be read. */
  readonly bornAtMs?: number | undefined;
  readonly cpuMs: number;
  readonly rssMiB: number;
  readonly majorFaults: number;
  /** Absent when /proc/<pid>/io may not be read (another user's process). */
  readonly readBytes?: number | undefined;
}

/** Sums over a tree. Counters include the last values of processes that have ended, so they never step back. */
export interface TreeUse {
  readonly processes: readonly ProcessUse[];
  readonly cpuMs: number;
  readonly majorFaults: number;
  /** Absent while any living process hides its own: a sum without it would be too low. */
  readonly readBytes?: number | undefined;
  readonly rssMiB: number;
}

export interface TreeSums {
  /** Takes the living processes of one reading and gives the sums so far. */
  add(processes: readonly ProcessUse[]): TreeUse;
}

/**
 * Sums that keep the last values of ended processes: compilers come and go during a start, and their work
 * is the server's. What a process did between its last reading and its end is lost.
 */
export function createTreeSums(): TreeSums {
  const last = new Map<string, ProcessUse>();
  return {
    add: (processes) => {
      // A pid can be given to a new process; together with its birth it is one process only.
      for (const process of processes) last.set(`${process.pid} ${process.bornAtMs}`, process);
      const all = [...last.values()];
      const hidden = processes.some(({ readBytes }) => readBytes === undefined);
      return {
        processes,
        cpuMs: sum(all.map(({ cpuMs }) => cpuMs)),
        majorFaults: sum(all.map(({ majorFaults }) => majorFaults)),
        readBytes: hidden ? undefined : sum(all.map(({ readBytes }) => readBytes ?? 0)),
        rssMiB: sum(processes.map(({ rssMiB }) => rssMiB)),
      };
    },
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

export interface TreeWatch {
  /** Living processes of the tree now; none once all have ended. */
  read(): ProcessUse[];
  close(): void;
}

interface Member {
  readonly stat: OpenText;
  readonly io: OpenText | undefined;
}

/** After so many readings every process is looked at anew, in case a pid was reused between two of them. */
const readingsBetweenFullSearches = 50;

/**
 * Watches the tree below `rootPid` and the session `sessionId`. Only processes that are new since the last reading
 * are searched, and members are read through descriptors that stay open, so a reading costs the same on a node
 * with two thousand foreign processes. Close it when the server has ended.
 */
export function watchProcessTree(
  rootPid: number,
  sessionId: number,
  units: ProcUnits,
  bootOffsetMs: number | undefined,
  procDir = '/proc',
): TreeWatch {
  const members = new Map<number, Member>();
  let strangers = new Set<number>();
  let readings = 0;

  const readMembers = (): ProcStat[] =>
    [...members].flatMap(([pid, member]) => {
      const stat = parseProcStat(member.stat.read() ?? '');
      if (stat && isAlive(stat)) return [stat];
      members.delete(pid);
      closeMember(member);
      return [];
    });
  const findNewcomers = (): ProcStat[] => {
    if (readings % readingsBetweenFullSearches === 0) strangers = new Set();
    readings += 1;
    const present = readPids(procDir).filter((pid) => !members.has(pid));
    const newcomers = present.filter((pid) => !strangers.has(pid)).flatMap((pid) => readProcStat(pid, procDir) ?? []);
    strangers = new Set(present);
    return newcomers.filter(isAlive);
  };
  const admit = (stat: ProcStat): ProcStat[] => {
    const member = openMember(stat.pid, procDir);
    if (!member) return [];
    members.set(stat.pid, member);
    strangers.delete(stat.pid);
    return [stat];
  };
  return {
    read: () => {
      const known = readMembers();
      const joined = treeOf([...known, ...findNewcomers()], rootPid, sessionId)
        .filter(({ pid }) => !members.has(pid))
        .flatMap(admit);
      return [...known, ...joined].map((stat) => toUse(stat, members.get(stat.pid)?.io, units, bootOffsetMs));
    },
    close: () => {
      members.forEach(closeMember);
      members.clear();
    },
  };
}

function openMember(pid: number, procDir: string): Member | undefined {
  const stat = openText(join(procDir, String(pid), 'stat'));
  return stat && { stat, io: openText(join(procDir, String(pid), 'io')) };
}

function closeMember({ stat, io }: Member): void {
  stat.close();
  io?.close();
}

function toUse(
  stat: ProcStat,
  io: OpenText | undefined,
  units: ProcUnits,
  bootOffsetMs: number | undefined,
): ProcessUse {
  return {
    pid: stat.pid,
    parentPid: stat.parentPid,
    name: stat.name,
    bornAtMs: bootOffsetMs === undefined ? undefined : birthMs(stat.startTicks, units.ticksPerS, bootOffsetMs),
    cpuMs: (stat.cpuTicks * 1000) / units.ticksPerS,
    rssMiB: (stat.rssPages * units.pageBytes) / 2 ** 20,
    majorFaults: stat.majorFaults,
    readBytes: parseReadBytes(io?.read() ?? ''),
  };
}
