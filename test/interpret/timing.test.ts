import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkRow, RequestRow, StartupRow } from '../../lib/archive/tables.js';
import { itlMs, requestTiming, requestTimings } from '../../lib/interpret/timing.js';
import { milestonesOf } from '../../lib/interpret/startuplog.js';

const streamed: RequestRow = {
  requestId: 'r',
  launch: 1,
  name: 'warm',
  index: 1,
  workload: 'seed',
  streamed: true,
  outcome: 'completed',
  startAtMs: 100,
  connectedAtMs: 101,
  sentAtMs: 102,
  headersAtMs: 140,
  firstByteAtMs: 141,
  firstEventAtMs: 141,
  firstChoiceAtMs: 142,
  firstTokenAtMs: 152,
  firstVisibleAtMs: 160,
  lastTokenAtMs: 212,
  doneAtMs: 214,
  endAtMs: 215,
  promptTokens: 9,
  completionTokens: 4,
  totalTokens: 13,
  serverFirstTokenMs: 40,
  serverQueueMs: 2,
  serverGenerationMs: 58,
};
const chunk = (sequence: number, atMs: number, read = sequence, kind = 'token'): ChunkRow => ({
  requestId: 'r',
  sequence,
  read,
  atMs,
  kind,
  characters: 3,
  bytes: 90,
});
const chunks = [
  chunk(1, 141, 1, 'role'),
  chunk(2, 152, 2, 'reasoning'),
  chunk(3, 160),
  chunk(4, 212),
  chunk(5, 212, 4),
  chunk(6, 213, 5, 'usage'),
  chunk(7, 214, 6, 'done'),
];

describe('requestTiming', () => {
  it('takes every time from two stamps, as worked out by hand', () => {
    expect(requestTiming(streamed, chunks)).toMatchObject({
      wallS: 0.115,
      connectMs: 1,
      ttftMs: 50,
      e2eMs: 110,
      tpotMs: 20,
      medianItlMs: 8,
      maxItlMs: 52,
      coalescedTokens: 1,
      firstByteMs: 39,
      firstEventMs: 39,
      firstChoiceMs: 40,
      firstVisibleMs: 58,
      fromStartMs: 52,
      frontEndMs: 8,
      firstTokenLateMs: -2,
    });
  });

  it('gives a whole answer its wall_s and no first token', () => {
    const {
      firstByteAtMs: _b,
      firstEventAtMs: _e,
      firstChoiceAtMs: _c,
      firstTokenAtMs: _t,
      firstVisibleAtMs: _v,
      lastTokenAtMs: _l,
      ...whole
    } = streamed;
    const timing = requestTiming({ ...whole, streamed: false });
    expect(timing.wallS).toBe(0.115);
    for (const absent of [
      timing.ttftMs,
      timing.e2eMs,
      timing.tpotMs,
      timing.medianItlMs,
      timing.maxItlMs,
      timing.frontEndMs,
      timing.coalescedTokens,
    ])
      expect(absent).toBeUndefined();
  });

  it('has no TPOT for one token, and none without usage', () => {
    expect(requestTiming({ ...streamed, completionTokens: 1 }).tpotMs).toBeUndefined();
    expect(requestTiming({ ...streamed, completionTokens: undefined }).tpotMs).toBeUndefined();
  });

  it('leaves absent what a request cut off early never reached', () => {
    const timing = requestTiming({
      requestId: 'r',
      launch: 1,
      name: 'cold_1',
      index: 1,
      workload: 'seed',
      streamed: true,
      outcome: 'refused',
      startAtMs: 5,
    });
    expect(Object.values(timing).filter((value) => typeof value === 'number')).toEqual([1, 1]);
  });

  it('gives each request its own events', () => {
    const rows = [streamed, { ...streamed, requestId: 's' }];
    const [first, second] = requestTimings(rows, [
      ...chunks,
      { ...chunk(1, 152), requestId: 's' },
      { ...chunk(2, 153), requestId: 's' },
    ]);
    expect(first?.maxItlMs).toBe(52);
    expect(second?.maxItlMs).toBe(1);
  });
});

describe('the laws of timing', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 50 });

  /** A request whose tokens arrive after these gaps, the first `gaps[0]` ms after sending; all stamps moved by `shiftMs`. */
  function arriving(
    gapsMs: readonly number[],
    completionTokens: number,
    shiftMs = 0,
  ): { row: RequestRow; events: ChunkRow[] } {
    let atMs = 102 + shiftMs;
    const events = gapsMs.map((gap, index) => chunk(index + 1, (atMs += gap)));
    const [first, last] = [events[0]?.atMs ?? 0, events.at(-1)?.atMs ?? 0];
    return {
      row: {
        ...streamed,
        startAtMs: 100 + shiftMs,
        connectedAtMs: 101 + shiftMs,
        sentAtMs: 102 + shiftMs,
        firstTokenAtMs: first,
        lastTokenAtMs: last,
        endAtMs: last + 1,
        completionTokens,
      },
      events,
    };
  }

  it('TTFT and the gaps add up to E2E, and so do TTFT and TPOT times the tokens after the first', () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 2, max: 400 }), (gapsMs, completionTokens) => {
        const { row, events } = arriving(gapsMs, completionTokens);
        const timing = requestTiming(row, events);
        const sum = itlMs(events).reduce((total, gap) => total + gap, 0);
        expect((timing.ttftMs ?? NaN) + sum).toBeCloseTo(timing.e2eMs ?? NaN, 9);
        expect((timing.ttftMs ?? NaN) + (timing.tpotMs ?? NaN) * (completionTokens - 1)).toBeCloseTo(
          timing.e2eMs ?? NaN,
          6,
        );
        expect(timing.e2eMs).toBe((row.lastTokenAtMs ?? NaN) - (row.sentAtMs ?? NaN));
      }),
    );
  });

  it('shifting all instants changes nothing', () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 1_000_000 }), (gapsMs, shiftMs) => {
        const [here, there] = [arriving(gapsMs, 8), arriving(gapsMs, 8, shiftMs)];
        const strip = ({ row, events }: typeof here) => {
          const { ttftMs, e2eMs, tpotMs, wallS, medianItlMs, connectMs } = requestTiming(row, events);
          return { ttftMs, e2eMs, tpotMs, wallS, medianItlMs, connectMs };
        };
        expect(strip(there)).toEqual(strip(here));
      }),
    );
  });

  it('the order in which events are given changes nothing', () => {
    fc.assert(
      fc.property(gaps, (gapsMs) => {
        const { row, events } = arriving(gapsMs, 8);
        expect(requestTiming(row, [...events].reverse())).toEqual(requestTiming(row, events));
      }),
    );
  });
});

describe('JIT lines of a request', () => {
  const line = (atMs: number, text: string): StartupRow => ({ launch: 1, atMs, source: 'log', text });
  const monitor = line(
    50,
    '(Worker pid=3) INFO 11-24 23:10:21 [jit_monitor.py:86] Kernel JIT monitor activated; mode=warn',
  );
  const warning = (atMs: number) =>
    line(
      atMs,
      '(Worker pid=3) WARNING 11-24 23:10:21 [jit_monitor.py:127] Triton kernel JIT compilation during inference: rope. It causes a latency spike.',
    );

  it('are those logged while it was in flight', () => {
    const milestones = milestonesOf([monitor, warning(99), warning(100), warning(150), warning(215), warning(216)], 1);
    expect(requestTiming(streamed, [], milestones).jitLines).toBe(3);
  });

  it('are 0 where the monitor was on and silent, and absent where it never said it was on', () => {
    expect(requestTiming(streamed, [], milestonesOf([monitor], 1)).jitLines).toBe(0);
    expect(requestTiming(streamed, [], milestonesOf([], 1)).jitLines).toBeUndefined();
  });
});
