/** The body of a POST -> what is asked for, or a refusal in vLLM's form. */
import { z } from 'zod';
import { badValue, Refusal } from './refusal.js';
import { tokensOfChat, tokensOfText } from './tokens.js';

export interface GenerationRequest {
  readonly chat: boolean;
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly salt?: string | undefined;
  readonly streamed: boolean;
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
}

/** What a server must know of itself to judge a request. */
export interface Served {
  readonly servedName: string;
  readonly maxModelLen: number;
}

/** Completions generate so many tokens when nobody says how many; a chat as many as fit. */
const completionTokens = 16;

const commonSchema = z.object({
  model: z.string().nullish(),
  max_tokens: z.int().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .object({ include_usage: z.boolean().nullish(), continuous_usage_stats: z.boolean().nullish() })
    .nullish(),
  cache_salt: z.string().nullish(),
});
const promptSchema = z.union([z.string(), z.array(z.int().min(0)).min(1)]);
const textPart = z.object({ type: z.literal('text'), text: z.string() });
const messageSchema = z.object({
  role: z.string(),
  content: z
    .union([z.string(), z.array(textPart).transform((parts) => parts.map(({ text }) => text).join('\n'))])
    .nullish()
    .transform((content) => content ?? ''),
});
const chatSchema = commonSchema.extend({
  messages: z.array(messageSchema).min(1),
  max_completion_tokens: z.int().nullish(),
});
const completionSchema = commonSchema.extend({ prompt: promptSchema });
const tokenizeSchema = z.union([
  z.object({ model: z.string().nullish(), prompt: z.string() }),
  z.object({ model: z.string().nullish(), messages: z.array(messageSchema).min(1) }),
]);

/** Fields that change how tokens are drawn are accepted and change nothing. Throws Refusal. */
export function parseGeneration(path: string, body: string, served: Served): GenerationRequest {
  const json = parseJson(body);
  const chat = path === '/v1/chat/completions';
  const asked = chat ? check(chatSchema, json) : check(completionSchema, json);
  checkModel(asked.model, served);
  const prompt =
    'messages' in asked
      ? tokensOfChat(asked.messages)
      : typeof asked.prompt === 'string'
        ? tokensOfText(asked.prompt)
        : asked.prompt;
  const limit = 'messages' in asked ? (asked.max_completion_tokens ?? asked.max_tokens) : asked.max_tokens;
  return {
    chat,
    prompt,
    maxTokens: fittingTokens(prompt.length, limit ?? undefined, chat, served),
    salt: asked.cache_salt ?? undefined,
    streamed: asked.stream ?? false,
    includeUsage: asked.stream_options?.include_usage ?? false,
    continuousUsage: asked.stream_options?.continuous_usage_stats ?? false,
  };
}

/** Throws Refusal. */
export function parseTokenize(body: string, served: Served): number[] {
  const asked = check(tokenizeSchema, parseJson(body));
  checkModel(asked.model, served);
  return 'messages' in asked ? tokensOfChat(asked.messages) : tokensOfText(asked.prompt);
}

/** Throws Refusal when nothing, or not all of what was asked for, can be generated. */
function fittingTokens(
  promptTokens: number,
  asked: number | undefined,
  chat: boolean,
  { maxModelLen }: Served,
): number {
  if (promptTokens === 0) throw new Refusal(400, 'The prompt is empty.', 'BadRequestError', 'prompt');
  if (asked !== undefined && asked < 1)
    throw badValue(`max_tokens must be at least 1, got ${asked}.`, 'max_tokens', asked);
  if (asked !== undefined && asked > maxModelLen) {
    throw badValue(
      `max_tokens=${asked} cannot be greater than max_model_len=${maxModelLen}. Please request fewer output tokens.`,
      'max_tokens',
      asked,
    );
  }
  const room = maxModelLen - promptTokens;
  const wanted = asked ?? (chat ? Math.max(1, room) : completionTokens);
  if (wanted > room) {
    throw badValue(
      `The prompt has ${promptTokens} tokens and ${wanted} were asked for; this model's maximum context length is ${maxModelLen} tokens.`,
      'input_tokens',
      promptTokens,
    );
  }
  return wanted;
}

/** No model named means the one there is. */
function checkModel(asked: string | null | undefined, { servedName }: Served): void {
  if (asked === undefined || asked === null || asked === servedName) return;
  const message = `The model \`${asked}\` does not exist. Valid aliases: ${servedName}.`;
  throw new Refusal(404, message, 'NotFoundError', 'model');
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    const at = /position (\d+)/.exec((cause as Error).message)?.[1] ?? '0';
    const detail = `{'type': 'json_invalid', 'loc': 'body.${at}', 'msg': 'JSON decode error'}`;
    throw new Refusal(400, `1 validation error:\n  ${detail}`, 'Bad Request', `body.${at}`);
  }
}

function check<T>(schema: z.ZodType<T>, json: unknown): T {
  const { data, error } = schema.safeParse(json);
  if (data !== undefined) return data;
  const issues = error?.issues ?? [];
  const lines = issues.map(
    ({ code, path, message }) => `  {'type': '${code}', 'loc': 'body.${path.join('.')}', 'msg': '${message}'}`,
  );
  const plural = issues.length === 1 ? '' : 's';
  const param = issues[0]?.path.join('.') ?? null;
  throw new Refusal(400, [`${issues.length} validation error${plural}:`, ...lines].join('\n'), 'Bad Request', param);
}
