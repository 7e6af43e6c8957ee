/** The run's plan of requests: what each is called, what it carries, in which order. Nothing is sent here. */
import type { RunRecord, WorkloadRecord } from '../archive/record.js';
import { servedModelName } from '../freeze/command.js';
import { longPayload, type LongRow } from '../freeze/workload.js';
import type { ExchangePlan } from '../probe/exchange.js';
import type { RequestLabel } from '../probe/trace.js';

export interface PlannedRequest {
  readonly label: RequestLabel;
  readonly plan: ExchangePlan;
}

export type SeedRow = 'cold_1' | 'warm_1' | 'warm';

/** Where the requests of a launch go, and what must stay the same for all of them. */
export interface RequestTarget {
  readonly record: RunRecord;
  /** Scheme, host, port and, behind a proxy, a path. */
  readonly baseUrl: string;
  readonly launch: number;
  readonly timeoutMs: number;
}

/** One request with the seed's constant payload. `streamed` adds only what streaming needs; the work is the same. */
export function seedRequest(target: RequestTarget, name: SeedRow, index: number, streamed: boolean): PlannedRequest {
  const label = labelOf(target, name, index, 'seed', streamed);
  return { label, plan: planOf(target, workloadOf(target.record, 'seed').payload, streamed) };
}

/** One request of the long workload, streamed. The salt decides what it can find in the prefix cache. */
export function longRequest(target: RequestTarget, name: LongRow, index: number): PlannedRequest {
  const at = { runId: target.record.runId, launch: target.launch, index };
  const payload = longPayload(workloadOf(target.record, 'long'), name, at);
  return { label: labelOf(target, name, index, 'long', true), plan: planOf(target, payload, true) };
}

/**
 * cold_1 is streamed in every launch but the second, which is answered whole, as the seed does it. A streamed one has
 * a wall_s too; one that is answered whole has no TTFT, so each one of those costs a sample of the rarer quantity.
 */
export function isColdStreamed(launch: number): boolean {
  return launch !== 2;
}

/** Answers taken whole in the warm block of the last launch: the rows of the seed's table. */
export const wholeWarmRuns = 5;

/**
 * The long block: the request that fills the cache, then unique and cached prompts in turn, so that a drift of
 * the machine falls on both alike. `sentAlready`: the highest index of each kind in this launch; a block that is sent
 * again goes on counting, since a prompt that was sent once is not unique the second time.
 */
export function longBlock(
  target: RequestTarget,
  runs: number,
  sentAlready: (name: LongRow) => number = () => 0,
): PlannedRequest[] {
  const next = (name: LongRow, at: number) => longRequest(target, name, sentAlready(name) + at + 1);
  const first = sentAlready('cold-long') === 0 ? [next('cold-long', 0)] : [];
  const pairs = Array.from({ length: runs }, (_, at) => [next('warm-unique', at), next('warm-cached', at)]);
  return [...first, ...pairs.flat()];
}

/** With samplers, without, without, with; then the other way round: a steady drift falls on both sides alike. */
const observerOrder = [true, false, false, true, false, true, true, false] as const;

export interface ObserverRequest {
  readonly request: PlannedRequest;
  readonly samplersOn: boolean;
  /** Which pair of neighbours it belongs to, one with samplers and one without, from 1. */
  readonly pair: number;
}

/**
 * `runs` requests with the samplers on and as many with them off, in whole blocks of four (an odd number is rounded
 * up). All are the same cached long prompt: the shortest work that still is a whole request. Pairs are counted on from
 * `pairsBefore`.
 */
export function observerRequests(target: RequestTarget, runs: number, pairsBefore = 0): ObserverRequest[] {
  return Array.from({ length: Math.ceil(runs / 2) * 4 }, (_, at) => {
    const samplersOn = observerOrder[at % observerOrder.length] === true;
    const pair = pairsBefore + Math.floor(at / 2) + 1;
    return { request: observerRequest(target, samplersOn ? 'observed' : 'unobserved', pair), samplersOn, pair };
  });
}

/** One request of that kind; 'observer-warm' comes before them and makes sure that the prompt is cached. */
export function observerRequest(
  target: RequestTarget,
  name: 'observer-warm' | 'observed' | 'unobserved',
  index: number,
): PlannedRequest {
  const { plan } = longRequest(target, 'warm-cached', index);
  return { label: labelOf(target, name, index, 'long', true), plan };
}

function labelOf(
  target: RequestTarget,
  name: string,
  index: number,
  workload: string,
  streamed: boolean,
): RequestLabel {
  return { requestId: `${target.launch}-${name}-${index}`, launch: target.launch, name, index, workload, streamed };
}

function planOf(target: RequestTarget, payload: Readonly<Record<string, unknown>>, streamed: boolean): ExchangePlan {
  const streaming = streamed ? { stream: true, stream_options: { include_usage: true } } : {};
  const body = JSON.stringify({ model: servedModelName(target.record), ...payload, ...streaming });
  const url = new URL(`${target.baseUrl}/v1/completions`);
  return { origin: url.origin, path: url.pathname, body, timeoutMs: target.timeoutMs };
}

function workloadOf(record: RunRecord, name: WorkloadRecord['name']): WorkloadRecord {
  const found = record.workloads.find((workload) => workload.name === name);
  if (!found) throw new Error(`run.json of ${record.runId} has no ${name} workload`);
  return found;
}
