import { describe, expect, it } from 'vitest';
import type { GpuRow, SampleRow } from '../../lib/archive/tables.js';
import { findInterference, type InterferenceKind, type InterferenceWindow } from '../../lib/snapshot/interference.js';

/** Ten seconds at ten ticks a second on four cores; `more` may differ from tick to tick. */
const samples = (more: (at: number) => Partial<SampleRow> = () => ({})): SampleRow[] =>
  Array.from({ length: 101 }, (_, at) => ({
    launch: 1,
    atMs: at * 100,
    tookMs: 1,
    cpuBusyFraction: 0.5,
    serverCpuCores: 1.97,
    serverProcesses: 4,
    swapInPages: 1000,
    psiMemorySomeUs: 5000,
    samplerCpuMs: at * 2,
    ...more(at),
  }));
const gpu = (more: (at: number) => Partial<GpuRow> = () => ({})): GpuRow[] =>
  Array.from({ length: 101 }, (_, at) => ({
    launch: 1,
    atMs: at * 100,
    tookMs: 1,
    gpu: 0,
    utilizationPercent: 90,
    smClockMHz: 1980,
    otherProcesses: 0,
    ...more(at),
  }));
const judge = (kind: InterferenceKind, window: Partial<InterferenceWindow>) => {
  const found = findInterference({
    samples: samples(),
    gpu: gpu(),
    fromMs: 0,
    toMs: 10_000,
    cpuCores: 4,
    ...window,
  }).find((finding) => finding.kind === kind);
  if (!found) throw new Error(`no finding of ${kind}`);
  return found;
};

it('says of a quiet machine that each kind was looked for and not seen', () => {
  const findings = findInterference({ samples: samples(), gpu: gpu(), fromMs: 0, toMs: 10_000, cpuCores: 4 });
  expect(findings.map(({ kind, seen }) => [kind, seen])).toEqual([
    ['other-gpu-process', 'not-seen'],
    ['sm-clock-change', 'not-seen'],
    ['busy-cpu-elsewhere', 'not-seen'],
    ['swap', 'not-seen'],
    ['memory-pressure', 'not-seen'],
  ]);
  expect(findings.every(({ evidence, fromMs, toMs }) => evidence !== '' && fromMs === 0 && toMs === 10_000)).toBe(true);
});

it('says not observable, never "not seen", of what was not read', () => {
  const bare: SampleRow[] = [0, 100].map((atMs) => ({
    launch: 1,
    atMs,
    tookMs: 1,
    serverProcesses: 0,
    samplerCpuMs: 1,
  }));
  const findings = findInterference({ samples: bare, gpu: [], fromMs: 0, toMs: 10_000, cpuCores: 4 });
  expect(findings.map(({ seen }) => seen)).toEqual(Array(5).fill('not-observable'));
  const outside = findInterference({ samples: samples(), gpu: gpu(), fromMs: 20_000, toMs: 30_000, cpuCores: 4 });
  expect(outside.map(({ seen }) => seen)).toEqual(Array(5).fill('not-observable'));
});

describe('another process on the GPU', () => {
  it('is seen from one reading on', () => {
    expect(judge('other-gpu-process', { gpu: gpu((at) => ({ otherProcesses: at === 50 ? 1 : 0 })) })).toMatchObject({
      seen: 'seen',
      evidence: '1 compute processes of others at most, in 101 readings (threshold: any)',
    });
  });

  it('is not observable where the driver hides the processes', () => {
    expect(judge('other-gpu-process', { gpu: gpu(() => ({ otherProcesses: undefined })) }).seen).toBe('not-observable');
  });
});

describe('a change of the SM clock', () => {
  it('is not seen just under 5 %, and seen just over', () => {
    expect(judge('sm-clock-change', { gpu: gpu((at) => ({ smClockMHz: at === 9 ? 950 : 1000 })) }).seen).toBe(
      'not-seen',
    );
    expect(judge('sm-clock-change', { gpu: gpu((at) => ({ smClockMHz: at === 9 ? 949 : 1000 })) }).seen).toBe('seen');
  });

  it('is judged only while the GPU works: an idle one clocks down by design', () => {
    expect(
      judge('sm-clock-change', { gpu: gpu((at) => (at < 50 ? { smClockMHz: 345, utilizationPercent: 0 } : {})) }).seen,
    ).toBe('not-seen');
    expect(judge('sm-clock-change', { gpu: gpu(() => ({ utilizationPercent: 0 })) }).seen).toBe('not-observable');
  });

  it('names what the driver says holds the clock down', () => {
    const { evidence } = judge('sm-clock-change', {
      gpu: gpu((at) => (at === 9 ? { smClockMHz: 1500, throttleReasons: 0x25 } : {})),
    });
    expect(evidence).toBe(
      'SM clock 1500 to 1980 MHz with the GPU at work, 24.2 % apart (threshold 5.0 %); the driver names: power cap, software thermal slowdown',
    );
  });

  it('is judged for each GPU by itself', () => {
    const two = [...gpu(), ...gpu(() => ({ gpu: 1, smClockMHz: 1410 }))];
    expect(judge('sm-clock-change', { gpu: two }).seen).toBe('not-seen');
  });
});

describe('busy CPU elsewhere', () => {
  // Node: busy share x 4 cores; less 1.97 for the server and 0.02 for the sampler.
  const busy = (cores: number, during: (at: number) => boolean = () => true) =>
    samples((at) => ({ cpuBusyFraction: (1.99 + (during(at) ? cores : 0)) / 4 }));

  it('is not seen just under half a core, and seen just over', () => {
    expect(judge('busy-cpu-elsewhere', { samples: busy(0.49) }).seen).toBe('not-seen');
    expect(judge('busy-cpu-elsewhere', { samples: busy(0.51) }).seen).toBe('seen');
  });

  it('is seen in one bad second of ten, and not in one bad tick', () => {
    const second = judge('busy-cpu-elsewhere', { samples: busy(1, (at) => at > 40 && at <= 50) });
    expect(second).toMatchObject({
      seen: 'seen',
      evidence: 'at most 1.00 cores over a second were busy outside the server and the sampler (threshold 0.5)',
    });
    expect(judge('busy-cpu-elsewhere', { samples: busy(2, (at) => at === 40) }).seen).toBe('not-seen');
  });

  it('does not count our own waiting client', () => {
    expect(judge('busy-cpu-elsewhere', { samples: busy(1.2), clientCores: 1 }).seen).toBe('not-seen');
    expect(judge('busy-cpu-elsewhere', { samples: busy(1.2) }).seen).toBe('seen');
  });

  it('is judged over the whole of a window shorter than a second', () => {
    expect(judge('busy-cpu-elsewhere', { samples: busy(0.6), toMs: 300 }).seen).toBe('seen');
  });

  it('does not look at the rate of a tick that began before the window', () => {
    const early = busy(3, (at) => at === 10);
    expect(judge('busy-cpu-elsewhere', { samples: early, fromMs: 1000, toMs: 1500 }).seen).toBe('not-seen');
  });
});

describe('memory', () => {
  it('swapping is not seen at 256 pages, and seen at 257', () => {
    expect(judge('swap', { samples: samples((at) => ({ swapInPages: at > 50 ? 1256 : 1000 })) }).seen).toBe('not-seen');
    expect(judge('swap', { samples: samples((at) => ({ swapInPages: at > 50 ? 1257 : 1000 })) }).seen).toBe('seen');
  });

  it('pressure is not seen at 1 % of the window, and seen above', () => {
    expect(judge('memory-pressure', { samples: samples((at) => ({ psiMemorySomeUs: at * 1000 })) }).seen).toBe(
      'not-seen',
    );
    expect(judge('memory-pressure', { samples: samples((at) => ({ psiMemorySomeUs: at * 1001 })) }).seen).toBe('seen');
  });

  it('is not observable over a counter that ran backwards', () => {
    expect(judge('swap', { samples: samples((at) => ({ swapInPages: 1000 - at })) }).seen).toBe('not-observable');
  });
});
