/** The seed's six terms in the window of request 1: from sending cold_1 to its first token. */
import type { RunData } from '../archive/folder.js';
import { everyCell, none, notObservable, notSeparable, value, type Cells } from './cells.js';
import { noGpuBecause, type Evidence } from './evidence.js';
import { warmMedianOf } from './excess.js';
import type { LedgerCell, RequestTiming } from './findings.js';
import { formatCounted, formatMiB, formatMs } from './format.js';
import { coldOf, warmSet } from './series.js';

/** Request 1 up to its first token: A + B + C/D + E + F + G + remainder = TTFT, with E the warm median of the same work. */
export function requestCells(
  data: RunData,
  launch: number | undefined,
  timings: readonly RequestTiming[],
  evidence: Evidence,
): Cells {
  const cold = launch === undefined ? undefined : coldOf(timings, launch);
  if (!cold)
    return everyCell(
      notObservable(launch === undefined ? 'no request was made' : `launch ${launch} has no completed cold_1`),
    );
  if (!cold.streamed || cold.ttftMs === undefined)
    return everyCell(notObservable('cold_1 was not streamed: its first token was not seen'));
  const warm = warmSet(timings, cold.launch, true);
  const usualMs = warmMedianOf(warm, 'serverFirstTokenMs');
  const source = warm === undefined ? '' : `warm median of the server's time_to_first_token_ms, ${warm.label}`;
  const engine = engineExcess(cold, usualMs, evidence, noGpuBecause(data));
  const accounted = cold.serverFirstTokenMs !== undefined && cold.serverQueueMs !== undefined;
  return {
    A: storageCell(evidence),
    B: none(
      `vLLM holds the weights before it listens${evidence.request.hbmStepMiB.kind === 'seen' ? `; ${evidence.request.hbmStepMiB.reading}` : ''}`,
    ),
    C: engine.C,
    D: engine.D,
    E: usualMs === undefined ? prefillFromClient(timings, cold) : value(usualMs, source),
    F:
      cold.serverQueueMs === undefined
        ? notObservable('the server gives no queue_time_ms')
        : value(cold.serverQueueMs, "the server's queue_time_ms"),
    G:
      cold.frontEndMs === undefined
        ? notObservable('the server gives no figures of its own: the front end cannot be parted from the engine')
        : value(cold.frontEndMs, 'TTFT minus queue minus server first token'),
    remainder: remainderCell(cold, usualMs, accounted, timings),
  };
}

function storageCell({ request }: Evidence): LedgerCell {
  const { storageBytes } = request;
  if (storageBytes.kind === 'absent') return notObservable(storageBytes.because);
  if (storageBytes.values.every((bytes) => bytes === 0))
    return value(0, 'read_bytes of the server tree did not move around the request');
  return notSeparable(`${storageBytes.reading}; its time is inside the engine's share`);
}

/** What the engine took beyond its warm median: JIT lines make it C, a memory step D, both or neither leave it undivided. */
function engineExcess(
  cold: RequestTiming,
  usualMs: number | undefined,
  { request }: Evidence,
  noGpu: string | undefined,
): Pick<Cells, 'C' | 'D'> {
  if (cold.serverFirstTokenMs === undefined || usualMs === undefined) {
    const cell = notObservable('the server gives no first-token time of its own for cold_1 and warm');
    return { C: cell, D: cell };
  }
  const ms = cold.serverFirstTokenMs - usualMs;
  const source = "the server's time_to_first_token_ms of cold_1 minus its warm median";
  const jit = (cold.jitLinesToFirstToken ?? 0) > 0;
  const step = request.hbmStepMiB.kind === 'seen' ? Math.max(...request.hbmStepMiB.values) : undefined;
  if (jit && step === 0)
    return {
      C: value(ms, source, `${formatCounted(cold.jitLinesToFirstToken ?? 0, 'JIT line')}, no memory step`),
      D: none('GPU memory did not move'),
    };
  if (cold.jitLinesToFirstToken === 0 && step !== undefined && step > 0)
    return {
      C: none('the JIT monitor was on and silent'),
      D: value(ms, source, request.hbmStepMiB.kind === 'seen' ? request.hbmStepMiB.reading : undefined),
    };
  const seenText = [
    cold.jitLinesToFirstToken === undefined ? 'no JIT monitor' : formatCounted(cold.jitLinesToFirstToken, 'JIT line'),
    step === undefined ? (noGpu ?? 'GPU memory not read') : `a GPU memory step of ${formatMiB(step)}`,
  ].join(', ');
  const cell = notSeparable(
    `C, D and slower first compute together: ${formatMs(ms)} more than a warm request in the engine (${seenText})`,
  );
  return { C: cell, D: cell };
}

function prefillFromClient(timings: readonly RequestTiming[], cold: RequestTiming): LedgerCell {
  const warm = warmSet(timings, cold.launch, true);
  const ttft = warmMedianOf(warm, 'ttftMs');
  if (!warm || ttft === undefined) return notObservable('no streamed warm request to compare with');
  return notSeparable(`at most the warm TTFT, ${formatMs(ttft)} (${warm.label}): front end and queue are inside it`);
}

function remainderCell(
  cold: RequestTiming,
  usualMs: number | undefined,
  accounted: boolean,
  timings: readonly RequestTiming[],
): LedgerCell {
  if (accounted && usualMs !== undefined)
    return value(0, 'front end, queue, warm engine time and its excess make up the whole TTFT');
  const ttft = warmMedianOf(warmSet(timings, cold.launch, true), 'ttftMs');
  if (ttft === undefined || cold.ttftMs === undefined) return notObservable('no streamed warm request to compare with');
  return value(
    cold.ttftMs - ttft,
    'TTFT of cold_1 minus the warm median TTFT',
    'the server gives no figures of its own to part it',
  );
}
