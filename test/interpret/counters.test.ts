import { describe, expect, it } from 'vitest';
import type { GpuRow, SampleRow } from '../../lib/archive/tables.js';
import {
  counterIncreaseOver,
  fastestIncreasePerS,
  hbmChangeOver,
  levelChangeOver,
  valuesInside,
} from '../../lib/interpret/counters.js';

const sample = (atMs: number, more: Partial<SampleRow> = {}): SampleRow => ({
  launch: 1,
  atMs,
  tookMs: 1,
  serverProcesses: 1,
  samplerCpuMs: 0,
  ...more,
});
const gpu = (atMs: number, index: number, memoryUsedMiB: number): GpuRow => ({
  launch: 1,
  atMs,
  tookMs: 1,
  gpu: index,
  memoryUsedMiB,
});
const window = { startAtMs: 150, endAtMs: 250 };

describe('changes over a window', () => {
  it('are taken between the ticks around it, and say which', () => {
    const samples = [100, 200, 300].map((atMs) => sample(atMs, { serverReadBytes: atMs * 10 }));
    expect(counterIncreaseOver(samples, 'serverReadBytes', window)).toEqual({ by: 2000, fromAtMs: 100, toAtMs: 300 });
  });

  it('are absent without a tick on each side', () => {
    const samples = [160, 200, 240].map((atMs) => sample(atMs, { serverReadBytes: 1 }));
    expect(counterIncreaseOver(samples, 'serverReadBytes', window)).toBeUndefined();
    expect(counterIncreaseOver([sample(100), sample(300)], 'serverReadBytes', window)).toBeUndefined();
  });

  it('are absent for a counter that ran backwards, while a level may fall', () => {
    const samples = [
      sample(100, { serverReadBytes: 9, pageCacheMiB: 9 }),
      sample(300, { serverReadBytes: 5, pageCacheMiB: 5 }),
    ];
    expect(counterIncreaseOver(samples, 'serverReadBytes', window)).toBeUndefined();
    expect(levelChangeOver(samples, 'pageCacheMiB', window)?.by).toBe(-4);
  });

  it('add up the memory of all GPUs, and are absent when one of them was not read', () => {
    const both = [gpu(100, 0, 10), gpu(100, 1, 20), gpu(300, 0, 15), gpu(300, 1, 27)];
    expect(hbmChangeOver(both, window)?.by).toBe(12);
    expect(hbmChangeOver(both.slice(0, 3), window)).toBeUndefined();
    expect(hbmChangeOver([], window)).toBeUndefined();
  });

  it('know the fastest growth between neighbours', () => {
    const samples = [
      sample(0, { serverReadBytes: 0 }),
      sample(100, { serverReadBytes: 50 }),
      sample(300, { serverReadBytes: 60 }),
    ];
    expect(fastestIncreasePerS(samples, 'serverReadBytes')).toBe(500);
    expect(fastestIncreasePerS(samples.slice(1, 2), 'serverReadBytes')).toBeUndefined();
  });

  it('leave out readings outside the window or absent', () => {
    expect(
      valuesInside(
        [
          sample(149, { pageCacheMiB: 1 }),
          sample(150, { pageCacheMiB: 2 }),
          sample(200),
          sample(250, { pageCacheMiB: 3 }),
        ],
        'pageCacheMiB',
        window,
      ),
    ).toEqual([2, 3]);
  });
});
