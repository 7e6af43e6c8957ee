import { expect, it } from 'vitest';
import { rampEnds, rampLimitMs, type RampPoint } from '../../lib/bench/ramp.js';

const point = (client: string, writtenPerS: number, p99ErrorMs: number, askedPerS = writtenPerS): RampPoint => ({
  client,
  attempt: 1,
  streams: 16,
  chunkDelayMs: 5,
  events: 1000,
  askedPerS,
  writtenPerS,
  medianErrorMs: 0.1,
  p99ErrorMs,
});

it('tells for each client the first rate that was too much, and the highest before it', () => {
  const late = rampLimitMs + 0.1;
  const points = [
    point('probe', 3000, 1),
    point('socket', 3000, 1),
    point('probe', 6000, late),
    point('socket', 6000, rampLimitMs),
    // Better again afterwards: the limit was passed all the same.
    point('probe', 12_000, 1),
    point('socket', 11_000, 2),
    point('slow', 3000, late),
  ];
  expect(rampEnds(points)).toEqual([
    { client: 'probe', reachedAtPerS: 6000, heldUpToPerS: 3000 },
    { client: 'slow', reachedAtPerS: 3000, heldUpToPerS: undefined },
    { client: 'socket', reachedAtPerS: undefined, heldUpToPerS: 11_000 },
  ]);
});

it('takes the middle one of the attempts at a step: one late turn is no limit', () => {
  const late = rampLimitMs + 1;
  const points = [point('probe', 3000, 1, 3200), point('probe', 3100, late, 3200), point('probe', 3200, 2, 3200)];
  expect(rampEnds(points)).toEqual([{ client: 'probe', reachedAtPerS: undefined, heldUpToPerS: 3100 }]);
  const twice = [...points.slice(1), point('probe', 3000, late, 3200)];
  expect(rampEnds(twice)).toEqual([{ client: 'probe', reachedAtPerS: 3100, heldUpToPerS: undefined }]);
});
