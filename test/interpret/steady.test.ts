import { describe, expect, it } from 'vitest';
import type { RequestRow } from '../../lib/archive/tables.js';
import { bandFindings } from '../../lib/interpret/bands.js';
import { steadyThresholds, steadyWindow } from '../../lib/interpret/steady.js';
import { buildRun } from './run-builder.js';

const request = (
  name: string,
  startAtMs: number,
  endAtMs: number | undefined,
  more: Partial<RequestRow> = {},
): RequestRow => ({
  requestId: `${name}-${startAtMs}`,
  launch: 1,
  name,
  index: 1,
  workload: 'seed',
  streamed: true,
  outcome: 'completed',
  startAtMs,
  ...(endAtMs === undefined ? {} : { endAtMs }),
  ...more,
});

describe('steadyWindow', () => {
  it('is the longest run of warm requests of one block: unique and cached prompts take turns', () => {
    const rows = [
      request('cold_1', 0, 900),
      request('warm', 1000, 2000),
      request('warm', 2100, 3000),
      request('warm-unique', 3100, 6000),
      request('warm-cached', 6001, 8900),
      request('sanity', 9001, 9999),
    ];
    expect(steadyWindow(rows)).toEqual({
      launch: 1,
      name: 'warm-unique and warm-cached',
      requests: 2,
      startAtMs: 3100,
      endAtMs: 8900,
    });
  });

  it('is broken by a pause just over the limit and not just under', () => {
    const pair = (pauseMs: number) =>
      steadyWindow([request('warm', 0, 1000), request('warm', 1000 + pauseMs, 3500 + pauseMs)]);
    expect(pair(steadyThresholds.pauseMs)?.requests).toBe(2);
    expect(pair(steadyThresholds.pauseMs + 1)?.requests).toBe(1);
  });

  it('is broken by a failure and by a restart', () => {
    expect(
      steadyWindow([
        request('warm', 0, 1000),
        request('warm', 1000, 2000, { outcome: 'failed' }),
        request('warm', 2000, 2500),
      ])?.endAtMs,
    ).toBe(1000);
    expect(steadyWindow([request('warm', 0, 1000), request('warm', 1001, 1500, { launch: 2 })])?.requests).toBe(1);
  });

  it('is absent without warm requests', () => {
    expect(steadyWindow([])).toBeUndefined();
    expect(steadyWindow([request('cold_1', 0, 5), request('warm', 6, undefined)])).toBeUndefined();
  });
});

describe('bandFindings', () => {
  const long = buildRun({ gpu: true });
  const window = steadyWindow(long.requests);
  const short = window && { ...window, endAtMs: window.startAtMs + 9_999 };

  it('give median, 5th and 95th percentile over the steady window', () => {
    expect(bandFindings(long, window).find(({ quantity }) => quantity === 'GPU power')).toMatchObject({
      unit: 'W',
      low: 300,
      median: 300,
      high: 300,
      distinctPerS: 0,
    });
    expect(bandFindings(long, window).find(({ quantity }) => quantity === "CPU of the server's tree")).toMatchObject({
      unit: 'cores',
      median: 1,
    });
  });

  it('add the processes of the tree one by one', () => {
    expect(
      bandFindings(long, window).find(({ quantity }) => quantity === 'CPU of VLLM::EngineCor')?.median,
    ).toBeCloseTo(1, 12);
  });

  it('refuse driver averages over less than 10 s, and note it for the CPU', () => {
    const bands = bandFindings(long, short);
    expect(bands.find(({ quantity }) => quantity === 'GPU utilisation')).toMatchObject({
      absentBecause: expect.stringContaining('10.0 s') as unknown,
    });
    expect(bands.find(({ quantity }) => quantity === "CPU of the server's tree")).toMatchObject({
      median: 1,
      note: expect.stringContaining('only') as unknown,
    });
    expect(
      bandFindings(long, short && { ...short, endAtMs: short.startAtMs + 10_000 }).find(
        ({ quantity }) => quantity === 'GPU utilisation',
      )?.median,
    ).toBeDefined();
  });

  it('take rows by time: those beside an attached server may be of launch 0', () => {
    const attached = { ...long, gpu: long.gpu.map((row) => ({ ...row, launch: 0 })) };
    expect(bandFindings(attached, window).find(({ quantity }) => quantity === 'GPU power')?.median).toBe(300);
  });

  it('say "no GPU" instead of 0', () => {
    for (const band of bandFindings(buildRun(), window).filter(({ quantity }) => quantity.startsWith('GPU')))
      expect(band).toEqual({ quantity: band.quantity, unit: band.unit, absentBecause: 'no GPU' });
  });

  it('say why there is none without warm requests', () => {
    for (const band of bandFindings(long, undefined))
      expect(band.absentBecause).toBe('there is no run of warm requests');
  });
});
