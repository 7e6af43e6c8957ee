import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { evictFromPageCache, readResidency } from '../../lib/freeze/pagecache.js';

const dir = mkdtempSync(join(tmpdir(), 'pagecache-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function write(name: string, bytes: number): string {
  const file = join(dir, name);
  writeFileSync(file, Buffer.alloc(bytes, 1));
  return file;
}

describe('the page cache', () => {
  it('holds a file just written, and nothing of it once evicted', (context) => {
    // Not a whole number of pages: the last page counts as the bytes the file has in it.
    const file = write('once', 1_000_001);
    const written = readResidency([file]);
    if (written.kind === 'not-observable') return context.skip(written.reason);
    expect(written).toEqual({ kind: 'read', bytes: 1_000_001, residentBytes: 1_000_001, fraction: 1 });
    expect(evictFromPageCache([file])).toEqual({ kind: 'read', bytes: 1_000_001, residentBytes: 0, fraction: 0 });
    readFileSync(file);
    expect(readResidency([file])).toMatchObject({ fraction: 1 });
  });

  it('is counted over several files by bytes', (context) => {
    const [cold, warm] = [write('cold', 3_000_000), write('warm', 1_000_000)];
    const evicted = evictFromPageCache([cold]);
    if (evicted.kind === 'not-observable') return context.skip(evicted.reason);
    expect(readResidency([cold, warm])).toEqual({
      kind: 'read',
      bytes: 4_000_000,
      residentBytes: 1_000_000,
      fraction: 0.25,
    });
  });

  it('reads the same through cachestat and through mincore', (context) => {
    const file = write('both', 2_500_000);
    const byCachestat = readResidency([file], ['cachestat']);
    const byMincore = readResidency([file], ['mincore']);
    if (byCachestat.kind === 'not-observable') return context.skip(`cachestat: ${byCachestat.reason}`);
    expect(byMincore).toEqual(byCachestat);
    evictFromPageCache([file]);
    expect(readResidency([file], ['mincore'])).toMatchObject({ residentBytes: 0 });
  });

  it.each([
    ['a missing file', () => join(dir, 'missing'), /missing cannot be opened \(ENOENT\)/],
    ['an empty file', () => write('empty', 0), /no byte/],
  ])('is not observable for %s', (_, file, reason) => {
    const reading = readResidency([file()]);
    expect(reading.kind).toBe('not-observable');
    if (process.platform === 'linux') expect(reading).toMatchObject({ reason: expect.stringMatching(reason) });
  });

  it('is not observable for no file at all', () => {
    expect(readResidency([]).kind).toBe('not-observable');
  });

  it('is not observable for files that live in memory', (context) => {
    let file: string;
    try {
      file = join(mkdtempSync('/dev/shm/pagecache-'), 'file');
    } catch {
      return context.skip('no /dev/shm on this machine');
    }
    writeFileSync(file, 'x');
    const reading = readResidency([file]);
    rmSync(join(file, '..'), { recursive: true });
    expect(reading).toMatchObject({ kind: 'not-observable', reason: expect.stringContaining('tmpfs') });
  });

  it('is not told by mincore to a stranger, who would hear "all resident"', (context) => {
    if (process.platform !== 'linux' || process.getuid?.() === 0)
      return context.skip('needs Linux and a user who is not root');
    expect(readResidency(['/etc/passwd'], ['mincore']).kind).toBe('not-observable');
  });
});
