/** The mark of a machine: which two runs may be said to come from one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { readMachineMark } from '../../lib/causes/machine.js';
import { temporaryFolder } from '../launch/place.js';
import { sampleRecord } from '../report/sample.js';

const { environment } = sampleRecord;

/** A root folder whose files say who the machine is. */
function machineOf({ id = 'image', boot = 'boot-1', gpu }: { id?: string; boot?: string; gpu?: string }): string {
  const root = temporaryFolder();
  const files: Record<string, string> = { 'etc/machine-id': `${id}\n`, 'proc/sys/kernel/random/boot_id': `${boot}\n` };
  if (gpu !== undefined)
    files['proc/driver/nvidia/gpus/0000:00:05.0/information'] =
      `Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 35\nGPU UUID: \t ${gpu}\nVideo BIOS: \t 96.00.5e.00.01\n`;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

it('two machines from one image differ by their GPUs', () => {
  const one = readMachineMark(environment, machineOf({ gpu: 'GPU-11111111' }));
  const other = readMachineMark(environment, machineOf({ gpu: 'GPU-22222222', boot: 'boot-2' }));
  expect(other.machine).not.toBe(one.machine);
  expect(other.boot).not.toBe(one.boot);
});

it('a machine that was booted again is the same machine', () => {
  const before = readMachineMark(environment, machineOf({ gpu: 'GPU-11111111' }));
  const after = readMachineMark(environment, machineOf({ gpu: 'GPU-11111111', boot: 'boot-2' }));
  expect(after.machine).toBe(before.machine);
  expect(after.boot).not.toBe(before.boot);
});

it('without a driver the machine is told by its id', () => {
  const one = readMachineMark(environment, machineOf({}));
  expect(readMachineMark(environment, machineOf({}))).toEqual(one);
  expect(readMachineMark(environment, machineOf({ id: 'another' })).machine).not.toBe(one.machine);
});
