/** The JSON of answers: the events of a stream, and the one answer of a request that was not streamed. */
import type { GenerationRequest } from './ask.js';

/** What is said in every part of one answer. */
export interface AnswerHead {
  readonly id: string;
  readonly chat: boolean;
  /** Seconds of the wall clock. */
  readonly createdS: number;
  readonly model: string;
}

export interface UsageCounts {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Absent: the server was not asked to tell it. */
  readonly cachedTokens?: number | undefined;
}

/** Instants of a generation on one clock, in ms. */
export interface GenerationTimes {
  readonly queuedAtMs: number;
  readonly scheduledAtMs: number;
  readonly firstTokenAtMs: number;
  readonly lastTokenAtMs: number;
  readonly tokens: number;
}

type FinishReason = 'length' | null;
type Json = Readonly<Record<string, unknown>>;

/** Says in every answer where it comes from. */
const fingerprint = 'rehearsal';

export function roleEvent(head: AnswerHead, usage: UsageCounts | undefined): string {
  const choice = { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null };
  return eventOf(head, [choice], usage);
}

/** Text of one or more tokens; in a chat it may be reasoning. */
export function textEvent(
  head: AnswerHead,
  text: { readonly visible: string; readonly reasoning: string },
  finishReason: FinishReason,
  usage: UsageCounts | undefined,
): string {
  const end = { logprobs: null, finish_reason: finishReason, ...(finishReason ? { stop_reason: null } : {}) };
  if (!head.chat) return eventOf(head, [{ index: 0, text: text.visible, ...end }], usage);
  const delta = {
    ...(text.reasoning === '' ? {} : { reasoning: text.reasoning }),
    ...(text.visible !== '' || text.reasoning === '' ? { content: text.visible } : {}),
  };
  return eventOf(head, [{ index: 0, delta, ...end }], usage);
}

export function usageEvent(head: AnswerHead, usage: UsageCounts, times: GenerationTimes | undefined): string {
  return eventOf(head, [], usage, { system_fingerprint: fingerprint, ...metricsOf(times) });
}

export function wholeAnswer(
  head: AnswerHead,
  text: { readonly visible: string; readonly reasoning: string },
  usage: UsageCounts,
  times: GenerationTimes | undefined,
): string {
  const end = { logprobs: null, finish_reason: 'length', stop_reason: null };
  const message = { role: 'assistant', content: text.visible, reasoning: text.reasoning || null };
  return JSON.stringify({
    id: head.id,
    object: head.chat ? 'chat.completion' : 'text_completion',
    created: head.createdS,
    model: head.model,
    choices: [head.chat ? { index: 0, message, ...end } : { index: 0, text: text.visible, ...end }],
    system_fingerprint: fingerprint,
    usage: usageOf(usage),
    ...metricsOf(times),
  });
}

/** Which tokens a client of a chat sees as reasoning: the first ones with text, as many as the profile says. */
export function partText(
  texts: readonly string[],
  from: number,
  reasoning: { readonly from: number; readonly to: number },
  { chat }: Pick<GenerationRequest, 'chat'>,
): { visible: string; reasoning: string } {
  const isReasoning = (index: number) => chat && from + index >= reasoning.from && from + index < reasoning.to;
  return {
    visible: texts.filter((_, index) => !isReasoning(index)).join(''),
    reasoning: texts.filter((_, index) => isReasoning(index)).join(''),
  };
}

function eventOf(head: AnswerHead, choices: readonly Json[], usage: UsageCounts | undefined, rest: Json = {}): string {
  return JSON.stringify({
    id: head.id,
    object: head.chat ? 'chat.completion.chunk' : 'text_completion',
    created: head.createdS,
    model: head.model,
    choices,
    ...(usage ? { usage: usageOf(usage) } : {}),
    ...rest,
  });
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: UsageCounts): Json {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    ...(cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}

/** What --enable-per-request-metrics adds: the first token counts from the scheduling, generation from the first token. */
function metricsOf(times: GenerationTimes | undefined): Json {
  if (!times) return {};
  const { queuedAtMs, scheduledAtMs, firstTokenAtMs, lastTokenAtMs, tokens } = times;
  const generationMs = lastTokenAtMs - firstTokenAtMs;
  const inferenceMs = lastTokenAtMs - scheduledAtMs;
  return {
    metrics: {
      time_to_first_token_ms: firstTokenAtMs - scheduledAtMs,
      generation_time_ms: generationMs,
      queue_time_ms: scheduledAtMs - queuedAtMs,
      mean_itl_ms: tokens > 1 ? generationMs / (tokens - 1) : null,
      tokens_per_second: inferenceMs > 0 ? (tokens / inferenceMs) * 1000 : null,
    },
  };
}
