import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ModelError } from '../../lib/freeze/modelerror.js';
import { formatSafetensorsHeader, readSafetensorsHeader } from '../../lib/freeze/safetensors.js';

const dir = mkdtempSync(join(tmpdir(), 'safetensors-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function write(name: string, ...parts: Buffer[]): string {
  const file = join(dir, name);
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

function problemOf(file: string): unknown {
  try {
    return readSafetensorsHeader(file);
  } catch (error) {
    return error instanceof ModelError ? { problem: error.problem, path: error.path, message: error.message } : error;
  }
}

const header = formatSafetensorsHeader([
  { name: 'a.weight', shape: [2, 3], fill: 'normal' },
  { name: 'b.weight', shape: [5], fill: 'ones' },
]);

describe('a safetensors header', () => {
  it('is its length, then JSON with the tensors end to end, then spaces up to a multiple of 8', () => {
    const length = Number(header.readBigUInt64LE());
    expect(header.length).toBe(8 + length);
    expect(header.length % 8).toBe(0);
    expect(JSON.parse(header.toString('utf8', 8))).toEqual({
      __metadata__: { format: 'pt' },
      'a.weight': { dtype: 'BF16', shape: [2, 3], data_offsets: [0, 12] },
      'b.weight': { dtype: 'BF16', shape: [5], data_offsets: [12, 22] },
    });
  });

  it('is read back with the bytes of each tensor', () => {
    expect(readSafetensorsHeader(write('whole.safetensors', header, Buffer.alloc(22)))).toEqual([
      { name: 'a.weight', dtype: 'BF16', shape: [2, 3], bytes: 12 },
      { name: 'b.weight', dtype: 'BF16', shape: [5], bytes: 10 },
    ]);
  });

  it('tells a file that lacks one byte of data, with both sizes', () => {
    const file = write('short.safetensors', header, Buffer.alloc(21));
    expect(problemOf(file)).toMatchObject({
      problem: 'weights-truncated',
      path: file,
      message: expect.stringContaining(
        `it has ${header.length + 21} bytes, and its header needs ${header.length + 22}`,
      ),
    });
  });

  it.each([
    ['in the header', header.subarray(0, 40)],
    ['in the length', header.subarray(0, 5)],
    ['at the start', Buffer.alloc(0)],
  ])('tells a file cut %s', (_, bytes) => {
    expect(problemOf(write('cut.safetensors', bytes))).toMatchObject({ problem: 'weights-truncated' });
  });

  it('tells a Git LFS pointer and how to replace it', () => {
    const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 988097824\n');
    expect(problemOf(write('pointer.safetensors', pointer))).toMatchObject({
      problem: 'weights-unreadable',
      message: expect.stringContaining('git lfs pull'),
    });
  });

  it.each([
    ['no JSON', 'not json at all!'],
    ['a tensor without offsets', '{"a":{"dtype":"BF16","shape":[1]}}      '],
    ['a number for a tensor', '{"a":1}                                 '],
    ['null for a tensor', '{"a":null}                              '],
    ['a list', '[1, null]       '],
    ['null', 'null            '],
  ])('tells a file whose header holds %s', (_, json) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    expect(problemOf(write('odd.safetensors', length, Buffer.from(json)))).toMatchObject({
      problem: 'weights-unreadable',
    });
  });
});
