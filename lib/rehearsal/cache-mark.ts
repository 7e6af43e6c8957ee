/** The rehearsal's compile cache: a file that says a start has been through it, so that the next one finds it filled. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const mark = 'torch_compile_cache/rehearsal.json';

/** Without a cache root nothing is kept from one launch to the next. */
export function readCacheState(cacheRoot: string | undefined): 'empty' | 'filled' {
  return cacheRoot !== undefined && existsSync(join(cacheRoot, mark)) ? 'filled' : 'empty';
}

export function fillCache(cacheRoot: string | undefined, recording: string): void {
  if (cacheRoot === undefined) return;
  const file = join(cacheRoot, mark);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ recording })}\n`);
}
