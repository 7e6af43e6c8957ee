import { expect, it } from 'vitest';
import type { SettingRuns, MeasuredBlock } from '../../lib/bench/setting.js';
import { requestsForVerdict, summarizeBench, worst } from '../../lib/bench/summary.js';
import { calibrationAsked } from '../../lib/probe/truth.js';

/** Rounds of blocks whose every error is the client's own, the first event's and the others'. */
function runsOf(streams: number, rounds: number, requests: number, errorMs: Record<string, number>): SettingRuns {
  const blocks = Array.from({ length: rounds }, (_, round) =>
    Object.entries(errorMs).map(([client, error], position): MeasuredBlock => ({
      streams,
      client,
      sitting: 1 + (round % 2),
      round: round + 1,
      position: position + 1,
      startAtMs: 0,
      wallMs: 100,
      cpuMs: 2,
      requests: Array.from({ length: requests }, () => ({ errorsMs: [error, 2 * error], connectMs: 0.1 })),
    })),
  ).flat();
  return {
    plan: { streams, sittings: 2, rounds, requests, warmups: 0, asked: calibrationAsked },
    blocks,
    cpuBlocks: blocks,
  };
}

const calibration = Array.from({ length: 100 }, (_, at) => ({
  index: at + 1,
  warmup: at < 20,
  firstTokenErrorMs: at < 20 ? 50 : 0.1,
  worstChunkErrorMs: 0.2,
  connectMs: 0.1,
}));
const rounds = 10;
const enough = requestsForVerdict / rounds;

it('sums up each client, and holds the probe against the bare socket', () => {
  const runs = [
    runsOf(1, rounds, enough, { probe: 0.14, socket: 0.1 }),
    runsOf(64, rounds, enough, { probe: 0.3, socket: 0.3 }),
  ];
  const { settings, verdict, calibrationLike } = summarizeBench(runs, calibration, [], 1);
  const [one] = settings;
  expect(one?.clients.map(({ client }) => client)).toEqual(['probe', 'socket']);
  expect(one?.clients[0]).toMatchObject({
    ttftErrorMs: { n: requestsForVerdict, median: 0.14, max: 0.14 },
    chunkErrorMs: { n: 2 * requestsForVerdict, max: 0.28 },
    // 2 ms a block of 100 requests with two events each.
    cpuMsPer1000Events: 10,
  });
  expect(one?.ratios.map(({ client, error, verdict }) => [client, error, verdict])).toEqual([
    ['probe', 'ttft', 'within'],
    ['probe', 'chunk', 'within'],
  ]);
  expect(one?.ratios[0]?.estimate).toBeCloseTo(1.4, 9);
  expect(verdict).toBe('within');
  expect(calibrationLike.calibration.n).toBe(80);
  expect(calibrationLike.medianRatio).toBeCloseTo(1.4, 9);
});

it.each([
  ['the probe is too late at 64 streams', { probe: 0.5, socket: 0.3 }, enough, undefined, 'not within'],
  ['there are too few requests', { probe: 0.3, socket: 0.3 }, enough - 1, undefined, 'not resolved'],
  ['the absolute limit is passed', { probe: 0.3, socket: 0.3 }, enough, 0.13, 'not within'],
  ['the absolute limit holds', { probe: 0.3, socket: 0.3 }, enough, 0.15, 'within'],
])('decides when %s', (_what, errors, requests, targetMs, verdict) => {
  const runs = [runsOf(1, rounds, enough, { probe: 0.14, socket: 0.1 }), runsOf(64, rounds, requests, errors)];
  expect(summarizeBench(runs, calibration, [], 1, targetMs).verdict).toBe(verdict);
});

it('does not count the other clients in the verdict', () => {
  const runs = [runsOf(1, rounds, enough, { probe: 0.1, socket: 0.1, undici: 9 })];
  expect(summarizeBench(runs, calibration, [], 1).verdict).toBe('within');
});

it('says that bench and calibration do not agree when each lies outside of the other', () => {
  const runs = [runsOf(1, rounds, enough, { probe: 0.4, socket: 0.4 })];
  expect(summarizeBench(runs, calibration, [], 1).calibrationLike.agree).toBe(false);
  const same = [runsOf(1, rounds, enough, { probe: 0.1, socket: 0.1 })];
  expect(summarizeBench(same, calibration, [], 1).calibrationLike.agree).toBe(true);
});

it('takes the worst verdict of several, and none for no proof', () => {
  expect(worst(['within', 'not resolved', 'not within'])).toBe('not within');
  expect(worst(['within', 'not resolved'])).toBe('not resolved');
  expect(worst(['within', 'within'])).toBe('within');
  expect(worst([])).toBe('not resolved');
});
