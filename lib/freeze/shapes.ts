/**
 * The models we can imitate, as data: numbers -> config.json and the list of tensors a checkpoint holds.
 * Nothing is written here.
 */

export type SyntheticName = 'tiny' | 'small' | 'qwen2.5-0.5b' | 'qwen2.5-1.5b' | 'phi-3-mini';

/** The numbers that fix a decoder-only model: its tensors, their shapes and what config.json says of them. */
export interface SyntheticShape {
  readonly name: SyntheticName;
  /** Hub id of the model whose shape this is; absent for `tiny` and `small`, which imitate no published model. */
  readonly imitates?: string;
  readonly family: 'qwen2' | 'phi3';
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly ropeTheta: number;
  readonly rmsNormEps: number;
  /** In tokens. Qwen2 names one but does not use it; Phi-3 does. */
  readonly slidingWindow: number;
  /** True: the output head is the embedding matrix, and the checkpoint holds no `lm_head.weight`. */
  readonly tiedEmbeddings: boolean;
  /** Token ids of the three special tokens; every other id is a byte (0-255) or a filler. */
  readonly specialIds: SpecialIds;
  /** The one of the three that ends a text: `eos_token_id` of config.json. */
  readonly endsWith: keyof SpecialIds;
}

export interface SpecialIds {
  readonly endOfText: number;
  readonly turnStart: number;
  readonly turnEnd: number;
}

/** One tensor of a checkpoint and what it is filled with. All are bfloat16. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly fill: 'normal' | 'ones' | 'zeros';
}

const qwen = {
  family: 'qwen2',
  kvHeads: 2,
  maxPositions: 32768,
  ropeTheta: 1_000_000,
  rmsNormEps: 1e-6,
  slidingWindow: 32768,
  tiedEmbeddings: true,
  endsWith: 'turnEnd',
} as const;
const qwenVocabulary = {
  vocabSize: 151_936,
  specialIds: { endOfText: 151_643, turnStart: 151_644, turnEnd: 151_645 },
} as const;

/** Every shape we know, smallest first. `tiny` keeps head_dim 64, the smallest that attention kernels are built for. */
export const syntheticShapes: readonly SyntheticShape[] = [
  {
    ...qwen,
    name: 'tiny',
    hiddenSize: 128,
    layers: 2,
    heads: 2,
    intermediateSize: 256,
    vocabSize: 1024,
    specialIds: { endOfText: 1021, turnStart: 1022, turnEnd: 1023 },
  },
  {
    // Enough bytes (74 MiB) that reading them stands out from what else moves in the page cache of a machine at work.
    ...qwen,
    name: 'small',
    hiddenSize: 512,
    layers: 8,
    heads: 8,
    intermediateSize: 2048,
    vocabSize: 16_384,
    specialIds: { endOfText: 16_381, turnStart: 16_382, turnEnd: 16_383 },
  },
  {
    ...qwen,
    ...qwenVocabulary,
    name: 'qwen2.5-0.5b',
    imitates: 'Qwen/Qwen2.5-0.5B-Instruct',
    hiddenSize: 896,
    layers: 24,
    heads: 14,
    intermediateSize: 4864,
  },
  {
    ...qwen,
    ...qwenVocabulary,
    name: 'qwen2.5-1.5b',
    imitates: 'Qwen/Qwen2.5-1.5B-Instruct',
    hiddenSize: 1536,
    layers: 28,
    heads: 12,
    intermediateSize: 8960,
  },
  {
    name: 'phi-3-mini',
    imitates: 'microsoft/Phi-3-mini-4k-instruct',
    family: 'phi3',
    hiddenSize: 3072,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    intermediateSize: 8192,
    vocabSize: 32_064,
    maxPositions: 4096,
    ropeTheta: 10_000,
    rmsNormEps: 1e-5,
    slidingWindow: 2047,
    tiedEmbeddings: false,
    specialIds: { endOfText: 32_000, turnStart: 32_001, turnEnd: 32_007 },
    endsWith: 'endOfText',
  },
];

/** The shape named `tiny` or `synthetic:tiny` (and so on); undefined for any other name. */
export function findSyntheticShape(name: string): SyntheticShape | undefined {
  const bare = name.replace(/^synthetic:/, '');
  return syntheticShapes.find((shape) => shape.name === bare);
}

/** Parameters of a model of this shape: the elements of all its tensors (tied embeddings count once). */
export function countParameters(shape: SyntheticShape): number {
  return listTensors(shape).reduce((sum, tensor) => sum + elementsOf(tensor), 0);
}

/** Elements of one tensor: the product of its dimensions. */
export function elementsOf(tensor: Pick<TensorSpec, 'shape'>): number {
  return tensor.shape.reduce((product, dimension) => product * dimension, 1);
}

/** Every tensor of a checkpoint of this shape, in file order, named and shaped as the original's. */
export function listTensors(shape: SyntheticShape): TensorSpec[] {
  const { vocabSize, hiddenSize } = shape;
  const layers = Array.from({ length: shape.layers }, (_, layer) => listLayer(shape, `model.layers.${layer}.`));
  return [
    matrix('model.embed_tokens.weight', vocabSize, hiddenSize),
    ...layers.flat(),
    { name: 'model.norm.weight', shape: [hiddenSize], fill: 'ones' },
    ...(shape.tiedEmbeddings ? [] : [matrix('lm_head.weight', vocabSize, hiddenSize)]),
  ];
}

function listLayer(shape: SyntheticShape, prefix: string): TensorSpec[] {
  const { hiddenSize, heads } = shape;
  return [
    { name: `${prefix}input_layernorm.weight`, shape: [hiddenSize], fill: 'ones' },
    ...listAttentionInputs(shape, `${prefix}self_attn.`),
    matrix(`${prefix}self_attn.o_proj.weight`, hiddenSize, heads * headDim(shape)),
    { name: `${prefix}post_attention_layernorm.weight`, shape: [hiddenSize], fill: 'ones' },
    ...listMlp(shape, `${prefix}mlp.`),
  ];
}

/** Qwen2 keeps q, k and v apart and gives them biases; Phi-3 stores them as one matrix without. */
function listAttentionInputs(shape: SyntheticShape, prefix: string): TensorSpec[] {
  const queryRows = shape.heads * headDim(shape);
  const keyRows = shape.kvHeads * headDim(shape);
  if (shape.family === 'phi3') return [matrix(`${prefix}qkv_proj.weight`, queryRows + 2 * keyRows, shape.hiddenSize)];
  return [['q', queryRows] as const, ['k', keyRows] as const, ['v', keyRows] as const].flatMap(
    ([letter, rows]): TensorSpec[] => [
      matrix(`${prefix}${letter}_proj.weight`, rows, shape.hiddenSize),
      { name: `${prefix}${letter}_proj.bias`, shape: [rows], fill: 'zeros' },
    ],
  );
}

function listMlp({ family, hiddenSize, intermediateSize }: SyntheticShape, prefix: string): TensorSpec[] {
  const inputs =
    family === 'phi3'
      ? [matrix(`${prefix}gate_up_proj.weight`, 2 * intermediateSize, hiddenSize)]
      : ['gate', 'up'].map((word) => matrix(`${prefix}${word}_proj.weight`, intermediateSize, hiddenSize));
  return [...inputs, matrix(`${prefix}down_proj.weight`, hiddenSize, intermediateSize)];
}

function headDim(shape: SyntheticShape): number {
  return shape.hiddenSize / shape.heads;
}

function matrix(name: string, rows: number, columns: number): TensorSpec {
  return { name, shape: [rows, columns], fill: 'normal' };
}

/**
 * config.json of a model of this shape. It carries both `dtype` (transformers 5) and `torch_dtype` (before).
 * Two lines differ from the originals: Phi-3's `bos_token_id` (1 is a plain byte in our tokenizer)
 * and its `auto_map`, left out so that no remote code is asked for.
 */
export function modelConfig(shape: SyntheticShape): Readonly<Record<string, unknown>> {
  return {
    architectures: [shape.family === 'phi3' ? 'Phi3ForCausalLM' : 'Qwen2ForCausalLM'],
    model_type: shape.family,
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    hidden_act: 'silu',
    max_position_embeddings: shape.maxPositions,
    rope_theta: shape.ropeTheta,
    rms_norm_eps: shape.rmsNormEps,
    sliding_window: shape.slidingWindow,
    initializer_range: 0.02,
    attention_dropout: 0,
    use_cache: true,
    tie_word_embeddings: shape.tiedEmbeddings,
    bos_token_id: shape.specialIds.endOfText,
    eos_token_id: shape.specialIds[shape.endsWith],
    dtype: 'bfloat16',
    torch_dtype: 'bfloat16',
    // As the originals: without a version before 5, transformers doubts every large vocabulary and warns about its regex.
    transformers_version: '4.43.1',
    ...(shape.family === 'phi3' ? phiOnly(shape) : { use_sliding_window: false, max_window_layers: 21 }),
  };
}

function phiOnly(shape: SyntheticShape): Readonly<Record<string, unknown>> {
  return {
    original_max_position_embeddings: shape.maxPositions,
    rope_scaling: null,
    attention_bias: false,
    embd_pdrop: 0,
    resid_pdrop: 0,
    pad_token_id: shape.specialIds.endOfText,
  };
}
