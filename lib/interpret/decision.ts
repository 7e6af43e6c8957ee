/**
 * Signals -> verdicts. A cause holds only when every observable signal of it holds and one that distinguishes it is
 * observable. Otherwise it does not hold, or we cannot tell; "cannot tell" is an answer.
 */
import type { Evidence } from './evidence.js';
import type { Cause, SignalFinding, Verdict, Window } from './findings.js';
import { formatPercent } from './format.js';

/** Of two causes that both hold, one leads when its phases took half as long again; below that they have equal claim. Ours. */
export const clearLead = 1.5;

const causes: readonly Cause[] = ['A', 'B', 'C', 'D'];

/** One verdict a cause and window. `evidence` gives the share of time by which rivals in launch -> ready are compared. */
export function verdicts(signals: readonly SignalFinding[], evidence?: Evidence): Verdict[] {
  return (['launch -> ready', 'request 1'] as const).flatMap((window) => {
    const alone = causes.map((cause) =>
      verdictAlone(
        cause,
        window,
        signals.filter((signal) => signal.cause === cause && signal.window === window),
      ),
    );
    return settleRivals(alone, window, evidence);
  });
}

function verdictAlone(cause: Cause, window: Window, signals: readonly SignalFinding[]): Verdict {
  const binding = signals.filter(({ role }) => role !== 'optional');
  const observable = binding.filter(({ outcome }) => outcome !== 'not observable');
  const failed = observable.find(({ outcome }) => outcome === 'does not hold');
  const distinguishing = binding.filter(({ role }) => role === 'distinguishing');
  const telling = distinguishing.find(({ outcome }) => outcome === 'holds');
  if (failed)
    return {
      cause,
      window,
      verdict: 'does not hold',
      because: `${failed.signal}: ${failed.reading}; needs ${failed.threshold}`,
    };
  if (!telling) return { cause, window, verdict: 'cannot tell', because: unobservable(distinguishing) };
  const missing = binding.length - observable.length;
  const rest = missing > 0 ? `; ${missing} of ${binding.length} signals not observable` : '';
  return { cause, window, verdict: 'holds', because: `${telling.signal}: ${telling.reading}${rest}` };
}

function unobservable(distinguishing: readonly SignalFinding[]): string {
  const reasons = new Set(distinguishing.map(({ signal, reading }) => `${signal}: not observable, ${reading}`));
  return reasons.size > 0 ? [...reasons].join('; ') : 'no signal that would distinguish it was read';
}

/** Two causes that both hold contradict "dominated" unless one clearly leads. */
function settleRivals(alone: readonly Verdict[], window: Window, evidence: Evidence | undefined): Verdict[] {
  const rivals = alone.filter(({ verdict }) => verdict === 'holds');
  if (rivals.length < 2) return [...alone];
  const shares = new Map(
    rivals.map(({ cause }) => [cause, window === 'launch -> ready' ? timeShare(cause, evidence) : undefined]),
  );
  const leader = leaderOf(shares);
  return alone.map((verdict) => {
    if (verdict.verdict !== 'holds' || verdict.cause === leader) return verdict;
    if (leader === undefined) {
      const others = rivals.filter(({ cause }) => cause !== verdict.cause).map(({ cause }) => cause);
      return {
        ...verdict,
        verdict: 'cannot tell',
        because: `contradictory evidence: ${others.join(' and ')} holds with equal claim; ${verdict.because}`,
      };
    }
    return {
      ...verdict,
      verdict: 'does not hold',
      because: `its signals hold, but ${leader} took ${formatPercent(shares.get(leader))} of the window and this at most ${formatPercent(shares.get(verdict.cause))}`,
    };
  });
}

function timeShare(cause: Cause, evidence: Evidence | undefined): number | undefined {
  const observed = evidence?.launch.timeShare[cause];
  return observed?.kind === 'seen' ? observed.values[0] : undefined;
}

/** The cause with the largest share, if all shares are known and it leads the next one clearly. */
function leaderOf(shares: ReadonlyMap<Cause, number | undefined>): Cause | undefined {
  const ranked = [...shares]
    .map(([cause, share]) => ({ cause, share: share ?? NaN }))
    .sort((a, b) => b.share - a.share);
  const [first, second] = ranked;
  if (!first || !second || ranked.some(({ share }) => Number.isNaN(share))) return undefined;
  return first.share >= clearLead * second.share ? first.cause : undefined;
}
