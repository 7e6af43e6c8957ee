/** A Hugging Face hub id -> the folder of a copy already downloaded on this machine. Nothing is downloaded. */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface HubSnapshot {
  readonly dir: string;
  /** The commit the folder holds: 40 hex digits. */
  readonly revision: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The downloaded copy of a hub model at a branch, tag or commit ("main" when not given), in the folder that
 * HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME or the home folder points to, in this order. Undefined when there is none.
 * The copy may be partial: `readModelShape` tells.
 */
export function findInHubCache(hubId: string, revision = 'main', env: Env = process.env): HubSnapshot | undefined {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(hubId) || `${hubId}/${revision}`.split('/').includes('..')) return undefined;
  const repository = join(hubCacheDir(env), `models--${hubId.replace('/', '--')}`);
  const commit = readRef(join(repository, 'refs', revision)) ?? revision;
  const dir = join(repository, 'snapshots', commit);
  return isCommit(commit) && statSync(dir, { throwIfNoEntry: false })?.isDirectory()
    ? { dir, revision: commit }
    : undefined;
}

function hubCacheDir(env: Env): string {
  const home = env['HOME'] || homedir();
  const expand = (path: string) => path.replace(/^~(?=\/|$)/, home);
  if (env['HF_HUB_CACHE']) return expand(env['HF_HUB_CACHE']);
  if (env['HF_HOME']) return join(expand(env['HF_HOME']), 'hub');
  return join(expand(env['XDG_CACHE_HOME'] || join(home, '.cache')), 'huggingface', 'hub');
}

function readRef(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
