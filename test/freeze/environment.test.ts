import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  findMount,
  parseCpuModel,
  parseMemory,
  parseOsName,
  parseSmi,
  readEnvironment,
} from '../../lib/freeze/environment.js';

const fixture = (name: string) => readFileSync(join('test/fixtures/machine', name), 'utf8');

describe('text of /etc and /proc', () => {
  it('names the system and the processor', () => {
    expect(parseOsName(fixture('os-release'))).toBe('Debian GNU/Linux 12 (bookworm)');
    expect(parseOsName('NAME=Alpine\nPRETTY_NAME=Alpine\n')).toBe('Alpine');
    expect(parseCpuModel(fixture('cpuinfo'))).toBe('Intel(R) Xeon(R) Processor');
    expect(parseCpuModel('processor : 0\nCPU implementer : 0x41\n')).toBeUndefined();
  });

  it('gives memory in MiB, and 0 only where the kernel says 0', () => {
    expect(parseMemory(fixture('meminfo'))).toEqual({ ramMiB: 24106, swapMiB: 0 });
    expect(() => parseMemory('')).toThrow(/MemTotal/);
  });
});

describe('findMount', () => {
  it('finds the file system and device below a path', () => {
    expect(findMount(fixture('mountinfo'), '/srv/models')).toEqual({ fileSystem: 'ext4', device: '/dev/vda' });
    expect(findMount(fixture('mountinfo'), '/dev/shm/x')).toEqual({ fileSystem: 'tmpfs', device: 'tmpfs' });
  });

  it('takes the longest mount point, whole names only, and the last of two on one point', () => {
    const text = [
      '1 0 8:1 / / rw - ext4 /dev/root rw',
      '2 1 8:2 / /data rw shared:1 master:2 - xfs /dev/old rw',
      '3 1 8:3 / /data rw - nfs4 server:/export rw',
      '4 1 8:4 / /data\\040two rw - btrfs /dev/two rw',
    ].join('\n');
    expect(findMount(text, '/data/models')).toEqual({ fileSystem: 'nfs4', device: 'server:/export' });
    expect(findMount(text, '/database')).toEqual({ fileSystem: 'ext4', device: '/dev/root' });
    expect(findMount(text, '/data two/x')).toEqual({ fileSystem: 'btrfs', device: '/dev/two' });
  });

  it('knows nothing from no text', () => {
    expect(findMount('', '/x')).toBeUndefined();
  });
});

describe('parseSmi', () => {
  it('reads one GPU a line', () => {
    expect(
      parseSmi(
        '0, NVIDIA H100 80GB HBM3, 81559, 4, 580.159.04, Enabled\n1, NVIDIA L4, 23034, 0, 580.159.04, Disabled\n',
      ),
    ).toEqual([
      {
        index: 0,
        name: 'NVIDIA H100 80GB HBM3',
        memoryTotalMiB: 81559,
        memoryUsedMiB: 4,
        driver: '580.159.04',
        persistenceMode: true,
      },
      {
        index: 1,
        name: 'NVIDIA L4',
        memoryTotalMiB: 23034,
        memoryUsedMiB: 0,
        driver: '580.159.04',
        persistenceMode: false,
      },
    ]);
  });

  it('leaves absent what the driver does not tell, and never makes it 0', () => {
    expect(parseSmi('0, GPU, 100, [N/A], [Not Supported], [N/A]')).toEqual([
      {
        index: 0,
        name: 'GPU',
        memoryTotalMiB: 100,
        memoryUsedMiB: undefined,
        driver: undefined,
        persistenceMode: undefined,
      },
    ]);
  });

  it('makes no GPU of an error message or of nothing', () => {
    expect(parseSmi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")).toEqual([]);
    expect(parseSmi('')).toEqual([]);
  });
});

describe('readEnvironment', () => {
  const files: Record<string, string> = {
    '/proc/meminfo': fixture('meminfo'),
    '/proc/cpuinfo': fixture('cpuinfo'),
    '/etc/os-release': fixture('os-release'),
    '/proc/self/mountinfo': fixture('mountinfo'),
    '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'performance\n',
    '/nowhere/package.json': '{"name":"day-007","version":"0.1.0"}',
  };
  const ports = {
    projectRoot: '/nowhere',
    weightsDir: '/nowhere/models',
    readText: (file: string) => files[file],
    readCommand: () => Promise.resolve(undefined),
  };

  it('is one record of all of it', async () => {
    expect(await readEnvironment(ports)).toMatchObject({
      os: 'Debian GNU/Linux 12 (bookworm)',
      cpuModel: 'Intel(R) Xeon(R) Processor',
      ramMiB: 24106,
      swapMiB: 0,
      governor: 'performance',
      weightsFileSystem: 'ext4',
      weightsDevice: '/dev/vda',
      gpus: [],
      node: process.version,
      project: 'day-007 0.1.0',
    });
  });

  it('leaves the governor and the weights out where there are none', async () => {
    const record = await readEnvironment({
      ...ports,
      weightsDir: undefined,
      readText: (file) => (file.startsWith('/sys') ? undefined : files[file]),
    });
    expect([record.governor, record.weightsFileSystem, record.weightsDevice]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('takes GPUs from nvidia-smi, or from the reader it is given', async () => {
    const asked: string[] = [];
    const readCommand = (file: string, args: readonly string[]) => {
      asked.push([file, ...args].join(' '));
      return Promise.resolve('0, H100, 81559, 4, 580, Enabled');
    };
    expect((await readEnvironment({ ...ports, readCommand })).gpus).toHaveLength(1);
    expect(asked).toEqual([
      'nvidia-smi --query-gpu=index,name,memory.total,memory.used,driver_version,persistence_mode --format=csv,noheader,nounits',
    ]);
    expect((await readEnvironment({ ...ports, readCommand, readGpus: () => Promise.resolve([]) })).gpus).toEqual([]);
  });
});
