/** Small bundles with the shape of real ones: made by the same code, of files that a test can name. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectRoot, run, type Outcome } from './programs.js';

export const hostPython = execFileSync('python3', ['-c', 'import sys; print(sys._base_executable)'], {
  encoding: 'utf8',
}).trim();
export const pythonVersion = execFileSync(hostPython, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
  encoding: 'utf8',
}).trim();
const site = `lib/python${pythonVersion}/site-packages`;

/** Answers like Node where the installer asks. */
const fakeNode = '#!/bin/sh\necho v24.0.0\n';
/** Prints what run.sh gives the real one. */
const fakeRunner = `import os, shutil, sys
print("arguments", *sys.argv[1:])
print("node", shutil.which("node"))
print("kernels", os.environ["JUPYTER_PATH"])
print("vllm", os.environ.get("DAY007_VLLM", "none"))
print("replay", os.environ.get("DAY007_REPLAY", "none"))
`;

export interface BundleWish {
  readonly partBytes: number;
  readonly deliveryBytes?: number;
  /** A file of the project beside the ones that are always there. */
  readonly projectFile?: string;
  readonly python?: string;
  readonly glibc?: string;
}

/** Makes a bundle in `out`. `work` keeps its sources and archives, so that a second one shares what is the same. */
export async function makeBundle(out: string, work: string, wish: BundleWish): Promise<void> {
  const { projectFile = 'lib/first.ts' } = wish;
  const write = (file: string, text: string | Buffer, mode = 0o644) => {
    mkdirSync(dirname(join(work, file)), { recursive: true });
    writeFileSync(join(work, file), text, { mode });
  };
  write('node/bin/node', fakeNode, 0o755);
  write('modules/undici/index.js', 'exports.name = "undici";\n');
  const project = projectFile === 'lib/first.ts' ? 'project' : 'project-2';
  write(`${project}/${projectFile}`, '// a module\n');
  write(`${project}/data/README.md`, projectFile);
  // Incompressible, so that there are parts to cut; the same for every bundle of this `work`.
  if (!existsSync(join(work, project, 'weights.bin'))) write(`${project}/weights.bin`, randomBytes(20_000));
  write(`${project}/scripts/run_notebook.py`, fakeRunner);
  for (const name of ['day-007', 'cold-start']) write(`${project}/notebooks/${name}.ipynb`, '{}');
  mkdirSync(join(work, project, 'scripts', 'bundle'), { recursive: true });
  cpSync(join(projectRoot, 'scripts/bundle/run.sh'), join(work, project, 'scripts/bundle/run.sh'));
  write(`packages/${site}/nbclient.py`, '');
  write(`packages/${site}/nbconvert.py`, '');
  write(`packages/bin/vllm-bench`, '#!@PYTHON@\nimport nbclient, sys\nprint("ran by", sys.executable)\n', 0o755);
  const archives = [
    ['node', 'node', 'node'],
    ['modules', 'modules', 'modules'],
    ['project', 'project', project],
    ['packages', 'venv', 'packages'],
  ];
  const sizes = { partBytes: wish.partBytes, deliveryBytes: wish.deliveryBytes };
  const facts = { node: '24.0.0', python: wish.python ?? pythonVersion, glibc: wish.glibc ?? '2.17' };
  const outcome = await evaluate(`
    const { packArchive } = await import('./scripts/bundle/archive.mjs');
    const { writeParts } = await import('./scripts/bundle/parts.mjs');
    const archives = [];
    for (const [name, into, folder] of ${JSON.stringify(archives)})
      archives.push({ ...(await packArchive(name, ${JSON.stringify(work)} + '/' + folder, ${JSON.stringify(join(work, 'archives'))})), into });
    writeParts({ out: ${JSON.stringify(out)}, archives, facts: ${JSON.stringify(facts)}, wheels: [], sizes: ${JSON.stringify(sizes)} });
  `);
  if (outcome.exitCode !== 0) throw new Error(outcome.stderr);
}

/** Runs a few lines against the door's own modules. */
export function evaluate(script: string): Promise<Outcome> {
  return run(['--input-type=module', '--eval', script]);
}

export function install(folder: string, ...args: readonly string[]): Promise<Outcome> {
  return run([join(folder, 'install.sh'), '--python', hostPython, ...args], { command: 'sh' });
}

export interface Part {
  readonly name: string;
  readonly archive: string;
  readonly sha256: string;
  readonly bytes: number;
}

export function readParts(folder: string): Part[] {
  return [...readFileSync(join(folder, 'MANIFEST'), 'utf8').matchAll(/^part (\S+) (\S+) (\S+) (\d+)$/gm)].map(
    ([, name = '', archive = '', sha256 = '', bytes]) => ({ name, archive, sha256, bytes: Number(bytes) }),
  );
}

export function deliveriesOf(out: string): string[] {
  return readdirSync(out)
    .sort()
    .map((name) => join(out, name));
}
