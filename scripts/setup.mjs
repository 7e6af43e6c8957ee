// Makes a fresh clone ready: node modules and a project-local .venv, both exactly as pinned, nothing global.
// When both are as they should be, it says nothing and takes milliseconds.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { install } from './parts/install.mjs';
import { root, venv } from './parts/place.mjs';
import { findPython, installRequirements, isInstalled } from './parts/python.mjs';

const requirements = join(root, 'requirements.txt');
const PYTHON = { oldest: [3, 10], purpose: 'Jupyter' };

export async function main() {
  const python = isInstalled(venv, requirements) ? undefined : findPython(PYTHON);
  await setUpNodeModules();
  if (python) await installRequirements(venv, requirements, python);
  adaptJupyter();
  return 0;
}

async function setUpNodeModules() {
  if (hasLockedModules()) return;
  await install('npm ci', 'npm', ['ci', '--no-audit', '--no-fund'], { place: join(root, 'node_modules') });
}

/** What JupyterLab needs to know when it lives inside a project like this one. */
function adaptJupyter() {
  // It brings JavaScript programs in CommonJS; below our package.json Node would take them for ES modules.
  writeJson(join(venv, 'package.json'), { type: 'commonjs' });
  // It asks whether to fetch news, and fetches update notices: a project on one machine needs neither.
  writeJson(join(venv, 'share', 'jupyter', 'lab', 'settings', 'overrides.json'), {
    '@jupyterlab/apputils-extension:notification': { fetchNews: 'false', checkForUpdates: false },
  });
}

function writeJson(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value)}\n`);
}

/** npm keeps what it installed in a hidden lockfile; packages for other platforms are the only ones that may be absent. */
function hasLockedModules() {
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const installed = readPackages(hidden);
  return Object.entries(readPackages(join(root, 'package-lock.json'))).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional && !installed[path]),
  );
}

function readPackages(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages;
}
