import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { writeSyntheticModel } from '../../lib/freeze/checkpoint.js';
import { ModelError } from '../../lib/freeze/modelerror.js';
import { readModelShape } from '../../lib/freeze/modelshape.js';
import { formatSafetensorsHeader } from '../../lib/freeze/safetensors.js';

const root = mkdtempSync(join(tmpdir(), 'modelshape-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let dir = root;
beforeEach(() => {
  dir = mkdtempSync(join(root, 'model-'));
});

const writeJson = (name: string, value: unknown) => writeFileSync(join(dir, name), JSON.stringify(value));
/** A weights file with one bfloat16 vector. */
const writeWeights = (name: string, tensor: string, elements: number) =>
  writeFileSync(
    join(dir, name),
    Buffer.concat([
      formatSafetensorsHeader([{ name: tensor, shape: [elements], fill: 'ones' }]),
      Buffer.alloc(elements * 2),
    ]),
  );

function problem(): unknown {
  try {
    return readModelShape(dir);
  } catch (error) {
    return error instanceof ModelError ? { problem: error.problem, message: error.message } : error;
  }
}

describe('the shape of a local model', () => {
  it('of a synthetic model is the one it was written with', async () => {
    const written = await writeSyntheticModel({ name: 'tiny', cacheDir: join(root, 'cache') });
    expect(readModelShape(written.dir)).toEqual({
      architecture: 'Qwen2ForCausalLM',
      dtype: 'bfloat16',
      shape: {
        hiddenSize: 128,
        layers: 2,
        heads: 2,
        kvHeads: 2,
        headDim: 64,
        intermediateSize: 256,
        vocabSize: 1024,
        maxPositions: 32768,
      },
      parameters: 460_160,
      weightsBytes: 920_320,
      weightFiles: ['model.safetensors'],
      tensors: 26,
    });
  });

  it('is summed over the shards an index names, and over those alone', () => {
    writeJson('config.json', { architectures: ['LlamaForCausalLM'], torch_dtype: 'float16' });
    writeJson('model.safetensors.index.json', { weight_map: { b: 'model-2.safetensors', a: 'model-1.safetensors' } });
    writeWeights('model-1.safetensors', 'a', 10);
    writeWeights('model-2.safetensors', 'b', 5);
    writeWeights('consolidated.safetensors', 'a', 1000);
    expect(readModelShape(dir)).toMatchObject({
      dtype: 'float16',
      parameters: 15,
      weightsBytes: 30,
      weightFiles: ['model-1.safetensors', 'model-2.safetensors'],
    });
  });

  it('leaves out what config.json does not say, and takes the dtype from the tensors', () => {
    writeJson('config.json', { num_attention_heads: 8 });
    writeWeights('model.safetensors', 'a', 3);
    const shape = readModelShape(dir);
    expect(shape.architecture).toBeUndefined();
    expect(shape.dtype).toBe('BF16');
    expect(shape.shape).toEqual({ heads: 8, kvHeads: 8 });
  });

  it('is found one level down in a model that also sees', () => {
    writeJson('config.json', {
      text_config: { hidden_size: 64, num_attention_heads: 4, head_dim: 32, dtype: 'bfloat16' },
    });
    writeWeights('model.safetensors', 'a', 3);
    expect(readModelShape(dir)).toMatchObject({ dtype: 'bfloat16', shape: { hiddenSize: 64, headDim: 32 } });
  });
});

describe('a folder that is no usable model', () => {
  it('is told when it is not there', () => {
    rmSync(dir, { recursive: true });
    expect(problem()).toMatchObject({ problem: 'folder-missing', message: expect.stringContaining('synthetic:tiny') });
  });

  it('is told when config.json is missing, no JSON, or no object', () => {
    expect(problem()).toMatchObject({ problem: 'config-missing' });
    writeFileSync(join(dir, 'config.json'), '{"hidden_size": 12');
    expect(problem()).toMatchObject({ problem: 'config-unreadable' });
    writeJson('config.json', []);
    expect(problem()).toMatchObject({ problem: 'config-unreadable' });
  });

  it('is told when there are no safetensors, with the weights that are there', () => {
    writeJson('config.json', {});
    expect(problem()).toMatchObject({ problem: 'weights-missing' });
    writeFileSync(join(dir, 'pytorch_model.bin'), '');
    expect(problem()).toMatchObject({
      problem: 'weights-missing',
      message: expect.stringContaining('pytorch_model.bin'),
    });
  });

  it('is told when a shard is missing or the index is damaged', () => {
    writeJson('config.json', {});
    writeJson('model.safetensors.index.json', { weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } });
    writeWeights('model-1.safetensors', 'a', 10);
    expect(problem()).toMatchObject({
      problem: 'weights-missing',
      message: expect.stringMatching(/lacks 1 of the 2 .*model-2\.safetensors/),
    });
    writeJson('model.safetensors.index.json', null);
    expect(problem()).toMatchObject({ problem: 'weights-unreadable' });
    writeFileSync(join(dir, 'model.safetensors.index.json'), '{');
    expect(problem()).toMatchObject({ problem: 'weights-unreadable' });
  });

  it('is told when the weights are cut short', () => {
    writeJson('config.json', {});
    writeWeights('model.safetensors', 'a', 10);
    truncateSync(join(dir, 'model.safetensors'), 90);
    expect(problem()).toMatchObject({ problem: 'weights-truncated', message: expect.stringContaining('90 bytes') });
  });
});
