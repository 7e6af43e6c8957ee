/**
 * The plan, launch after launch, until it is done or interrupted. What was done is read from the rows on record before
 * every launch, so a run that stopped anywhere goes on where it stopped.
 */
import { designProgress, nextLaunch, type Attempt, type DesignProgress } from './design.js';
import type { CellRow, PlanRow } from '../archive/cold-start-tables.js';

export interface DesignPorts {
  /** Rows on record now. */
  readonly readRows: () => readonly CellRow[];
  /** Set the state, launch, prove, stop, and put the row on record as the last act. */
  readonly launch: (attempt: Attempt, signal: AbortSignal) => Promise<CellRow>;
  readonly onProgress?: ((step: DesignStep) => void) | undefined;
  /** Whether to stop before this launch: the time of this sitting is used up. Default: never. */
  readonly isOver?: ((next: Attempt) => boolean) | undefined;
}

export interface DesignStep extends DesignProgress {
  /** The launch about to begin; absent at the end. */
  readonly next?: Attempt | undefined;
  /** The launch that just ended; absent at the beginning. */
  readonly last?: CellRow | undefined;
}

/** Resolves when nothing is left to launch, or the sitting is over. Rejects with the signal's reason, or with what ended a launch that left no row. */
export async function runDesign(plan: readonly PlanRow[], ports: DesignPorts, signal: AbortSignal): Promise<void> {
  let last: CellRow | undefined;
  for (;;) {
    const rows = ports.readRows();
    const next = nextLaunch(plan, rows);
    ports.onProgress?.({ ...designProgress(plan, rows), next, last });
    if (!next || ports.isOver?.(next) === true) return;
    signal.throwIfAborted();
    last = await ports.launch(next, signal);
  }
}
