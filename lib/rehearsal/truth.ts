/**
 * What the rehearsal engine knows of itself -> truth.csv, in batches, off the timed path. Only the API process
 * writes the file: a second writer could race it for the header.
 */
import { appendRows } from '../archive/folder.js';
import { tables, type TruthRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';

export type TruthEvent = Omit<TruthRow, 'launch' | 'atMs'> & {
  /** Milliseconds on the run's clock; absent: now. */
  readonly atMs?: number | undefined;
};

/** Where the engine's events go. `write` only remembers: it neither formats nor touches the disk. */
export interface TruthSink {
  write(event: TruthEvent): void;
  /** The clock that the events are stamped by, in ms. */
  nowMs(): number;
}

export interface TruthFile extends TruthSink {
  /** Write out what is held. Called by a timer, and once more before the process ends. */
  flush(): void;
}

/** How long an event may be held: what a SIGKILL can lose. */
const flushEveryMs = 100;
const textLimit = 600;

/** The truth of one launch, appended to `runDir`/truth.csv. The timer does not keep the process alive. */
export function openTruth(runDir: string, launch: number, clock: Clock): TruthFile {
  let held: TruthRow[] = [];
  const flush = () => {
    const rows = held;
    held = [];
    appendRows(runDir, tables.truth, rows);
  };
  setInterval(flush, flushEveryMs).unref();
  return {
    write: ({ atMs = clock.nowMs(), text, ...event }) =>
      held.push({ launch, atMs, ...event, text: text?.slice(0, textLimit) }),
    nowMs: clock.nowMs,
    flush,
  };
}

/** An engine that was started outside of a run has no clock to share and no folder to write to. */
export function silentTruth(clock: Clock): TruthFile {
  return { write: () => undefined, nowMs: clock.nowMs, flush: () => undefined };
}
