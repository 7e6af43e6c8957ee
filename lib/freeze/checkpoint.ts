/**
 * Writes a synthetic model folder that a server loads like a downloaded one: a shape -> a folder of files.
 * The shape is that of the model imitated; the weights are seeded noise (see weights.ts), so the text it generates is noise.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { open, rename, rm, statfs, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashFile } from './filehash.js';
import { ModelError } from './modelerror.js';
import { evictFromPageCache, type NotObservable, type Residency } from './pagecache.js';
import { formatSafetensorsHeader } from './safetensors.js';
import { countParameters, findSyntheticShape, listTensors, modelConfig, syntheticShapes, type SyntheticShape } from './shapes.js';
import { formatTokenizerJson, generationConfig, tokenizerConfig } from './tokenizer.js';
import { createWeightBlock, tensorPieces } from './weights.js';

export interface WriteProgress {
  readonly writtenBytes: number;
  readonly totalBytes: number;
}

export interface WriteOptions {
  /** `tiny` or `synthetic:tiny`, and so on. */
  readonly name: string;
  /** The folder that keeps written models; made when absent. */
  readonly cacheDir: string;
  readonly seed?: number;
  /** Called at 0, about every 16 MiB, and at the end. Only when something is written. */
  readonly onProgress?: (progress: WriteProgress) => void;
  readonly signal?: AbortSignal;
}

export interface SyntheticModel {
  readonly dir: string;
  readonly shape: SyntheticShape;
  readonly seed: number;
  /** False: a whole copy was there already. */
  readonly written: boolean;
  /** Why it had to be written: absent, or what was wrong with the copy found. */
  readonly because?: string;
  /** Page cache share of the weights after eviction. Only when written. */
  readonly residencyAfterWrite?: Residency | NotObservable;
}

/** What the folder says of itself, in checkpoint.json. Written last: a folder without it is not whole. */
interface Manifest {
  readonly format: typeof FORMAT;
  readonly name: string;
  readonly imitates?: string | undefined;
  readonly seed: number;
  readonly parameters: number;
  readonly weights: string;
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

/** Raised when the same name and seed give other bytes than before. */
const FORMAT = 1;
const DEFAULT_SEED = 7;
const MANIFEST = 'checkpoint.json';
const WEIGHTS = 'model.safetensors';
const WEIGHTS_NOTE =
  'Random: one seeded block of bfloat16 draws from N(0, 0.02), repeated from a different start for every matrix; ' +
  'norm weights 1, biases 0. One file, also where the original has several.';

const SYNC_EVERY_BYTES = 256 * 2 ** 20;
const PROGRESS_EVERY_BYTES = 16 * 2 ** 20;
const SPARE_BYTES = 64 * 2 ** 20;

/**
 * The folder of a synthetic model, written if no whole copy is in the cache folder.
 * It appears under its name only when every byte is on the disk; its weights are then dropped from the page cache.
 * Memory stays within a few MiB of the process's own, whatever the model. The same name and seed give the same bytes.
 * A copy with a missing, cut or edited file is replaced; weights changed in place are found by `findDamage`.
 * Throws ModelError for an unknown name or a full disk, and the signal's reason when aborted.
 */
export async function writeSyntheticModel(options: WriteOptions): Promise<SyntheticModel> {
  const shape = findSyntheticShape(options.name);
  if (!shape) throw unknownName(options.name);
  const seed = options.seed ?? DEFAULT_SEED;
  const dir = join(options.cacheDir, `${shape.name}-seed${seed}`);
  const because = await findFault(dir, shape, seed);
  if (because === undefined) return { dir, shape, seed, written: false };
  mkdirSync(options.cacheDir, { recursive: true });
  await removeAbandoned(dir);
  await requireSpace(options.cacheDir, shape);
  const unfinished = `${dir}.${process.pid}.tmp`;
  try {
    mkdirSync(unfinished);
    await writeFolder(unfinished, shape, seed, options);
    const residencyAfterWrite = evictFromPageCache([join(unfinished, WEIGHTS)]);
    await moveIntoPlace(unfinished, dir, () => findFault(dir, shape, seed));
    return { dir, shape, seed, written: true, because, residencyAfterWrite };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Names of files whose sha256 is not the one they were written with. Empty for a folder we did not write. */
export function findDamage(dir: string, files: readonly { readonly path: string; readonly sha256: string }[]): string[] {
  const manifest = readManifest(dir);
  const found = new Map(files.map((file) => [file.path, file.sha256]));
  return (manifest?.files ?? []).filter((file) => found.get(file.path) !== file.sha256).map((file) => file.path);
}

function unknownName(name: string): ModelError {
  const known = syntheticShapes.map((shape) => `synthetic:${shape.name}`).join(', ');
  return new ModelError('unknown-synthetic', name, `there is no synthetic model ${JSON.stringify(name)}. Give one of ${known}.`);
}

/** What keeps the folder from being used as it is; undefined when it is whole. Weights are judged by their size alone. */
async function findFault(dir: string, shape: SyntheticShape, seed: number): Promise<string | undefined> {
  if (!existsSync(dir)) return 'it was not there';
  const manifest = readManifest(dir);
  if (!manifest) return `its ${MANIFEST} is missing or unreadable`;
  if (manifest.format !== FORMAT || manifest.name !== shape.name || manifest.seed !== seed) return 'it was written as another model';
  if (!manifest.files.some((file) => file.path === WEIGHTS)) return `its ${MANIFEST} lists no weights`;
  for (const file of manifest.files) {
    const path = join(dir, file.path);
    const bytes = existsSync(path) ? statSync(path).size : undefined;
    if (bytes === undefined) return `${file.path} is missing`;
    if (bytes !== file.bytes) return `${file.path} has ${bytes} bytes instead of ${file.bytes}`;
    if (file.path !== WEIGHTS && (await hashFile(path)).sha256 !== file.sha256) return `${file.path} was changed`;
  }
  return undefined;
}

function readManifest(dir: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(dir, MANIFEST), 'utf8')) as Manifest;
    return Array.isArray(manifest.files) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Remove what writers that no longer run left behind. A pid may be in use again: then its folder stays, which is harmless. */
async function removeAbandoned(dir: string): Promise<void> {
  const prefix = `${basename(dir)}.`;
  for (const name of readdirSync(dirname(dir))) {
    const pid = /^(\d+)\.tmp$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : '')?.[1];
    if (pid && (Number(pid) === process.pid || !isRunning(Number(pid)))) {
      await rm(join(dirname(dir), name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function requireSpace(cacheDir: string, shape: SyntheticShape): Promise<void> {
  const needed = countParameters(shape) * 2 + SPARE_BYTES;
  const { bavail, bsize } = await statfs(cacheDir);
  if (bavail * bsize < needed) throw noSpace(cacheDir, needed, bavail * bsize);
}

function noSpace(path: string, needed: number, free?: number, cause?: unknown): ModelError {
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  const left = free === undefined ? 'the disk filled up' : `${gigabytes(free)} GB are free`;
  return new ModelError(
    'no-space',
    path,
    `the model needs ${gigabytes(needed)} GB in ${path}, and ${left}. Free some space, or choose a smaller model or another cache folder.`,
    { cause },
  );
}

async function writeFolder(dir: string, shape: SyntheticShape, seed: number, options: WriteOptions): Promise<void> {
  const texts = {
    'config.json': formatJson(modelConfig(shape)),
    'generation_config.json': formatJson(generationConfig(shape)),
    'tokenizer.json': formatTokenizerJson(shape),
    'tokenizer_config.json': formatJson(tokenizerConfig(shape)),
  };
  const files: Manifest['files'][number][] = [];
  try {
    files.push({ path: WEIGHTS, ...(await writeWeights(join(dir, WEIGHTS), shape, seed, options)) });
    for (const [path, text] of Object.entries(texts)) {
      const bytes = Buffer.from(text, 'utf8');
      await writeDurably(join(dir, path), bytes);
      files.push({ path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    }
    await writeDurably(join(dir, MANIFEST), Buffer.from(formatJson(describe(shape, seed, files))));
    await syncFolder(dir);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    throw noSpace(dirname(dir), countParameters(shape) * 2 + SPARE_BYTES, undefined, cause);
  }
}

function describe(shape: SyntheticShape, seed: number, files: Manifest['files']): Manifest {
  const { name, imitates } = shape;
  return { format: FORMAT, name, imitates, seed, parameters: countParameters(shape), weights: WEIGHTS_NOTE, files };
}

/**
 * Stream the weights. Hashing overlaps the write, and one flush is always under way while the next pieces are written:
 * the disk never waits for us, and neither dirty nor clean pages pile up.
 */
async function writeWeights(
  file: string,
  shape: SyntheticShape,
  seed: number,
  { onProgress, signal }: WriteOptions,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const totalBytes = countParameters(shape) * 2 + formatSafetensorsHeader(listTensors(shape)).length;
  const handle = await open(file, 'wx');
  let flushing: Promise<void> = Promise.resolve();
  let writtenBytes = 0;
  try {
    onProgress?.({ writtenBytes, totalBytes });
    for (const piece of weightPieces(shape, seed)) {
      signal?.throwIfAborted();
      const writing = writeWhole(handle, piece);
      hash.update(piece);
      await writing;
      const before = writtenBytes;
      writtenBytes += piece.length;
      if (crosses(before, writtenBytes, SYNC_EVERY_BYTES)) {
        await flushing;
        flushing = flush(handle, file);
      }
      if (crosses(before, writtenBytes, PROGRESS_EVERY_BYTES)) onProgress?.({ writtenBytes, totalBytes });
    }
    await flushing;
    await handle.sync();
    onProgress?.({ writtenBytes, totalBytes });
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
function flush(handle: FileHandle, file: string): Promise<void> {
  const flushed = handle.datasync().then(() => void evictFromPageCache([file]));
  flushed.catch(() => undefined);
  return flushed;
}

async function writeWhole(handle: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await handle.write(bytes, done)).bytesWritten;
}

async function writeDurably(file: string, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await writeWhole(handle, bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A rename or a new name is on the disk only when its folder is. */
async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Swap the finished folder in. Another writer may have been faster: its whole copy is kept and ours dropped. */
async function moveIntoPlace(finished: string, dir: string, findFaultThere: () => Promise<string | undefined>): Promise<void> {
  if (existsSync(dir)) {
    if ((await findFaultThere()) === undefined) return;
    const discarded = `${finished}.old`;
    await rename(dir, discarded);
    await rm(discarded, { recursive: true, force: true });
  }
  await rename(finished, dir);
  await syncFolder(dirname(dir));
}

function formatJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
