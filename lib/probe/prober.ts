/**
 * The prober: a program that does nothing but send requests, stamp what comes back, and write it down. It is a
 * process of its own because a notebook kernel's event loop is blocked by typing in the notebook, and because a
 * killed kernel must not lose what was measured.
 *
 * Run as `node --import tsx lib/probe/prober.ts`; see protocol.ts for what goes over its pipes.
 */
import { availableParallelism } from 'node:os';
import { appendRows } from '../archive/folder.js';
import { tables } from '../archive/tables.js';
import { createClock, type Clock } from '../clock.js';
import { readJsonLines } from '../launch/jsonlines.js';
import { calibrate } from './calibrate.js';
import { exchange } from './exchange.js';
import { awake, probeModeFor } from './mode.js';
import { sendAsPlanned, type PlannedExchange } from './openloop.js';
import type { PlannedProbe, ProberJob, ProberReply, ProberRequest } from './protocol.js';
import { traceOf, type Trace } from './trace.js';

const mode = probeModeFor(availableParallelism());

process.on('SIGINT', () => undefined);
process.stdout.on('error', () => undefined);

let service: Service | undefined;
readJsonLines<ProberJob | ProberRequest>(process.stdin, (message) => {
  if ('ask' in message) service?.take(message);
  else service ??= createService(message);
});
// The kernel is gone: end the request in flight, and let what was seen of it be written.
process.stdin.on('close', () => (service ? service.giveUp() : process.exit(0)));

interface Service {
  readonly take: (request: ProberRequest) => void;
  readonly giveUp: () => void;
}

/** One thing at a time, in the order asked; an open loop is one thing. */
function createService(job: ProberJob): Service {
  const clock = createClock(BigInt(job.clockOriginNs));
  const endOfLaunch = new Map<number, number>();
  const asked = new Map<number, AbortController>();
  let queue: Promise<void> = Promise.resolve();
  let over = false;
  const answer = (reply: ProberReply) => process.stdout.write(`${JSON.stringify(reply)}\n`);

  const save = (traces: readonly Trace[]) => {
    if (job.runDir === undefined) return;
    appendRows(
      job.runDir,
      tables.requests,
      traces.map(({ request }) => request),
    );
    appendRows(
      job.runDir,
      tables.chunks,
      traces.flatMap(({ chunks }) => chunks),
    );
  };

  const work = async (request: Exclude<ProberRequest, { ask: 'abort' }>, signal: AbortSignal) => {
    // What was never sent leaves no row.
    if (over) return;
    try {
      if (request.ask === 'calibrate') {
        const measured = await awake(mode, () =>
          calibrate(request.warmups, request.measured, clock, job.projectRoot, signal),
        );
        const rows = measured.map((row) => ({ ...row, mode: mode.text }));
        if (job.runDir !== undefined) appendRows(job.runDir, tables.calibration, rows);
        answer({ id: request.id, calibration: rows, mode: mode.text });
        return;
      }
      if (request.ask === 'open-loop') {
        answer({ id: request.id, traces: await openLoop(request, signal, clock, endOfLaunch, save) });
        return;
      }
      const trace = await probe(request, signal, clock, endOfLaunch);
      save([trace]);
      answer({ id: request.id, trace });
    } catch (error) {
      answer({ id: request.id, failed: (error as Error).message });
    } finally {
      asked.delete(request.id);
    }
  };
  return {
    take: (request) => {
      if (request.ask === 'abort') return asked.get(request.id)?.abort();
      const controller = new AbortController();
      asked.set(request.id, controller);
      queue = queue.then(() => work(request, controller.signal));
    },
    giveUp: () => {
      over = true;
      for (const controller of asked.values()) controller.abort();
      void queue.then(() => process.exit(0));
    },
  };
}

async function probe(
  request: Extract<ProberRequest, { ask: 'probe' }>,
  signal: AbortSignal,
  clock: Clock,
  endOfLaunch: Map<number, number>,
): Promise<Trace> {
  const { label, plan } = request;
  const previousEnd = endOfLaunch.get(label.launch);
  const seen = await awake(mode, () => exchange(plan, clock, signal));
  endOfLaunch.set(label.launch, seen.endAtMs ?? clock.nowMs());
  return traceOf(
    { ...label, idleBeforeMs: previousEnd === undefined ? undefined : seen.startAtMs - previousEnd },
    seen,
  );
}

/** What came back is parsed and written while nothing is in flight, or at the end: between stamps there is no time. */
async function openLoop(
  { requests }: Extract<ProberRequest, { ask: 'open-loop' }>,
  signal: AbortSignal,
  clock: Clock,
  endOfLaunch: Map<number, number>,
  save: (traces: readonly Trace[]) => void,
): Promise<readonly Trace[]> {
  const traces: (Trace | undefined)[] = [];
  const send = (index: number) => exchange((requests[index] as PlannedProbe).plan, clock, signal);
  const settled = (batch: readonly PlannedExchange[]) => {
    const written = batch.map(({ index, plannedAtMs, seen }) => {
      const { label } = requests[index] as PlannedProbe;
      endOfLaunch.set(label.launch, Math.max(endOfLaunch.get(label.launch) ?? 0, seen.endAtMs ?? clock.nowMs()));
      const { request, chunks } = traceOf(label, seen);
      return (traces[index] = { request: { ...request, plannedAtMs }, chunks });
    });
    save(written);
  };
  const offsets = requests.map(({ offsetMs }) => offsetMs);
  await awake(mode, () => sendAsPlanned(offsets, send, clock, settled, signal));
  return traces.filter((trace): trace is Trace => trace !== undefined);
}
