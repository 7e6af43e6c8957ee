/**
 * Which machine this is, without naming it: two runs whose marks differ were made on different ones. Machines that are
 * started from one image share all but their GPUs, so these count by their own identifiers.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnvironmentRecord } from '../archive/record.js';

export interface MachineMark {
  /** Eight hex digits. */
  readonly machine: string;
  /** The same of its boot: instants of the monotonic clock are comparable within one. */
  readonly boot: string;
}

/** `root` is the folder under which `etc` and `proc` lie: another one in tests. */
export function readMachineMark({ cpuModel, cpuCores, ramMiB, gpus }: EnvironmentRecord, root = '/'): MachineMark {
  const hardware = [
    readText(join(root, 'etc/machine-id')),
    cpuModel,
    cpuCores,
    ramMiB,
    ...gpus.map(({ name }) => name),
    ...readGpuUuids(root),
  ];
  return { machine: shortHash(hardware), boot: shortHash([readText(join(root, 'proc/sys/kernel/random/boot_id'))]) };
}

/** From NVIDIA's driver, which lists every GPU of the machine below /proc. None without it. */
function readGpuUuids(root: string): string[] {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap(
    (bus) => /^GPU UUID:\s*(\S+)/m.exec(readText(join(folder, bus, 'information')))?.[1] ?? [],
  );
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
