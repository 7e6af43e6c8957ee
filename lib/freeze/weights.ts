/**
 * Seeded random weights: a seed and a tensor -> its bfloat16 bytes, in pieces.
 * One block of normals serves every tensor, so a piece is a view and costs nothing to make.
 */
import { createHash } from 'node:crypto';
import { randomFrom } from '../statistics/random.js';
import { elementsOf, type TensorSpec } from './shapes.js';

/** Standard deviation of the matrices: the `initializer_range` of the models imitated. */
export const WEIGHT_STD = 0.02;

/**
 * Values in the block. A prime above every vocabulary and width: a matrix with fewer rows than this,
 * laid over the repeated block, has no two equal rows.
 */
export const BLOCK_VALUES = 1_048_573;

/** bfloat16 bytes of `BLOCK_VALUES` draws from N(0, 0.02), the same on every machine for the same seed. */
export function createWeightBlock(seed: number): Buffer {
  const random = randomFrom(seed);
  // On (0, 1]: the logarithm of 0 is no number.
  const uniform = () => random() + 2 ** -32;
  const block = Buffer.alloc(BLOCK_VALUES * 2);
  for (let index = 0; index < BLOCK_VALUES; index += 2) {
    // Box-Muller. Rounding to 8 bits of mantissa hides a last-digit difference between maths libraries.
    const radius = WEIGHT_STD * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    block.writeUInt16LE(toBfloat16(radius * Math.cos(angle)), index * 2);
    if (index + 1 < BLOCK_VALUES) block.writeUInt16LE(toBfloat16(radius * Math.sin(angle)), index * 2 + 2);
  }
  return block;
}

const floatBox = new Float32Array(1);
const bitsBox = new Uint32Array(floatBox.buffer);

/** The upper half of a float32, rounded to nearest, ties to even. */
function toBfloat16(value: number): number {
  floatBox[0] = value;
  const bits = bitsBox[0] as number;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The bytes of one tensor in order. Pieces are views of the block: read them, never write to them. */
export function* tensorPieces(tensor: TensorSpec, block: Buffer, seed: number): Generator<Buffer> {
  let left = elementsOf(tensor) * 2;
  if (tensor.fill !== 'normal') {
    yield constantBytes(left, tensor.fill);
    return;
  }
  let at = blockOffset(tensor.name, seed) * 2;
  while (left > 0) {
    const piece = block.subarray(at, Math.min(block.length, at + left));
    yield piece;
    left -= piece.length;
    at = 0;
  }
}

/** Where in the block a tensor begins: from its name, so that two tensors never begin alike. */
function blockOffset(name: string, seed: number): number {
  return createHash('sha256').update(`${seed}:${name}`).digest().readUIntBE(0, 6) % BLOCK_VALUES;
}

function constantBytes(bytes: number, fill: 'ones' | 'zeros'): Buffer {
  return fill === 'zeros' ? Buffer.alloc(bytes) : Buffer.alloc(bytes, Buffer.from([0x80, 0x3f]));
}
