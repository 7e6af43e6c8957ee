/**
 * Keeps synthetic models in a cache folder: a name and a seed -> a folder that a server loads like a downloaded model.
 * The shape is that of the model imitated; the weights are seeded noise (see weights.ts), so the text it generates is noise.
 */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashFile } from './filehash.js';
import { ModelError } from './modelerror.js';
import { formatJson, formatModelTexts } from './modeltexts.js';
import { evictFromPageCache, type NotObservable, type Residency } from './pagecache.js';
import { countParameters, findSyntheticShape, syntheticShapes, type SyntheticShape } from './shapes.js';
import { claimUnfinished, dropUnfinished, removeAbandoned } from './unfinished.js';
import {
  flushFolder,
  weightFileBytes,
  writeDurably,
  writeWeightFile,
  type WriteProgress,
  type WrittenFile,
} from './weightfile.js';

export interface WriteOptions {
  /** `tiny` or `synthetic:tiny`, and so on. */
  readonly name: string;
  /** The folder that keeps written models; made when absent. */
  readonly cacheDir: string;
  /** Default 7. */
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
  /** Why it was written: it was not there, or what was wrong with the copy found. */
  readonly because?: string;
  /** Page cache share of the weights after eviction. Only when written. */
  readonly residencyAfterWrite?: Residency | NotObservable;
}

/** What the folder says of itself, in checkpoint.json. Written last: a folder without it is not whole. */
interface Manifest {
  readonly format: number;
  readonly name: string;
  readonly imitates?: string | undefined;
  readonly seed: number;
  readonly parameters: number;
  readonly weights: string;
  readonly files: readonly (WrittenFile & { readonly path: string })[];
}

/** Raised when the same name and seed give other bytes than before. */
const FORMAT = 1;
const DEFAULT_SEED = 7;
const MANIFEST = 'checkpoint.json';
const WEIGHTS = 'model.safetensors';
const WEIGHTS_NOTE =
  'Random: one seeded block of bfloat16 draws from N(0, 0.02), repeated from a different start for every matrix; ' +
  'norm weights 1, biases 0. One file, also where the original has several.';
/** Asked for beyond the weights, for the tokenizer and for whoever else writes meanwhile. */
const SPARE_BYTES = 64 * 2 ** 20;

/**
 * The folder of a synthetic model, written if no whole copy is in the cache folder.
 * It appears under its name only when every byte is on the disk; its weights are then dropped from the page cache.
 * Memory stays within tens of MiB, whatever the model. The same name and seed give the same bytes.
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
  const unfinished = claimUnfinished(dir);
  try {
    await writeFolder(unfinished, shape, seed, options);
    const residencyAfterWrite = evictFromPageCache([join(unfinished, WEIGHTS)]);
    await moveIntoPlace(unfinished, dir, () => findFault(dir, shape, seed));
    return { dir, shape, seed, written: true, because, residencyAfterWrite };
  } finally {
    await dropUnfinished(unfinished);
  }
}

/** Names of files whose sha256 is not the one they were written with. Empty for a folder we did not write. */
export function findDamage(
  dir: string,
  files: readonly { readonly path: string; readonly sha256: string }[],
): string[] {
  const found = new Map(files.map((file) => [file.path, file.sha256]));
  const written = readManifest(dir)?.files ?? [];
  return written.filter((file) => found.get(file.path) !== file.sha256).map((file) => file.path);
}

function unknownName(name: string): ModelError {
  const known = syntheticShapes.map((shape) => `synthetic:${shape.name}`).join(', ');
  return new ModelError(
    'unknown-synthetic',
    name,
    `there is no synthetic model ${JSON.stringify(name)}. Give one of ${known}.`,
  );
}

/** What keeps the folder from being used as it is; undefined when it is whole. Weights are judged by their size alone. */
async function findFault(dir: string, shape: SyntheticShape, seed: number): Promise<string | undefined> {
  if (!existsSync(dir)) return 'it was not there';
  const manifest = readManifest(dir);
  if (!manifest) return `its ${MANIFEST} is missing or unreadable`;
  if (manifest.format !== FORMAT || manifest.name !== shape.name || manifest.seed !== seed)
    return 'it was written as another model';
  if (!manifest.files.some((file) => file.path === WEIGHTS)) return `its ${MANIFEST} lists no weights`;
  for (const file of manifest.files) {
    const fault = await findFileFault(join(dir, file.path), file);
    if (fault) return fault;
  }
  return undefined;
}

async function findFileFault(path: string, written: WrittenFile): Promise<string | undefined> {
  const name = basename(path);
  const bytes = existsSync(path) ? statSync(path).size : undefined;
  if (bytes === undefined) return `${name} is missing`;
  if (bytes !== written.bytes) return `${name} has ${bytes} bytes instead of ${written.bytes}`;
  if (name !== WEIGHTS && (await hashFile(path)).sha256 !== written.sha256) return `${name} was changed`;
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

async function requireSpace(cacheDir: string, shape: SyntheticShape): Promise<void> {
  const { bavail, bsize } = await statfs(cacheDir);
  const freeBytes = bavail * bsize;
  if (freeBytes < weightFileBytes(shape) + SPARE_BYTES)
    throw noSpace(cacheDir, shape, `${gigabytes(freeBytes)} are free`);
}

function noSpace(cacheDir: string, shape: SyntheticShape, evidence: string, cause?: unknown): ModelError {
  const needed = gigabytes(weightFileBytes(shape) + SPARE_BYTES);
  const message = `synthetic:${shape.name} needs ${needed} in ${cacheDir}, and ${evidence}. Free some space, or choose a smaller model or another cache folder.`;
  return new ModelError('no-space', cacheDir, message, { cause });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

async function writeFolder(dir: string, shape: SyntheticShape, seed: number, options: WriteOptions): Promise<void> {
  try {
    const files = [{ path: WEIGHTS, ...(await writeWeightFile(join(dir, WEIGHTS), shape, seed, options)) }];
    for (const [path, text] of Object.entries(formatModelTexts(shape)))
      files.push({ path, ...(await writeDurably(join(dir, path), text)) });
    await writeDurably(join(dir, MANIFEST), formatJson(describe(shape, seed, files)));
    await flushFolder(dir);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    throw noSpace(dirname(dir), shape, 'the disk filled up', cause);
  }
}

function describe(shape: SyntheticShape, seed: number, files: Manifest['files']): Manifest {
  const { name, imitates } = shape;
  return { format: FORMAT, name, imitates, seed, parameters: countParameters(shape), weights: WEIGHTS_NOTE, files };
}

/** Swap the finished folder in. Another writer may have been faster: its whole copy is kept and ours dropped. */
async function moveIntoPlace(
  finished: string,
  dir: string,
  findFaultThere: () => Promise<string | undefined>,
): Promise<void> {
  if (existsSync(dir)) {
    if ((await findFaultThere()) === undefined) return;
    const discarded = finished.replace(/\.tmp$/, '-old.tmp');
    await rename(dir, discarded);
    await rm(discarded, { recursive: true, force: true });
  }
  try {
    await rename(finished, dir);
  } catch (error) {
    if ((await findFaultThere()) !== undefined) throw error;
  }
  await flushFolder(dirname(dir));
}
