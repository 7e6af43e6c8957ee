/** The machine as found before launch -> EnvironmentRecord. The parsers take text; only `readEnvironment` touches the machine. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { availableParallelism, machine, release, type as systemType } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { EnvironmentRecord, GpuRecord } from '../archive/record.js';

/** Runs a program and gives its output; undefined when it is missing, fails or takes longer than 20 s. */
export type ReadCommand = (file: string, args: readonly string[]) => Promise<string | undefined>;

export interface EnvironmentPorts {
  /** Folder of the weights; absent when attached. */
  readonly weightsDir?: string | undefined;
  readonly projectRoot: string;
  readonly readGpus?: (() => Promise<readonly GpuRecord[]>) | undefined;
  readonly readText?: ((file: string) => string | undefined) | undefined;
  readonly readCommand?: ReadCommand | undefined;
}

/** Read the machine. What cannot be read is absent; a machine without a GPU has an empty list. */
export async function readEnvironment(ports: EnvironmentPorts): Promise<EnvironmentRecord> {
  const { projectRoot, weightsDir, readText = readTextFile, readCommand = runCommand } = ports;
  const memory = parseMemory(readText('/proc/meminfo') ?? '');
  const mount =
    weightsDir === undefined ? undefined : findMount(readText('/proc/self/mountinfo') ?? '', realPath(weightsDir));
  return {
    kernel: `${systemType()} ${release()} ${machine()}`,
    os: parseOsName(readText('/etc/os-release') ?? '') ?? 'unknown',
    cpuModel: parseCpuModel(readText('/proc/cpuinfo') ?? '') ?? 'unknown',
    cpuCores: availableParallelism(),
    ...memory,
    governor: readText('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')?.trim(),
    weightsFileSystem: mount?.fileSystem,
    weightsDevice: mount?.device,
    gpus: await (ports.readGpus ?? (() => readGpusBySmi(readCommand)))(),
    node: process.version,
    project: await describeProject(projectRoot, readText, readCommand),
  };
}

/** PRETTY_NAME of /etc/os-release. */
export function parseOsName(osRelease: string): string | undefined {
  return /^PRETTY_NAME=(["']?)(.+)\1$/m.exec(osRelease)?.[2];
}

/** First "model name" of /proc/cpuinfo; Arm kernels give none. */
export function parseCpuModel(cpuinfo: string): string | undefined {
  return /^model name\s*:\s*(.+?)\s*$/m.exec(cpuinfo)?.[1];
}

/** MemTotal and SwapTotal of /proc/meminfo, rounded to MiB. Throws when they are not there: then it is not /proc/meminfo. */
export function parseMemory(meminfo: string): { ramMiB: number; swapMiB: number } {
  const read = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1];
    if (kib === undefined) throw new Error(`/proc/meminfo has no line ${name}: memory can be read on Linux only`);
    return Math.round(Number(kib) / 1024);
  };
  return { ramMiB: read('MemTotal'), swapMiB: read('SwapTotal') };
}

/** The mount a path lies on, from /proc/self/mountinfo: the longest mount point above it, the last one if mounted over. */
export function findMount(mountinfo: string, path: string): { fileSystem: string; device: string } | undefined {
  const mounts = mountinfo.split('\n').flatMap(parseMountLine);
  const above = mounts.filter(({ point }) => point === '/' || path === point || path.startsWith(`${point}/`));
  const longest = Math.max(...above.map(({ point }) => point.length));
  const mount = above.filter(({ point }) => point.length === longest).at(-1);
  return mount && { fileSystem: mount.fileSystem, device: mount.device };
}

/** proc(5): the fifth field is the mount point; after " - " come file system type and source. Blanks are octal. */
function parseMountLine(line: string): { point: string; fileSystem: string; device: string }[] {
  const [before = '', after = ''] = line.split(' - ');
  const point = before.split(' ')[4];
  const [fileSystem, device] = after.split(' ');
  if (point === undefined || fileSystem === undefined || device === undefined) return [];
  return [{ point: unescapeOctal(point), fileSystem, device: unescapeOctal(device) }];
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}

/** Columns asked of nvidia-smi, in this order. */
export const smiColumns = [
  'index',
  'name',
  'memory.total',
  'memory.used',
  'driver_version',
  'persistence_mode',
] as const;

/** Lines of `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`. "[N/A]" becomes absent; a line without index or total is left out. */
export function parseSmi(csv: string): GpuRecord[] {
  return csv.split('\n').flatMap((line) => {
    const [index, name, total, used, driver, persistence] = line.split(',').map(presentCell);
    const memoryTotalMiB = presentNumber(total);
    const position = presentNumber(index);
    if (position === undefined || name === undefined || memoryTotalMiB === undefined) return [];
    const persistenceMode = persistence === undefined ? undefined : persistence === 'Enabled';
    return [{ index: position, name, memoryTotalMiB, memoryUsedMiB: presentNumber(used), driver, persistenceMode }];
  });
}

function presentCell(cell: string): string | undefined {
  const text = cell.trim();
  return text === '' || /^\[.*\]$/.test(text) ? undefined : text;
}

function presentNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

async function readGpusBySmi(readCommand: ReadCommand): Promise<readonly GpuRecord[]> {
  const csv = await readCommand('nvidia-smi', [`--query-gpu=${smiColumns.join(',')}`, '--format=csv,noheader,nounits']);
  return csv === undefined ? [] : parseSmi(csv);
}

/** Name and version from package.json, and the commit where the project is a git checkout ("-dirty": with local changes). */
async function describeProject(
  root: string,
  readText: (file: string) => string | undefined,
  readCommand: ReadCommand,
): Promise<string> {
  const { name = 'day-007', version = '' } = JSON.parse(readText(join(root, 'package.json')) ?? '{}') as {
    name?: string;
    version?: string;
  };
  const commit = existsSync(join(root, '.git'))
    ? await readCommand('git', ['-C', root, 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'])
    : undefined;
  return [name, version, commit === undefined ? '' : `(${commit.trim()})`].filter((part) => part !== '').join(' ');
}

function readTextFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The folder may not exist yet: then the nearest folder above it that does. */
function realPath(path: string): string {
  return existsSync(path) || dirname(path) === path ? realpathSync(path) : realPath(dirname(path));
}

async function runCommand(file: string, args: readonly string[]): Promise<string | undefined> {
  const result = await execa(file, [...args], { reject: false, timeout: 20_000 });
  return result.failed ? undefined : result.stdout;
}
