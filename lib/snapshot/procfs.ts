/**
 * Text of /proc -> figures of this node. Parsers are pure; `openHostReader` reads the files through
 * descriptors that stay open, which costs a half to a fifth of opening them at every tick.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** One reading of the node. A figure whose file is missing or foreign is absent. Counters count since boot. */
export interface HostReading {
  readonly cpu?: CpuTimes | undefined;
  readonly pageCacheMiB?: number | undefined;
  readonly memAvailableMiB?: number | undefined;
  readonly swapUsedMiB?: number | undefined;
  readonly swapInPages?: number | undefined;
  readonly diskReadBytes?: number | undefined;
  readonly psiCpuSomeUs?: number | undefined;
  readonly psiIoFullUs?: number | undefined;
  readonly psiMemorySomeUs?: number | undefined;
}

/** Clock ticks of all cores together since boot. */
export interface CpuTimes {
  readonly busyTicks: number;
  readonly totalTicks: number;
}

export interface HostReader {
  read(): HostReading;
  close(): void;
}

export function openHostReader(procDir = '/proc'): HostReader {
  const [stat, meminfo, vmstat, diskstats] = ['stat', 'meminfo', 'vmstat', 'diskstats'].map((name) =>
    openText(join(procDir, name)),
  );
  const [cpu, io, memory] = ['cpu', 'io', 'memory'].map((name) => openText(join(procDir, 'pressure', name)));
  return {
    read: () => ({
      cpu: parseCpuTimes(stat?.read() ?? ''),
      ...parseMeminfo(meminfo?.read() ?? ''),
      swapInPages: parseVmstatCounter(vmstat?.read() ?? '', 'pswpin'),
      diskReadBytes: parseDiskReadBytes(diskstats?.read() ?? ''),
      psiCpuSomeUs: parsePressureTotal(cpu?.read() ?? '', 'some'),
      psiIoFullUs: parsePressureTotal(io?.read() ?? '', 'full'),
      psiMemorySomeUs: parsePressureTotal(memory?.read() ?? '', 'some'),
    }),
    close: () => [stat, meminfo, vmstat, diskstats, cpu, io, memory].forEach((file) => file?.close()),
  };
}

/** The increase of a counter. Absent when either reading is, and when it ran backwards: it wrapped or restarted. */
export function counterIncrease(before: number | undefined, after: number | undefined): number | undefined {
  if (before === undefined || after === undefined || after < before) return undefined;
  return after - before;
}

/** Busy share of all cores between two readings, a fraction 0-1. Absent when no tick passed or a counter ran backwards. */
export function busyFraction(before: CpuTimes | undefined, after: CpuTimes | undefined): number | undefined {
  const busy = counterIncrease(before?.busyTicks, after?.busyTicks);
  const total = counterIncrease(before?.totalTicks, after?.totalTicks);
  if (busy === undefined || total === undefined || total === 0) return undefined;
  // Idle and iowait are kept per core and may step back a little, so that busy can pass total by a tick.
  return Math.min(1, busy / total);
}

/**
 * The first line of /proc/stat. Busy is everything but idle, iowait and steal: time that another guest of the
 * same host took is not work done here. Guest time is part of user time already and is not counted twice.
 */
export function parseCpuTimes(text: string): CpuTimes | undefined {
  const line = /^cpu +([\d ]+)/m.exec(text)?.[1];
  const [user, nice, system, idle, iowait = 0, irq = 0, softirq = 0, steal = 0] =
    line?.trim().split(/ +/).map(Number) ?? [];
  if (user === undefined || nice === undefined || system === undefined || idle === undefined) return undefined;
  const busyTicks = user + nice + system + irq + softirq;
  return { busyTicks, totalTicks: busyTicks + idle + iowait + steal };
}

/** /proc/meminfo (kB, which are KiB there). Swap used is 0 on a node without swap, where the kernel says "SwapTotal: 0 kB". */
export function parseMeminfo(text: string): Pick<HostReading, 'pageCacheMiB' | 'memAvailableMiB' | 'swapUsedMiB'> {
  const miB = (name: string) => {
    const kiB = new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1];
    return kiB === undefined ? undefined : Number(kiB) / 1024;
  };
  const swapTotalMiB = miB('SwapTotal');
  const swapFreeMiB = miB('SwapFree');
  return {
    pageCacheMiB: miB('Cached'),
    memAvailableMiB: miB('MemAvailable'),
    swapUsedMiB: swapTotalMiB === undefined || swapFreeMiB === undefined ? undefined : swapTotalMiB - swapFreeMiB,
  };
}

/** One counter of /proc/vmstat. */
export function parseVmstatCounter(text: string, name: string): number | undefined {
  return counterIn(text, `^${name} (\\d+)$`);
}

/** The cumulative total of one line of /proc/pressure/<resource>, in µs. Absent on a kernel without PSI. */
export function parsePressureTotal(text: string, line: 'some' | 'full'): number | undefined {
  return counterIn(text, `^${line} .*\\btotal=(\\d+)$`);
}

/** read_bytes of /proc/<pid>/io: what was really fetched from a block device for this process, mapped pages included. */
export function parseReadBytes(text: string): number | undefined {
  return counterIn(text, '^read_bytes: (\\d+)$');
}

function counterIn(text: string, pattern: string): number | undefined {
  const digits = new RegExp(pattern, 'm').exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Whole disks by the kernel's naming. Partitions repeat what their disk counts, device-mapper and md devices
 * what their members count, and loop and RAM devices read no storage.
 */
const wholeDisk = /^(?:(?:sd|hd|vd|xvd)[a-z]+|nvme\d+n\d+|mmcblk\d+|nbd\d+|pmem\d+|dasd[a-z]+)$/;
/** The unit of /proc/diskstats, whatever the disk's own sector size is. */
const sectorBytes = 512;

/** Bytes read from all whole disks since boot. Absent when the file names no such disk (network file systems only, or a container's view). */
export function parseDiskReadBytes(text: string): number | undefined {
  const sectors = text.split('\n').flatMap((line) => {
    const [, , name = '', , , sectorsRead] = line.trim().split(/ +/);
    return wholeDisk.test(name) && sectorsRead !== undefined ? [Number(sectorsRead)] : [];
  });
  return sectors.length === 0 ? undefined : sectors.reduce((sum, each) => sum + each, 0) * sectorBytes;
}

/** A file of /proc kept open: each read begins at its start and shows the figures of that moment. */
export interface OpenText {
  /** Absent once the file no longer answers (its process has ended). */
  read(): string | undefined;
  close(): void;
}

// What is looked for lies in the first 64 KiB of every file, also on a node with hundreds of cores and disks.
const buffer = Buffer.allocUnsafe(64 * 1024);

/** Absent when the file is missing or not ours to read. */
export function openText(file: string): OpenText | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return undefined;
  }
  return {
    read: () => {
      try {
        return buffer.toString('utf8', 0, readWhole(descriptor));
      } catch {
        return undefined;
      }
    },
    close: () => closeSync(descriptor),
  };
}

/** Longer files of /proc come a page at a time, whatever the size of the buffer. */
function readWhole(descriptor: number): number {
  let length = 0;
  for (;;) {
    const got = readSync(descriptor, buffer, length, buffer.length - length, length);
    length += got;
    if (got === 0 || length === buffer.length) return length;
  }
}
