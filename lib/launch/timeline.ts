/**
 * Observations of one starting server -> named phases, each with a start and an end that were seen, and the remainder
 * between them. Time from one line to the next is a phase only where vLLM's source says what is done between the two.
 */
import type { StartupRow } from '../archive/tables.js';
import { parseLogLine, recognizeMilestone } from './milestones.js';

/** The seed's terms A-F plus G (process, imports, configuration, front end). 'A+B' where the log cannot part them. */
export type Term = 'A' | 'B' | 'A+B' | 'C' | 'D' | 'E' | 'F' | 'G';

export interface Phase {
  readonly name: string;
  readonly term: Term;
  readonly startAtMs: number;
  readonly endAtMs: number;
  readonly startEvidence: string;
  readonly endEvidence: string;
}

/** A stretch of launch -> ready that no phase covers, with the log lines around it. */
export interface Gap {
  readonly startAtMs: number;
  readonly endAtMs: number;
  readonly lineBefore: string;
  readonly lineAfter: string;
}

export interface StartupTimeline {
  readonly launch: number;
  readonly spawnAtMs: number;
  readonly readyAtMs: number;
  /** In order of their start. Phases may overlap: the sum of their lengths may exceed the covered time. */
  readonly phases: readonly Phase[];
  /** Phases whose start was seen and whose end was not, or the reverse. */
  readonly incomplete: readonly string[];
  readonly coveredMs: number;
  readonly remainderMs: number;
  /** Every uncovered stretch, longest first. */
  readonly gaps: readonly Gap[];
}

interface PhaseRule {
  readonly name: string;
  readonly term: Term;
  /** Empty: the closing line itself says how many seconds it took. */
  readonly starts: readonly string[];
  readonly ends: readonly string[];
  /** The phase is part of another one where this milestone was passed. */
  readonly unless?: string;
}

/**
 * Which milestones open and close which phase. Several names are alternatives; the first one seen counts. Seen on
 * vLLM 0.32.0 (CPU) and 0.26.0 (H100): a CPU logs no `torch.compile took`, a GPU no `Warming up model`. What happens
 * between two lines was read in the source of 0.26.0: vllm/v1/engine/{async_llm,core}.py, v1/worker/gpu_worker.py.
 */
const phaseRules: readonly PhaseRule[] = [
  { name: 'API server: start and imports', term: 'G', starts: ['spawned'], ends: ['api-server-speaks'] },
  { name: 'Configuration and model inspection', term: 'G', starts: ['api-server-speaks'], ends: ['config-resolved'] },
  {
    name: 'API server: tokenizer, engine process asked for',
    term: 'G',
    starts: ['config-resolved'],
    ends: ['engine-process-born'],
  },
  {
    name: 'Engine process: start and imports',
    term: 'G',
    starts: ['engine-process-born'],
    ends: ['engine-initializing'],
  },
  { name: 'Worker process: start and imports', term: 'G', starts: ['worker-process-born'], ends: ['worker-speaks'] },
  {
    // On a GPU the CUDA context is made here: the first line after it is the first that needs the device.
    name: 'Worker made, device opened',
    term: 'G',
    starts: ['engine-initializing'],
    ends: ['distributed-init'],
    // With worker processes it is their start and their imports.
    unless: 'worker-process-born',
  },
  { name: 'Device and distributed set-up', term: 'G', starts: ['distributed-init'], ends: ['distributed-ready'] },
  { name: 'Memory measured, model runner made', term: 'G', starts: ['distributed-ready'], ends: ['model-load-start'] },
  { name: 'Model built, parameters allocated', term: 'B', starts: ['model-load-start'], ends: ['model-init-done'] },
  {
    name: 'Weights loaded',
    term: 'A+B',
    starts: ['checkpoint-found', 'weights-load-start'],
    ends: ['weights-load-done'],
  },
  {
    name: 'Model loading, weights included',
    term: 'A+B',
    starts: ['model-load-start'],
    ends: ['model-load-done'],
  },
  { name: 'Compile and warm-up', term: 'C', starts: ['warmup-start'], ends: ['warmup-done'] },
  {
    // What is left for the KV cache: the peak of the first forward pass is read, and the CUDA graphs are sized on trial.
    name: 'Memory profiled for the KV cache',
    term: 'D',
    starts: ['profile-run-done'],
    ends: ['kv-budget'],
    unless: 'warmup-start',
  },
  {
    name: 'KV cache allocated, scheduler set up',
    term: 'D',
    starts: ['kv-size', 'kv-reserved'],
    ends: ['kernel-warmup-start', 'graph-capture-start', 'engine-ready'],
  },
  { name: 'torch.compile', term: 'C', starts: [], ends: ['compile-done'], unless: 'warmup-start' },
  { name: 'First forward pass', term: 'C', starts: [], ends: ['profile-run-done'], unless: 'warmup-start' },
  {
    name: 'Kernels warmed up before the capture',
    term: 'C',
    starts: ['kernel-warmup-start'],
    ends: ['graph-capture-start', 'memory-summary', 'jit-monitor-on'],
  },
  { name: 'CUDA graphs captured', term: 'C', starts: ['graph-capture-start'], ends: ['graph-capture-done'] },
  {
    // vLLM's V2 runner sends real prefill and decode steps through every sampler feature before it watches for JIT.
    name: 'Kernels warmed up, compiled on first use',
    term: 'C',
    starts: ['memory-summary'],
    ends: ['jit-monitor-on'],
  },
  {
    // The summary is left out where the size of the KV cache was given.
    name: 'Kernels warmed up, compiled on first use',
    term: 'C',
    starts: ['graph-capture-done'],
    ends: ['jit-monitor-on'],
    unless: 'memory-summary',
  },
  {
    name: 'Heap frozen, scheduler made, engine handed over',
    term: 'G',
    starts: ['jit-monitor-on', 'engine-ready'],
    ends: ['front-end-start'],
  },
  { name: 'Front end built', term: 'G', starts: ['front-end-start'], ends: ['front-end-bound'] },
  { name: 'HTTP server started', term: 'G', starts: ['http-start'], ends: ['http-ready'] },
];

/**
 * The timeline of one launch; `rows` are the launch's rows of startup.csv in any order.
 * Undefined when the launch never became ready.
 */
export function startupTimeline(rows: readonly StartupRow[], launch: number): StartupTimeline | undefined {
  const own = rows
    .filter((row) => row.launch === launch)
    .map(named)
    .sort((a, b) => a.atMs - b.atMs);
  const spawn = own.find((row) => row.event === 'spawned');
  const ready = own.find((row) => row.event === 'ready');
  if (!spawn || !ready) return undefined;
  const inWindow = own.filter((row) => row.atMs >= spawn.atMs && row.atMs <= ready.atMs);
  const found = phaseRules
    .filter(({ unless }) => unless === undefined || !inWindow.some(({ event }) => event === unless))
    .map((rule) => ({ rule, ...endsOf(rule, inWindow) }));
  const phases = found.flatMap(({ rule, start, end }) => (start && end ? [phaseOf(rule, start, end)] : []));
  const incomplete = found
    .filter(({ start, end }) => (start === undefined) !== (end === undefined))
    // A milestone at which another phase begins or ends was put to use there.
    .filter(({ start, end }) => {
      const atMs = (start ?? end)?.atMs;
      return !phases.some((phase) => phase.startAtMs === atMs || phase.endAtMs === atMs);
    })
    .map(({ rule }) => rule.name);
  phases.sort((a, b) => a.startAtMs - b.startAtMs);
  const gaps = gapsBetween(phases, inWindow, spawn.atMs, ready.atMs);
  const remainderMs = gaps.reduce((sum, gap) => sum + gap.endAtMs - gap.startAtMs, 0);
  return {
    launch,
    spawnAtMs: spawn.atMs,
    readyAtMs: ready.atMs,
    phases,
    incomplete,
    coveredMs: ready.atMs - spawn.atMs - remainderMs,
    remainderMs,
    gaps,
  };
}

/** The rows that open and close a phase. A line that states its own duration opens it that much earlier. */
function endsOf(
  rule: PhaseRule,
  rows: readonly StartupRow[],
): { start?: StartupRow | undefined; end?: StartupRow | undefined } {
  const among = (row: StartupRow, names: readonly string[]) => row.event !== undefined && names.includes(row.event);
  if (rule.starts.length === 0) {
    const end = rows.find((row) => among(row, rule.ends) && row.value !== undefined);
    return end ? { end, start: { ...end, atMs: end.atMs - (end.value ?? 0) * 1000 } } : {};
  }
  const start = rows.find((row) => among(row, rule.starts));
  const end = rows.find((row) => among(row, rule.ends) && (!start || row.atMs >= start.atMs));
  return { start, end };
}

/** Log lines are recognised anew: a run saved by an earlier version gains what was learned since. */
function named(row: StartupRow): StartupRow {
  const found = row.source === 'log' ? recognizeMilestone(parseLogLine(row.text).message) : undefined;
  return found ? { ...row, event: found.event, value: found.value ?? row.value } : row;
}

function phaseOf(rule: PhaseRule, start: StartupRow, end: StartupRow): Phase {
  return {
    name: rule.name,
    term: rule.term,
    startAtMs: start.atMs,
    endAtMs: end.atMs,
    startEvidence: start.text,
    endEvidence: end.text,
  };
}

function gapsBetween(phases: readonly Phase[], rows: readonly StartupRow[], fromMs: number, toMs: number): Gap[] {
  const gaps: Gap[] = [];
  let coveredUntilMs = fromMs;
  for (const edge of [...phases, { startAtMs: toMs, endAtMs: toMs }]) {
    if (edge.startAtMs > coveredUntilMs) {
      const startAtMs = coveredUntilMs;
      const endAtMs = edge.startAtMs;
      gaps.push({
        startAtMs,
        endAtMs,
        lineBefore: rows.filter((row) => row.atMs <= startAtMs).at(-1)?.text ?? '',
        lineAfter: rows.find((row) => row.atMs >= endAtMs)?.text ?? '',
      });
    }
    coveredUntilMs = Math.max(coveredUntilMs, edge.endAtMs);
  }
  return gaps.sort((a, b) => b.endAtMs - b.startAtMs - (a.endAtMs - a.startAtMs));
}
