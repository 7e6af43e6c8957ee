/** A seed and a model's vocabulary -> the exact requests of the run: the seed's payload and our long one. */
import { createHash } from 'node:crypto';
import type { WorkloadRecord } from '../archive/record.js';
import type { Device } from './engine.js';

/** The seed's payload, never changed between runs or requests. */
export const seedPayload = {
  prompt: 'Say hello from a small language model.',
  max_tokens: 64,
  temperature: 0,
} as const;

/** Below this id lie the byte and special tokens of the tokenizers we know. */
const lowestTokenId = 300;

/** Taken when the vocabulary is not known (an attached server): smaller than that of any model in common use. */
const assumedVocabulary = 32_000;

export interface WorkloadPlan {
  readonly seed: number;
  readonly longPromptTokens: number;
  readonly longMaxTokens: number;
  readonly device: Device;
  /** Entries of the vocabulary; absent when attached. */
  readonly vocabSize?: number | undefined;
  readonly specialTokenIds?: ReadonlySet<number> | undefined;
  /** Token ids of the seed's prompt, where the tokenizer is ours. */
  readonly seedPromptTokenIds?: readonly number[] | undefined;
}

/** Both workloads. The same plan gives the same payloads. Throws RangeError when the vocabulary leaves no ordinary token. */
export function planWorkloads(plan: WorkloadPlan): readonly WorkloadRecord[] {
  const ids = seededTokenIds(plan);
  const { longMaxTokens } = plan;
  return [
    {
      name: 'seed',
      payload: seedPayload,
      promptTokenIds: plan.seedPromptTokenIds,
      note: 'The constant text payload of the seed.',
    },
    {
      name: 'long',
      payload: { prompt: ids, max_tokens: longMaxTokens, min_tokens: longMaxTokens, ignore_eos: true, temperature: 0 },
      promptTokenIds: ids,
      note: describeLong(plan),
    },
  ];
}

function describeLong(plan: WorkloadPlan): string {
  const block = kvBlockTokens(plan.device);
  const vocabulary =
    plan.vocabSize === undefined
      ? ` The vocabulary is not known; at least ${assumedVocabulary} entries are assumed.`
      : '';
  const cached =
    block === undefined
      ? ''
      : ` In blocks of ${block} tokens, a repeat finds ${expectedCachedTokens(plan.longPromptTokens, block)} tokens cached.`;
  return `${plan.longPromptTokens} fixed token ids and exactly ${plan.longMaxTokens} generated tokens, the same work in every request.${cached}${vocabulary}`;
}

/** Hash in counter mode: no generator state, so id k never depends on how the others were drawn. */
function seededTokenIds({
  seed,
  longPromptTokens,
  vocabSize = assumedVocabulary,
  specialTokenIds = new Set(),
}: WorkloadPlan): number[] {
  const ordinary = Array.from(
    { length: Math.max(0, vocabSize - lowestTokenId) },
    (_, index) => lowestTokenId + index,
  ).filter((id) => !specialTokenIds.has(id));
  if (ordinary.length === 0)
    throw new RangeError(
      `a vocabulary of ${vocabSize} entries leaves no ordinary token id at or above ${lowestTokenId}`,
    );
  return Array.from({ length: longPromptTokens }, (_, index) => {
    const drawn = createHash('sha256').update(`${seed}/${index}`).digest().readUInt32LE(0);
    return ordinary[drawn % ordinary.length] as number;
  });
}

/** Tokens per KV block: the unit in which vLLM caches prefixes. 128 on CPU, 16 on CUDA (vLLM's defaults); absent when unknown. */
export function kvBlockTokens(device: Device): number | undefined {
  return { cpu: 128, cuda: 16, none: undefined, unknown: undefined }[device];
}

/** Tokens a repeated prompt finds cached: whole blocks, and at least one token is always computed again. 0 for an empty prompt. */
export function expectedCachedTokens(promptTokens: number, blockTokens: number): number {
  return Math.max(0, Math.floor((promptTokens - 1) / blockTokens)) * blockTokens;
}

export type LongRow = 'cold-long' | 'warm-unique' | 'warm-cached';

/**
 * The body of one long request, without the model name. A unique request gets a salt of its own, so it can hit
 * nothing; cold-long shares the salt of the cached ones, so it is the request that fills their cache.
 */
export function longPayload(
  workload: WorkloadRecord,
  row: LongRow,
  at: { readonly runId: string; readonly launch: number; readonly index: number },
): Readonly<Record<string, unknown>> {
  const salt = row === 'warm-unique' ? `${at.runId}/${at.launch}/unique/${at.index}` : `${at.runId}/cached`;
  return { ...workload.payload, cache_salt: createHash('sha256').update(salt).digest('hex').slice(0, 32) };
}
