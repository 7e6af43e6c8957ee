/**
 * "The equation": the seed's six terms, plus G (process, imports, front end) and a remainder, in both windows. A cell
 * is a value with its source or the reason there is none; nothing is split that the evidence does not split.
 */
import type { RunData } from '../archive/folder.js';
import type { StartupTimeline, Term } from '../launch/timeline.js';
import { noGpuBecause, type Evidence } from './evidence.js';
import { none, notObservable, notSeparable, value, type Cells } from './cells.js';
import type { LaunchFinding, LedgerCell, RequestTiming, SixTermRow } from './findings.js';
import { formatBytes, formatMs } from './format.js';
import { unionMs } from './launches.js';
import { noTimelineBecause } from './launchevidence.js';
import { requestCells } from './requestledger.js';
import { coldOf, requestsNamed } from './series.js';

const names: Readonly<Record<SixTermRow['term'], string>> = {
  A: 'storage -> RAM (page cache fill)',
  B: 'RAM -> HBM (weights staged, GPU allocations)',
  C: 'runtime warm-up (compile, autotune, graphs, JIT)',
  D: 'KV cache and workspace allocation',
  E: 'first prefill compute',
  F: 'queueing and scheduling',
  G: 'process, imports, configuration, front end',
  remainder: 'not explained',
};

/**
 * The launch the ledgers speak of: the first whose timeline is whole and whose cold_1 was streamed, else the first with
 * a timeline, else the first with a completed cold_1, else the first there is.
 */
export function chooseLedgerLaunch(
  launches: readonly LaunchFinding[],
  timings: readonly RequestTiming[],
): number | undefined {
  const streamedCold = (launch: number) => coldOf(timings, launch)?.streamed === true;
  const withTimeline = launches.filter(({ timeline }) => timeline !== undefined);
  const chosen = withTimeline.find(({ launch }) => streamedCold(launch)) ?? withTimeline[0];
  return chosen?.launch ?? requestsNamed(timings, 'cold_1')[0]?.launch ?? launches[0]?.launch;
}

/** The eight rows for one launch. `evidence` must be that launch's. */
export function sixTerms(
  data: RunData,
  launch: number | undefined,
  finding: LaunchFinding | undefined,
  timings: readonly RequestTiming[],
  evidence: Evidence,
): SixTermRow[] {
  const before = finding?.timeline ? launchCells(finding.timeline, finding, data, evidence) : undefined;
  const first = requestCells(data, launch, timings, evidence);
  const missing: LedgerCell = { kind: 'not-observable', note: noTimelineBecause(data, finding) };
  return (Object.keys(names) as SixTermRow['term'][]).map((term) => ({
    term,
    name: names[term],
    launchToReady: before?.[term] ?? missing,
    request1: first[term],
  }));
}

function launchCells(timeline: StartupTimeline, finding: LaunchFinding, data: RunData, evidence: Evidence): Cells {
  // Phases of one term may overlap and count once; what lies in phases of two terms counts in both.
  const terms = [...new Set(timeline.phases.map(({ term }) => term))];
  const summedMs = terms.reduce(
    (sum, term) => sum + unionMs(timeline.phases.filter((phase) => phase.term === term)),
    0,
  );
  const overlapMs = summedMs - timeline.coveredMs;
  const remainderNote =
    overlapMs > 1
      ? `phases of different terms overlap by ${formatMs(overlapMs)}, so that the terms add up to more than the window`
      : undefined;
  return {
    ...weightCells(timeline, finding, data, evidence),
    C: termCell(timeline, ['C']),
    D: termCell(timeline, ['D']),
    E: none('no request is prefilled before ready; dummy runs are part of C'),
    F: none('no request waits before ready'),
    G: termCell(timeline, ['G']),
    remainder: value(timeline.remainderMs, 'launch -> ready minus the time any phase covers', remainderNote),
  };
}

function termCell(timeline: StartupTimeline, terms: readonly Term[], note?: string): LedgerCell {
  const phases = timeline.phases.filter(({ term }) => terms.includes(term));
  if (phases.length === 0) return notObservable('no phase of this term was recognised in the log');
  return value(unionMs(phases), `log: ${phases.map(({ name }) => name).join(', ')}`, note);
}

function noHbm({ record }: RunData): string {
  return record.engine.kind === 'rehearsal'
    ? 'no HBM in a rehearsal: the stand-in reads the weight files and keeps nothing of them'
    : 'no HBM here: parameters are allocated and filled in RAM';
}

/** A and B share the loader's phase. Only bytes read from storage can take A out of it, and only by being none. */
function weightCells(
  timeline: StartupTimeline,
  finding: LaunchFinding,
  data: RunData,
  evidence: Evidence,
): Pick<Cells, 'A' | 'B'> {
  const note = noGpuBecause(data) === undefined ? undefined : noHbm(data);
  const loading = timeline.phases.filter(({ term }) => term === 'A+B');
  if (loading.length === 0) return { A: termCell(timeline, ['A']), B: termCell(timeline, ['B'], note) };
  const storage = evidence.launch.storageShare;
  const together = `A and B together took ${formatMs(unionMs(loading))} (log: ${loading.map(({ name }) => name).join(', ')})`;
  if (storage.kind === 'seen' && storage.values.every((share) => share === 0)) {
    return {
      A: value(0, 'read_bytes of the server tree did not move while the weights loaded'),
      B: termCell(timeline, ['B', 'A+B'], note),
    };
  }
  const read =
    storage.kind === 'seen'
      ? storage.reading
      : `${storage.because}${finding.readBytes === undefined ? '' : `; ${formatBytes(finding.readBytes)} from spawn to ready, imports included`}`;
  const built = termCell(timeline, ['B']);
  const builtText = built.kind === 'value' ? `; building the model took ${formatMs(built.ms)} more` : '';
  return {
    A: notSeparable(`${together}; ${read}`),
    B: notSeparable(`${together}${builtText}${note === undefined ? '' : `; ${note}`}`),
  };
}
