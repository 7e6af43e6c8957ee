/** A POST for generated text -> its answer, streamed or whole, its truth and its part in the metrics. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { partText, wholeAnswer, type AnswerHead, type GenerationTimes } from './answers.js';
import { parseGeneration, type GenerationRequest, type Served } from './ask.js';
import { readBody } from './body.js';
import type { EngineQueue } from './engine-queue.js';
import { reasoningRange, streamWrites } from './events.js';
import { planGeneration, type GenerationPlan } from './generation.js';
import type { PrefixCache } from './prefix-cache.js';
import { engineFailure, errorBody, Refusal } from './refusal.js';
import type { ServiceMetrics } from './service-metrics.js';
import type { ServingProfile } from './serving-profile.js';
import { waitUntil, writePlan } from './stream.js';
import type { TruthSink } from './truth.js';

export interface Engine {
  readonly profile: ServingProfile;
  readonly served: Served;
  readonly truth: TruthSink;
  readonly queue: EngineQueue;
  readonly cache: PrefixCache;
  readonly metrics: ServiceMetrics;
  readonly perRequestMetrics: boolean;
  readonly promptTokensDetails: boolean;
  /** Seconds of the wall clock. */
  readonly wallS: () => number;
  readonly log: (line: string) => void;
  /** Place of the next generation POST, and of the next one that is really generated; from 1. */
  readonly nextPost: () => number;
  readonly nextGeneration: () => number;
  /** Told what is generated now, for the usage of the KV pool; undefined at its end. */
  readonly setCurrent: (current: Generation | undefined) => void;
}

export interface Generation {
  readonly request: GenerationRequest;
  readonly plan: GenerationPlan;
  readonly scheduledAtMs: number;
}

/** How an answer goes out. `started` is told the status as soon as it stands. */
export interface Outlet {
  readonly response: ServerResponse;
  /** Aborted when the client is gone or the server is stopped. */
  readonly signal: AbortSignal;
  readonly started: (status: number) => void;
}

/** What one request has met so far. */
interface Course {
  readonly post: number;
  readonly arrivedAtMs: number;
}

export async function serveGeneration(
  engine: Engine,
  incoming: IncomingMessage,
  path: string,
  outlet: Outlet,
): Promise<void> {
  const { truth } = engine;
  const course: Course = { post: engine.nextPost(), arrivedAtMs: truth.nowMs() };
  truth.write({ event: 'request-received', atMs: course.arrivedAtMs, request: course.post, name: path });
  try {
    const request = parseGeneration(path, await readBody(incoming), engine.served);
    if (request.streamed) {
      // As with vLLM, the head of a stream goes out before anything was generated.
      outlet.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      outlet.response.socket?.setNoDelay(true);
      outlet.response.flushHeaders();
      outlet.started(200);
    }
    const queuedAtMs = truth.nowMs();
    await engine.queue.take(() => generate(engine, course, request, queuedAtMs, outlet));
  } finally {
    truth.write({ event: 'request-done', request: course.post });
  }
}

async function generate(
  engine: Engine,
  course: Course,
  request: GenerationRequest,
  queuedAtMs: number,
  outlet: Outlet,
): Promise<void> {
  const { profile, truth, cache, metrics } = engine;
  const scheduledAtMs = truth.nowMs();
  if (outlet.signal.aborted) {
    count(engine, course, request, 0, { tokenAtMs: [], times: undefined, end: 'abort' });
    return;
  }
  const ordinal = engine.nextGeneration();
  const { prompt, salt, maxTokens } = request;
  const cachedTokens = cache.find(prompt, salt);
  metrics.countPrefix(prompt.length, cachedTokens);
  const plan = planGeneration(profile, { prompt, cachedTokens, maxTokens, ordinal });
  const generation = { request, plan, scheduledAtMs };
  engine.setCurrent(generation);
  if (ordinal === 1) sayJitLines(engine, course, scheduledAtMs, outlet.signal);
  const times = timesOf(generation, queuedAtMs, maxTokens);
  let end: 'length' | 'abort' | 'error';
  try {
    const answer = { engine, course, generation, cachedTokens, times, outlet };
    end = await (request.streamed ? streamAnswer(answer) : answerWhole(answer));
  } finally {
    engine.setCurrent(undefined);
  }
  const made = madeTokens(generation, profile, truth.nowMs());
  if (made > 0) cache.keep(prompt, salt);
  count(engine, course, request, cachedTokens, {
    tokenAtMs: plan.atMs.slice(0, made).map((atMs) => scheduledAtMs + atMs),
    times: timesOf(generation, queuedAtMs, made),
    end,
  });
}

interface Answer {
  readonly engine: Engine;
  readonly course: Course;
  readonly generation: Generation;
  readonly cachedTokens: number;
  readonly times: GenerationTimes | undefined;
  readonly outlet: Outlet;
}
type End = 'length' | 'abort' | 'error';

async function streamAnswer(answer: Answer): Promise<End> {
  const { engine, course, generation, outlet } = answer;
  const { truth, profile } = engine;
  const { response, signal } = outlet;
  const { writes, end } = streamWrites({
    request: generation.request,
    head: headOf(answer),
    form: profile.stream,
    plan: generation.plan,
    cachedTokens: engine.promptTokensDetails ? answer.cachedTokens : undefined,
    times: engine.perRequestMetrics ? answer.times : undefined,
  });
  let sequence = 0;
  const tell = (name: string, atMs: number) =>
    truth.write({
      event: 'chunk-written',
      atMs,
      request: course.post,
      // A comment is no event, so it takes no number.
      sequence: name === 'comment' ? undefined : ++sequence,
      name,
    });
  const written = (write: { readonly kinds: readonly string[] }, atMs: number) => {
    for (const kind of write.kinds) tell(kind, atMs);
  };
  await writePlan(response, writes, truth.nowMs, { beginAtMs: generation.scheduledAtMs, written, signal });
  if (signal.aborted) {
    if (response.destroyed) return 'abort';
    const last = [errorBody(engineFailure(stopped)), '[DONE]'];
    tell('error', truth.nowMs());
    tell('done', truth.nowMs());
    response.end(last.map((data) => `data: ${data}\n\n`).join(''));
    return 'error';
  }
  if (end === 'cut' && profile.stream.cutOff?.how === 'reset') response.socket?.resetAndDestroy();
  else response.end();
  return end === 'complete' ? 'length' : end === 'cut' ? 'abort' : 'error';
}

async function answerWhole(answer: Answer): Promise<End> {
  const { engine, generation, outlet } = answer;
  const { plan, request, scheduledAtMs } = generation;
  const { stream } = engine.profile;
  const tokens = Math.min(plan.texts.length, stopAfter(engine.profile));
  await waitUntil(scheduledAtMs + (plan.atMs[tokens - 1] ?? 0), engine.truth.nowMs, outlet.signal);
  if (outlet.response.destroyed) return 'abort';
  if (outlet.signal.aborted) throw engineFailure(stopped);
  if (tokens < plan.texts.length && stream.cutOff?.afterTokens === tokens) {
    outlet.response.socket?.resetAndDestroy();
    return 'abort';
  }
  if (tokens < plan.texts.length) {
    sendJson(outlet, 500, errorBody(engineFailure('The profile of this rehearsal lets the engine fail here.')));
    return 'error';
  }
  const usage = {
    promptTokens: request.prompt.length,
    completionTokens: tokens,
    cachedTokens: engine.promptTokensDetails ? answer.cachedTokens : undefined,
  };
  const text = partText(plan.texts, 0, reasoningRange(stream), request);
  const times = engine.perRequestMetrics ? answer.times : undefined;
  sendJson(outlet, 200, wholeAnswer(headOf(answer), text, usage, times));
  return 'length';
}

const stopped = 'The server was stopped while it generated.';

/** One answer in JSON, in one write. */
export function sendJson({ response, started }: Pick<Outlet, 'response' | 'started'>, status: number, body: string) {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  started(status);
  response.end(body);
}

/** A refusal, or a failure of this program's own, as the answer if none has begun. */
export function sendError(outlet: Pick<Outlet, 'response' | 'started'>, error: unknown): void {
  if (outlet.response.destroyed) return;
  if (outlet.response.headersSent) {
    outlet.response.destroy();
    return;
  }
  const refusal = error instanceof Refusal ? error : engineFailure(error instanceof Error ? error.message : 'unknown');
  sendJson(outlet, refusal.status, errorBody(refusal));
}

/** Spread over the excess of the first generation, which waits for what they name. */
function sayJitLines({ profile, truth, log }: Engine, { post }: Course, fromMs: number, signal: AbortSignal): void {
  const { excessMs, jitLines } = profile.firstRequest;
  const say = async () => {
    for (const [index, line] of jitLines.entries()) {
      await waitUntil(fromMs + (excessMs * (index + 1)) / (jitLines.length + 1), truth.nowMs, signal);
      if (signal.aborted) return;
      truth.write({ event: 'jit', request: post });
      log(line);
    }
  };
  void say();
}

function headOf({ engine, generation }: Answer): AnswerHead {
  const { chat } = generation.request;
  return {
    id: `${chat ? 'chatcmpl' : 'cmpl'}-${randomBytes(8).toString('hex')}`,
    chat,
    createdS: Math.floor(engine.wallS()),
    model: engine.served.servedName,
  };
}

/** When the engine made the first `tokens` tokens; undefined when there is none. */
function timesOf({ plan, scheduledAtMs }: Generation, queuedAtMs: number, tokens: number): GenerationTimes | undefined {
  const [first] = plan.atMs;
  const last = plan.atMs[tokens - 1];
  if (first === undefined || last === undefined) return undefined;
  return {
    queuedAtMs,
    scheduledAtMs,
    firstTokenAtMs: scheduledAtMs + first,
    lastTokenAtMs: scheduledAtMs + last,
    tokens,
  };
}

/** Tokens that are there at an instant. */
export function madeTokens({ plan, scheduledAtMs }: Generation, profile: ServingProfile, nowMs: number): number {
  const made = plan.atMs.filter((atMs) => scheduledAtMs + atMs <= nowMs).length;
  return Math.min(made, stopAfter(profile));
}

const stopAfter = ({ stream }: ServingProfile): number =>
  Math.min(stream.errorAfterTokens ?? Infinity, stream.cutOff?.afterTokens ?? Infinity);

function count(
  { metrics, truth }: Engine,
  { arrivedAtMs }: Course,
  request: GenerationRequest,
  cachedTokens: number,
  rest: { readonly tokenAtMs: readonly number[]; readonly times: GenerationTimes | undefined; readonly end: End },
): void {
  metrics.countRequest({
    arrivedAtMs,
    endedAtMs: truth.nowMs(),
    promptTokens: request.prompt.length,
    cachedTokens,
    maxTokens: request.maxTokens,
    ...rest,
  });
}
