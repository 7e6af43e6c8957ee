/**
 * Ticks that do not drift: each is planned from the first one, never from the end of the one before.
 * What comes too late is counted as missed, what fails as failed; neither is silently made up for.
 */
import type { Clock } from '../clock.js';

/** A tick that is still to come. Tick k of a plan is due at startMs + k * intervalMs. */
export interface PlannedTick {
  readonly tick: number;
  readonly atMs: number;
  /** Ticks between the last one and this that can no longer be kept. */
  readonly missed: number;
}

/** The next tick that is not past at `nowMs`, after tick number `lastTick`. */
export function planNextTick(startMs: number, intervalMs: number, lastTick: number, nowMs: number): PlannedTick {
  const due = Math.ceil((nowMs - startMs) / intervalMs);
  const tick = Math.max(lastTick + 1, due);
  return { tick, atMs: startMs + tick * intervalMs, missed: tick - lastTick - 1 };
}

/** What became of the ticks of a sampler: read + failed + missed is the number of ticks planned. */
export interface TickCounts {
  readonly read: number;
  readonly missed: number;
  readonly failed: number;
  /** What the last failed reading said. */
  readonly lastFailure?: string | undefined;
}

export interface TickOptions {
  readonly intervalMs: number;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Resolves at `atMs` on the clock, or at once when the signal aborts. */
  readonly waitUntil: (atMs: number, signal: AbortSignal) => Promise<void>;
  /** Reads once. A throw is counted and leaves a gap in the rows. */
  readonly read: (tick: number) => void | Promise<void>;
  readonly signal: AbortSignal;
}

/** Reads at every tick until the signal aborts. The first tick is one interval from now. */
export async function runTicks({ intervalMs, clock, waitUntil, read, signal }: TickOptions): Promise<TickCounts> {
  const startMs = clock.nowMs();
  let counts: TickCounts = { read: 0, missed: 0, failed: 0 };
  for (let last = 0; ;) {
    const next = planNextTick(startMs, intervalMs, last, clock.nowMs());
    await waitUntil(next.atMs, signal);
    if (signal.aborted) return counts;
    last = next.tick;
    counts = { ...counts, missed: counts.missed + next.missed };
    try {
      await read(next.tick);
      counts = { ...counts, read: counts.read + 1 };
    } catch (error) {
      counts = {
        ...counts,
        failed: counts.failed + 1,
        lastFailure: error instanceof Error ? error.message : String(error),
      };
    }
  }
}

/** Waits by a timer, which is good to about a millisecond. A tick that is late does not make the next one late. */
export function timerWait(clock: Pick<Clock, 'nowMs'>): TickOptions['waitUntil'] {
  return (atMs, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, Math.ceil(atMs - clock.nowMs())));
      signal.addEventListener('abort', done);
    });
}
