import { describe, expect, it } from 'vitest';
import type { GpuRow } from '../../lib/archive/tables.js';
import { energyFinding } from '../../lib/interpret/energy.js';
import type { SteadyWindow } from '../../lib/interpret/findings.js';
import { steadyThresholds } from '../../lib/interpret/steady.js';
import { buildRun } from './run-builder.js';

const window: SteadyWindow = { launch: 1, name: 'warm', requests: 50, startAtMs: 1000, endAtMs: 11_000 };
const row = (atMs: number, energyMj: number | undefined, gpu = 0): GpuRow => ({
  launch: 1,
  atMs,
  tookMs: 1,
  gpu,
  memoryUsedMiB: 1,
  energyMj,
});
/** 300 W: 300 mJ a millisecond. */
const at300W = [
  row(900, 0),
  row(1100, 1e6),
  row(6000, 1e6 + 4900 * 300),
  row(10_900, 1e6 + 9800 * 300),
  row(12_000, 9e9),
];
const dataOf = (gpu: readonly GpuRow[]) => ({ ...buildRun({ gpu: true }), gpu });

describe('the energy of warm requests', () => {
  it('is worked out by hand from the readings inside the window', () => {
    // 300 W over the 10 s of the window make 3,000 J: 60 for each of 50 requests.
    expect(energyFinding(dataOf(at300W), window)).toEqual({
      kind: 'read',
      gpus: [0],
      meanW: 300,
      perRequestJ: 60,
      window,
    });
  });

  it('leaves out a GPU that ran no kernel in the window: it is not the server that heats it', () => {
    const idle = at300W.map((one) => ({ ...one, gpu: 1, utilizationPercent: 0 }));
    expect(energyFinding(dataOf([...at300W, ...idle]), window)).toMatchObject({ gpus: [0], meanW: 300 });
  });

  it('is added up over the GPUs at work, and absent where one of them has no counter', () => {
    const second = at300W.map((one) => ({ ...one, gpu: 1 }));
    expect(energyFinding(dataOf([...at300W, ...second]), window)).toMatchObject({ meanW: 600 });
    const without = second.map((one) => ({ ...one, energyMj: undefined }));
    expect(energyFinding(dataOf([...at300W, ...without]), window)).toMatchObject({ kind: 'absent' });
  });

  it('is absent when the counter ran backwards: the driver was loaded anew', () => {
    expect(energyFinding(dataOf([row(1100, 500), row(10_900, 400)]), window).kind).toBe('absent');
  });

  it('needs a window just as long as the bands do, and a GPU', () => {
    const short = { ...window, endAtMs: window.startAtMs + steadyThresholds.windowMs - 1 };
    expect(energyFinding(dataOf(at300W), short)).toMatchObject({ kind: 'absent' });
    expect(energyFinding(dataOf(at300W), undefined)).toMatchObject({ kind: 'absent' });
    expect(energyFinding(buildRun(), window)).toEqual({ kind: 'absent', because: 'no GPU' });
  });
});
