/**
 * Observations of one starting server -> named phases, each with its own start and end, and the
 * remainder between them. Time "from this line to the next" is never a phase.
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
  readonly starts: readonly string[];
  readonly ends: readonly string[];
}

/** Which milestones open and close which phase. Several start names are alternatives; the first one seen counts. */
const phaseRules: readonly PhaseRule[] = [
  { name: 'API server: start and imports', term: 'G', starts: ['spawned'], ends: ['api-server-speaks'] },
  { name: 'Configuration and model inspection', term: 'G', starts: ['api-server-speaks'], ends: ['config-resolved'] },
  {
    name: 'Engine process: start and imports',
    term: 'G',
    starts: ['engine-process-born'],
    ends: ['engine-initializing'],
  },
  { name: 'Worker process: start and imports', term: 'G', starts: ['worker-process-born'], ends: ['worker-speaks'] },
  { name: 'Device and distributed set-up', term: 'G', starts: ['distributed-init'], ends: ['distributed-ready'] },
  { name: 'Model built, parameters allocated', term: 'B', starts: ['model-load-start'], ends: ['model-init-done'] },
  {
    name: 'Weights loaded',
    term: 'A+B',
    starts: ['checkpoint-found', 'weights-load-start'],
    ends: ['weights-load-done'],
  },
  { name: 'Compile and warm-up', term: 'C', starts: ['warmup-start'], ends: ['warmup-done'] },
  {
    name: 'KV cache allocated, scheduler set up',
    term: 'D',
    starts: ['kv-size', 'kv-reserved'],
    ends: ['engine-ready'],
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
  const phases: Phase[] = [];
  const incomplete: string[] = [];
  for (const rule of phaseRules) {
    const start = inWindow.find((row) => row.event !== undefined && rule.starts.includes(row.event));
    const end = inWindow.find(
      (row) => row.event !== undefined && rule.ends.includes(row.event) && (!start || row.atMs >= start.atMs),
    );
    if (start && end) phases.push(phaseOf(rule, start, end));
    else if (start || end) incomplete.push(rule.name);
  }
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

/** Log lines are recognised anew: a run saved by an earlier version gains what was learned since. */
function named(row: StartupRow): StartupRow {
  return row.source === 'log'
    ? { ...row, event: recognizeMilestone(parseLogLine(row.text).message)?.event ?? row.event }
    : row;
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
