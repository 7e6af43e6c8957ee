/** What dominated each ledger: the largest part, if it is large enough and leads clearly; else why none does. */
import { clearLead } from './decision.js';
import type { Dominant, ExcessLedger, LaunchFinding, StopwatchFinding, Verdict } from './findings.js';
import { flagThresholds, modifiedZ } from './flags.js';
import { formatFactor, formatMs, formatPercent } from './format.js';
import { signalThresholds } from './signals.js';

const termNames: Readonly<Record<string, string>> = {
  A: 'page cache fill',
  B: 'model and HBM allocation',
  'A+B': 'weights loaded (page cache fill and copy together)',
  C: 'compile and warm-up',
  D: 'KV cache allocation',
  G: 'process start, imports, configuration, front end',
  remainder: 'no phase of the log',
};

/** The dominant term of launch -> ready of one launch. `because` tells why there is none. */
export function dominantLaunch(finding: LaunchFinding | undefined, noTimeline: string): Dominant {
  const window = 'launch -> ready' as const;
  const timeline = finding?.timeline;
  const wholeMs = timeline ? timeline.readyAtMs - timeline.spawnAtMs : 0;
  if (!timeline || wholeMs <= 0) return { window, because: `not observable: ${noTimeline}` };
  const parts = [...finding.termMs, { term: 'remainder', ms: timeline.remainderMs }].sort((a, b) => b.ms - a.ms);
  const [first, second] = parts;
  if (!first) return { window, because: 'no phase was recognised in the log' };
  const describe = (part: { readonly term: string; readonly ms: number }) =>
    `${part.term} (${termNames[part.term] ?? part.term}) with ${formatMs(part.ms)}, ${formatPercent(part.ms / wholeMs)} of ${formatMs(wholeMs)}`;
  const ofSeed = seedLeader(parts);
  if (first.ms / wholeMs < signalThresholds.timeShare)
    return {
      window,
      because: `nothing dominates: the largest, ${describe(first)}, is below ${formatPercent(signalThresholds.timeShare, 2)}${ofSeed}`,
    };
  if (second && first.ms < clearLead * second.ms)
    return {
      window,
      because: `nothing dominates: ${describe(first)}, does not lead ${describe(second)}, by ${formatFactor(clearLead, 2)}${ofSeed}`,
    };
  return {
    window,
    term: first.term,
    name: termNames[first.term],
    ms: first.ms,
    share: first.ms / wholeMs,
    because: second ? `next comes ${describe(second)}` : 'no other term was seen',
  };
}

/** Where G or the remainder stand in the way: which of the seed's four causes is largest among themselves. */
function seedLeader(parts: readonly { readonly term: string; readonly ms: number }[]): string {
  const [first, second] = parts.filter(({ term }) => term !== 'G' && term !== 'remainder');
  if (!first || (parts[0] === first && parts[1] === second)) return '';
  return `; of the seed's own causes the largest is ${first.term} with ${formatMs(first.ms)}${second ? `, then ${second.term} with ${formatMs(second.ms)}` : ''}`;
}

export interface RequestContext {
  /** TTFT or wall times (ms) of the warm requests that the ledger's median is taken over. */
  readonly warmMs: readonly number[];
  readonly verdicts: readonly Verdict[];
  readonly stopwatch?: StopwatchFinding | undefined;
  /** JIT lines before the first token: without them C cannot have made TTFT's excess. */
  readonly jitLinesToFirstToken?: number | undefined;
  /** What the request lost after its first token, beyond a warm one. */
  readonly afterFirstTokenMs?: number | undefined;
}

/** A part that explains at least half of the excess dominates it. Ours. */
export const dominantPartOfExcess = 0.5;

/** The dominant part of request 1's excess over the warm median; `share` is of the whole request to its first token. */
export function dominantRequest(ledger: ExcessLedger | undefined, context: RequestContext): Dominant {
  const found = dominantPart(ledger, context);
  const after = context.afterFirstTokenMs;
  if (!ledger || ledger.by !== 'TTFT' || after === undefined || after <= Math.max(0, ledger.excessMs)) return found;
  return {
    ...found,
    because: `${found.because}; it lost more after its first token: ${formatMs(after)} beyond a warm request`,
  };
}

function dominantPart(ledger: ExcessLedger | undefined, context: RequestContext): Dominant {
  const window = 'request 1' as const;
  if (!ledger) return { window, because: 'not observable: there is no first request with warm ones to compare' };
  const doubt = doubtAbout(ledger, context);
  if (doubt !== undefined) return { window, because: doubt };
  const parts = [...ledger.parts, { name: 'remainder', term: 'remainder', ms: ledger.remainderMs }].sort(
    (a, b) => b.ms - a.ms,
  );
  const first = parts[0];
  const text = `${formatMs(ledger.excessMs)} above the warm median`;
  if (!first || ledger.parts.length === 0)
    return { window, because: `${text}, and the server gives no figures of its own to part it` };
  if (first.ms < dominantPartOfExcess * ledger.excessMs) {
    return {
      window,
      because: `nothing dominates the ${text}: the largest part, ${first.name}, is ${formatMs(first.ms)}`,
    };
  }
  return {
    window,
    term: termOf(first.term, context),
    name: first.name,
    ms: first.ms,
    share: first.ms / ledger.coldMs,
    because: `the whole excess is ${formatMs(ledger.excessMs)} (cold_1 ${formatMs(ledger.coldMs)}, warm median ${formatMs(ledger.warmMedianMs)})`,
  };
}

/** Inside the engine the decision table may name the cause; else the terms stay together. */
function termOf(term: string, { verdicts, jitLinesToFirstToken = 0 }: RequestContext): string {
  if (term !== 'C+D+E') return term;
  const named = verdicts.filter(
    ({ window, verdict, cause }) => window === 'request 1' && verdict === 'holds' && (cause === 'C' || cause === 'D'),
  );
  const only = named.length === 1 ? named[0]?.cause : undefined;
  return only === undefined || (only === 'C' && jitLinesToFirstToken === 0) ? term : only;
}

/** Why the excess should not be explained: it is none, or too small to be told from the warm spread or the probe's error. */
function doubtAbout(
  { excessMs, coldMs, warmMedianMs }: ExcessLedger,
  { warmMs, stopwatch }: RequestContext,
): string | undefined {
  if (excessMs <= 0)
    return `there is no penalty: cold_1 took ${formatMs(coldMs)}, the warm median is ${formatMs(warmMedianMs)}`;
  if (stopwatch && excessMs <= stopwatch.maxErrorMs)
    return `cannot tell: the excess of ${formatMs(excessMs)} is not above the probe's largest error, ${formatMs(stopwatch.maxErrorMs)}`;
  if (warmMs.length < flagThresholds.outlierSamples) return undefined;
  const z = modifiedZ(coldMs, warmMs);
  if (z !== undefined && z > flagThresholds.outlierZ) return undefined;
  if (z === undefined && coldMs > Math.max(...warmMs)) return undefined;
  return `cannot tell: cold_1's excess of ${formatMs(excessMs)} is within the spread of the warm requests (modified z-score not above ${flagThresholds.outlierZ})`;
}
