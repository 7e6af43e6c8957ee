import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planNextTick, runTicks, timerWait } from '../../lib/snapshot/ticks.js';

/** A clock that only moves when somebody waits or a reader takes its time. */
function createFakeTime() {
  let nowMs = 0;
  return {
    clock: { nowMs: () => nowMs },
    spend: (ms: number) => (nowMs += ms),
    waitUntil: (atMs: number) => {
      nowMs = Math.max(nowMs, atMs);
    },
  };
}

/** Runs until `untilMs` has passed; `costMs(tick)` is what the reader takes, a negative cost is a failure. */
async function runFor(untilMs: number, intervalMs: number, costMs: (tick: number) => number) {
  const time = createFakeTime();
  const stopping = new AbortController();
  const readAtMs: number[] = [];
  const counts = await runTicks({
    intervalMs,
    clock: time.clock,
    signal: stopping.signal,
    waitUntil: (atMs) => {
      if (atMs > untilMs) stopping.abort();
      else time.waitUntil(atMs);
      return Promise.resolve();
    },
    read: (tick) => {
      readAtMs.push(time.clock.nowMs());
      time.spend(Math.abs(costMs(tick)));
      if (costMs(tick) < 0) throw new Error(`tick ${tick} failed`);
    },
  });
  return { counts, readAtMs };
}

describe('ticks', () => {
  it('n of them end at n intervals, however slow a reader is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: -120, max: 120 }), { minLength: 1, maxLength: 10 }),
        async (n, intervalMs, costs) => {
          const { counts, readAtMs } = await runFor(
            n * intervalMs,
            intervalMs,
            (tick) => costs[tick % costs.length] ?? 0,
          );
          // A slow last reader may pass the end; the ticks it covers are not planned any more.
          expect(counts.read + counts.failed + counts.missed).toBeLessThanOrEqual(n);
          expect(counts.read + counts.failed).toBe(readAtMs.length);
          for (const atMs of readAtMs) expect(atMs % intervalMs).toBe(0);
          if (costs.every((cost) => Math.abs(cost) < intervalMs)) expect(counts.read + counts.failed).toBe(n);
        },
      ),
    );
  });

  it('stay on the plan with a reader that takes nine tenths of the interval', async () => {
    const { counts, readAtMs } = await runFor(1000, 100, () => 90);
    expect(readAtMs).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    expect(counts).toEqual({ read: 10, missed: 0, failed: 0 });
  });

  it('count what a slow reader made impossible, and go on at the next planned instant', async () => {
    const { counts, readAtMs } = await runFor(600, 100, (tick) => (tick === 2 ? 250 : 1));
    expect(readAtMs).toEqual([100, 200, 500, 600]);
    expect(counts).toEqual({ read: 4, missed: 2, failed: 0 });
  });

  it('record a failed reader as a gap and keep what it said', async () => {
    const { counts, readAtMs } = await runFor(400, 100, (tick) => (tick === 3 ? -1 : 1));
    expect(readAtMs).toEqual([100, 200, 300, 400]);
    expect(counts).toEqual({ read: 3, missed: 0, failed: 1, lastFailure: 'tick 3 failed' });
  });
});

it('plans a tick that is due right now, and none twice', () => {
  expect(planNextTick(1000, 100, 0, 1000)).toEqual({ tick: 1, atMs: 1100, missed: 0 });
  expect(planNextTick(1000, 100, 1, 1200)).toEqual({ tick: 2, atMs: 1200, missed: 0 });
  expect(planNextTick(1000, 100, 2, 1200)).toEqual({ tick: 3, atMs: 1300, missed: 0 });
  expect(planNextTick(1000, 100, 2, 1501)).toEqual({ tick: 6, atMs: 1600, missed: 3 });
});

it('ends a wait at once when it is told to stop', async () => {
  const stopping = new AbortController();
  const wait = timerWait({ nowMs: () => 0 })(3_600_000, stopping.signal);
  stopping.abort();
  await wait;
  await timerWait({ nowMs: () => 0 })(3_600_000, stopping.signal);
});
