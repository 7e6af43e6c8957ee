/** An exchange with a completions endpoint -> the rows it becomes in requests.csv and chunks.csv. */
import type { ChunkRow, RequestRow } from '../archive/tables.js';
import { parseBody, parseChunk, type Chunk } from './chunk.js';
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
 * Parse what an exchange brought. A stream that ends without `[DONE]` and without a finish reason is
 * 'cut-off'; an error event inside a 200 answer is 'failed': neither counts as a fast request.
 */
export function traceOf(label: RequestLabel, seen: Exchange): Trace {
  const stamps = {
    httpStatus: seen.status,
    startAtMs: seen.startAtMs,
    connectedAtMs: seen.connectedAtMs,
    sentAtMs: seen.sentAtMs,
    headersAtMs: seen.headersAtMs,
    firstByteAtMs: seen.reads[0]?.atMs,
    endAtMs: seen.endAtMs,
  };
  if (seen.failure || seen.status === undefined) return { request: { ...label, ...stamps, ...outcomeOfFailure(seen) }, chunks: [] };
  if (seen.status !== 200) {
    return { request: { ...label, ...stamps, outcome: 'refused', error: `HTTP ${seen.status}: ${bodyText(seen).slice(0, 200)}` }, chunks: [] };
  }
  return label.streamed ? traceOfStream(label, stamps, seen) : { request: traceOfAnswer(label, stamps, seen), chunks: [] };
}

type Stamps = Pick<RequestRow, 'startAtMs' | 'httpStatus' | 'connectedAtMs' | 'sentAtMs' | 'headersAtMs' | 'firstByteAtMs' | 'endAtMs'>;

function outcomeOfFailure(seen: Exchange): Pick<RequestRow, 'outcome' | 'error'> {
  const code = seen.failure?.code ?? 'no-answer';
  const error = `${code}: ${seen.failure?.message ?? 'the connection ended without an answer'}`;
  if (code === 'timeout') return { outcome: 'timed-out', error };
  if (seen.connectedAtMs === undefined) return { outcome: 'refused', error };
  return { outcome: seen.reads.length > 0 || code === 'aborted' ? 'cut-off' : 'failed', error };
}

function traceOfStream(label: RequestLabel, stamps: Stamps, seen: Exchange): Trace {
  const events = parseEvents(seen.reads).map((event) => ({ event, chunk: parseChunk(event.data) }));
  const stampOf = (wanted: (chunk: Chunk) => boolean) => events.find(({ chunk }) => wanted(chunk))?.event.atMs;
  const generated = events.filter(({ chunk }) => chunk.kind === 'token' || chunk.kind === 'reasoning');
  const failure = events.find(({ chunk }) => chunk.kind === 'error')?.chunk.error;
  const finishReason = events.findLast(({ chunk }) => chunk.finishReason !== undefined)?.chunk.finishReason;
  const doneAtMs = stampOf((chunk) => chunk.kind === 'done');
  const whole = doneAtMs !== undefined && finishReason !== undefined;
  const request: RequestRow = {
    ...label,
    ...stamps,
    outcome: failure !== undefined ? 'failed' : whole ? 'completed' : 'cut-off',
    error: failure ?? (whole ? undefined : 'the stream ended without a finish reason and [DONE]'),
    firstEventAtMs: events[0]?.event.atMs,
    firstChoiceAtMs: stampOf((chunk) => chunk.hasChoice),
    firstTokenAtMs: generated[0]?.event.atMs,
    firstVisibleAtMs: stampOf((chunk) => chunk.kind === 'token'),
    lastTokenAtMs: generated.at(-1)?.event.atMs,
    doneAtMs,
    chunks: generated.length,
    finishReason,
    ...figuresOf(events.map(({ chunk }) => chunk)),
    outputPreview: generated.map(({ chunk }) => chunk.text).join('').trim().slice(0, previewCharacters),
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

function traceOfAnswer(label: RequestLabel, stamps: Stamps, seen: Exchange): RequestRow {
  const text = bodyText(seen);
  let chunk: Chunk;
  try {
    chunk = parseBody(JSON.parse(text) as Record<string, unknown>);
  } catch {
    return { ...label, ...stamps, outcome: 'failed', error: `the answer is not JSON: ${text.slice(0, 80)}` };
  }
  return {
    ...label,
    ...stamps,
    outcome: chunk.kind === 'error' ? 'failed' : 'completed',
    error: chunk.error,
    finishReason: chunk.finishReason,
    ...figuresOf([chunk]),
    outputPreview: chunk.text.trim().slice(0, previewCharacters),
  };
}

/** The last word of the stream on usage and metrics: with continuous usage, every chunk carries a running count. */
function figuresOf(chunks: readonly Chunk[]): Partial<RequestRow> {
  const usage = chunks.findLast((chunk) => chunk.usage !== undefined)?.usage;
  const metrics = chunks.findLast((chunk) => chunk.metrics !== undefined)?.metrics;
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
