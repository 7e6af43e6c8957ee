import { describe, expect, it } from 'vitest';
import type { TensorSpec } from '../../lib/freeze/shapes.js';
import { BLOCK_VALUES, createWeightBlock, tensorPieces, WEIGHT_STD } from '../../lib/freeze/weights.js';

const block = createWeightBlock(7);

function valuesOf(bytes: Buffer): Float32Array {
  const floats = new Float32Array(bytes.length / 2);
  const bits = new Uint32Array(floats.buffer);
  for (let index = 0; index < floats.length; index += 1) bits[index] = bytes.readUInt16LE(index * 2) << 16;
  return floats;
}

const bytesOf = (tensor: TensorSpec, seed = 7) => Buffer.concat([...tensorPieces(tensor, block, seed)]);
const matrix = (name: string, rows: number, columns: number): TensorSpec => ({
  name,
  shape: [rows, columns],
  fill: 'normal',
});

describe('the block of normals', () => {
  const values = valuesOf(block);

  it('has mean 0 and standard deviation 0.02 within four standard errors', () => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan((4 * WEIGHT_STD) / Math.sqrt(values.length));
    expect(Math.abs(Math.sqrt(variance) / WEIGHT_STD - 1)).toBeLessThan(4 / Math.sqrt(2 * values.length));
  });

  it('has the tails of a normal: 4.55 % beyond two deviations, some beyond four, none absurd', () => {
    const beyond = (deviations: number) =>
      values.filter((value) => Math.abs(value) > deviations * WEIGHT_STD).length / values.length;
    expect(beyond(2)).toBeCloseTo(0.0455, 2);
    expect(beyond(4)).toBeGreaterThan(0);
    expect(beyond(8)).toBe(0);
  });

  it('is the same for the same seed and another for another', () => {
    expect(createWeightBlock(7).equals(block)).toBe(true);
    expect(createWeightBlock(8).equals(block)).toBe(false);
  });

  it('has a prime number of values, larger than any vocabulary', () => {
    for (let divisor = 2; divisor * divisor <= BLOCK_VALUES; divisor += 1) expect(BLOCK_VALUES % divisor).not.toBe(0);
    expect(BLOCK_VALUES).toBeGreaterThan(151_936);
  });
});

describe('the bytes of a tensor', () => {
  it('are two an element, and repeat the block where the tensor is larger', () => {
    const large = bytesOf(matrix('large', 3, BLOCK_VALUES));
    expect(large.length).toBe(3 * BLOCK_VALUES * 2);
    expect(large.subarray(0, 1000).equals(large.subarray(BLOCK_VALUES * 2, BLOCK_VALUES * 2 + 1000))).toBe(true);
  });

  it('differ between two tensors of one shape, and between seeds', () => {
    const first = bytesOf(matrix('model.layers.0.mlp.up_proj.weight', 64, 64));
    expect(first.equals(bytesOf(matrix('model.layers.1.mlp.up_proj.weight', 64, 64)))).toBe(false);
    expect(first.equals(bytesOf(matrix('model.layers.0.mlp.up_proj.weight', 64, 64), 8))).toBe(false);
  });

  it('hold no two equal rows', () => {
    const rows = 20_000;
    const bytes = bytesOf(matrix('model.embed_tokens.weight', rows, 128));
    const distinct = new Set(
      Array.from({ length: rows }, (_, row) => bytes.toString('latin1', row * 256, (row + 1) * 256)),
    );
    expect(distinct.size).toBe(rows);
  });

  it('are exactly 1 for norms and 0 for biases', () => {
    expect([...valuesOf(bytesOf({ name: 'norm', shape: [5], fill: 'ones' }))]).toEqual([1, 1, 1, 1, 1]);
    expect([...valuesOf(bytesOf({ name: 'bias', shape: [3], fill: 'zeros' }))]).toEqual([0, 0, 0]);
  });
});
