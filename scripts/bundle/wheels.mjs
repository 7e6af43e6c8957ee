// Wished packages -> wheels for the other machine's Python -> trees that unpack straight into its virtual environment.
// pip does both: it chooses the wheels by Python version and platform, and lays them out. So the other machine needs no pip.
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { install } from '../parts/install.mjs';
import { root } from '../parts/place.mjs';
import { findPython } from '../parts/python.mjs';
import { Stop } from '../parts/stop.mjs';
import { hashStream } from './archive.mjs';
import { extraRequirements } from './options.mjs';

const JUPYTER_PINS = join(root, 'requirements.txt');
/**
 * What scripts/run_notebook.py and render.py import, and what cold-start.ipynb looks at a starting server with. ipykernel
 * is not among it: the kernel is a Node program.
 */
const HEADLESS_JUPYTER = ['nbclient', 'nbconvert', 'nbformat', 'jupyter_client', 'py-spy'];
/** Older names of glibc 2.5, 2.12 and 2.17. */
const LEGACY_GLIBC = { manylinux1: 5, manylinux2010: 12, manylinux2014: 17 };
/** Folders of a wheel that belong beside lib in an environment, not into site-packages. */
const BESIDE_LIB = new Set(['bin', 'share', 'etc', 'include']);
/** The installer puts the environment's interpreter in its place. */
const PYTHON_MARK = '@PYTHON@';

/** { trees: [{ name, path }], wheels: [{ file, sha256 }], glibc } for what the options ask; all empty when nothing is. */
export async function layOutWheels(options, folder, work) {
  if (!options.jupyter && !options.vllm && !options.requirements) return { trees: [], wheels: [], glibc: '2.0' };
  const pip = await preparePip(work);
  const wheelhouse = join(folder, 'wheelhouse');
  mkdirSync(wheelhouse);
  await download(options, pip, wheelhouse, folder);
  const files = readdirSync(wheelhouse).sort();
  requireOneVersion(files);
  const isEngine = (file) => file.startsWith('vllm-');
  const trees = [];
  for (const [name, chosen] of Object.entries({
    packages: files.filter((file) => !isEngine(file)),
    vllm: files.filter(isEngine),
  })) {
    if (chosen.length > 0) trees.push({ name, path: await layOut(name, chosen, options, { pip, wheelhouse, folder }) });
  }
  const wheels = await Promise.all(
    files.map(async (file) => ({ file, sha256: (await hashStream(createReadStream(join(wheelhouse, file)))).sha256 })),
  );
  rmSync(wheelhouse, { recursive: true });
  return { trees, wheels, glibc: neededGlibc(files) };
}

/** A pip of our own: a system's Python may have none, or refuse to be used. */
async function preparePip(work) {
  const python = join(work, 'pip', 'bin', 'python');
  if (!existsSync(python)) {
    const { command } = findPython({ oldest: [3, 10], purpose: 'pip' });
    await install('python -m venv (for pip)', command, ['-m', 'venv', join(work, 'pip')], { place: work });
  }
  return python;
}

async function download(options, pip, wheelhouse, folder) {
  const pins = readPins(options);
  const get = (what, ...args) =>
    install(
      `pip download ${what}`,
      pip,
      [
        '-m',
        'pip',
        'download',
        '--disable-pip-version-check',
        '--no-input',
        '--retries',
        '2',
        '-d',
        wheelhouse,
        ...targetOf(options),
        ...args,
      ],
      { place: wheelhouse },
    );
  if (options.jupyter) {
    const constraints = join(folder, 'constraints.txt');
    writeFileSync(constraints, [...pins.all.values()].join('\n'));
    await get('(headless Jupyter)', '-c', constraints, ...HEADLESS_JUPYTER);
  }
  if (pins.listed.size > 0) {
    const list = join(folder, 'listed.txt');
    writeFileSync(list, [...pins.listed.values()].join('\n'));
    await get('(listed packages)', '--no-deps', '-r', list);
  }
  if (options.vllm) await get(`vllm==${options.vllm}`, '--no-deps', `vllm==${options.vllm}`);
}

/**
 * name -> pinned line: `listed` is wanted as it is, `all` also bounds what Jupyter needs. Where two lists name the same
 * package, the later one counts: an engine was tried with its own versions, and a person's list is a wish.
 */
function readPins({ jupyter, vllm, requirements }) {
  const extra = vllm ? extraRequirements(vllm) : undefined;
  if (vllm && !extra)
    process.stderr.write(
      `vllm==${vllm} goes alone: this project has no requirements-vllm-${vllm}-extra.txt, so name what it needs beside torch with --requirements FILE\n`,
    );
  const listed = new Map([extra, requirements].filter(Boolean).flatMap((file) => [...parsePins(file)]));
  return { listed, all: new Map([...(jupyter ? parsePins(JUPYTER_PINS) : []), ...listed]) };
}

function parsePins(file) {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [, name] = /^([\w.-]+)\s*==\s*[^\s;]+\s*(;.*)?$/.exec(line) ?? [];
      if (!name) throw new Stop(`${file} has the line "${line}": a bundle takes pinned packages only, name==version.`);
      return [normalise(name), line];
    }),
  );
}

function normalise(name) {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

/** pip's words for "wheels of that Python, for a glibc up to that one". */
function targetOf({ python, glibc }) {
  const newest = Number(glibc.split('.')[1]);
  const minors = Array.from({ length: Math.max(0, newest - 4) }, (_, index) => newest - index);
  const legacy = Object.entries(LEGACY_GLIBC).filter(([, minor]) => minor <= newest);
  const platforms = [
    ...minors.map((minor) => `manylinux_2_${minor}_x86_64`),
    ...legacy.map(([name]) => `${name}_x86_64`),
  ];
  return [
    '--only-binary=:all:',
    ...['--python-version', python, '--implementation', 'cp', '--abi', `cp${python.replace('.', '')}`],
    ...platforms.flatMap((platform) => ['--platform', platform]),
  ];
}

/** Two versions of one package would overwrite each other's files. */
function requireOneVersion(files) {
  const names = files.map((file) => normalise(file.split('-')[0]));
  const double = names.find((name, at) => names.indexOf(name) !== at);
  if (double === undefined) return;
  const versions = files.filter((file) => normalise(file.split('-')[0]) === double).join(' and ');
  throw new Stop(`The bundle would hold ${versions}: pin one version of ${double} in the --requirements file.`);
}

/** The newest glibc that any of the wheels was built for; each wheel may name several, the oldest counts. */
export function neededGlibc(files) {
  const minors = files.map((file) => {
    const platforms = /-([^-]+)\.whl$/.exec(file)?.[1] ?? '';
    const named = [...platforms.matchAll(/manylinux_2_(\d+)_/g)].map(([, minor]) => Number(minor));
    const legacy = Object.entries(LEGACY_GLIBC).filter(([name]) => platforms.includes(`${name}_`));
    return Math.min(...named, ...legacy.map(([, minor]) => minor));
  });
  return `2.${Math.max(0, ...minors.filter(Number.isFinite))}`;
}

async function layOut(name, files, options, { pip, wheelhouse, folder }) {
  const raw = join(folder, `${name}-raw`);
  const tree = join(folder, name);
  // Asked for by name: of a file given by its path pip would note where it lay.
  const names = files.map((file) => file.split('-', 2).join('=='));
  const args = [
    '--no-index',
    '--find-links',
    wheelhouse,
    '--no-deps',
    '--no-compile',
    '--no-warn-script-location',
    '--root-user-action=ignore',
    '--disable-pip-version-check',
  ];
  await install(
    `pip install (${name}, ${files.length} wheels)`,
    pip,
    ['-m', 'pip', 'install', ...args, ...targetOf(options), '--target', raw, ...names],
    { place: folder },
  );
  const site = join(tree, 'lib', `python${options.python}`, 'site-packages');
  mkdirSync(site, { recursive: true });
  for (const entry of readdirSync(raw)) renameSync(join(raw, entry), join(BESIDE_LIB.has(entry) ? tree : site, entry));
  rmSync(raw, { recursive: true });
  markInterpreter(join(tree, 'bin'), pip);
  return tree;
}

/** pip writes its own interpreter into the first line of every script. */
function markInterpreter(bin, pip) {
  if (!existsSync(bin)) return;
  for (const entry of readdirSync(bin)) {
    const file = join(bin, entry);
    const script = readFileSync(file, 'latin1');
    const start = script.indexOf('\n', script.startsWith('#!/bin/sh') ? script.indexOf("' '''") : 0);
    if (script.slice(0, start).includes(pip)) writeFileSync(file, `#!${PYTHON_MARK}${script.slice(start)}`, 'latin1');
  }
}
