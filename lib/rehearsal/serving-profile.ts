/** How a rehearsal serves: its speeds, its first request, its prefix cache and the form of its streams. */
import { z } from 'zod';

const ms = z.number().min(0);
const tokens = z.int().min(0);

/** The form of a stream. The defaults are those of vLLM 0.32: one event a token, a role first in chats. */
const streamSchema = z.strictObject({
  /** A chat begins with an event that holds the role and no text. */
  roleChunk: z.boolean().default(true),
  /** So many tokens of a chat, the first with text, come as reasoning. */
  reasoningTokens: tokens.default(0),
  /** The first so many tokens have no text, as special tokens have none. */
  emptyChunks: tokens.default(0),
  tokensPerChunk: z.int().min(1).default(1),
  /** false: a server that does not know `stream_options`. */
  usageChunk: z.boolean().default(true),
  /**
   * Characters of several bytes. `writes`: an event is written in two parts, cut inside such a character. `chunks`:
   * the character is two tokens, and the first of them has no text yet.
   */
  splitUtf8: z.enum(['none', 'writes', 'chunks']).default('none'),
  /** Lines end with CR LF. */
  crlf: z.boolean().default(false),
  /** A comment before each so many events; 0: none. */
  commentEvery: tokens.default(0),
  /** So many events share a write, made when the last of them is there. */
  eventsPerWrite: z.int().min(1).default(1),
  /** Pauses, each after so many tokens. */
  stalls: z.array(z.strictObject({ afterTokens: z.int().min(1), forMs: ms })).default([]),
  /** After so many tokens an error event inside the stream of status 200, then [DONE]. */
  errorAfterTokens: z.int().min(1).optional(),
  /** After so many tokens nothing more: the stream is closed without [DONE], or the connection is reset. */
  cutOff: z.strictObject({ afterTokens: z.int().min(1), how: z.enum(['end', 'reset']) }).optional(),
});

export const servingProfileSchema = z.strictObject({
  prefillBaseMs: ms,
  /** For each prompt token that was not found in the prefix cache. */
  prefillMsPerToken: ms,
  decodeMsPerToken: ms,
  /** Each step takes up to so much longer or shorter, evenly drawn, but never less than nothing. */
  jitterMs: ms.default(0),
  /** Of the jitter and of the noise that stands for generated text. */
  seed: z.int().default(0),
  /** What the first generation pays on top, and the log lines that say why, spread over that time. */
  firstRequest: z
    .strictObject({ excessMs: ms, jitLines: z.array(z.string()).default([]) })
    .default({ excessMs: 0, jitLines: [] }),
  prefixCache: z.union([z.literal('none'), z.strictObject({ blockTokens: z.int().min(1) })]).default('none'),
  /** Tokens that the KV pool holds: what the prefix cache can keep, and what the usage is a fraction of. */
  kvCacheTokens: z.int().min(1).default(262_144),
  stream: streamSchema.prefault({}),
});

export type ServingProfile = z.infer<typeof servingProfileSchema>;
export type StreamForm = ServingProfile['stream'];
