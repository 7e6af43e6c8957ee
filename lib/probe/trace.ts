/** An exchange with a completions endpoint -> the rows it becomes in requests.csv and chunks.csv. */
import type { ChunkRow, RequestRow } from '../archive/tables.js';
import { parseChunk, type Chunk } from './chunk.js';
import type { Exchange } from './exchange.js';
import { parseEvents } from './sse.js';

/** What a request is called, known before it is sent. */
export interface RequestLabel {
  readonly requestId: string;
  readonly launch: number;
  readonly name: string;
  readonly index: number;
  readonly workload: string;
  readonly streamed: boolean;
  readonly idleBeforeMs?: number | undefined;
}

export interface Trace {
  readonly request: RequestRow;
  readonly chunks: readonly ChunkRow[];
}

const previewCharacters = 80;

/**
 * Parse what an exchange brought, also of one that broke: what was seen of it keeps its stamps. A stream that ends
 * without `[DONE]` and a finish reason, or that the server gave up, is 'cut-off'; an error event inside a 200
 * answer is 'failed': none of them counts as a fast request.
 */
export function traceOf(label: RequestLabel, seen: Exchange): Trace {
  const stamps: Stamps = {
    httpStatus: seen.status,
    startAtMs: seen.startAtMs,
    connectedAtMs: seen.connectedAtMs,
    sentAtMs: seen.sentAtMs,
    headersAtMs: seen.headersAtMs,
    firstByteAtMs: seen.reads[0]?.atMs,
    endAtMs: seen.endAtMs,
  };
  const broken = seen.failure || seen.status === undefined ? outcomeOfFailure(seen) : undefined;
  if (seen.status === 200 && label.streamed) return traceOfStream(label, stamps, seen, broken);
  if (broken) return { request: { ...label, ...stamps, ...broken }, chunks: [] };
  if (seen.status !== 200) {
    return {
      request: {
        ...label,
        ...stamps,
        outcome: 'refused',
        error: `HTTP ${seen.status}: ${bodyText(seen).slice(0, 200)}`,
      },
      chunks: [],
    };
  }
  return { request: traceOfAnswer(label, stamps, seen), chunks: [] };
}

type Stamps = Pick<
  RequestRow,
  'startAtMs' | 'httpStatus' | 'connectedAtMs' | 'sentAtMs' | 'headersAtMs' | 'firstByteAtMs' | 'endAtMs'
>;
type Outcome = Pick<RequestRow, 'outcome' | 'error'>;

function outcomeOfFailure(seen: Exchange): Outcome {
  const code = seen.failure?.code ?? 'no-answer';
  const error = `${code}: ${seen.failure?.message ?? 'the connection ended without an answer'}`;
  if (code === 'timeout') return { outcome: 'timed-out', error };
  if (code === 'aborted') return { outcome: 'cut-off', error };
  if (seen.connectedAtMs === undefined) return { outcome: 'refused', error };
  return { outcome: seen.reads.length > 0 ? 'cut-off' : 'failed', error };
}

function traceOfStream(label: RequestLabel, stamps: Stamps, seen: Exchange, broken: Outcome | undefined): Trace {
  const events = parseEvents(seen.reads).map((event) => ({ event, chunk: parseChunk(event.data) }));
  const stampOf = (wanted: (chunk: Chunk) => boolean) => events.find(({ chunk }) => wanted(chunk))?.event.atMs;
  const generated = events.filter(({ chunk }) => chunk.kind === 'token' || chunk.kind === 'reasoning');
  const finishReason = events.filter(({ chunk }) => chunk.finishReason !== undefined).at(-1)?.chunk.finishReason;
  const doneAtMs = stampOf((chunk) => chunk.kind === 'done');
  const request: RequestRow = {
    ...label,
    ...stamps,
    ...(broken ??
      outcomeOfStream(events.find(({ chunk }) => chunk.kind === 'error')?.chunk.error, finishReason, doneAtMs)),
    firstEventAtMs: events[0]?.event.atMs,
    firstChoiceAtMs: stampOf((chunk) => chunk.hasChoice),
    firstTokenAtMs: generated[0]?.event.atMs,
    firstVisibleAtMs: stampOf((chunk) => chunk.kind === 'token'),
    lastTokenAtMs: generated.at(-1)?.event.atMs,
    doneAtMs,
    chunks: generated.length,
    finishReason,
    ...figuresOf(events.map(({ chunk }) => chunk)),
    outputPreview: previewOf(generated.map(({ chunk }) => chunk.text).join('')),
  };
  const chunks = events.map(({ event, chunk }, index) => ({
    requestId: label.requestId,
    sequence: index + 1,
    read: event.read,
    atMs: event.atMs,
    kind: chunk.kind,
    characters: chunk.text.length,
    bytes: Buffer.byteLength(event.data),
  }));
  return { request, chunks };
}

function outcomeOfStream(
  failure: string | undefined,
  finishReason: string | undefined,
  doneAtMs: number | undefined,
): Outcome {
  if (failure !== undefined) return { outcome: 'failed', error: failure };
  if (doneAtMs === undefined || finishReason === undefined)
    return { outcome: 'cut-off', error: 'the stream ended without a finish reason and [DONE]' };
  return outcomeOfFinish(finishReason);
}

/** 'abort' and 'error' are vLLM's words for a request that it gave up. */
function outcomeOfFinish(finishReason: string | undefined): Outcome {
  if (finishReason !== 'abort' && finishReason !== 'error') return { outcome: 'completed' };
  return { outcome: 'cut-off', error: `the server ended the request with finish_reason ${finishReason}` };
}

function traceOfAnswer(label: RequestLabel, stamps: Stamps, seen: Exchange): RequestRow {
  const text = bodyText(seen);
  const chunk = parseChunk(text);
  if (chunk.kind !== 'error' && !chunk.hasChoice)
    return { ...label, ...stamps, outcome: 'failed', error: `the answer has no choices: ${text.slice(0, 80)}` };
  return {
    ...label,
    ...stamps,
    ...(chunk.kind === 'error' ? { outcome: 'failed', error: chunk.error } : outcomeOfFinish(chunk.finishReason)),
    finishReason: chunk.finishReason,
    ...figuresOf([chunk]),
    outputPreview: previewOf(chunk.text),
  };
}

/** Whole characters, as the seed's client counts them: a surrogate pair is one. */
function previewOf(text: string): string {
  return Array.from(text.trim()).slice(0, previewCharacters).join('');
}

/** The last word of the stream on usage and metrics: with continuous usage, every chunk carries a running count. */
function figuresOf(chunks: readonly Chunk[]): Partial<RequestRow> {
  const usage = chunks.filter((chunk) => chunk.usage !== undefined).at(-1)?.usage;
  const metrics = chunks.filter((chunk) => chunk.metrics !== undefined).at(-1)?.metrics;
  return {
    promptTokens: usage?.promptTokens,
    completionTokens: usage?.completionTokens,
    totalTokens: usage?.totalTokens,
    cachedTokens: usage?.cachedTokens,
    serverFirstTokenMs: metrics?.firstTokenMs,
    serverQueueMs: metrics?.queueMs,
    serverGenerationMs: metrics?.generationMs,
  };
}

function bodyText(seen: Exchange): string {
  return Buffer.concat(seen.reads.map((read) => read.bytes)).toString('utf8');
}
