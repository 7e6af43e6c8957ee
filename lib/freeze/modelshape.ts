/** Any local Hugging Face folder -> its shape: config.json plus the headers of its safetensors files. Weights are not read. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from './modelerror.js';
import { readSafetensorsHeader, type StoredTensor } from './safetensors.js';

export interface LocalModelShape {
  /** First entry of `architectures`; absent when config.json names none. */
  readonly architecture?: string | undefined;
  /** As config.json says (`dtype`, or `torch_dtype` before transformers 5); else the dtype most bytes are stored in. */
  readonly dtype?: string | undefined;
  /** The numbers found, by our names: hiddenSize, layers, heads, kvHeads, headDim, intermediateSize, vocabSize, maxPositions. */
  readonly shape: Readonly<Record<string, number>>;
  /** Elements stored in all tensors. Tied embeddings are stored and counted once. */
  readonly parameters: number;
  /** Bytes of all tensors, headers not counted. */
  readonly weightsBytes: number;
  /** Names of the safetensors files, in the order they are listed. */
  readonly weightFiles: readonly string[];
  readonly tensors: number;
}

const INDEX = 'model.safetensors.index.json';

/**
 * The shape of the model in a folder: one safetensors file, or shards named by an index.
 * Read residency first: this brings config.json and the first pages of each weights file into the page cache.
 * Throws ModelError, by `problem`, for a missing folder, config or weights, and for files that cannot be right.
 */
export function readModelShape(dir: string): LocalModelShape {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new ModelError(
      'folder-missing',
      dir,
      `there is no folder ${dir}. Check the model's path, or give a hub id or synthetic:tiny.`,
    );
  }
  const config = readConfig(dir);
  const weightFiles = listWeightFiles(dir);
  const tensors = weightFiles.flatMap((file) => readSafetensorsHeader(join(dir, file)));
  const architectures = config['architectures'];
  return {
    architecture: Array.isArray(architectures) && typeof architectures[0] === 'string' ? architectures[0] : undefined,
    dtype: readDtype(config) ?? mostStoredDtype(tensors),
    shape: parseShape(config),
    parameters: tensors.reduce((sum, tensor) => sum + tensor.shape.reduce((product, size) => product * size, 1), 0),
    weightsBytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    weightFiles,
    tensors: tensors.length,
  };
}

type Config = Readonly<Record<string, unknown>>;

function readConfig(dir: string): Config {
  const file = join(dir, 'config.json');
  if (!existsSync(file)) {
    throw new ModelError(
      'config-missing',
      file,
      `${dir} has no config.json, so it is not a model folder. Give the folder that holds config.json and the *.safetensors files.`,
    );
  }
  const config = parseJson(file, 'config-unreadable');
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as Config;
  throw new ModelError('config-unreadable', file, `${file} holds no JSON object. Download it again.`);
}

function parseJson(file: string, problem: 'config-unreadable' | 'weights-unreadable'): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ModelError(problem, file, `${file} is not JSON (${(cause as Error).message}). Download it again.`, {
      cause,
    });
  }
}

/** An index decides which shards count; without one, every safetensors file of the folder does. */
function listWeightFiles(dir: string): string[] {
  const index = join(dir, INDEX);
  const files = existsSync(index)
    ? listShards(index)
    : readdirSync(dir).filter((name) => name.endsWith('.safetensors'));
  const missing = files.filter((file) => !existsSync(join(dir, file)));
  if (missing.length > 0) {
    throw new ModelError(
      'weights-missing',
      dir,
      `${dir} lacks ${missing.length} of the ${files.length} weight files its index names, ${missing[0]} first. Finish the download.`,
    );
  }
  if (files.length === 0) {
    const others = readdirSync(dir).filter((name) => /\.(bin|pt|pth|gguf)$/.test(name));
    const evidence = others.length > 0 ? ` It has ${others.join(', ')}, which this project does not read.` : '';
    throw new ModelError(
      'weights-missing',
      dir,
      `${dir} has no .safetensors file.${evidence} Download the safetensors files of the model.`,
    );
  }
  return files.sort();
}

function listShards(index: string): string[] {
  const map = (parseJson(index, 'weights-unreadable') as { weight_map?: Record<string, string> } | null)?.weight_map;
  if (typeof map === 'object' && map !== null) return [...new Set(Object.values(map))];
  throw new ModelError('weights-unreadable', index, `${index} has no weight_map. Download it again.`);
}

function readDtype(config: Config): string | undefined {
  const dtype =
    config['dtype'] ?? config['torch_dtype'] ?? textConfig(config)['dtype'] ?? textConfig(config)['torch_dtype'];
  return typeof dtype === 'string' ? dtype : undefined;
}

function mostStoredDtype(tensors: readonly StoredTensor[]): string | undefined {
  const bytes = new Map<string, number>();
  for (const tensor of tensors) bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.bytes);
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0];
}

/** Models that also see or hear keep their language model's numbers one level down. */
function textConfig(config: Config): Config {
  const inner = config['text_config'];
  return typeof inner === 'object' && inner !== null ? (inner as Config) : config;
}

function parseShape(config: Config): Record<string, number> {
  const text = textConfig(config);
  const read = (key: string): number | undefined => {
    const value = text[key];
    return typeof value === 'number' ? value : undefined;
  };
  const hiddenSize = read('hidden_size');
  const heads = read('num_attention_heads');
  const found: Record<string, number | undefined> = {
    hiddenSize,
    layers: read('num_hidden_layers'),
    heads,
    // Left out where every head has keys and values of its own.
    kvHeads: read('num_key_value_heads') ?? heads,
    headDim: read('head_dim') ?? (hiddenSize && heads ? hiddenSize / heads : undefined),
    intermediateSize: read('intermediate_size'),
    vocabSize: read('vocab_size'),
    maxPositions: read('max_position_embeddings'),
  };
  return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, number] => entry[1] !== undefined));
}
