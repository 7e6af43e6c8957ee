/**
 * What does watching cost? The same request with the samplers on and off, in turns, with the CPU time of our own
 * processes beside each. Nothing is judged here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObserverRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { readProcStat, readProcUnits } from '../launch/processes.js';
import type { Trace } from '../probe/trace.js';
import type { Sampler } from '../snapshot/sampler.js';
import type { ObserverRequest, PlannedRequest } from './requests.js';

/** Our own processes by what they are for. */
export type OwnProcesses = readonly { readonly role: string; readonly pid: number }[];

/** Ticks that must have gone by since the samplers were switched: their start is not what is measured. */
const settledTicks = 2;
/** The golden ratio spreads the k-th request over a tick so that no phase is met twice and none is left out. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

export interface ObserverBlock {
  readonly requests: readonly ObserverRequest[];
  readonly launch: number;
  readonly sampler: Pick<Sampler, 'pause' | 'resume'>;
  readonly sampleIntervalMs: number;
  readonly own: OwnProcesses;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly send: (request: PlannedRequest, signal?: AbortSignal) => Promise<Trace>;
  readonly write: (rows: readonly ObserverRow[]) => void;
}

/**
 * Every request after the same kind of pause: two sampling intervals and a part of one, which differs from pair to
 * pair and is the same within a pair. A fixed pause would always meet the samplers at the same point of their tick.
 * The samplers are on again when this returns or throws.
 */
export async function compareObserver(
  block: ObserverBlock,
  onTrace?: (trace: Trace) => void,
  signal?: AbortSignal,
): Promise<Trace[]> {
  const { sampler, sampleIntervalMs, clock } = block;
  const traces: Trace[] = [];
  let on = true;
  try {
    for (const { request, samplersOn, pair } of block.requests) {
      signal?.throwIfAborted();
      if (samplersOn !== on) await (samplersOn ? sampler.resume() : sampler.pause());
      on = samplersOn;
      const fromAtMs = clock.nowMs();
      const before = cpuOf(block.own);
      const phase = (pair * goldenRatio) % 1;
      await sleep((settledTicks + phase) * sampleIntervalMs, undefined, signal ? { signal } : {});
      const trace = await block.send(request, signal);
      const wallMs = clock.nowMs() - fromAtMs;
      const after = cpuOf(block.own);
      block.write(rowsOf(block, { requestId: request.label.requestId, samplersOn, fromAtMs, wallMs }, before, after));
      traces.push(trace);
      onTrace?.(trace);
    }
  } finally {
    if (!on) await sampler.resume();
  }
  return traces;
}

type CpuTimes = ReadonlyMap<number, number>;

function cpuOf(own: OwnProcesses): CpuTimes {
  const { ticksPerS } = readProcUnits();
  return new Map(
    own.flatMap(({ pid }) => {
      const stat = readProcStat(pid);
      return stat ? [[pid, (stat.cpuTicks * 1000) / ticksPerS] as const] : [];
    }),
  );
}

/** A process that could not be read at both ends has no row. */
function rowsOf(
  { own, launch }: ObserverBlock,
  stretch: Pick<ObserverRow, 'requestId' | 'samplersOn' | 'fromAtMs' | 'wallMs'>,
  before: CpuTimes,
  after: CpuTimes,
): ObserverRow[] {
  return own.flatMap(({ role, pid }) => {
    const from = before.get(pid);
    const to = after.get(pid);
    return from === undefined || to === undefined ? [] : [{ launch, role, pid, ...stretch, cpuMs: to - from }];
  });
}
