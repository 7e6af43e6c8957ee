/** The header of a safetensors file: built for a list of tensors, and read back from any file with its size checked. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ModelError } from './modelerror.js';
import { elementsOf, type TensorSpec } from './shapes.js';

/** One tensor as a header declares it. Offsets count from the first byte after the header. */
export interface StoredTensor {
  readonly name: string;
  /** As written in the file: BF16, F16, F32, I8 ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

const BYTES_PER_BFLOAT16 = 2;
/** The format's own limit on the header; anything larger is not a header. */
const MAX_HEADER_BYTES = 100_000_000;

/** Header bytes for bfloat16 tensors stored one after another; padded so that the data starts at a multiple of 8. */
export function formatSafetensorsHeader(tensors: readonly TensorSpec[]): Buffer {
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + elementsOf(tensor) * BYTES_PER_BFLOAT16;
    entries[tensor.name] = { dtype: 'BF16', shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(entries), 'utf8');
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

/**
 * The tensors of a safetensors file. Reads the header alone: a few pages of the file become resident.
 * Throws ModelError when the file is no safetensors file, or shorter than its header says.
 */
export function readSafetensorsHeader(file: string): StoredTensor[] {
  const fd = openSync(file, 'r');
  try {
    const fileBytes = fstatSync(fd).size;
    const headerBytes = Number(readExactly(fd, 0, 8, fileBytes, file).readBigUInt64LE());
    if (headerBytes > MAX_HEADER_BYTES) throw notSafetensors(file, readStart(fd));
    const json = readExactly(fd, 8, headerBytes, fileBytes, file).toString('utf8');
    const { tensors, dataBytes } = parseHeader(json, file);
    const wholeBytes = 8 + headerBytes + dataBytes;
    if (fileBytes < wholeBytes) throw truncated(file, fileBytes, wholeBytes);
    return tensors;
  } finally {
    closeSync(fd);
  }
}

function readExactly(fd: number, position: number, bytes: number, fileBytes: number, file: string): Buffer {
  if (position + bytes > fileBytes) throw truncated(file, fileBytes, position + bytes);
  const buffer = Buffer.alloc(bytes);
  let got = 0;
  while (got < bytes) {
    const read = readSync(fd, buffer, got, bytes - got, position + got);
    if (read === 0) throw truncated(file, position + got, position + bytes);
    got += read;
  }
  return buffer;
}

function readStart(fd: number): string {
  const buffer = Buffer.alloc(40);
  return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
}

type HeaderEntry = { dtype: string; shape: number[]; data_offsets: [number, number] } | null | undefined;

function parseHeader(json: string, file: string): { tensors: StoredTensor[]; dataBytes: number } {
  let entries: Record<string, HeaderEntry> | null;
  try {
    entries = JSON.parse(json) as typeof entries;
  } catch (cause) {
    throw notSafetensors(file, json.slice(0, 40), cause);
  }
  const tensors: StoredTensor[] = [];
  let dataBytes = 0;
  for (const [name, entry] of Object.entries(entries ?? { null: null })) {
    if (name === '__metadata__') continue;
    if (!entry || !Array.isArray(entry.shape) || !Array.isArray(entry.data_offsets))
      throw notSafetensors(file, json.slice(0, 40));
    const [start, end] = entry.data_offsets;
    tensors.push({ name, dtype: entry.dtype, shape: entry.shape, bytes: end - start });
    dataBytes = Math.max(dataBytes, end);
  }
  return { tensors, dataBytes };
}

function truncated(file: string, fileBytes: number, wholeBytes: number): ModelError {
  return new ModelError(
    'weights-truncated',
    file,
    `${file} is cut short: it has ${fileBytes} bytes, and its header needs ${wholeBytes}. ` +
      'Download or copy it again; check that the disk is not full.',
  );
}

function notSafetensors(file: string, start: string, cause?: unknown): ModelError {
  const pointer = start.startsWith('version https://git-lfs');
  return new ModelError(
    'weights-unreadable',
    file,
    `${file} is not a safetensors file: it starts with ${JSON.stringify(start)}. ` +
      (pointer
        ? 'That is a Git LFS pointer: run `git lfs pull` in its folder.'
        : 'Download it again, or give another model.'),
    { cause },
  );
}
