import { describe, expect, it } from 'vitest';
import {
  countOtherProcesses,
  gpuRow,
  pointReadings,
  processRows,
  sampleRow,
  type HostTick,
} from '../../lib/snapshot/samples.js';
import type { ProcessUse, TreeUse } from '../../lib/snapshot/tree.js';

const worker: ProcessUse = {
  pid: 12,
  parentPid: 11,
  name: 'VLLM::Worker',
  bornAtMs: 44_950.04,
  cpuMs: 29_220,
  rssMiB: 1997.16015625,
  majorFaults: 30,
  readBytes: 531_873_792,
};
const tree = (cpuMs: number): TreeUse => ({
  processes: [worker],
  cpuMs,
  majorFaults: 30,
  readBytes: 531_873_792,
  rssMiB: 1997.16015625,
});
const tick = (atMs: number, more: Partial<HostTick> = {}): HostTick => ({
  launch: 1,
  atMs,
  tookMs: 0.98765,
  host: {},
  samplerCpuMs: 12.34567,
  ...more,
});

describe('a row of samples.csv', () => {
  it('gives the cores that the server used between two ticks: 150 ms of CPU in 100 ms', () => {
    const before = tick(1000, { tree: tree(29_000), host: { cpu: { busyTicks: 100, totalTicks: 1000 } } });
    const after = tick(1100, {
      tree: tree(29_150),
      host: {
        cpu: { busyTicks: 115, totalTicks: 1020 },
        psiIoFullUs: 7,
        swapInPages: 0,
        memAvailableMiB: 19920.49609375,
      },
    });
    expect(sampleRow(before, after)).toEqual({
      launch: 1,
      atMs: 1100,
      tookMs: 0.988,
      cpuBusyFraction: 0.75,
      serverCpuCores: 1.5,
      serverProcesses: 1,
      serverRssMiB: 1997.16,
      serverReadBytes: 531_873_792,
      serverMajorFaults: 30,
      pageCacheMiB: undefined,
      memAvailableMiB: 19920.5,
      swapUsedMiB: undefined,
      swapInPages: 0,
      psiIoFullUs: 7,
      samplerCpuMs: 12.346,
    });
  });

  it('derives nothing from the first tick, across launches, or from a counter that fell', () => {
    const after = tick(1100, { tree: tree(500) });
    expect(sampleRow(undefined, after).serverCpuCores).toBeUndefined();
    expect(sampleRow(tick(1000, { launch: 0, tree: tree(100) }), after).serverCpuCores).toBeUndefined();
    expect(sampleRow(tick(1000, { tree: tree(900) }), after).serverCpuCores).toBeUndefined();
    expect(sampleRow(tick(1000), after).serverCpuCores).toBeUndefined();
  });

  it('has no figure of a server when there is none', () => {
    const row = sampleRow(tick(1000), tick(1100));
    expect(row.serverProcesses).toBe(0);
    expect([row.serverRssMiB, row.serverReadBytes, row.serverMajorFaults, row.serverCpuCores]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

it('gives one row for each process, with its birth', () => {
  expect(processRows(tick(1100.00049, { tree: tree(1) }))).toEqual([
    {
      launch: 1,
      atMs: 1100,
      pid: 12,
      parentPid: 11,
      name: 'VLLM::Worker',
      bornAtMs: 44_950,
      cpuMs: 29_220,
      rssMiB: 1997.16,
      majorFaults: 30,
      readBytes: 531_873_792,
    },
  ]);
  expect(processRows(tick(1100))).toEqual([]);
});

it('gives a row of gpu.csv without the list of processes', () => {
  const row = gpuRow(
    {
      launch: 2,
      atMs: 5,
      tookMs: 0.25,
      gpu: 1,
      reading: { memoryUsedMiB: 20234.004, powerW: 312.5, computePids: [1, 2] },
      pcieRxMBPerS: 25600,
    },
    1,
  );
  expect(row).toEqual({
    launch: 2,
    atMs: 5,
    tookMs: 0.25,
    gpu: 1,
    memoryUsedMiB: 20234,
    powerW: 312.5,
    pcieRxMBPerS: 25600,
    otherProcesses: 1,
  });
});

describe('a snapshot point', () => {
  const host = { pageCacheMiB: 10, memAvailableMiB: 20 };

  it('has one row without GPU columns on a machine that has no GPU', () => {
    expect(pointReadings({ atMs: 7, host }, [])).toEqual([
      { atMs: 7, serverRssMiB: undefined, pageCacheMiB: 10, memAvailableMiB: 20 },
    ]);
  });

  it('has one row a GPU', () => {
    const gpus = [0, 1].map((index) => ({
      identity: { index, name: 'H', memoryTotalMiB: 80 },
      reading: { memoryUsedMiB: 3 + index, utilizationPercent: 0, powerW: 70 },
      otherProcesses: 0,
    }));
    const rows = pointReadings({ atMs: 7, host, tree: tree(1) }, gpus);
    expect(rows.map(({ gpu, memoryUsedMiB, serverRssMiB }) => [gpu, memoryUsedMiB, serverRssMiB])).toEqual([
      [0, 3, 1997.16],
      [1, 4, 1997.16],
    ]);
  });
});

describe('other processes on a GPU', () => {
  const server = new Set([10, 11]);

  it('are those that are not of the server', () => {
    expect(countOtherProcesses([10, 11, 99], server, () => true)).toBe(1);
    expect(countOtherProcesses([10], server, () => true)).toBe(0);
    expect(countOtherProcesses([], server, () => true)).toBe(0);
  });

  it('are not counted when the driver numbers processes as another namespace does', () => {
    expect(countOtherProcesses([731_002], server, () => false)).toBeUndefined();
  });

  it('are absent when the driver gives no list', () => {
    expect(countOtherProcesses(undefined, server, () => true)).toBeUndefined();
  });
});
