/** The few calls of the C library that tell about the page cache, typed. Loaded on first use, on Linux alone. */
import * as koffi from 'koffi';

/** The calls we need. Each answers as its manual page says; -1 or an error number is left to the caller. */
export interface Libc {
  readonly pageBytes: number;
  syscall(number: number, fd: number, range: Buffer, counts: Buffer, flags: number): number;
  fadvise(fd: number, offset: number, bytes: number, advice: number): number;
  mmap(hint: number, bytes: number, protection: number, flags: number, fd: number, offset: number): number | bigint;
  munmap(address: number | bigint, bytes: number): number;
  mincore(address: number | bigint, bytes: number, map: Buffer): number;
}

/** Why there is no C library to call. */
export interface NoLibc {
  readonly missing: string;
}

let loaded: Libc | NoLibc | undefined;

/** Loaded on first use: importing this module must work on a machine without libc.so.6. */
export function loadLibc(): Libc | NoLibc {
  loaded ??= openLibc();
  return loaded;
}

function openLibc(): Libc | NoLibc {
  if (process.platform !== 'linux')
    return { missing: `the page cache is read on Linux only, and this is ${process.platform}` };
  try {
    const library = koffi.load('libc.so.6');
    return {
      pageBytes: library.func('int getpagesize()')() as number,
      syscall: library.func('long syscall(long number, long fd, void *range, void *counts, ulong flags)'),
      fadvise: library.func('int posix_fadvise(int fd, int64_t offset, int64_t bytes, int advice)'),
      mmap: library.func(
        'uintptr_t mmap(uintptr_t hint, size_t bytes, int protection, int flags, int fd, int64_t offset)',
      ),
      munmap: library.func('int munmap(uintptr_t address, size_t bytes)'),
      mincore: library.func('int mincore(uintptr_t address, size_t bytes, void *map)'),
    };
  } catch (cause) {
    return { missing: `the C library could not be loaded: ${(cause as Error).message}` };
  }
}
