import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  busyFraction,
  counterIncrease,
  openHostReader,
  openText,
  parseCpuTimes,
  parseDiskReadBytes,
  parseMeminfo,
  parsePressureTotal,
  parseReadBytes,
  parseVmstatCounter,
} from '../../lib/snapshot/procfs.js';

const ready = 'test/fixtures/procfs/ready';
const later = 'test/fixtures/procfs/after-request';
const text = (file: string) => readFileSync(file, 'utf8');

describe('readings of a real node while vLLM served a request', () => {
  it('gives the busy share of both cores: 7649 of 7886 ticks', () => {
    const [before, after] = [parseCpuTimes(text(`${ready}/stat`)), parseCpuTimes(text(`${later}/stat`))];
    expect(before).toEqual({ busyTicks: 49906 + 16473 + 277, totalTicks: 49906 + 16473 + 209728 + 1854 + 277 + 427 });
    expect(busyFraction(before, after)).toBeCloseTo(7649 / 7886, 12);
  });

  it('reads memory in MiB, and no swap as 0', () => {
    expect(parseMeminfo(text(`${ready}/meminfo`))).toEqual({
      pageCacheMiB: 2692948 / 1024,
      memAvailableMiB: 20398588 / 1024,
      swapUsedMiB: 0,
    });
  });

  it('reads swap, disk and per-process counters', () => {
    expect(parseVmstatCounter(text(`${ready}/vmstat`), 'pswpin')).toBe(0);
    expect(parseVmstatCounter(text(`${ready}/vmstat`), 'pswp')).toBeUndefined();
    expect(parseDiskReadBytes(text(`${ready}/diskstats`))).toBe(16779418 * 512);
    expect(parseReadBytes(text(`${ready}/10501/io`))).toBe(531873792);
  });

  it('reads pressure totals, and no rate from a later to an earlier one', () => {
    const [before, after] = [ready, later].map((dir) => parsePressureTotal(text(`${dir}/pressure/io`), 'full'));
    expect([before, after]).toEqual([13041716, 13053376]);
    expect(counterIncrease(before, after)).toBe(11660);
    expect(counterIncrease(after, before)).toBeUndefined();
    expect(parsePressureTotal(text(`${ready}/pressure/io`), 'some')).toBe(15608865);
  });

  it('reads a whole folder at once', () => {
    const reader = openHostReader(ready);
    expect(reader.read()).toEqual({
      cpu: { busyTicks: 66656, totalTicks: 278665 },
      pageCacheMiB: 2692948 / 1024,
      memAvailableMiB: 20398588 / 1024,
      swapUsedMiB: 0,
      swapInPages: 0,
      diskReadBytes: 16779418 * 512,
      psiCpuSomeUs: parsePressureTotal(text(`${ready}/pressure/cpu`), 'some'),
      psiIoFullUs: 13041716,
      psiMemorySomeUs: parsePressureTotal(text(`${ready}/pressure/memory`), 'some'),
    });
    reader.close();
  });
});

it('counts whole disks only: no partition, device-mapper, md, loop, RAM disk or optical drive', () => {
  const line = (name: string, sectors: number) => `   8  0 ${name} 10 0 ${sectors} 5 0 0 0 0 0 0 0`;
  const whole = [
    line('sda', 1),
    line('nvme0n1', 2),
    line('nvme10n2', 4),
    line('vdb', 8),
    line('mmcblk0', 16),
    line('xvda', 32),
  ];
  const rest = [
    'sda1',
    'nvme0n1p2',
    'nvme0c0n1',
    'dm-0',
    'md127',
    'loop3',
    'ram0',
    'zram0',
    'sr0',
    'mmcblk0p1',
    'xvda1',
  ].map((name) => line(name, 1_000_000));
  expect(parseDiskReadBytes([...whole, ...rest].join('\n'))).toBe(63 * 512);
  expect(parseDiskReadBytes(rest.join('\n'))).toBeUndefined();
});

it('does not count time stolen by other guests as busy, nor guest time twice', () => {
  expect(parseCpuTimes('cpu  10 1 5 70 4 2 3 5 9 1\ncpu0 1 1 1 1\n')).toEqual({ busyTicks: 21, totalTicks: 100 });
});

it('shows swap in use', () => {
  expect(parseMeminfo('SwapTotal:  2048 kB\nSwapFree:   512 kB\n')).toEqual({ swapUsedMiB: 1.5 });
});

describe('what cannot be read', () => {
  it('is absent in every figure of an empty or foreign text', () => {
    for (const foreign of ['', 'not a file of /proc']) {
      expect(parseCpuTimes(foreign)).toBeUndefined();
      expect(parseMeminfo(foreign)).toEqual({});
      expect(parseVmstatCounter(foreign, 'pswpin')).toBeUndefined();
      expect(parsePressureTotal(foreign, 'some')).toBeUndefined();
      expect(parseReadBytes(foreign)).toBeUndefined();
      expect(parseDiskReadBytes(foreign)).toBeUndefined();
    }
  });

  it('leaves a reading of a missing /proc empty instead of failing', () => {
    const reader = openHostReader('test/fixtures/no-such-proc');
    expect(Object.values(reader.read()).filter((value) => value !== undefined)).toEqual([]);
    reader.close();
  });

  it('gives the whole of a file of /proc that is longer than a page', () => {
    const file = openText('/proc/self/smaps');
    const whole = file?.read() ?? '';
    expect(whole.length).toBeGreaterThan(8192);
    expect(whole.endsWith('\n') || whole.length === 65536).toBe(true);
    file?.close();
  });
});

describe('a counter', () => {
  it('gives its increase or nothing, never a negative number', () => {
    fc.assert(
      fc.property(fc.option(fc.nat(), { nil: undefined }), fc.option(fc.nat(), { nil: undefined }), (before, after) => {
        const increase = counterIncrease(before, after);
        if (before === undefined || after === undefined || after < before) expect(increase).toBeUndefined();
        else expect(increase).toBe(after - before);
      }),
    );
  });

  it('gives a busy share from 0 to 1, or nothing', () => {
    const times = fc.option(fc.record({ busyTicks: fc.nat(), totalTicks: fc.nat() }), { nil: undefined });
    fc.assert(
      fc.property(times, times, (before, after) => {
        const share = busyFraction(before, after);
        if (share !== undefined) expect(share >= 0 && share <= 1).toBe(true);
      }),
    );
    expect(busyFraction({ busyTicks: 5, totalTicks: 9 }, { busyTicks: 5, totalTicks: 9 })).toBeUndefined();
  });
});
