import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findInHubCache } from '../../lib/freeze/hubcache.js';

const root = mkdtempSync(join(tmpdir(), 'hubcache-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const commit = '989aa7980e4cf806f80c7fef2b1adb7bc71aa306';
const older = '0123456789abcdef0123456789abcdef01234567';

/** A cache as huggingface_hub lays it out, with two snapshots, main at the newer and a tag at one never downloaded. */
function makeCache(hub: string): string {
  const repository = join(hub, 'models--Qwen--Qwen2.5-1.5B-Instruct');
  for (const name of [commit, older]) mkdirSync(join(repository, 'snapshots', name), { recursive: true });
  mkdirSync(join(repository, 'refs', 'pr'), { recursive: true });
  writeFileSync(join(repository, 'refs', 'main'), commit);
  writeFileSync(join(repository, 'refs', 'pr', '1'), older);
  writeFileSync(join(repository, 'refs', 'v2'), 'f'.repeat(40));
  return join(repository, 'snapshots');
}
const hub = join(root, 'home', '.cache', 'huggingface', 'hub');
const snapshots = makeCache(hub);
const home = { HOME: join(root, 'home') };
const model = 'Qwen/Qwen2.5-1.5B-Instruct';

describe('a hub model already downloaded', () => {
  it('is found at main, at another ref and at a commit', () => {
    expect(findInHubCache(model, undefined, home)).toEqual({ dir: join(snapshots, commit), revision: commit });
    expect(findInHubCache(model, 'pr/1', home)).toEqual({ dir: join(snapshots, older), revision: older });
    expect(findInHubCache(model, older, home)).toEqual({ dir: join(snapshots, older), revision: older });
  });

  it('is not found at a ref that is unknown or whose snapshot is not there', () => {
    expect(findInHubCache(model, 'v3', home)).toBeUndefined();
    expect(findInHubCache(model, 'v2', home)).toBeUndefined();
  });

  it('is not found under another name, nor by a name that leaves the cache', () => {
    expect(findInHubCache('Qwen/Qwen2.5-0.5B-Instruct', undefined, home)).toBeUndefined();
    expect(findInHubCache('../Qwen', undefined, home)).toBeUndefined();
    expect(findInHubCache('a/b/c', undefined, home)).toBeUndefined();
    expect(findInHubCache(model, `../snapshots/${commit}/../../refs/main`, home)).toBeUndefined();
  });

  it.each([
    ['HF_HUB_CACHE', { HF_HUB_CACHE: join(root, 'a') }, join(root, 'a')],
    ['HF_HOME', { HF_HOME: join(root, 'b') }, join(root, 'b', 'hub')],
    ['HF_HOME below the home folder', { HF_HOME: '~/c' }, join(root, 'home', 'c', 'hub')],
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: join(root, 'd') }, join(root, 'd', 'huggingface', 'hub')],
  ])('is looked for where %s says', (_, env, where) => {
    const there = makeCache(where);
    expect(findInHubCache(model, 'main', { ...home, ...env })?.dir).toBe(join(there, commit));
  });
});
