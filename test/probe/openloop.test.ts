import { expect, it } from 'vitest';
import type { RequestRow } from '../../lib/archive/tables.js';
import { createClock } from '../../lib/clock.js';
import { planArrivals } from '../../lib/probe/arrivals.js';
import { exchange, type Exchange } from '../../lib/probe/exchange.js';
import { openLoopTimes, sendAsPlanned, summarizeOpenLoop, type PlannedExchange } from '../../lib/probe/openloop.js';
import { httpAnswer, scripted, type Connection } from './scripted.js';

const clock = createClock();
const every = (gapMs: number, requests: number) => Array.from({ length: requests }, (_, index) => index * gapMs);
const nothing = () => undefined;

it('sends all of them though none is answered, never before its instant', async () => {
  const sentAtMs: number[] = [];
  const answers: (() => void)[] = [];
  const settled: PlannedExchange[] = [];
  await sendAsPlanned(
    every(10, 20),
    () =>
      new Promise<Exchange>((resolve) => {
        sentAtMs.push(clock.nowMs());
        answers.push(() => resolve({ startAtMs: 0, reads: [] }));
        // A closed loop would wait here for ever: the first answer comes when the last request was sent.
        if (answers.length === 20) for (const answer of answers) answer();
      }),
    clock,
    (batch) => settled.push(...batch),
  );
  expect(settled.map(({ index }) => index)).toEqual(every(1, 20));
  const startAtMs = settled[0]?.plannedAtMs ?? NaN;
  for (const { index, plannedAtMs } of settled) {
    expect(plannedAtMs).toBeCloseTo(startAtMs + 10 * index, 6);
    expect(sentAtMs[index]).toBeGreaterThanOrEqual(plannedAtMs);
  }
});

it('hands on what came back while nothing is in flight and nothing due, else at the end', async () => {
  const batches: number[][] = [];
  const answered = () => Promise.resolve<Exchange>({ startAtMs: 0, reads: [] });
  const collect = (batch: readonly PlannedExchange[]) => batches.push(batch.map(({ index }) => index));
  await sendAsPlanned([0, 1, 2, 120, 121], answered, clock, collect);
  expect(batches).toEqual([
    [0, 1, 2],
    [3, 4],
  ]);
  batches.length = 0;
  let last = nothing as () => void;
  const lasting = (index: number) =>
    new Promise<Exchange>((resolve) => {
      const answer = () => resolve({ startAtMs: 0, reads: [] });
      if (index === 0) last = answer;
      else answer();
      if (index === 2) last();
    });
  await sendAsPlanned([0, 60, 120], lasting, clock, collect);
  expect(batches.map((batch) => batch.sort())).toEqual([[0, 1, 2]]);
});

it('sends nothing more once it is interrupted', async () => {
  const interrupt = new AbortController();
  const sent: number[] = [];
  await sendAsPlanned(
    every(20, 100),
    (index) => {
      sent.push(index);
      if (index === 2) interrupt.abort();
      return Promise.resolve<Exchange>({ startAtMs: 0, reads: [] });
    },
    clock,
    nothing,
    interrupt.signal,
  );
  expect(sent).toEqual([0, 1, 2]);
});

/** Serves one request after the other, and stands still for `stallMs` at the tenth. */
function stallingServer(stallMs: number) {
  let served = 0;
  let queue = Promise.resolve();
  return scripted(({ socket }: Connection) => {
    queue = queue.then(async () => {
      served += 1;
      if (served === 10) await new Promise((resolve) => setTimeout(resolve, stallMs));
      socket.write(httpAnswer('200 OK', '{"choices":[{"text":"x"}]}'));
    });
  });
}

it('sees the wait that a closed loop hides from itself', async () => {
  const stallMs = 600;
  const requests = 40;
  const slow = (seen: readonly Exchange[], sinceMs: (one: Exchange, at: number) => number) =>
    seen.filter((one, at) => (one.endAtMs ?? NaN) - sinceMs(one, at) > stallMs / 4).length;
  const planOf = (origin: string) => ({ origin, path: '/v1/completions', body: '{}', timeoutMs: 20_000 });

  const first = await stallingServer(stallMs);
  const closed: Exchange[] = [];
  for (let sent = 0; sent < requests; sent += 1) closed.push(await exchange(planOf(first.origin), clock));

  const second = await stallingServer(stallMs);
  const open: PlannedExchange[] = [];
  const offsets = planArrivals({ pace: 'fixed', ratePerS: 50, requests, seed: 1 });
  await sendAsPlanned(
    offsets,
    () => exchange(planOf(second.origin), clock),
    clock,
    (batch) => open.push(...batch),
  );

  expect(slow(closed, ({ sentAtMs }) => sentAtMs ?? NaN)).toBe(1);
  // At 50 a second, 30 users come during the stall; those of its first three quarters wait more than a quarter of it.
  open.sort((a, b) => a.index - b.index);
  const waited = slow(
    open.map(({ seen }) => seen),
    (_one, at) => open[at]?.plannedAtMs ?? NaN,
  );
  expect(waited).toBeGreaterThan(15);
});

const row = (more: Partial<RequestRow>): RequestRow => ({
  requestId: 'a',
  launch: 0,
  name: 'probe',
  index: 1,
  workload: 'seed',
  streamed: true,
  outcome: 'completed',
  startAtMs: 101,
  ...more,
});

it('counts service from sending and response from the plan', () => {
  expect(openLoopTimes(row({ plannedAtMs: 100, sentAtMs: 103, firstTokenAtMs: 110, endAtMs: 150 }))).toEqual({
    sendSkewMs: 3,
    serviceMs: 47,
    responseMs: 50,
    serviceTtftMs: 7,
    responseTtftMs: 10,
  });
  const refused = openLoopTimes(row({ plannedAtMs: 100, outcome: 'refused' }));
  expect(Object.values(refused)).toEqual(Array(5).fill(undefined));
});

it('sums up: skew of all that were sent, times of the completed ones alone', () => {
  const summary = summarizeOpenLoop(5, [
    row({ plannedAtMs: 0, sentAtMs: 1, endAtMs: 11 }),
    row({ plannedAtMs: 10, sentAtMs: 13, endAtMs: 33 }),
    row({ plannedAtMs: 20, sentAtMs: 29, outcome: 'timed-out' }),
    row({ plannedAtMs: 30, outcome: 'refused' }),
  ]);
  expect(summary).toEqual({
    planned: 5,
    outcomes: { completed: 2, 'timed-out': 1, refused: 1 },
    sendSkewMs: { n: 3, median: 3, p99: undefined, max: 9 },
    serviceMs: { n: 2, median: 15, p99: undefined, max: 20 },
    responseMs: { n: 2, median: 17, p99: undefined, max: 23 },
    serviceTtftMs: undefined,
    responseTtftMs: undefined,
  });
});
