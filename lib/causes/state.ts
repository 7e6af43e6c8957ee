/** A cell's state, set on this machine before a launch: pages dropped or read, a cache root emptied or kept. No root rights. */
import { closeSync, existsSync, mkdirSync, openSync, readSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { evictFromPageCache, readResidency } from '../freeze/pagecache.js';
import type { Cell } from './cells.js';

const pieceBytes = 8 * 1024 * 1024;

/** The kernel may give pages back while the rest is read: reading again brings those back, and costs little. */
const warmingPasses = 3;

/** Bring the files into the state. It is a request to the kernel: what came of it is read separately. */
export function setPages(pages: Cell['pages'], files: readonly string[]): void {
  if (pages === 'cold') evictFromPageCache(files);
  if (pages !== 'warm') return;
  for (let pass = 1; pass <= warmingPasses; pass += 1) {
    for (const file of files) readThrough(file);
    if ((residentFraction(files) ?? 1) === 1) return;
  }
}

/** Share of the files in the page cache, 0-1. Undefined where the kernel will not say. */
export function residentFraction(files: readonly string[]): number | undefined {
  const residency = readResidency(files);
  return residency.kind === 'read' ? residency.fraction : undefined;
}

function readThrough(file: string): void {
  const piece = Buffer.allocUnsafe(pieceBytes);
  const fd = openSync(file, 'r');
  try {
    while (readSync(fd, piece, 0, piece.length, null) > 0);
  } finally {
    closeSync(fd);
  }
}

/**
 * The cache root a launch starts with: a fresh one for a cold compile cache, the kept one otherwise. Everything that an
 * engine keeps lies below it: compiled graphs, autotuning, JIT-compiled kernels, the driver's JIT cache.
 */
export function cacheRootOf(compileCache: Cell['compileCache'], runDir: string, launch: number): string {
  const root = join(runDir, 'vllm-cache', compileCache === 'cold' ? `empty-${launch}` : 'kept');
  // Left by a launch of that number that was cut short.
  if (compileCache === 'cold') rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  return root;
}

/** A root that was fresh for one launch has served its purpose. */
export function dropCacheRoot(compileCache: Cell['compileCache'], root: string): void {
  if (compileCache === 'cold') rmSync(root, { recursive: true, force: true });
}

/** The server's environment with every path below the run's cache root moved below another one. */
export function withCacheRoot(env: Readonly<Record<string, string>>, root: string): Record<string, string> {
  const frozen = env['VLLM_CACHE_ROOT'];
  const moved = (value: string): string => {
    if (frozen === undefined) return value;
    if (value === frozen) return root;
    return value.startsWith(`${frozen}/`) ? join(root, value.slice(frozen.length + 1)) : value;
  };
  return {
    ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, moved(value)])),
    VLLM_CACHE_ROOT: root,
  };
}

export interface CacheFiles {
  readonly all: number;
  /** Autotuned and JIT-compiled kernels. */
  readonly jit: number;
  /** The driver's JIT cache. */
  readonly driver: number;
}

const jitFolders = ['triton', 'torchinductor', '.cache/flashinfer', 'flashinfer'];

export function countCacheFiles(root: string): CacheFiles {
  return {
    all: countFiles(root),
    jit: jitFolders.reduce((sum, folder) => sum + countFiles(join(root, folder)), 0),
    driver: countFiles(join(root, 'cuda')),
  };
}

function countFiles(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}
