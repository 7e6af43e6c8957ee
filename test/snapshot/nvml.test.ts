import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  gpuIndices,
  NvmlError,
  openNvml,
  readGpu,
  readGpuIdentity,
  readPcieRxMBPerS,
  type Nvml,
} from '../../lib/snapshot/nvml.js';

// The layouts are checked by a C compiler against the published header's, not by our own idea of them.
const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
const dir = mkdtempSync(join(tmpdir(), 'nvml-'));
const library = join(dir, 'libnvidia-ml.so.1');
const settings = ['FAKE_NVML_INIT', 'FAKE_NVML_GPUS', 'FAKE_NVML_STATUS', 'FAKE_NVML_OLD', 'FAKE_NVML_PROCESSES'];
const opened: Nvml[] = [];

function open(set: Readonly<Record<string, string>> = {}): Nvml {
  Object.assign(process.env, set);
  const result = openNvml(library);
  if (result.kind === 'absent') throw new Error(result.reason);
  opened.push(result.nvml);
  return result.nvml;
}

afterEach(() => {
  for (const name of settings) delete process.env[name];
  opened.splice(0).forEach((nvml) => nvml.close());
});
afterAll(() => rmSync(dir, { recursive: true }));

it('says that there is no GPU where there is no driver, with the reason', () => {
  expect(openNvml('libno-such-nvml.so.1')).toEqual({
    kind: 'absent',
    reason: 'no GPU: libno-such-nvml.so.1 is not installed (no NVIDIA driver)',
  });
});

describe.skipIf(compiler === undefined)('NVML (skipped where no C compiler can build the stand-in library)', () => {
  beforeAll(
    () =>
      void execFileSync(compiler ?? '', [
        '-shared',
        '-fPIC',
        '-Wall',
        '-Werror',
        '-o',
        library,
        'test/fixtures/gpu/fake-nvml.c',
      ]),
  );

  it('reads every figure of a GPU, with its unit', () => {
    const nvml = open();
    expect(nvml.driverVersion).toBe('570.133.20');
    expect(readGpuIdentity(nvml, 0)).toEqual({
      index: 0,
      name: 'Fake GPU 80GB',
      uuid: 'GPU-00000000-1111-2222-3333-444444444444',
      memoryTotalMiB: 81559,
      persistenceMode: true,
    });
    expect(readGpu(nvml, 0)).toEqual({
      memoryUsedMiB: 20234,
      utilizationPercent: 87,
      memoryUtilizationPercent: 41,
      powerW: 312.5,
      energyMj: 9876543210123,
      smClockMHz: 1980,
      memoryClockMHz: 2619,
      temperatureC: 54,
      throttleReasons: 0x24,
      computePids: [4000, 4001],
    });
  });

  it('reads PCIe traffic to the GPU without blocking the event loop for its 20 ms', async () => {
    const nvml = open();
    const order: string[] = [];
    const reading = readPcieRxMBPerS(nvml, 0).then((mbPerS) => {
      order.push('answer');
      return mbPerS;
    });
    await new Promise((resolve) => setImmediate(resolve));
    order.push('the loop went on');
    expect(await reading).toBe(25600);
    expect(order).toEqual(['the loop went on', 'answer']);
  });

  it('leaves absent what a GPU does not support', async () => {
    const nvml = open();
    const reading = readGpu(nvml, 1);
    expect(Object.keys(reading)).toContain('powerW');
    expect(Object.values(reading).filter((value) => value !== undefined)).toEqual([]);
    expect(await readPcieRxMBPerS(nvml, 1)).toBeUndefined();
    expect(readGpuIdentity(nvml, 1)).toEqual({ index: 1 });
  });

  it('falls back to the older calls of an older driver', () => {
    const nvml = open({ FAKE_NVML_OLD: '1' });
    expect(readGpu(nvml, 0)).toMatchObject({ memoryUsedMiB: 20734, computePids: [5000] });
    expect(readGpuIdentity(nvml, 0).memoryTotalMiB).toBe(81559);
  });

  it('asks again with more room when more processes use the GPU than expected', () => {
    const nvml = open({ FAKE_NVML_PROCESSES: '100' });
    const pids = readGpu(nvml, 0).computePids ?? [];
    expect(pids).toHaveLength(100);
    expect(pids[99]).toBe(4099);
  });

  it('reports a GPU that fell off the bus as an error, not as absent figures', () => {
    const nvml = open({ FAKE_NVML_STATUS: '15' });
    expect(() => readGpu(nvml, 1)).toThrow(NvmlError);
    expect(readGpu(nvml, 0).powerW).toBe(312.5);
  });

  it('refuses a GPU that is not there, and readings after it was closed', () => {
    const nvml = open({ FAKE_NVML_GPUS: '1' });
    expect(gpuIndices(nvml)).toEqual([0]);
    expect(() => readGpu(nvml, 1)).toThrow(RangeError);
    nvml.close();
    expect(() => readGpu(nvml, 0)).toThrow(NvmlError);
  });

  it.each([
    [{ FAKE_NVML_GPUS: '0' }, /lists no device/],
    [{ FAKE_NVML_INIT: '9' }, /driver is not loaded/],
    [{ FAKE_NVML_INIT: '18' }, /different versions/],
    [{ FAKE_NVML_INIT: '999' }, /status 999/],
  ])('says why there is no GPU: %o', (set, reason) => {
    Object.assign(process.env, set);
    const result = openNvml(library);
    expect(result.kind === 'absent' && result.reason).toMatch(reason);
  });
});
