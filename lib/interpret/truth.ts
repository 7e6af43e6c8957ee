/**
 * What the rehearsal engine says it did, against what the run observed of it: how late "ready", the phases, the log and
 * every token were seen. Only a rehearsal knows its own truth; a real server has none to compare with.
 */
import type { RunData } from '../archive/folder.js';
import type { ChunkRow, RequestRow, TruthRow } from '../archive/tables.js';
import type { LaunchFinding, PhaseTruth, TruthError, TruthFinding } from './findings.js';
import { median, p99, sortSamples } from '../statistics/samples.js';

/** Promised before any run they judge, each for every single observation. Ours. */
export const truthLimits = {
  /** Two polls of /health at 10 ms, and the answer's way back. */
  readyMs: 25,
  /** A phase begins and ends with a log line, which crosses a pipe, or with a birth in /proc, exact to 10 ms. */
  phaseMs: 50,
  /** What a client on the same machine may add to an event, scheduling on two busy cores included. */
  tokenMs: 2,
} as const;

/** Undefined when the run left no truth: it was no rehearsal, or nothing was launched. */
export function truthFinding(data: RunData, launches: readonly LaunchFinding[]): TruthFinding | undefined {
  if (data.truth.length === 0) return undefined;
  const pairs = matchRequests(data.requests, data.truth);
  const phases = phaseTruths(data.truth, launches);
  const events = pairs.flatMap((pair) => matchEvents(pair, data.chunks));
  const tokens = events.map((one) => one.filter(({ kind }) => isToken(kind)));
  const errors = [
    truthError('ready: seen after it could answer', readyErrors(data, launches, 'listening'), truthLimits.readyMs),
    truthError('ready: seen after its first 200 was sent', readyErrors(data, launches, 'first-health')),
    truthError(
      'begin of a phase',
      phases.flatMap(({ startErrorMs }) => startErrorMs ?? []),
      truthLimits.phaseMs,
    ),
    truthError(
      'end of a phase',
      phases.flatMap(({ endErrorMs }) => endErrorMs ?? []),
      truthLimits.phaseMs,
    ),
    truthError('log line: received after it was written', lineErrors(data)),
    truthError('first token: read after it was written', tokens.flatMap(firstError), truthLimits.tokenMs),
    truthError(
      'every event of a stream: read after it was written',
      events.flatMap((one) => one.map(errorOf)),
    ),
    truthError('gap between two tokens', tokens.flatMap(gapErrors), truthLimits.tokenMs),
  ];
  return {
    errors: errors.filter((error): error is TruthError => error !== undefined),
    phases,
    unmatched: unmatchedOf(data, phases, pairs, events),
  };
}

/** Sizes of the errors, whatever their sign. `holds` is judged by the worst one, or by the p99 where there is one. */
export function truthError(quantity: string, errorsMs: readonly number[], limitMs?: number): TruthError | undefined {
  const sizes = sortSamples(errorsMs.map(Math.abs));
  const medianMs = median(sizes);
  const maxMs = sizes.at(-1);
  if (medianMs === undefined || maxMs === undefined) return undefined;
  const p99Ms = p99(sizes);
  const holds = limitMs === undefined ? undefined : (p99Ms ?? maxMs) <= limitMs;
  return { quantity, n: sizes.length, medianMs, p99Ms, maxMs, limitMs, holds };
}

function readyErrors(data: RunData, launches: readonly LaunchFinding[], event: string): number[] {
  return launches.flatMap(({ launch }) => {
    const seenAtMs = data.launches.find((row) => row.launch === launch)?.readyAtMs;
    const trueAtMs = data.truth.find((row) => row.launch === launch && row.event === event)?.atMs;
    return seenAtMs === undefined || trueAtMs === undefined ? [] : [seenAtMs - trueAtMs];
  });
}

/** Each phase the engine played, with how far from it we saw its two ends; absent where we did not see the phase. */
function phaseTruths(truth: readonly TruthRow[], launches: readonly LaunchFinding[]): PhaseTruth[] {
  const edge = (event: string, launch: number, name: string) =>
    truth.find((row) => row.event === event && row.launch === launch && row.name === name)?.atMs;
  return launches.flatMap(({ launch, timeline }) => {
    const played = truth.filter((row) => row.launch === launch && row.event === 'phase-start');
    return played.flatMap(({ name }): PhaseTruth[] => {
      if (name === undefined) return [];
      const seen = timeline?.phases.find((phase) => phase.name === name);
      return [
        {
          launch,
          name,
          startErrorMs: difference(seen?.startAtMs, edge('phase-start', launch, name)),
          endErrorMs: difference(seen?.endAtMs, edge('phase-end', launch, name)),
        },
      ];
    });
  });
}

/** Lines are known by their text: the n-th of a text received is the n-th of it written. */
function lineErrors({ startup, truth }: RunData): number[] {
  const written = new Map<string, number[]>();
  for (const { launch, event, text, atMs } of truth) {
    if (event !== 'log-line' || text === undefined) continue;
    const key = `${launch} ${text}`;
    written.set(key, [...(written.get(key) ?? []), atMs]);
  }
  return startup.flatMap((row) => {
    if (row.source !== 'log') return [];
    const trueAtMs = written.get(`${row.launch} ${row.text}`)?.shift();
    return trueAtMs === undefined ? [] : [row.atMs - trueAtMs];
  });
}

interface RequestPair {
  readonly request: RequestRow;
  /** What the engine wrote for it, in order. Comments are no events to a client. */
  readonly written: readonly TruthRow[];
}

/** The n-th generation request that a launch received is the n-th that was sent to it. */
function matchRequests(requests: readonly RequestRow[], truth: readonly TruthRow[]): RequestPair[] {
  const launches = [...new Set(truth.map(({ launch }) => launch))];
  return launches.flatMap((launch) =>
    sentTo(launch, requests).map((request, index) => ({
      request,
      written: truth
        .filter(
          (row) =>
            row.launch === launch &&
            row.event === 'chunk-written' &&
            row.request === index + 1 &&
            row.name !== 'comment',
        )
        .sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0)),
    })),
  );
}

/** Requests for generated text that reached the socket, in the order in which they did. */
function sentTo(launch: number, requests: readonly RequestRow[]): RequestRow[] {
  return requests
    .filter((row) => row.launch === launch && row.workload !== 'models' && row.sentAtMs !== undefined)
    .sort((a, b) => (a.sentAtMs ?? 0) - (b.sentAtMs ?? 0));
}

interface SeenEvent {
  readonly kind: string;
  readonly seenAtMs: number;
  readonly trueAtMs: number;
}

/** Events of one stream, the n-th read with the n-th written. None when their kinds disagree: then they are not the same. */
function matchEvents({ request, written }: RequestPair, chunks: readonly ChunkRow[]): SeenEvent[][] {
  const read = chunks
    .filter(({ requestId }) => requestId === request.requestId)
    .sort((a, b) => a.sequence - b.sequence);
  if (!request.streamed || read.length === 0) return [];
  if (read.some(({ kind }, index) => kind !== written[index]?.name)) return [];
  return [read.map(({ kind, atMs }, index) => ({ kind, seenAtMs: atMs, trueAtMs: written[index]?.atMs ?? NaN }))];
}

const isToken = (kind: string): boolean => kind === 'token' || kind === 'reasoning';
const errorOf = ({ seenAtMs, trueAtMs }: SeenEvent): number => seenAtMs - trueAtMs;
const firstError = (tokens: readonly SeenEvent[]): number[] => tokens.slice(0, 1).map(errorOf);

/** A gap is as wrong as its two ends are unequally late. */
function gapErrors(tokens: readonly SeenEvent[]): number[] {
  return tokens.slice(1).map((token, index) => {
    const before = tokens[index];
    return before ? errorOf(token) - errorOf(before) : NaN;
  });
}

/** What could not be compared, in words: a comparison of part of the truth must say so. */
function unmatchedOf(
  data: RunData,
  phases: readonly PhaseTruth[],
  pairs: readonly RequestPair[],
  events: readonly SeenEvent[][],
): string[] {
  const unseen = phases.filter(
    ({ startErrorMs, endErrorMs }) => startErrorMs === undefined || endErrorMs === undefined,
  );
  const received = data.truth.filter(({ event }) => event === 'request-received').length;
  const streams = pairs.filter(({ request }) => request.streamed).length;
  return [
    ...unseen.map(({ launch, name }) => `launch ${launch}: the phase "${name}" was played and not seen whole`),
    ...(received === pairs.length ? [] : [`${pairs.length} requests were sent, ${received} received`]),
    ...(streams === events.length
      ? []
      : [`${streams - events.length} of ${streams} streams do not hold the events that were written`]),
  ];
}

function difference(seenAtMs: number | undefined, trueAtMs: number | undefined): number | undefined {
  return seenAtMs === undefined || trueAtMs === undefined ? undefined : seenAtMs - trueAtMs;
}
