/**
 * `npm run probe`: one request of the seed to any server, answered whole, as the seed's one JSON line; or, with a
 * rate, an open loop of streamed requests, one JSON line each and one that sums up. A program; it writes no file.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { RequestRow } from '../archive/tables.js';
import { createClock, type Clock } from '../clock.js';
import { seedPayload } from '../freeze/workload.js';
import { calibrate } from './calibrate.js';
import { planArrivals, type ArrivalPlan } from './arrivals.js';
import { exchange, type Exchange } from './exchange.js';
import { awake, probeModeFor } from './mode.js';
import { openLoopTimes, sendAsPlanned, summarizeOpenLoop, type PlannedExchange } from './openloop.js';
import { traceOf } from './trace.js';

const usage = `Usage: npm run probe -- --url http://127.0.0.1:8000 --model NAME [--prompt TEXT] [--max-tokens ${seedPayload.max_tokens}] [--timeout-s 60]
Sends one completion request and prints {"wall_s", "total_tokens", "prompt_tokens", "completion_tokens", "output_preview"}.

       npm run probe -- --url ... --model NAME --rate 5 --requests 100 [--pace fixed|poisson] [--seed 7]
Sends 100 streamed requests, 5 a second on average, each at its planned instant whatever is outstanding. One JSON line a request:
service times begin when it was sent, response times when it was planned. The last line sums up; exit code 1 when not all completed.`;

/** Requests to the stream of known truth before the one that counts: a cold client adds milliseconds of its own. */
const warmups = 20;

interface Options {
  /** Scheme, host, port and a path before /v1, if any; no slash at its end. */
  readonly base: URL;
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly timeoutMs: number;
  /** Absent: one request, and its answer whole. */
  readonly arrivals?: ArrivalPlan | undefined;
}

/** What is said to the user instead of an answer: one sentence of cause, one of what to try. */
class ProbeError extends Error {
  override readonly name = 'ProbeError';
}
class UsageError extends Error {
  override readonly name = 'UsageError';
}

main(process.argv.slice(2)).then(
  (line) => void process.stdout.write(`${line}\n`),
  (error: Error) => {
    process.stderr.write(`${error.message}\n${error instanceof UsageError ? `${usage}\n` : ''}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);

async function main(args: readonly string[]): Promise<string> {
  const options = parseOptions(args);
  if (options === 'help') return usage;
  const clock = createClock();
  await calibrate(warmups, 0, clock, process.cwd());
  if (options.arrivals) return sendOpenLoop(options, options.arrivals, clock);
  const body = JSON.stringify(payloadOf(options));
  const seen = await exchange(
    { origin: options.base.origin, path: `${pathOf(options.base)}/v1/completions`, body, timeoutMs: options.timeoutMs },
    clock,
  );
  const { request } = traceOf(
    { requestId: 'probe', launch: 0, name: 'probe', index: 1, workload: 'seed', streamed: false },
    seen,
  );
  if (request.outcome !== 'completed' || seen.endAtMs === undefined)
    throw await explain(options, seen, request.error ?? request.outcome);
  return JSON.stringify({
    wall_s: (seen.endAtMs - seen.startAtMs) / 1000,
    // JSON has no absent value inside a fixed set of keys; the seed prints null here too.
    total_tokens: request.totalTokens ?? null,
    prompt_tokens: request.promptTokens ?? null,
    completion_tokens: request.completionTokens ?? null,
    output_preview: request.outputPreview ?? '',
  });
}

function payloadOf({ model, prompt, maxTokens }: Options) {
  return { model, ...seedPayload, prompt, max_tokens: maxTokens };
}

/** Prints a line for each request as soon as that disturbs no other, and returns the last one. */
async function sendOpenLoop(options: Options, arrivals: ArrivalPlan, clock: Clock): Promise<string> {
  const { base, timeoutMs } = options;
  const body = JSON.stringify({ ...payloadOf(options), stream: true, stream_options: { include_usage: true } });
  const plan = { origin: base.origin, path: `${pathOf(base)}/v1/completions`, body, timeoutMs };
  const rows: RequestRow[] = [];
  const settled = (batch: readonly PlannedExchange[]) => {
    for (const { index, plannedAtMs, seen } of batch) {
      const label = { launch: 0, name: 'probe', index: index + 1, workload: 'seed', streamed: true };
      const row = { ...traceOf({ requestId: `probe-${index + 1}`, ...label }, seen).request, plannedAtMs };
      rows.push(row);
      const { outcome, error, completionTokens } = row;
      const line = { request: index + 1, plannedAtMs, outcome, error, ...openLoopTimes(row), completionTokens };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  };
  const mode = probeModeFor(availableParallelism());
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  await awake(mode, () =>
    sendAsPlanned(
      planArrivals(arrivals),
      () => exchange(plan, clock, interrupt.signal),
      clock,
      settled,
      interrupt.signal,
    ),
  );
  const summary = summarizeOpenLoop(arrivals.requests, rows);
  if (summary.outcomes['completed'] !== arrivals.requests) process.exitCode = 1;
  return JSON.stringify({ summary: { ...arrivals, ...summary, mode: mode.text } });
}

function parseOptions(args: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        url: text,
        model: text,
        prompt: text,
        'max-tokens': text,
        'timeout-s': text,
        rate: text,
        requests: text,
        pace: text,
        seed: text,
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}.`, { cause });
  }
  if (values.help) return 'help';
  if (!values.url || !values.model) throw new UsageError(`--${values.url ? 'model' : 'url'} is missing.`);
  return {
    base: parseBase(values.url),
    model: values.model,
    prompt: values.prompt ?? seedPayload.prompt,
    maxTokens: parseNumber(
      '--max-tokens',
      values['max-tokens'] ?? String(seedPayload.max_tokens),
      Number.isInteger,
      'a whole number of tokens, at least 1',
    ),
    timeoutMs:
      1000 *
      parseNumber(
        '--timeout-s',
        values['timeout-s'] ?? '60',
        (value) => value <= 86_400,
        'seconds, more than 0 and at most 86400',
      ),
    arrivals: parseArrivals(values),
  };
}

function parseArrivals(given: {
  readonly rate?: string | undefined;
  readonly requests?: string | undefined;
  readonly pace?: string | undefined;
  readonly seed?: string | undefined;
}): ArrivalPlan | undefined {
  const { rate, requests, pace = 'fixed', seed = '7' } = given;
  if (rate === undefined) {
    const alone = (['requests', 'pace', 'seed'] as const).find((name) => given[name] !== undefined);
    if (alone) throw new UsageError(`--${alone} belongs to a plan of many requests; give --rate, too.`);
    return undefined;
  }
  if (requests === undefined) throw new UsageError('--rate needs --requests: how many to send.');
  if (pace !== 'fixed' && pace !== 'poisson')
    throw new UsageError(`--pace reads "${pace}"; expected fixed or poisson.`);
  return {
    pace,
    ratePerS: parseNumber('--rate', rate, (value) => value <= 10_000, 'requests a second, more than 0, at most 10000'),
    requests: parseNumber('--requests', requests, Number.isInteger, 'a whole number of requests, at least 1'),
    seed: parseNumber('--seed', seed, Number.isInteger, 'a whole number, at least 1'),
  };
}

/** The seed names the whole address and OpenAI's clients one that ends in /v1: both mean the server before it. */
function parseBase(given: string): URL {
  const base = URL.canParse(given) ? new URL(given) : undefined;
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:') {
    throw new UsageError(`--url reads "${given}"; expected an address such as http://127.0.0.1:8000.`);
  }
  base.pathname = base.pathname.replace(/(?:\/v1(?:\/completions)?)?\/*$/, '');
  return base;
}

/** The part of the path before /v1: '' for a server at the root. */
function pathOf(base: URL): string {
  return base.pathname === '/' ? '' : base.pathname;
}

function parseNumber(name: string, given: string, allowed: (value: number) => boolean, expected: string): number {
  const value = Number(given);
  if (given.trim() === '' || !Number.isFinite(value) || value <= 0 || !allowed(value))
    throw new UsageError(`${name} reads "${given}"; expected ${expected}.`);
  return value;
}

/** The reason in the user's terms, with what to try. */
async function explain({ base, model, timeoutMs }: Options, seen: Exchange, error: string): Promise<ProbeError> {
  const where = `${base.origin}${pathOf(base)}`;
  const code = seen.failure?.code;
  if (code === 'timeout')
    return new ProbeError(
      `${where} gave no complete answer within ${timeoutMs / 1000} s; a cold server may need a larger --timeout-s.`,
    );
  if (code === 'ECONNREFUSED')
    return new ProbeError(
      `Nothing listens at ${where} (connection refused); start a server there, or give the address of one with --url.`,
    );
  if (seen.failure)
    return new ProbeError(`The request to ${where} broke (${error}); check the address and the server's log.`);
  if (seen.status !== 404) return new ProbeError(`${where} did not complete the request (${error}).`);
  const served = await readModelNames(where);
  if (served === undefined)
    return new ProbeError(
      `${where} knows no model "${model}" or no /v1/completions (${error}); it does not say at /v1/models what it serves.`,
    );
  if (served.includes(model))
    return new ProbeError(
      `${where} serves the model "${model}" but answered ${error}; it may have no /v1/completions.`,
    );
  return new ProbeError(
    `${where} has no model "${model}"; it serves ${served.join(', ') || 'none'}: give one of these with --model.`,
  );
}

/** Ids at /v1/models; undefined when the server does not tell. */
async function readModelNames(where: string): Promise<string[] | undefined> {
  try {
    const answer = await fetch(`${where}/v1/models`, { signal: AbortSignal.timeout(5000) });
    const { data } = (await answer.json()) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  } catch {
    return undefined;
  }
}
