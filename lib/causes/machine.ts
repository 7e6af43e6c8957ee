/** Which machine this is, without naming it: two runs whose marks are equal were made on the same one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { EnvironmentRecord } from '../archive/record.js';

export interface MachineMark {
  /** Eight hex digits. */
  readonly machine: string;
  /** The same of its boot: instants of the monotonic clock are comparable within one. */
  readonly boot: string;
}

export function readMachineMark({ cpuModel, cpuCores, ramMiB, gpus }: EnvironmentRecord): MachineMark {
  const hardware = [readText('/etc/machine-id'), cpuModel, cpuCores, ramMiB, ...gpus.map(({ name }) => name)];
  return { machine: shortHash(hardware), boot: shortHash([readText('/proc/sys/kernel/random/boot_id')]) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

const shortHash = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
