/** Did anything else use the machine while the warm requests ran? The snapshot stage judges; this picks the window. */
import type { RunData } from '../archive/folder.js';
import { probeModeFor } from '../probe/mode.js';
import { findInterference } from '../snapshot/interference.js';
import { noGpuInRehearsal } from '../freeze/rehearsal.js';
import { inOrder } from './counters.js';
import type { InterferenceFinding, SteadyWindow } from './findings.js';

/** Kinds that only a GPU can show. */
const gpuKinds: readonly string[] = ['other-gpu-process', 'sm-clock-change'];

const outcomes = { seen: 'seen', 'not-seen': 'not seen', 'not-observable': 'not observable' } as const;

/** Over the steady window; without one over all requests. None when no request was made. */
export function interferenceFindings(data: RunData, window: SteadyWindow | undefined): InterferenceFinding[] {
  const span = window ?? requestsSpan(data);
  if (!span) return [];
  const found = findInterference({
    samples: inOrder(data.samples),
    gpu: inOrder(data.gpu),
    fromMs: span.startAtMs,
    toMs: span.endAtMs,
    cpuCores: data.record.environment.cpuCores,
    clientCores: probeModeFor(data.record.environment.cpuCores).busyCores,
  });
  const rehearsal = data.record.engine.kind === 'rehearsal';
  return found.map(({ kind, seen, evidence }) => ({
    kind,
    outcome: outcomes[seen],
    evidence: rehearsal && gpuKinds.includes(kind) ? noGpuInRehearsal : evidence,
  }));
}

function requestsSpan({ requests }: RunData): Pick<SteadyWindow, 'startAtMs' | 'endAtMs'> | undefined {
  if (requests.length === 0) return undefined;
  return {
    startAtMs: Math.min(...requests.map((row) => row.startAtMs)),
    endAtMs: Math.max(...requests.map((row) => row.endAtMs ?? row.startAtMs)),
  };
}
