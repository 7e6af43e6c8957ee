import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { findDamage, writeSyntheticModel, type WriteOptions } from '../../lib/freeze/checkpoint.js';
import { ModelError } from '../../lib/freeze/modelerror.js';
import { listTensors } from '../../lib/freeze/shapes.js';

const root = mkdtempSync(join(tmpdir(), 'checkpoint-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let cacheDir = root;
beforeEach(() => {
  cacheDir = mkdtempSync(join(root, 'cache-'));
});

const writeTiny = (options: Partial<WriteOptions> = {}) =>
  writeSyntheticModel({ name: 'synthetic:tiny', cacheDir, ...options });
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('writing a synthetic model', () => {
  it('makes a whole folder, and finds it the next time', async () => {
    const first = await writeTiny();
    expect(first).toMatchObject({ written: true, because: 'it was not there', seed: 7 });
    expect(readdirSync(first.dir).sort()).toEqual([
      'checkpoint.json',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const before = statSync(join(first.dir, 'model.safetensors')).mtimeMs;
    expect(await writeTiny()).toEqual({ dir: first.dir, shape: first.shape, seed: 7, written: false });
    expect(statSync(join(first.dir, 'model.safetensors')).mtimeMs).toBe(before);
    expect(readdirSync(cacheDir)).toEqual(['tiny-seed7']);
  });

  it('stores each tensor where the header says, norms 1, biases 0 and matrices around 0', async () => {
    const { dir, shape } = await writeTiny();
    const bytes = readFileSync(join(dir, 'model.safetensors'));
    const dataAt = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString('utf8', 8, dataAt)) as Record<string, { data_offsets: [number, number] }>;
    expect(Object.keys(header)).toEqual(['__metadata__', ...listTensors(shape).map((tensor) => tensor.name)]);
    for (const tensor of listTensors(shape)) {
      const [start, end] = header[tensor.name]?.data_offsets ?? [0, 0];
      const halves = new Uint16Array(
        bytes.buffer.slice(bytes.byteOffset + dataAt + start, bytes.byteOffset + dataAt + end),
      );
      expect(halves).toHaveLength(tensor.shape.reduce((a, b) => a * b));
      if (tensor.fill === 'ones') expect(new Set(halves)).toEqual(new Set([0x3f80]));
      else if (tensor.fill === 'zeros') expect(new Set(halves)).toEqual(new Set([0]));
      else expect(deviationOf(halves) / 0.02).toBeCloseTo(1, 1);
    }
    expect(bytes.length).toBe(dataAt + 460_160 * 2);
  });

  it('gives the same bytes for a seed on every machine, and others for another seed', async () => {
    const { dir } = await writeTiny();
    expect(sha256(join(dir, 'model.safetensors'))).toBe(
      'f1b44a80ef1a9b8f184920f20132c04c6dc16d9de1dbdee6fe2b016c46fd5fd4',
    );
    const other = await writeTiny({ seed: 8 });
    expect(other.dir).not.toBe(dir);
    expect(sha256(join(other.dir, 'model.safetensors'))).not.toBe(sha256(join(dir, 'model.safetensors')));
    expect(sha256(join(other.dir, 'tokenizer.json'))).toBe(sha256(join(dir, 'tokenizer.json')));
  });

  it('says what it wrote: model, seed, hashes, and that the weights are random', async () => {
    const { dir } = await writeTiny();
    const manifest = JSON.parse(readFileSync(join(dir, 'checkpoint.json'), 'utf8')) as {
      files: { path: string; sha256: string }[];
    };
    expect(manifest).toMatchObject({
      name: 'tiny',
      seed: 7,
      parameters: 460_160,
      weights: expect.stringMatching(/^Random: one seeded block/),
    });
    for (const file of manifest.files) expect(file.sha256).toBe(sha256(join(dir, file.path)));
    expect(manifest.files).toHaveLength(5);
  });

  it('reports progress from nothing to everything', async () => {
    const seen: number[] = [];
    const { dir } = await writeTiny({
      onProgress: ({ writtenBytes, totalBytes }) => seen.push(writtenBytes / totalBytes),
    });
    expect(seen.at(0)).toBe(0);
    expect(seen.at(-1)).toBe(1);
    expect(existsSync(dir)).toBe(true);
  });

  it('leaves the weights out of the page cache', async (context) => {
    const { residencyAfterWrite } = await writeTiny();
    if (residencyAfterWrite?.kind !== 'read') return context.skip(residencyAfterWrite?.reason ?? 'nothing was written');
    expect(residencyAfterWrite.residentBytes).toBe(0);
  });

  it('names the models it knows when asked for another', async () => {
    const error = await writeTiny({ name: 'synthetic:huge' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({
      problem: 'unknown-synthetic',
      message: expect.stringContaining('synthetic:phi-3-mini'),
    });
  });
});

describe('an interrupted write', () => {
  it('leaves nothing behind and rejects with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('the reader changed her mind');
    await expect(writeTiny({ signal: controller.signal, onProgress: () => controller.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(readdirSync(cacheDir)).toEqual([]);
  });

  it('leaves nothing behind when the caller fails', async () => {
    await expect(
      writeTiny({
        onProgress: () => {
          throw new Error('no display');
        },
      }),
    ).rejects.toThrow('no display');
    expect(readdirSync(cacheDir)).toEqual([]);
  });

  it('by a process that died is cleared away, and one by a process that runs is not', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const [dead, alive] = [`tiny-seed7.${pid}-1.tmp`, `tiny-seed7.${process.ppid}-1.tmp`];
    for (const name of [dead, alive]) {
      mkdirSync(join(cacheDir, name));
      writeFileSync(join(cacheDir, name, 'model.safetensors'), 'half');
    }
    await writeTiny();
    expect(readdirSync(cacheDir).sort()).toEqual(['tiny-seed7', alive]);
  });
});

describe('two writers at once', () => {
  it('both end with one whole folder', async () => {
    const results = await Promise.all([writeTiny(), writeTiny(), writeTiny()]);
    expect(new Set(results.map((result) => result.dir)).size).toBe(1);
    expect(readdirSync(cacheDir)).toEqual(['tiny-seed7']);
    expect(await writeTiny()).toMatchObject({ written: false });
  });
});

describe('a damaged copy is replaced', () => {
  const edit = (file: string, text: string) => writeFileSync(file, readFileSync(file, 'utf8').replace(/.$/s, text));
  it.each<[string, (dir: string) => void, string]>([
    [
      'weights cut short',
      (dir) => truncateSync(join(dir, 'model.safetensors'), 1000),
      'model.safetensors has 1000 bytes instead of',
    ],
    ['a missing file', (dir) => rmSync(join(dir, 'tokenizer.json')), 'tokenizer.json is missing'],
    ['an edited file of the same size', (dir) => edit(join(dir, 'config.json'), ' '), 'config.json was changed'],
    ['no record of itself', (dir) => rmSync(join(dir, 'checkpoint.json')), 'checkpoint.json is missing or unreadable'],
    [
      'a half-written record',
      (dir) => truncateSync(join(dir, 'checkpoint.json'), 50),
      'checkpoint.json is missing or unreadable',
    ],
    [
      'a record of another seed',
      (dir) => replace(join(dir, 'checkpoint.json'), '"seed": 7', '"seed": 9'),
      'it was written as another model',
    ],
    [
      'an empty list of files',
      (dir) => writeFileSync(join(dir, 'checkpoint.json'), '{"format":1,"name":"tiny","seed":7,"files":[]}'),
      'lists no weights',
    ],
  ])('%s', async (_, damage, because) => {
    const { dir } = await writeTiny();
    const whole = sha256(join(dir, 'model.safetensors'));
    damage(dir);
    expect(await writeTiny()).toMatchObject({ written: true, because: expect.stringContaining(because) });
    expect(sha256(join(dir, 'model.safetensors'))).toBe(whole);
    expect(await writeTiny()).toMatchObject({ written: false });
    expect(readdirSync(cacheDir)).toEqual(['tiny-seed7']);
  });

  it('but weights changed in place are told only by their hash', async () => {
    const { dir } = await writeTiny();
    const file = join(dir, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
    const names = readdirSync(dir);
    const hashes = () => names.map((path) => ({ path, sha256: sha256(join(dir, path)) }));
    expect(findDamage(dir, hashes())).toEqual([]);
    writeFileSync(file, bytes);
    expect(await writeTiny()).toMatchObject({ written: false });
    expect(findDamage(dir, hashes())).toEqual(['model.safetensors']);
    expect(findDamage(root, hashes())).toEqual([]);
  });
});

function replace(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));
}

function deviationOf(halves: Uint16Array): number {
  const bits = Uint32Array.from(halves, (half) => half << 16);
  const values = new Float32Array(bits.buffer);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
