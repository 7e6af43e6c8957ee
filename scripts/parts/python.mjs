// Finds a Python that can make virtual environments, and installs pinned requirements into one.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { install } from './install.mjs';
import { root } from './place.mjs';
import { Stop } from './stop.mjs';

const STAMP = '.day-007-stamp';
const PROBE = `
import sys
print("%d.%d.%d" % sys.version_info[:3])
try:
    import venv, ensurepip
    print("venv")
except ImportError:
    print("no-venv")
`;

/**
 * The first Python on PATH (or DAY007_PYTHON) that is new enough and has venv: { command, version }.
 * `newest` bounds it where pinned packages have no builds for later ones. Throws a Stop that names what was found instead.
 */
export function findPython({ oldest, newest = [3, 99], purpose }, env = process.env) {
  const named = env.DAY007_PYTHON;
  const minors = [14, 13, 12, 11, 10].filter((minor) => minor >= oldest[1] && minor <= newest[1]);
  const commands = named ? [named] : ['python3', 'python', ...minors.map((minor) => `python3.${minor}`)];
  const seen = [];
  for (const command of commands) {
    const python = probePython(command, env);
    if (!python) continue;
    if (python.hasVenv && isWithin(python.version, oldest, newest)) return python;
    seen.push(python);
  }
  const fitting = seen.filter(({ version }) => isWithin(version, oldest, newest));
  throw new Stop(explainNoPython({ seen, fitting, named, oldest, newest, purpose }));
}

function probePython(command, env) {
  const { status, stdout } = spawnSync(command, ['-c', PROBE], { encoding: 'utf8', env });
  const [version, venv] = (stdout ?? '').trim().split(/\s+/);
  return status === 0 && /^\d+\.\d+/.test(version) ? { command, version, hasVenv: venv === 'venv' } : undefined;
}

function isWithin(version, oldest, newest) {
  const [major, minor] = version.split('.').map(Number);
  const place = major * 1000 + minor;
  return place >= oldest[0] * 1000 + oldest[1] && place <= newest[0] * 1000 + newest[1];
}

function explainNoPython({ seen, fitting, named, oldest, newest, purpose }) {
  const wanted =
    newest[1] === 99 ? `Python ${oldest.join('.')} or newer` : `Python ${oldest.join('.')} to ${newest.join('.')}`;
  const remedy =
    'install it (Debian, Ubuntu: apt-get install python3 python3-venv) or name one with DAY007_PYTHON=/path/to/python3';
  if (named && seen.length === 0)
    return `DAY007_PYTHON names ${named}, which does not run as a Python: give the path of a ${wanted}.`;
  if (seen.length === 0) return `Python was not found: ${purpose} needs ${wanted}; ${remedy}.`;
  const [first] = fitting;
  if (first) {
    const [major, minor] = first.version.split('.');
    return `${first.command} is Python ${first.version}, but its venv module is missing: apt-get install python${major}.${minor}-venv (or name another Python with DAY007_PYTHON) and run the command again.`;
  }
  return `${seen[0].command} is Python ${seen[0].version}, but ${purpose} needs ${wanted}: ${remedy}.`;
}

/**
 * Whether the environment was made from these requirements, at this place (environments cannot be moved), and its
 * Python is still there.
 */
export function isInstalled(venvDir, requirementsFile) {
  const file = join(venvDir, STAMP);
  return (
    existsSync(file) &&
    existsSync(join(venvDir, 'bin', 'python')) &&
    readFileSync(file, 'utf8') === stampOf(venvDir, requirementsFile)
  );
}

function stampOf(venvDir, requirementsFile) {
  return createHash('sha256').update(readFileSync(requirementsFile)).update(venvDir).digest('hex');
}

/** A fresh virtual environment with exactly the pinned packages. Returns the seconds that pip took. */
export async function installRequirements(venvDir, requirementsFile, python, pipArgs = []) {
  rmSync(venvDir, { recursive: true, force: true });
  const name = relative(root, venvDir);
  await install(`python -m venv ${name}`, python.command, ['-m', 'venv', venvDir], { place: venvDir });
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--retries', '2', ...pipArgs];
  const args = [...pip, '-r', requirementsFile];
  const seconds = await install(
    `pip install -r ${relative(root, requirementsFile)}`,
    join(venvDir, 'bin', 'python'),
    args,
    { place: venvDir },
  );
  writeFileSync(join(venvDir, STAMP), stampOf(venvDir, requirementsFile));
  return seconds;
}
