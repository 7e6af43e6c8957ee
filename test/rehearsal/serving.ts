/** A service of the rehearsal engine inside the test, with its truth at hand; and the forms its streams can take. */
import { onTestFinished } from 'vitest';
import { startService, type ServiceOptions } from '../../lib/rehearsal/service.js';
import { servingProfileSchema } from '../../lib/rehearsal/serving-profile.js';
import type { TruthEvent } from '../../lib/rehearsal/truth.js';
import { exchange, type Exchange } from '../../lib/probe/exchange.js';
import { traceOf, type Trace } from '../../lib/probe/trace.js';
import { clock } from '../launch/place.js';

/** Parts of a profile; what is not given is quick. */
export type ProfileParts = Readonly<Record<string, unknown>>;

export const profileOf = (parts: ProfileParts = {}) =>
  servingProfileSchema.parse({ prefillBaseMs: 4, prefillMsPerToken: 0, decodeMsPerToken: 2, ...parts });

export type StampedTruth = TruthEvent & { readonly atMs: number };

export interface Served {
  readonly origin: string;
  readonly truth: StampedTruth[];
  readonly log: string[];
  close(): Promise<void>;
  /** One POST through the probe's own client. */
  ask(body: Body, path?: string): Promise<{ readonly seen: Exchange; readonly trace: Trace }>;
  /** What was written for the n-th POST, comments left out. */
  written(request: number): StampedTruth[];
  figures(): Promise<string>;
}
type Body = Readonly<Record<string, unknown>>;

export async function serve(parts: ProfileParts = {}, options: Partial<ServiceOptions> = {}): Promise<Served> {
  const truth: StampedTruth[] = [];
  const log: string[] = [];
  const service = await startService({
    profile: profileOf(parts),
    servedName: 'tiny',
    maxModelLen: 4096,
    modelLocation: '/models/tiny',
    port: 0,
    host: '127.0.0.1',
    version: '0.0.0',
    truth: { write: (event) => truth.push({ atMs: clock.nowMs(), ...event } as StampedTruth), nowMs: clock.nowMs },
    log: (line) => log.push(line),
    perRequestMetrics: true,
    promptTokensDetails: true,
    ...options,
  });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= service.close());
  onTestFinished(close);
  const origin = `http://127.0.0.1:${service.port}`;
  let asked = 0;
  return {
    origin,
    truth,
    log,
    close,
    ask: async (body, path = '/v1/completions') => {
      asked += 1;
      const seen = await exchange({ origin, path, body: JSON.stringify(body), timeoutMs: 30_000 }, clock);
      const label = { requestId: String(asked), launch: 1, name: 'warm', index: asked, workload: 'seed' };
      return { seen, trace: traceOf({ ...label, streamed: body['stream'] === true }, seen) };
    },
    written: (request) =>
      truth.filter((one) => one.event === 'chunk-written' && one.request === request && one.name !== 'comment'),
    figures: async () => (await fetch(`${origin}/metrics`)).text(),
  };
}

export const completion = (more: Body = {}): Body => ({ model: 'tiny', prompt: 'hello', max_tokens: 6, ...more });
export const streamed = (more: Body = {}): Body =>
  completion({ stream: true, stream_options: { include_usage: true }, ...more });
export const chat = (more: Body = {}): Body => ({
  model: 'tiny',
  messages: [{ role: 'user', content: 'hello' }],
  max_tokens: 6,
  stream: true,
  stream_options: { include_usage: true },
  ...more,
});

interface Form {
  readonly name: string;
  readonly stream: Readonly<Record<string, unknown>>;
  readonly chat: boolean;
  /** Kinds of the events of six tokens, by hand. */
  readonly kinds: string;
  readonly outcome: 'completed' | 'failed' | 'cut-off';
}

const form = (
  name: string,
  stream: Form['stream'],
  kinds: string,
  more: Partial<Pick<Form, 'chat' | 'outcome'>> = {},
): Form => ({ name, stream, chat: false, outcome: 'completed', ...more, kinds });

const six = 'token token token token token token';

export const forms: readonly Form[] = [
  form('plain completions', {}, `${six} usage done`),
  form('a chat with its role first', {}, `role ${six} usage done`, { chat: true }),
  form('a chat without a role', { roleChunk: false }, `${six} usage done`, { chat: true }),
  form('reasoning', { reasoningTokens: 2 }, 'role reasoning reasoning token token token token usage done', {
    chat: true,
  }),
  form('empty chunks', { emptyChunks: 2 }, 'empty empty token token token token usage done'),
  form('several tokens a chunk', { tokensPerChunk: 4 }, 'token token usage done'),
  form('no usage', { usageChunk: false }, `${six} done`),
  form('characters cut by a write', { splitUtf8: 'writes' }, `${six} usage done`),
  form('characters held back', { splitUtf8: 'chunks' }, 'token empty token token token token usage done'),
  form('CR LF', { crlf: true }, `${six} usage done`),
  form('comments', { commentEvery: 2 }, `${six} usage done`),
  form('comments and CR LF', { commentEvery: 3, crlf: true, splitUtf8: 'writes' }, `${six} usage done`),
  form('several events a write', { eventsPerWrite: 3 }, `${six} usage done`),
  form('a stall', { stalls: [{ afterTokens: 3, forMs: 40 }] }, `${six} usage done`),
  form('an error in the stream', { errorAfterTokens: 3 }, 'token token token error done', { outcome: 'failed' }),
  form('an end without [DONE]', { cutOff: { afterTokens: 3, how: 'end' } }, 'token token token', {
    outcome: 'cut-off',
  }),
  form('a reset', { cutOff: { afterTokens: 3, how: 'reset' } }, 'token token token', { outcome: 'cut-off' }),
];
