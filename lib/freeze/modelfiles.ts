/**
 * What lies in a model folder: names, bytes, page cache share as found, and sha256 - and whether any of it changed since.
 * Residency is read before anything else, because reading a file may change it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ModelFileRecord } from '../archive/record.js';
import { hashFile } from './filehash.js';
import { ModelError } from './modelerror.js';
import { readResidency, type NotObservable, type Residency } from './pagecache.js';

export interface ModelFilesReading {
  /** Sorted by path. Paths are relative to the folder, with forward slashes. */
  readonly files: readonly ModelFileRecord[];
  /** All files together, before anything was read. */
  readonly residencyAsFound: Residency | NotObservable;
  /** Files that had to be read because no hash was cached. */
  readonly hashed: readonly string[];
  /**
   * Those of them that were partly resident and are cold now: for these, "as found" no longer holds.
   * Empty where the file system has direct reads, which pass the page cache by.
   */
  readonly madeCold: readonly string[];
}

export interface ReadModelFilesOptions {
  /** JSON file of hashes by device, inode, size and modification time. Made when absent; ignored when damaged. */
  readonly hashCacheFile: string;
  readonly onProgress?: (progress: { readonly readBytes: number; readonly totalBytes: number }) => void;
  readonly signal?: AbortSignal;
}

/** One file as stat(2) shows it: enough to notice a change without reading the file. */
export interface FileStamp {
  readonly path: string;
  readonly bytes: number;
  /** Device, inode, size and modification time in nanoseconds. */
  readonly identity: string;
}

/**
 * Read a model folder's files (links followed, dot files left out). A file whose device, inode, size and modification time
 * are in the cache is not read again: one edited with all four kept goes unnoticed.
 * Throws ModelError when the folder is missing or a file changes while it is read.
 */
export async function readModelFiles(dir: string, options: ReadModelFilesOptions): Promise<ModelFilesReading> {
  const stamps = statModelFiles(dir);
  const found = stamps.map((stamp) => readResidency([join(dir, stamp.path)]));
  const residencyAsFound = readResidency(stamps.map((stamp) => join(dir, stamp.path)));
  const known = readHashCache(options.hashCacheFile);
  const unknown = stamps.filter((stamp) => !known.has(stamp.identity));
  const evicted = await hashInto(known, dir, unknown, options);
  if (unknown.length > 0) writeHashCache(options.hashCacheFile, known);
  const files = stamps.map((stamp, index) => toRecord(stamp, known.get(stamp.identity) as string, found[index]));
  return {
    files,
    residencyAsFound,
    hashed: unknown.map((stamp) => stamp.path),
    madeCold: listMadeCold(files, evicted),
  };
}

/** Hashes these files into `known`; answers the paths that were evicted by it. */
async function hashInto(
  known: Map<string, string>,
  dir: string,
  stamps: readonly FileStamp[],
  { onProgress, signal }: ReadModelFilesOptions,
): Promise<Set<string>> {
  const evicted = new Set<string>();
  const totalBytes = stamps.reduce((sum, stamp) => sum + stamp.bytes, 0);
  let readBytes = 0;
  const onRead = (bytes: number) => {
    readBytes += bytes;
    onProgress?.({ readBytes, totalBytes });
  };
  for (const stamp of stamps) {
    const { sha256, pageCache } = await hashFile(join(dir, stamp.path), { onRead, signal });
    if (statFile(dir, stamp.path)?.identity !== stamp.identity) throw changedWhileRead(join(dir, stamp.path));
    known.set(stamp.identity, sha256);
    if (pageCache === 'evicted') evicted.add(stamp.path);
  }
  return evicted;
}

function changedWhileRead(file: string): ModelError {
  return new ModelError(
    'changed-while-read',
    file,
    `${file} changed while it was read. Wait until whatever writes it is done, then run again.`,
  );
}

function toRecord(stamp: FileStamp, sha256: string, found: Residency | NotObservable | undefined): ModelFileRecord {
  const residentFraction = found?.kind === 'read' ? found.fraction : undefined;
  return { path: stamp.path, bytes: stamp.bytes, sha256, residentFraction };
}

function listMadeCold(files: readonly ModelFileRecord[], evicted: ReadonlySet<string>): string[] {
  return files
    .filter(({ path, residentFraction = 0 }) => evicted.has(path) && residentFraction > 0)
    .map((file) => file.path);
}

/** sha256 over names, sizes and hashes: equal for two folders that hold the same files, in whatever order they are given. */
export function fingerprintFiles(files: readonly Pick<ModelFileRecord, 'path' | 'bytes' | 'sha256'>[]): string {
  const lines = files.map((file) => JSON.stringify([file.path, file.bytes, file.sha256])).sort();
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/** The files of a model folder without reading them, sorted by path. Throws ModelError when it is no folder. */
export function statModelFiles(dir: string): FileStamp[] {
  const stamps = listFiles(dir).flatMap((path) => statFile(dir, path) ?? []);
  return stamps.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What differs from the stamps taken earlier, one phrase a file ("config.json changed"). Empty: nothing did. */
export function findModelChanges(before: readonly FileStamp[], dir: string): string[] {
  let now: Map<string, FileStamp>;
  try {
    now = new Map(statModelFiles(dir).map((stamp) => [stamp.path, stamp]));
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return ['the folder is gone'];
  }
  const earlier = new Set(before.map((stamp) => stamp.path));
  const changed = before.flatMap((stamp) => {
    const current = now.get(stamp.path);
    if (!current) return [`${stamp.path} is gone`];
    return current.identity === stamp.identity ? [] : [`${stamp.path} changed`];
  });
  const added = [...now.keys()].filter((path) => !earlier.has(path)).map((path) => `${path} is new`);
  return [...changed, ...added];
}

function listFiles(dir: string, below = ''): string[] {
  let names: string[];
  try {
    names = readdirSync(join(dir, below));
  } catch (cause) {
    throw new ModelError(
      'folder-missing',
      dir,
      `${dir} is not a folder that can be read. Check the model's path, or give a hub id or synthetic:tiny.`,
      { cause },
    );
  }
  return names
    .filter((name) => !name.startsWith('.'))
    .map((name) => (below === '' ? name : `${below}/${name}`))
    .flatMap((path) =>
      statSync(join(dir, path), { throwIfNoEntry: false })?.isDirectory() ? listFiles(dir, path) : [path],
    );
}

function statFile(dir: string, path: string): FileStamp | undefined {
  const stats = statSync(join(dir, path), { bigint: true, throwIfNoEntry: false });
  if (!stats?.isFile()) return undefined;
  return { path, bytes: Number(stats.size), identity: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}` };
}

function readHashCache(file: string): Map<string, string> {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, string] => /^[0-9a-f]{64}$/.test(String(entry[1]))));
  } catch {
    return new Map();
  }
}

function writeHashCache(file: string, hashes: ReadonlyMap<string, string>): void {
  mkdirSync(dirname(file), { recursive: true });
  const unfinished = `${file}.${process.pid}.tmp`;
  writeFileSync(unfinished, `${JSON.stringify(Object.fromEntries(hashes), undefined, 2)}\n`);
  renameSync(unfinished, file);
}
