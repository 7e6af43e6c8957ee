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

/** cold_1 of odd launches is streamed (TTFT), of even ones answered whole, as the seed does it (wall_s). */
export function isColdStreamed(launch: number): boolean {
  return launch % 2 === 1;
}

/** Answers taken whole in the warm block of the last launch: the rows of the seed's table. */
export const wholeWarmRuns = 5;

/**
 * The long block: the request that fills the cache, then unique and cached prompts in turn, so that a drift of
 * the machine falls on both alike.
 */
export function longBlock(target: RequestTarget, runs: number): PlannedRequest[] {
  const pairs = Array.from({ length: runs }, (_, at) => [
    longRequest(target, 'warm-unique', at + 1),
    longRequest(target, 'warm-cached', at + 1),
  ]);
  return [longRequest(target, 'cold-long', 1), ...pairs.flat()];
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
