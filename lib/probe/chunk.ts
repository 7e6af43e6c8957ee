/** One event of a completions or chat stream -> what it carries. */

export type ChunkKind = 'role' | 'token' | 'reasoning' | 'empty' | 'usage' | 'error' | 'done';

export interface Usage {
  readonly promptTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  readonly totalTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
}

/** The `metrics` object of vLLM's --enable-per-request-metrics, in milliseconds. */
export interface ServerMetrics {
  readonly firstTokenMs?: number | undefined;
  readonly queueMs?: number | undefined;
  readonly generationMs?: number | undefined;
}

export interface Chunk {
  readonly kind: ChunkKind;
  /** Generated text, reasoning included. */
  readonly text: string;
  /** The event has a non-empty `choices` list, whatever is in it. */
  readonly hasChoice: boolean;
  readonly finishReason?: string | undefined;
  readonly usage?: Usage | undefined;
  readonly metrics?: ServerMetrics | undefined;
  readonly error?: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** Classify one event, or the one JSON answer of a request that was not streamed. Text that is not JSON is an error chunk that quotes its beginning. */
export function parseChunk(data: string): Chunk {
  if (data === '[DONE]') return { kind: 'done', text: '', hasChoice: false };
  let body: Json;
  try {
    const value: unknown = JSON.parse(data);
    if (!isRecord(value)) throw new TypeError('not an object');
    body = value;
  } catch {
    return { kind: 'error', text: '', hasChoice: false, error: `not a JSON object: ${data.slice(0, 80)}` };
  }
  return parseBody(body);
}

function parseBody(body: Json): Chunk {
  // vLLM before 0.10 put the error's own fields at the top.
  const failure = body['object'] === 'error' ? body : body['error'];
  if (failure !== undefined && failure !== null)
    return { kind: 'error', text: '', hasChoice: false, error: errorText(failure) };
  const choices: readonly unknown[] = Array.isArray(body['choices']) ? body['choices'] : [];
  const choice = isRecord(choices[0]) ? choices[0] : undefined;
  const usage = parseUsage(body['usage']);
  const rest = {
    hasChoice: choices.length > 0,
    finishReason: textOf(choice?.['finish_reason']),
    usage,
    metrics: parseMetrics(body['metrics']),
  };
  if (!choice) return { kind: usage ? 'usage' : 'empty', text: '', ...rest };
  const delta = isRecord(choice['delta'])
    ? choice['delta']
    : isRecord(choice['message'])
      ? choice['message']
      : undefined;
  const visible = textOf(delta ? delta['content'] : choice['text']) ?? '';
  const tools =
    delta && Array.isArray(delta['tool_calls']) && delta['tool_calls'].length > 0
      ? JSON.stringify(delta['tool_calls'])
      : '';
  const reasoning = textOf(delta?.['reasoning']) ?? textOf(delta?.['reasoning_content']) ?? '';
  if (visible + tools !== '') return { kind: 'token', text: reasoning + visible + tools, ...rest };
  if (reasoning !== '') return { kind: 'reasoning', text: reasoning, ...rest };
  return { kind: delta?.['role'] !== undefined ? 'role' : 'empty', text: '', ...rest };
}

function errorText(failure: unknown): string {
  const message = isRecord(failure) ? failure['message'] : failure;
  return textOf(message) ?? JSON.stringify(failure);
}

function parseUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const details = isRecord(value['prompt_tokens_details']) ? value['prompt_tokens_details'] : undefined;
  return {
    promptTokens: numberOf(value['prompt_tokens']),
    completionTokens: numberOf(value['completion_tokens']),
    totalTokens: numberOf(value['total_tokens']),
    cachedTokens: numberOf(details?.['cached_tokens']),
  };
}

function parseMetrics(value: unknown): ServerMetrics | undefined {
  if (!isRecord(value)) return undefined;
  return {
    firstTokenMs: numberOf(value['time_to_first_token_ms']),
    queueMs: numberOf(value['queue_time_ms']),
    generationMs: numberOf(value['generation_time_ms']),
  };
}

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
