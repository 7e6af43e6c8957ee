/**
 * How much of a file the kernel holds in memory, and the request to drop it. Linux only:
 * elsewhere, and where the kernel will not say, the answer is "not observable" with the reason, never a number.
 */
import { accessSync, closeSync, constants, fdatasyncSync, fstatSync, openSync, statfsSync, type Stats } from 'node:fs';
import { basename } from 'node:path';
import { loadLibc, type Libc } from './libc.js';

/** Share of some files in the page cache. `fraction` is 0-1, by bytes. */
export interface Residency {
  readonly kind: 'read';
  readonly bytes: number;
  readonly residentBytes: number;
  readonly fraction: number;
}
export interface NotObservable {
  readonly kind: 'not-observable';
  readonly reason: string;
}

/** The two kernel interfaces that tell: one call a file (Linux 6.5), or a map of its pages (any Linux). */
export type ResidencyMethod = 'cachestat' | 'mincore';

/**
 * Share of these files in the page cache, all counted together. Reads no file data and changes nothing.
 * Not observable: no Linux libc, files held in memory anyway (tmpfs), a cache of its own (ZFS), no byte to ask about,
 * or no right to ask.
 */
export function readResidency(
  files: readonly string[],
  methods: readonly ResidencyMethod[] = ['cachestat', 'mincore'],
): Residency | NotObservable {
  const libc = loadLibc();
  if ('missing' in libc) return notObservable(libc.missing);
  let bytes = 0;
  let residentBytes = 0;
  for (const file of files) {
    const reading = withFile(file, (fd) => readFile(libc, fd, file, methods));
    if ('reason' in reading) return reading;
    bytes += reading.bytes;
    residentBytes += reading.residentBytes;
  }
  if (bytes === 0) return notObservable('there is no byte to look for');
  return { kind: 'read', bytes, residentBytes, fraction: residentBytes / bytes };
}

/**
 * Write back what is dirty, ask the kernel to drop these files' pages, and say what is left.
 * It is a request: pages that a process has mapped stay. Does nothing where libc is missing.
 */
export function evictFromPageCache(files: readonly string[]): Residency | NotObservable {
  const libc = loadLibc();
  if ('missing' in libc) return notObservable(libc.missing);
  for (const file of files) {
    const outcome = withFile(file, (fd) => {
      fdatasyncSync(fd);
      return { left: libc.fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) };
    });
    if ('reason' in outcome) return outcome;
  }
  return readResidency(files);
}

const POSIX_FADV_DONTNEED = 4;
const SYS_CACHESTAT = 451;
const MAP_SHARED = 1;
const PROT_NONE = 0;
/** The mincore walk maps this much at a time, so that its page map stays at 256 KiB. */
const WINDOW_BYTES = 2 ** 30;

/** Magic numbers of statfs(2) for file systems whose page cache says nothing about storage. */
const opaqueFileSystems: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs: its files are in memory and nowhere else'],
  [0x858458f6, 'ramfs: its files are in memory and nowhere else'],
  [0x2fc12fc1, 'ZFS: it keeps a cache of its own'],
]);

interface FileReading {
  readonly bytes: number;
  readonly residentBytes: number;
}

function readFile(
  libc: Libc,
  fd: number,
  file: string,
  methods: readonly ResidencyMethod[],
): FileReading | NotObservable {
  const stats = fstatSync(fd);
  const opaque = opaqueFileSystems.get(statfsSync(file).type);
  if (opaque) return notObservable(`${basename(file)} is on ${opaque}`);
  if (stats.size === 0) return { bytes: 0, residentBytes: 0 };
  for (const method of methods) {
    if (method === 'mincore' && !mayAsk(file, stats)) continue;
    const pages = method === 'cachestat' ? askCachestat(libc, fd) : askMincore(libc, fd, stats.size);
    // The last page may be partly beyond the end of the file.
    if (pages !== undefined) return { bytes: stats.size, residentBytes: Math.min(stats.size, pages * libc.pageBytes) };
  }
  return notObservable(
    `the kernel gives no answer for ${basename(file)}; it may answer only the file's owner and those who may write it`,
  );
}

/** The kernel's own rule (can_do_mincore). To anybody else mincore answers "all resident", and newer cachestat refuses. */
function mayAsk(file: string, stats: Stats): boolean {
  if (process.geteuid?.() === stats.uid) return true;
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Pages of an open file in the page cache; undefined where the kernel has no such call or refuses it. */
function askCachestat(libc: Libc, fd: number): number | undefined {
  const wholeFile = Buffer.alloc(16); // u64 offset, u64 length: 0 means to the end
  const counts = Buffer.alloc(40); // u64 cached, dirty, under writeback, evicted, recently evicted
  if (libc.syscall(SYS_CACHESTAT, fd, wholeFile, counts, 0) !== 0) return undefined;
  return Number(counts.readBigUInt64LE(0));
}

function askMincore(libc: Libc, fd: number, fileBytes: number): number | undefined {
  let pages = 0;
  for (let offset = 0; offset < fileBytes; offset += WINDOW_BYTES) {
    const bytes = Math.min(WINDOW_BYTES, fileBytes - offset);
    const map = Buffer.alloc(Math.ceil(bytes / libc.pageBytes));
    const address = libc.mmap(0, bytes, PROT_NONE, MAP_SHARED, fd, offset);
    if (BigInt(address) >= MAP_FAILED) return undefined;
    const failed = libc.mincore(address, bytes, map);
    libc.munmap(address, bytes);
    if (failed !== 0) return undefined;
    for (const flags of map) pages += flags & 1;
  }
  return pages;
}

/** mmap answers (void *)-1. */
const MAP_FAILED = 2n ** 64n - 1n;

function withFile<T>(file: string, use: (fd: number) => T | NotObservable): T | NotObservable {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (cause) {
    return notObservable(
      `${basename(file)} cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`,
    );
  }
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function notObservable(reason: string): NotObservable {
  return { kind: 'not-observable', reason };
}
