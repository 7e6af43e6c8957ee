/**
 * The only place that reads time. One monotonic clock serves every process of a run;
 * the wall clock is read once, when a run is frozen.
 */

/** A source of instants in milliseconds since the run's origin. */
export interface Clock {
  /** Milliseconds since the run's origin, with sub-microsecond resolution. */
  nowMs(): number;
  /** The origin on CLOCK_MONOTONIC, in nanoseconds; other processes of the run rebuild the clock from it. */
  readonly originNs: bigint;
}

/**
 * A clock on CLOCK_MONOTONIC (`process.hrtime.bigint()`), which all processes of a Linux node share.
 * `performance.now()` is not used: its origin differs from process to process.
 */
export function createClock(originNs: bigint = process.hrtime.bigint()): Clock {
  return {
    originNs,
    nowMs: () => Number(process.hrtime.bigint() - originNs) / 1e6,
  };
}

/** The wall clock in ISO 8601 (UTC). Called once a run, to date it; never used for a duration. */
export function readWallClock(): string {
  return new Date().toISOString();
}
