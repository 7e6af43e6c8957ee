import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { hashFile } from '../../lib/freeze/filehash.js';
import { ModelError } from '../../lib/freeze/modelerror.js';
import { findModelChanges, fingerprintFiles, readModelFiles, statModelFiles } from '../../lib/freeze/modelfiles.js';
import { evictFromPageCache, readResidency } from '../../lib/freeze/pagecache.js';

const root = mkdtempSync(join(tmpdir(), 'modelfiles-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let dir = root;
let hashCacheFile = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'model-'));
  hashCacheFile = join(dir, '.cache', 'hashes.json');
});

function write(name: string, content: string | Buffer): string {
  const file = join(dir, name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  return file;
}
const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

describe('reading the files of a model', () => {
  it('lists them by path with bytes and sha256: links followed, sub folders entered, dot files left out', async () => {
    write('config.json', '{}');
    write('original/params.json', 'abc');
    write('.gitattributes', 'not part of the model');
    write('.blobs/1', 'weights');
    symlinkSync('.blobs/1', join(dir, 'model.safetensors'));
    symlinkSync('.blobs/2', join(dir, 'dangling'));
    const { files, hashed } = await readModelFiles(dir, { hashCacheFile });
    expect(files.map(({ path, bytes, sha256: hash }) => ({ path, bytes, hash }))).toEqual([
      { path: 'config.json', bytes: 2, hash: sha256('{}') },
      { path: 'model.safetensors', bytes: 7, hash: sha256('weights') },
      { path: 'original/params.json', bytes: 3, hash: sha256('abc') },
    ]);
    expect(hashed).toEqual(['config.json', 'model.safetensors', 'original/params.json']);
  });

  it('reads a file once: the second time its hash is known', async () => {
    write('config.json', '{}');
    const first = await readModelFiles(dir, { hashCacheFile });
    const second = await readModelFiles(dir, { hashCacheFile });
    expect(second.hashed).toEqual([]);
    expect(second.files[0]?.sha256).toBe(first.files[0]?.sha256);
  });

  it('takes the hash from the cache and from nowhere else', async () => {
    write('config.json', '{}');
    await readModelFiles(dir, { hashCacheFile });
    const planted = 'f'.repeat(64);
    writeFileSync(hashCacheFile, readFileSync(hashCacheFile, 'utf8').replace(sha256('{}'), planted));
    expect((await readModelFiles(dir, { hashCacheFile })).files[0]?.sha256).toBe(planted);
  });

  it('reads again a file whose time or place on the disk changed', async () => {
    const file = write('config.json', '{}');
    await readModelFiles(dir, { hashCacheFile });
    utimesSync(file, 1, 1);
    expect((await readModelFiles(dir, { hashCacheFile })).hashed).toEqual(['config.json']);
    write('.other', '[]');
    utimesSync(join(dir, '.other'), 1, 1);
    renameSync(join(dir, '.other'), file);
    const { files, hashed } = await readModelFiles(dir, { hashCacheFile });
    expect(hashed).toEqual(['config.json']);
    expect(files[0]?.sha256).toBe(sha256('[]'));
  });

  it.each(['not json', '[]', 'null', '{"1:2:3:4":5}'])('starts afresh from a damaged cache: %s', async (text) => {
    write('config.json', '{}');
    write('.cache/hashes.json', text);
    expect((await readModelFiles(dir, { hashCacheFile })).files[0]?.sha256).toBe(sha256('{}'));
  });

  it('reports the bytes it has still to read', async () => {
    write('a', 'x'.repeat(10));
    write('b', 'x'.repeat(32));
    const seen: unknown[] = [];
    await readModelFiles(dir, { hashCacheFile, onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([
      { readBytes: 10, totalBytes: 42 },
      { readBytes: 42, totalBytes: 42 },
    ]);
  });

  it('stops when aborted', async () => {
    write('a', 'x');
    await expect(
      readModelFiles(dir, { hashCacheFile, signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
  });

  it('refuses a file that changes while it is read', async () => {
    const file = write('a', 'x'.repeat(10));
    const reading = readModelFiles(dir, { hashCacheFile, onProgress: () => appendFileSync(file, 'more') });
    await expect(reading).rejects.toMatchObject({ problem: 'changed-while-read', path: file });
  });

  it('refuses a folder that is not there', async () => {
    const missing = join(dir, 'missing');
    const error = await readModelFiles(missing, { hashCacheFile }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ problem: 'folder-missing', path: missing });
  });
});

describe('the page cache while files are hashed', () => {
  it('is recorded as found and left as found: cold stays cold, warm stays warm', async (context) => {
    const [cold, warm] = [write('cold', Buffer.alloc(5_000_001, 1)), write('warm', Buffer.alloc(1_000_000, 2))];
    const evicted = evictFromPageCache([cold]);
    if (evicted.kind === 'not-observable') return context.skip(evicted.reason);
    const { files, residencyAsFound, madeCold } = await readModelFiles(dir, { hashCacheFile });
    expect(files).toEqual([
      { path: 'cold', bytes: 5_000_001, sha256: sha256(Buffer.alloc(5_000_001, 1)), residentFraction: 0 },
      { path: 'warm', bytes: 1_000_000, sha256: sha256(Buffer.alloc(1_000_000, 2)), residentFraction: 1 },
    ]);
    expect(residencyAsFound).toMatchObject({ residentBytes: 1_000_000 });
    expect(madeCold).toEqual([]);
    expect(readResidency([cold])).toMatchObject({ fraction: 0 });
    expect(readResidency([warm])).toMatchObject({ fraction: 1 });
  });

  it('is emptied of a file that had to be read through it', async (context) => {
    const file = write('cold', Buffer.alloc(3_000_000, 3));
    const evicted = evictFromPageCache([file]);
    if (evicted.kind === 'not-observable') return context.skip(evicted.reason);
    expect(await hashFile(file, { direct: false })).toEqual({
      sha256: sha256(Buffer.alloc(3_000_000, 3)),
      pageCache: 'evicted',
    });
    expect(readResidency([file])).toMatchObject({ fraction: 0 });
  });

  it('does not matter to the hash: read directly or not, of any length', async () => {
    for (const bytes of [0, 1, 4095, 4096, 4097, 4 * 2 ** 20, 4 * 2 ** 20 + 5]) {
      const content = Buffer.alloc(bytes, 'weights');
      const file = write(`of-${bytes}`, content);
      evictFromPageCache([file]);
      expect((await hashFile(file)).sha256).toBe(sha256(content));
      evictFromPageCache([file]);
      expect((await hashFile(file, { direct: false })).sha256).toBe(sha256(content));
    }
  });
});

describe('the fingerprint of a model', () => {
  const record = fc.record({
    path: fc.string({ minLength: 1 }),
    bytes: fc.nat(),
    sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  });

  it('does not depend on the order of the files', () => {
    fc.assert(
      fc.property(fc.array(record), (files) => {
        expect(fingerprintFiles([...files].reverse())).toBe(fingerprintFiles(files));
      }),
    );
  });

  it('changes with any name, size or hash', () => {
    const file = { path: 'a', bytes: 1, sha256: 'b' };
    const all = [
      [file],
      [{ ...file, path: 'b' }],
      [{ ...file, bytes: 2 }],
      [{ ...file, sha256: 'c' }],
      [],
      [file, file],
    ];
    expect(new Set(all.map(fingerprintFiles)).size).toBe(all.length);
  });
});

describe('a model that changed since it was frozen', () => {
  it('is told file by file, without reading any', () => {
    write('gone', '1');
    write('same', '1');
    const touched = write('touched', '1');
    const before = statModelFiles(dir);
    expect(findModelChanges(before, dir)).toEqual([]);
    rmSync(join(dir, 'gone'));
    utimesSync(touched, 1, 1);
    write('added', '1');
    expect(findModelChanges(before, dir)).toEqual(['gone is gone', 'touched changed', 'added is new']);
  });

  it('is told when the whole folder vanished', () => {
    write('a', '1');
    const before = statModelFiles(dir);
    rmSync(dir, { recursive: true });
    expect(findModelChanges(before, dir)).toEqual(['the folder is gone']);
  });
});
