/** A file's sha256 in bounded memory, leaving the page cache as it was found as far as that is possible. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { evictFromPageCache, readResidency } from './pagecache.js';

export interface FileHash {
  readonly sha256: string;
  /** Share of the file in the page cache before it was read, 0-1; absent when not observable. */
  readonly residentFraction?: number;
  /** True: the file was not wholly resident, so what the hashing brought in was dropped again. */
  readonly evicted: boolean;
}

const READ_BYTES = 4 * 2 ** 20;

/**
 * Hash a file. Looks at its residency first. A file that was fully resident stays so; any other is evicted afterwards
 * (a half-resident file therefore ends up cold: the pages it had cannot be told from those we read).
 */
export async function hashFile(
  file: string,
  options: { readonly onRead?: (bytes: number) => void; readonly signal?: AbortSignal } = {},
): Promise<FileHash> {
  const before = readResidency([file]);
  const fraction = before.kind === 'read' ? before.fraction : undefined;
  const evicted = fraction !== 1;
  try {
    const sha256 = await digest(file, options);
    return { sha256, evicted, ...(fraction === undefined ? {} : { residentFraction: fraction }) };
  } finally {
    if (evicted) evictFromPageCache([file]);
  }
}

async function digest(
  file: string,
  { onRead, signal }: { readonly onRead?: (bytes: number) => void; readonly signal?: AbortSignal },
): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
      onRead?.(bytesRead);
    }
  } finally {
    await handle.close();
  }
}
