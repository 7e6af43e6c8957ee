/** Streams one weights file to disk: a shape and a seed -> model.safetensors, in bounded memory, with its sha256. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { evictFromPageCache } from './pagecache.js';
import { formatSafetensorsHeader } from './safetensors.js';
import { countParameters, listTensors, type SyntheticShape } from './shapes.js';
import { createWeightBlock, tensorPieces } from './weights.js';

export interface WriteProgress {
  readonly writtenBytes: number;
  readonly totalBytes: number;
}

/** What a file was written with. */
export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

const FLUSH_EVERY_BYTES = 256 * 2 ** 20;
const PROGRESS_EVERY_BYTES = 16 * 2 ** 20;

/** Bytes of the weights file of a shape: header and bfloat16 data. */
export function weightFileBytes(shape: SyntheticShape): number {
  return formatSafetensorsHeader(listTensors(shape)).length + countParameters(shape) * 2;
}

/**
 * Write a new weights file (it must not exist) and flush it. Hashing overlaps the write, and one flush is under way
 * while the next pieces are written: the disk does not wait for us, and neither dirty nor clean pages pile up.
 * Rejects with the signal's reason when aborted; the unfinished file is the caller's to remove.
 */
export async function writeWeightFile(
  file: string,
  shape: SyntheticShape,
  seed: number,
  options: { readonly onProgress?: (progress: WriteProgress) => void; readonly signal?: AbortSignal } = {},
): Promise<WrittenFile> {
  const totalBytes = weightFileBytes(shape);
  const report = (writtenBytes: number) => options.onProgress?.({ writtenBytes, totalBytes });
  const hash = createHash('sha256');
  const handle = await open(file, 'wx');
  let flushing: Promise<void> = Promise.resolve();
  let writtenBytes = 0;
  try {
    report(0);
    for (const piece of weightPieces(shape, seed)) {
      options.signal?.throwIfAborted();
      const writing = writeWhole(handle, piece);
      hash.update(piece);
      await writing;
      const before = writtenBytes;
      writtenBytes += piece.length;
      if (crosses(before, writtenBytes, FLUSH_EVERY_BYTES)) {
        await flushing;
        flushing = flushAndEvict(handle, file);
      }
      if (crosses(before, writtenBytes, PROGRESS_EVERY_BYTES)) report(writtenBytes);
    }
    await flushing;
    await handle.sync();
    report(writtenBytes);
    return { bytes: writtenBytes, sha256: hash.digest('hex') };
  } finally {
    await flushing.catch(() => undefined);
    await handle.close();
  }
}

function* weightPieces(shape: SyntheticShape, seed: number): Generator<Buffer> {
  const tensors = listTensors(shape);
  const block = createWeightBlock(seed);
  yield formatSafetensorsHeader(tensors);
  for (const tensor of tensors) yield* tensorPieces(tensor, block, seed);
}

function crosses(before: number, after: number, step: number): boolean {
  return Math.floor(before / step) !== Math.floor(after / step);
}

/** A rejection is kept for whoever awaits; the empty handler only stops Node from calling it unhandled. */
function flushAndEvict(handle: FileHandle, file: string): Promise<void> {
  const flushed = handle.datasync().then(() => void evictFromPageCache([file]));
  flushed.catch(() => undefined);
  return flushed;
}

async function writeWhole(handle: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await handle.write(bytes, done)).bytesWritten;
}

/** Write a new small file and flush it. */
export async function writeDurably(file: string, text: string): Promise<WrittenFile> {
  const bytes = Buffer.from(text, 'utf8');
  const handle = await open(file, 'wx');
  try {
    await writeWhole(handle, bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Flush a folder: a new or renamed entry is on the disk only then. */
export async function flushFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
