/** Recorded time -> replayed time: piecewise linear, never backwards. */
import type { RecordedPhase } from './recording.js';
import type { StartupProfile } from './startup-profile.js';

/** Both instants in ms since spawn. */
export type Warp = (recordedAtMs: number) => number;

interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Phases with a length of their own take it; all other time is scaled. Where such phases overlap, the shortest one
 * (as recorded) gets its length first, and a longer one spreads what it has left over its rest: a longer one that is
 * given less than what lies inside it takes as long as that. Throws when a phase is not in the recording.
 */
export function createWarp(
  phases: readonly Pick<RecordedPhase, 'name' | 'startAtMs' | 'endAtMs'>[],
  { timeScale, phasesMs }: Pick<StartupProfile, 'timeScale' | 'phasesMs'>,
): Warp {
  const edges = [...new Set([0, ...phases.flatMap(({ startAtMs, endAtMs }) => [startAtMs, endAtMs])])].sort(
    (a, b) => a - b,
  );
  const stretches = edges.slice(1).map((toMs, at): Stretch => ({ fromMs: edges[at] ?? 0, toMs }));
  const scales = scalesOf(stretches, phases, phasesMs);
  return (recordedAtMs) => {
    let replayedMs = 0;
    for (const [at, { fromMs, toMs }] of stretches.entries())
      replayedMs += (scales.get(at) ?? timeScale) * Math.max(0, Math.min(recordedAtMs, toMs) - fromMs);
    return replayedMs + timeScale * Math.max(0, recordedAtMs - (edges.at(-1) ?? 0));
  };
}

function scalesOf(
  stretches: readonly Stretch[],
  phases: readonly Pick<RecordedPhase, 'name' | 'startAtMs' | 'endAtMs'>[],
  phasesMs: StartupProfile['phasesMs'],
): ReadonlyMap<number, number> {
  const scales = new Map<number, number>();
  const lengthOf = (at: number) => (stretches[at]?.toMs ?? 0) - (stretches[at]?.fromMs ?? 0);
  const given = Object.entries(phasesMs)
    .map(([name, ms]) => ({ ms, ...phaseNamed(phases, name) }))
    .sort((a, b) => a.endAtMs - a.startAtMs - (b.endAtMs - b.startAtMs));
  for (const { ms, startAtMs, endAtMs } of given) {
    const inside = [...stretches.keys()].filter((at) => {
      const stretch = stretches[at];
      return stretch !== undefined && stretch.fromMs >= startAtMs && stretch.toMs <= endAtMs;
    });
    const free = inside.filter((at) => !scales.has(at));
    const takenMs = inside.reduce((sum, at) => sum + (scales.get(at) ?? 0) * lengthOf(at), 0);
    const freeMs = free.reduce((sum, at) => sum + lengthOf(at), 0);
    for (const at of free) scales.set(at, Math.max(0, ms - takenMs) / freeMs);
  }
  return scales;
}

function phaseNamed<Phase extends { readonly name: string }>(phases: readonly Phase[], name: string): Phase {
  const found = phases.find((phase) => phase.name === name);
  if (found) return found;
  throw new Error(
    `the recording has no phase "${name}"; it has ${phases.map((phase) => `"${phase.name}"`).join(', ')}`,
  );
}
