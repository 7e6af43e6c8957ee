/** A file's sha256 in bounded memory, leaving the page cache as it was found wherever the file system allows it. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import * as koffi from 'koffi';
import { evictFromPageCache, readResidency } from './pagecache.js';

export interface FileHash {
  readonly sha256: string;
  /**
   * What the reading did to the page cache. `untouched`: nothing (read past it, or from pages already there).
   * `evicted`: the file had to be read through it and was then dropped, with the pages it had before.
   */
  readonly pageCache: 'untouched' | 'evicted';
}

export interface HashOptions {
  readonly onRead?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** False: never read past the page cache (as on a file system that has no direct reads). */
  readonly direct?: boolean;
}

const READ_BYTES = 4 * 2 ** 20;
/** Direct reads need the buffer, the offset and the length at a multiple of the block size; this fits every usual one. */
const ALIGNMENT = 4096;

/** Hash a file. A file wholly in the page cache is read from there; any other directly from storage if possible. */
export async function hashFile(file: string, options: HashOptions = {}): Promise<FileHash> {
  const before = readResidency([file]);
  if (before.kind === 'read' && before.fraction === 1) {
    return { sha256: await digest(file, constants.O_RDONLY, options), pageCache: 'untouched' };
  }
  if (options.direct !== false && constants.O_DIRECT !== undefined) {
    try {
      return { sha256: await digest(file, constants.O_RDONLY | constants.O_DIRECT, options), pageCache: 'untouched' };
    } catch (error) {
      // EINVAL, on opening or on the first read, is how a file system says that it has no direct reads.
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    }
  }
  try {
    return { sha256: await digest(file, constants.O_RDONLY, options), pageCache: 'evicted' };
  } finally {
    evictFromPageCache([file]);
  }
}

async function digest(file: string, flags: number, { onRead, signal }: HashOptions): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file, flags);
  try {
    const buffer = alignedBuffer();
    const { size } = await handle.stat();
    for (let position = 0; position < size;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
      onRead?.(bytesRead);
    }
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

function alignedBuffer(): Buffer {
  const buffer = Buffer.alloc(READ_BYTES + ALIGNMENT);
  const misaligned = Number(BigInt(koffi.address(buffer)) % BigInt(ALIGNMENT));
  const start = misaligned === 0 ? 0 : ALIGNMENT - misaligned;
  return buffer.subarray(start, start + READ_BYTES);
}
