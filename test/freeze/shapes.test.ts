import { describe, expect, it } from 'vitest';
import {
  countParameters,
  findSyntheticShape,
  listTensors,
  modelConfig,
  syntheticShapes,
  type SyntheticShape,
} from '../../lib/freeze/shapes.js';

const shapeOf = (name: string): SyntheticShape => {
  const shape = findSyntheticShape(name);
  if (!shape) throw new Error(`no shape ${name}`);
  return shape;
};

describe('the shapes we imitate', () => {
  // The published counts of the three models; tiny by hand:
  // embedding 1024*128; a layer 2*128 norms + 3*(128*128+128) q,k,v + 128*128 o + 3*128*256 mlp; final norm 128.
  it.each([
    ['tiny', 131_072 + 2 * (256 + 49_536 + 16_384 + 98_304) + 128],
    ['small', 8_388_608 + 8 * (1024 + 393_984 + 262_144 + 3_145_728) + 512],
    ['qwen2.5-0.5b', 494_032_768],
    ['qwen2.5-1.5b', 1_543_714_304],
    ['phi-3-mini', 3_821_079_552],
  ])('%s has %i parameters', (name, parameters) => {
    expect(countParameters(shapeOf(name))).toBe(parameters);
  });

  it.each([
    ['qwen2.5-0.5b', 290],
    ['qwen2.5-1.5b', 338],
    ['phi-3-mini', 195],
  ])('%s is stored as %i tensors, as the original is', (name, tensors) => {
    expect(listTensors(shapeOf(name))).toHaveLength(tensors);
  });

  it('are found with and without the prefix, and no other name is', () => {
    expect(findSyntheticShape('synthetic:phi-3-mini')).toBe(findSyntheticShape('phi-3-mini'));
    expect(findSyntheticShape('qwen2.5-7b')).toBeUndefined();
    expect(findSyntheticShape('Qwen/synthetic:tiny')).toBeUndefined();
  });

  it('name no tensor twice', () => {
    for (const shape of syntheticShapes) {
      const names = listTensors(shape).map((tensor) => tensor.name);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it('give Qwen2 separate q, k, v with biases and no output head', () => {
    const tensors = new Map(listTensors(shapeOf('qwen2.5-0.5b')).map((tensor) => [tensor.name, tensor]));
    expect(tensors.get('model.layers.23.self_attn.q_proj.weight')?.shape).toEqual([896, 896]);
    expect(tensors.get('model.layers.23.self_attn.k_proj.weight')?.shape).toEqual([128, 896]);
    expect(tensors.get('model.layers.23.self_attn.v_proj.bias')).toEqual({
      name: 'model.layers.23.self_attn.v_proj.bias',
      shape: [128],
      fill: 'zeros',
    });
    expect(tensors.get('model.layers.0.mlp.down_proj.weight')?.shape).toEqual([896, 4864]);
    expect(tensors.has('lm_head.weight')).toBe(false);
  });

  it('give Phi-3 fused matrices without biases and an output head', () => {
    const tensors = new Map(listTensors(shapeOf('phi-3-mini')).map((tensor) => [tensor.name, tensor]));
    expect(tensors.get('model.layers.31.self_attn.qkv_proj.weight')?.shape).toEqual([9216, 3072]);
    expect(tensors.get('model.layers.31.mlp.gate_up_proj.weight')?.shape).toEqual([16384, 3072]);
    expect(tensors.get('lm_head.weight')?.shape).toEqual([32064, 3072]);
    expect([...tensors.keys()].filter((name) => name.endsWith('bias'))).toEqual([]);
  });
});

describe('config.json', () => {
  it('says of qwen2.5-1.5b what the published one says', () => {
    expect(modelConfig(shapeOf('qwen2.5-1.5b'))).toMatchObject({
      architectures: ['Qwen2ForCausalLM'],
      model_type: 'qwen2',
      hidden_size: 1536,
      num_hidden_layers: 28,
      num_attention_heads: 12,
      num_key_value_heads: 2,
      intermediate_size: 8960,
      vocab_size: 151936,
      max_position_embeddings: 32768,
      rope_theta: 1000000,
      rms_norm_eps: 1e-6,
      tie_word_embeddings: true,
      torch_dtype: 'bfloat16',
      bos_token_id: 151643,
      eos_token_id: 151645,
    });
  });

  it('keeps every token id it names inside the vocabulary', () => {
    for (const shape of syntheticShapes) {
      const config = modelConfig(shape);
      for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) {
        const id = config[key];
        if (id !== undefined) expect(id).toBeLessThan(shape.vocabSize);
      }
      expect(shape.hiddenSize % shape.heads).toBe(0);
      expect(shape.heads % shape.kvHeads).toBe(0);
    }
  });
});
