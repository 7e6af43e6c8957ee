/** The HTTP side of the rehearsal engine: vLLM's paths, its errors and its access log, on one port. */
import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { readWallClock } from '../clock.js';
import { parseTokenize } from './ask.js';
import { readBody } from './body.js';
import { createEngineQueue } from './engine-queue.js';
import { createPrefixCache, noPrefixCache } from './prefix-cache.js';
import { Refusal } from './refusal.js';
import { madeTokens, sendError, sendJson, serveGeneration, type Engine, type Generation } from './serve-generation.js';
import { createServiceMetrics } from './service-metrics.js';
import type { ServingProfile } from './serving-profile.js';
import type { TruthSink } from './truth.js';

export interface ServiceOptions {
  readonly profile: ServingProfile;
  readonly servedName: string;
  readonly maxModelLen: number;
  readonly modelLocation: string;
  readonly port: number;
  readonly host: string;
  /** Told at /version. */
  readonly version: string;
  readonly truth: TruthSink;
  /** A line as a server prints it: of an access, or of the profile. */
  readonly log: (line: string) => void;
  /** --enable-per-request-metrics: a `metrics` object in every answer. */
  readonly perRequestMetrics?: boolean | undefined;
  /** --enable-prompt-tokens-details: `cached_tokens` in the usage of every answer. */
  readonly promptTokensDetails?: boolean | undefined;
}

export interface Service {
  /** The port listened on: of interest when 0 was asked for. */
  readonly port: number;
  /** Streams in flight end with an error event; resolves when no connection is left. */
  close(): Promise<void>;
}

const generationPaths = ['/v1/completions', '/v1/chat/completions'] as const;
/** As in vLLM, being looked at does not count as a request. */
const uncountedPaths = new Set(['/health', '/version', '/metrics']);
/** Tokens of a KV block where no prefix cache says otherwise: vLLM's on a GPU. */
const defaultBlockTokens = 16;

/** Serve until it is closed. Rejects when the port cannot be had. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { truth } = options;
  const { engine, current } = createEngine(options);
  const inFlight = new Set<{ readonly stop: AbortController; readonly over: Promise<void> }>();
  let healthTold = false;

  const routes: Readonly<Record<string, (to: Visit) => void | Promise<void>>> = {
    'GET /health': ({ response, started }) => {
      if (!healthTold) truth.write({ event: 'first-health' });
      healthTold = true;
      response.writeHead(200, { 'content-length': 0 });
      started(200);
      response.end();
    },
    'GET /version': (to) => sendJson(to, 200, JSON.stringify({ version: options.version })),
    'GET /v1/models': (to) => sendJson(to, 200, modelList(options, engine.wallS())),
    'GET /metrics': ({ response, started }) => {
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
      started(200);
      response.end(engine.metrics.text(stateOf(options.profile, engine, current())));
    },
    'POST /tokenize': async (to) => {
      const tokens = parseTokenize(await readBody(to.request), engine.served);
      const answer = { count: tokens.length, max_model_len: options.maxModelLen, tokens, token_strs: null };
      sendJson(to, 200, JSON.stringify(answer));
    },
    ...Object.fromEntries(
      generationPaths.map((path) => [`POST ${path}`, (to: Visit) => serveGeneration(engine, to.request, path, to)]),
    ),
  };

  const knownPaths = new Set(Object.keys(routes).map((one) => one.slice(one.indexOf(' ') + 1)));

  const visit = async (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => {
    const { method = 'GET', url = '/' } = request;
    const path = url.split('?')[0] ?? url;
    const peer = `${request.socket.remoteAddress ?? '-'}:${request.socket.remotePort ?? 0}`;
    const started = (status: number) => {
      options.log(`INFO:     ${peer} - "${method} ${url} HTTP/1.1" ${status} ${STATUS_CODES[status] ?? ''}`);
      if (knownPaths.has(path) && !uncountedPaths.has(path)) engine.metrics.countHttp(method, path, status);
    };
    const to: Visit = { request, response, signal, started };
    try {
      const route = routes[`${method} ${path}`];
      if (!route) throw knownPaths.has(path) ? new Refusal(405, 'Method Not Allowed') : new Refusal(404, 'Not Found');
      await route(to);
    } catch (error) {
      sendError(to, error);
    } finally {
      // An answer that did not need the body must not leave it in the way of the next request.
      request.resume();
    }
  };

  const server = createServer((request, response) => {
    const stop = new AbortController();
    response.on('close', () => stop.abort());
    const one = { stop, over: visit(request, response, stop.signal) };
    inFlight.add(one);
    void one.over.finally(() => inFlight.delete(one));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: options.port, host: options.host, backlog: 2048 }, resolve);
  });
  truth.write({ event: 'listening' });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const { stop } of inFlight) stop.abort();
      await Promise.all([...inFlight].map(({ over }) => over));
      server.closeIdleConnections();
      await closed;
    },
  };
}

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  readonly started: (status: number) => void;
}

function createEngine(options: ServiceOptions): { engine: Engine; current: () => Generation | undefined } {
  const { profile, truth } = options;
  let posts = 0;
  let generations = 0;
  let now: Generation | undefined;
  // The wall clock is read once; the run's clock carries it on.
  const wallAtStartS = Date.parse(readWallClock()) / 1000 - truth.nowMs() / 1000;
  const engine: Engine = {
    profile,
    served: { servedName: options.servedName, maxModelLen: options.maxModelLen },
    truth,
    queue: createEngineQueue(),
    cache:
      profile.prefixCache === 'none'
        ? noPrefixCache
        : createPrefixCache(profile.prefixCache.blockTokens, profile.kvCacheTokens),
    metrics: createServiceMetrics(options.servedName, options.maxModelLen),
    perRequestMetrics: options.perRequestMetrics ?? false,
    promptTokensDetails: options.promptTokensDetails ?? false,
    wallS: () => wallAtStartS + truth.nowMs() / 1000,
    log: options.log,
    nextPost: () => ++posts,
    nextGeneration: () => ++generations,
    setCurrent: (generation) => {
      now = generation;
    },
  };
  return { engine, current: () => now };
}

function stateOf(profile: ServingProfile, { queue, truth }: Engine, current: Generation | undefined) {
  const blockTokens = profile.prefixCache === 'none' ? defaultBlockTokens : profile.prefixCache.blockTokens;
  const blocks = Math.max(1, Math.floor(profile.kvCacheTokens / blockTokens));
  const held = current ? current.request.prompt.length + madeTokens(current, profile, truth.nowMs()) : 0;
  return {
    running: queue.running(),
    waiting: queue.waiting(),
    kvCacheUsage: Math.min(1, Math.ceil(held / blockTokens) / blocks),
    blockTokens,
    blocks,
  };
}

function modelList({ servedName, modelLocation, maxModelLen }: ServiceOptions, wallS: number): string {
  const model = {
    id: servedName,
    object: 'model',
    created: Math.floor(wallS),
    owned_by: 'rehearsal',
    root: modelLocation,
    parent: null,
    max_model_len: maxModelLen,
    permission: [],
  };
  return JSON.stringify({ object: 'list', data: [model] });
}
