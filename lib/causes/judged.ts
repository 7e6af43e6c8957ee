/** The seed's verdicts from signals, launch by launch, beside what the experiment found for the cell of that launch. */
import type { RunData } from '../archive/folder.js';
import { verdicts } from '../interpret/decision.js';
import type { Cause, Verdict } from '../interpret/findings.js';
import { launchEvidence } from '../interpret/launchevidence.js';
import { launchFindings } from '../interpret/launches.js';
import { requestEvidence } from '../interpret/requestevidence.js';
import { signalFindings, signalThresholds } from '../interpret/signals.js';
import { requestTimings } from '../interpret/timing.js';
import { centreOf } from '../statistics/intervals.js';
import type { CellName } from './cells.js';
import type { CauseId, CellValue, Effect } from './contrasts.js';
import { launchOf } from './rows.js';

export interface JudgedCell {
  readonly cell: string;
  readonly launches: number;
  /** By the experiment: the cause with most seconds in this cell, if it fills enough of it; else none. */
  readonly experiment?: Cause | undefined;
  readonly experimentMs?: number | undefined;
  readonly readyMs: number;
  /** How often the signals named each cause, and how often none. */
  readonly named: readonly { readonly cause: Cause | 'none' | 'cannot tell'; readonly times: number }[];
  readonly right: number;
  /** Of the launches it was wrong or silent on: the rule that decided. */
  readonly because?: string | undefined;
}

const causes: readonly Cause[] = ['A', 'B', 'C', 'D'];

/** Which effects a start in this cell pays. */
const paid: Readonly<Record<CellName, readonly CauseId[]>> = {
  'both-cold': ['A', 'B', 'C-cache', 'C-rest', 'D'],
  'pages-cold': ['A', 'B', 'C-rest', 'D'],
  'compile-cold': ['B', 'C-cache', 'C-rest', 'D'],
  'both-warm': ['B', 'C-rest', 'D'],
  eager: ['B', 'D'],
  dummy: ['C-rest', 'D'],
  'kv-small': ['B', 'C-rest'],
  'kv-large': ['B', 'C-rest', 'D-size'],
  'eager-dummy': ['D'],
  'eager-kv-small': ['B'],
  'eager-kv-large': ['B', 'D-size'],
};

export interface PlacedLaunch {
  readonly data: RunData;
  readonly launch: number;
  readonly cell: string;
}

/** One row a cell. `effects` are the experiment's; a cause that it did not resolve counts as 0. */
export function judgeSeedTable(
  launches: readonly PlacedLaunch[],
  values: readonly CellValue[],
  effects: readonly Effect[],
): JudgedCell[] {
  return [...new Set(launches.map(({ cell }) => cell))].flatMap((cell) => {
    const readyMs = centreOf(values.filter((value) => value.cell === cell).map(({ value }) => value))?.centre;
    if (readyMs === undefined) return [];
    const byExperiment = dominantOf(cell as CellName, readyMs, effects);
    const judged = launches
      .filter((one) => one.cell === cell)
      .map(({ data, launch }) => verdictOf(launchVerdicts(data, launch)));
    const expected = byExperiment?.cause ?? 'none';
    const wrong = judged.find(({ named }) => named !== expected);
    return [
      {
        cell,
        launches: judged.length,
        experiment: byExperiment?.cause,
        experimentMs: byExperiment?.ms,
        readyMs,
        named: countNames(judged.map(({ named }) => named)),
        right: judged.filter(({ named }) => named === expected).length,
        because: wrong && reasonOf(wrong, byExperiment?.cause),
      },
    ];
  });
}

/** The cause with most seconds in a cell, if it fills the share of the start that the table itself asks of a cause. */
export function dominantOf(
  cell: CellName,
  readyMs: number,
  effects: readonly Effect[],
): { readonly cause: Cause; readonly ms: number } | undefined {
  const msOf = (id: CauseId): number => {
    const effect = effects.find(({ cause }) => cause === id);
    return effect?.resolved === false ? 0 : (effect?.centre?.centre ?? 0);
  };
  const known = paid[cell] ?? [];
  // Where the two parts of C were not measured apart, C as a whole stands for a cold cache.
  const hasParts = effects.some(({ cause }) => cause === 'C-cache');
  const sums = causes.map((cause) => {
    const parts = known.filter((id) => id === cause || id.startsWith(`${cause}-`));
    const ms =
      cause === 'C' && !hasParts
        ? known.includes('C-cache')
          ? msOf('C')
          : 0
        : parts.reduce((sum, id) => sum + msOf(id), 0);
    return { cause, ms };
  });
  const first = [...sums].sort((a, b) => b.ms - a.ms)[0];
  return first && first.ms >= signalThresholds.timeShare * readyMs ? first : undefined;
}

/** The seed's rules on one launch by itself. */
function launchVerdicts(data: RunData, launch: number): readonly Verdict[] {
  const own = launchOf(data, launch);
  const timings = requestTimings(own.requests, own.chunks, own.startup);
  const findings = launchFindings(own, timings);
  const evidence = { launch: launchEvidence(own, findings[0], findings), request: requestEvidence(own, timings) };
  return verdicts(signalFindings(evidence), evidence).filter(({ window }) => window === 'launch -> ready');
}

interface Named {
  readonly named: Cause | 'none' | 'cannot tell';
  readonly verdicts: readonly Verdict[];
}

function verdictOf(found: readonly Verdict[]): Named {
  const holds = found.find(({ verdict }) => verdict === 'holds');
  if (holds) return { named: holds.cause, verdicts: found };
  return { named: found.some(({ verdict }) => verdict === 'cannot tell') ? 'cannot tell' : 'none', verdicts: found };
}

function reasonOf({ named, verdicts: found }: Named, expected: Cause | undefined): string {
  const about = expected ?? (named === 'none' ? undefined : named);
  const verdict = found.find(({ cause, verdict: word }) =>
    about === 'cannot tell' ? word === 'cannot tell' : cause === about,
  );
  return verdict ? `${verdict.cause} ${verdict.verdict}: ${verdict.because}` : 'no signal spoke';
}

function countNames(names: readonly Named['named'][]): JudgedCell['named'] {
  return [...causes, 'none' as const, 'cannot tell' as const].flatMap((cause) => {
    const times = names.filter((name) => name === cause).length;
    return times === 0 ? [] : [{ cause, times }];
  });
}
