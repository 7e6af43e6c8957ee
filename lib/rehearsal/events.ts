/** A generation -> the writes of its stream, in the form that the profile asks for. A pure plan; nothing is sent. */
import {
  partText,
  roleEvent,
  textEvent,
  usageEvent,
  type AnswerHead,
  type GenerationTimes,
  type UsageCounts,
} from './answers.js';
import type { GenerationRequest } from './ask.js';
import type { GenerationPlan } from './generation.js';
import { engineFailure, errorBody } from './refusal.js';
import type { StreamForm } from './serving-profile.js';
import type { PlannedWrite } from './stream.js';

export type EventKind = 'role' | 'token' | 'reasoning' | 'empty' | 'usage' | 'error' | 'done' | 'comment';

/** A write, and the events that are complete with it. */
export interface StreamWrite extends PlannedWrite {
  readonly bytes: string | Uint8Array;
  readonly kinds: readonly EventKind[];
}

export interface StreamAsk {
  readonly request: GenerationRequest;
  readonly head: AnswerHead;
  readonly form: StreamForm;
  readonly plan: GenerationPlan;
  /** Told in the last event; absent when the server was not asked to. */
  readonly cachedTokens: number | undefined;
  readonly times: GenerationTimes | undefined;
}

/** How the stream ends; what is not here ends as it should. */
export type StreamEnd = 'complete' | 'error' | 'cut';

interface Event {
  /** ms after the request was scheduled. */
  readonly atMs: number;
  readonly kind: EventKind;
  readonly data: string;
}

/** The second part of an event that is cut in two comes so much later: written at once, both would be read at once. */
const secondPartAfterMs = 2;

export function streamWrites(ask: StreamAsk): { readonly writes: StreamWrite[]; readonly end: StreamEnd } {
  const { events, end } = eventsOf(ask);
  const { form } = ask;
  const writes: StreamWrite[] = [];
  let before = 0;
  const add = (atMs: number, bytes: string | Uint8Array, kinds: readonly EventKind[]) => {
    writes.push({ delayMs: Math.max(0, atMs - before), bytes, kinds });
    before = Math.max(before, atMs);
  };
  for (let from = 0; from < events.length; from += form.eventsPerWrite) {
    const together = events.slice(from, from + form.eventsPerWrite);
    const atMs = together.at(-1)?.atMs ?? 0;
    const bytes = together.map((event, index) => textOf(event, from + index, form)).join('');
    const kinds = together.flatMap((event, index): EventKind[] =>
      hasComment(from + index, form) ? ['comment', event.kind] : [event.kind],
    );
    const cut = form.splitUtf8 === 'writes' ? cutInsideCharacter(bytes) : undefined;
    if (cut) {
      add(atMs, cut[0], []);
      add(atMs + secondPartAfterMs, cut[1], kinds);
    } else add(atMs, bytes, kinds);
  }
  return { writes, end };
}

function eventsOf({ request, head, form, plan, cachedTokens, times }: StreamAsk): { events: Event[]; end: StreamEnd } {
  const promptTokens = request.prompt.length;
  const usageAfter = (completionTokens: number): UsageCounts | undefined =>
    request.continuousUsage && request.includeUsage && form.usageChunk ? { promptTokens, completionTokens } : undefined;
  const asked = plan.texts.length;
  const stopAfter = Math.min(form.errorAfterTokens ?? Infinity, form.cutOff?.afterTokens ?? Infinity);
  const made = Math.min(asked, stopAfter);
  const reasoning = reasoningRange(form);
  const events: Event[] = [];
  if (request.chat && form.roleChunk)
    events.push({ atMs: plan.atMs[0] ?? 0, kind: 'role', data: roleEvent(head, usageAfter(0)) });
  for (let from = 0; from < made; from += form.tokensPerChunk) {
    const to = Math.min(made, from + form.tokensPerChunk);
    const text = partText(plan.texts.slice(from, to), from, reasoning, request);
    const kind = text.visible !== '' ? 'token' : text.reasoning !== '' ? 'reasoning' : 'empty';
    const data = textEvent(head, text, to === asked ? 'length' : null, usageAfter(to));
    events.push({ atMs: plan.atMs[to - 1] ?? 0, kind, data });
  }
  const atMs = plan.atMs[made - 1] ?? 0;
  if (made < asked && form.cutOff?.afterTokens === made) return { events, end: 'cut' };
  const failed = made < asked;
  if (failed) events.push({ atMs, kind: 'error', data: errorBody(engineFailure(rehearsedFailure)) });
  else if (request.includeUsage && form.usageChunk)
    events.push({
      atMs,
      kind: 'usage',
      data: usageEvent(head, { promptTokens, completionTokens: made, cachedTokens }, times),
    });
  events.push({ atMs, kind: 'done', data: '[DONE]' });
  return { events, end: failed ? 'error' : 'complete' };
}

const rehearsedFailure = 'The profile of this rehearsal lets the engine fail here.';

/** Tokens without text come first. */
export function reasoningRange({ emptyChunks, reasoningTokens }: StreamForm): { from: number; to: number } {
  return { from: emptyChunks, to: emptyChunks + reasoningTokens };
}

const hasComment = (index: number, { commentEvery }: StreamForm): boolean =>
  commentEvery > 0 && index % commentEvery === 0;

function textOf({ data }: Event, index: number, form: StreamForm): string {
  const end = form.crlf ? '\r\n' : '\n';
  const comment = hasComment(index, form) ? `: ping${end}${end}` : '';
  return `${comment}data: ${data}${end}${end}`;
}

/** After the first byte of the first character that has several; undefined when there is none. */
function cutInsideCharacter(text: string): readonly [Uint8Array, Uint8Array] | undefined {
  const bytes = Buffer.from(text);
  const at = bytes.findIndex((byte) => byte >= 0x80);
  return at < 0 ? undefined : [bytes.subarray(0, at + 1), bytes.subarray(at + 1)];
}
