/** The stand-in's own record of a rehearsal against what was seen of it -> two tables; of a real server there is none. */
import type { TruthError } from '../interpret/findings.js';
import { formatMs } from '../interpret/format.js';
import { truthLimits } from '../interpret/truth.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable } from './table.js';

export const truthTitle = 'What the rehearsal did, and what we saw of it';

/** How far each kind of observation was from the truth, and whether what was promised holds; then phase by phase. '' for a real run. */
export function truthTable({ findings }: InterpretedRun): string {
  const { truth } = findings;
  if (!truth) return '';
  const errors = renderTable({
    title: stamped(findings.engineKind, truthTitle),
    columns: [
      { header: 'seen minus true' },
      { header: 'n', decimals: 0 },
      { header: 'median (ms)', decimals: 3 },
      { header: 'p99 (ms)', decimals: 3 },
      { header: 'max (ms)', decimals: 3 },
      { header: 'limit (ms)', decimals: 0 },
      { header: 'holds' },
    ],
    rows: truth.errors.map(({ quantity, n, medianMs, p99Ms, maxMs, limitMs, holds }) => [
      quantity,
      n,
      medianMs,
      p99Ms,
      maxMs,
      limitMs,
      holds === undefined ? undefined : holds ? 'yes' : 'no',
    ]),
    notes: [
      `Sizes of the differences. A limit is held against the maximum, from 100 observations on against the p99: ${formatMs(truthLimits.readyMs)} for ready, ${formatMs(truthLimits.phaseMs)} for the two ends of a phase, ${formatMs(truthLimits.tokenMs)} for first tokens and gaps.`,
      "Truth is the instant just before the stand-in's own write, so the cost of that write is inside each difference.",
      ...truth.unmatched.map((sentence) => `Not compared: ${sentence}.`),
    ],
  });
  const phases = renderTable({
    title: stamped(findings.engineKind, 'Each phase it played: seen minus true'),
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'phase' },
      { header: 'begin (ms)', decimals: 2 },
      { header: 'end (ms)', decimals: 2 },
    ],
    rows: truth.phases.map(({ launch, name, startErrorMs, endErrorMs }) => [launch, name, startErrorMs, endErrorMs]),
  });
  return `${errors}\n\n${phases}`;
}

/** The same in one sentence: what was promised, and how much of it held. */
export function truthSentence(errors: readonly TruthError[]): string {
  const promised = errors.filter(({ holds }) => holds !== undefined);
  const broken = promised.filter(({ holds }) => holds === false);
  const worst = broken.map(
    ({ quantity, maxMs, p99Ms, limitMs }) =>
      `${quantity}, ${p99Ms === undefined ? 'max' : 'p99'} ${formatMs(p99Ms ?? maxMs)} against ${formatMs(limitMs)}`,
  );
  return broken.length === 0
    ? `within the limit in all ${promised.length} comparisons that have one`
    : `within the limit in ${promised.length - broken.length} of ${promised.length} comparisons; not: ${worst.join('; ')}`;
}
