// `npm run bundle`: everything a GPU node without internet, Node and Jupyter needs for a headless run, as archives in
// parts, with an installer. docs/air-gapped.md says how they are carried and installed.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packArchive } from './bundle/archive.mjs';
import { layOutModules } from './bundle/modules.mjs';
import { layOutNode, NODE_VERSION } from './bundle/node.mjs';
import { readOptions } from './bundle/options.mjs';
import { describeParts, writeParts } from './bundle/parts.mjs';
import { layOutProject, readCommit } from './bundle/project.mjs';
import { layOutWheels } from './bundle/wheels.mjs';
import { cache } from './parts/place.mjs';
import { Stop } from './parts/stop.mjs';

const work = join(cache, 'bundle');
/** Node 24 itself needs this much. */
const OLDEST_GLIBC = '2.28';

export async function main(args) {
  const options = readOptions(args, join(work, 'out'));
  requireLinux();
  mkdirSync(work, { recursive: true });
  const staging = mkdtempSync(join(work, 'staging-'));
  try {
    const bundle = await makeBundle(options, staging);
    console.log(describeParts(options.out, bundle));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return 0;
}

async function makeBundle(options, staging) {
  const folder = (name) => {
    const path = join(staging, name);
    mkdirSync(path);
    return path;
  };
  const archives = [];
  const pack = async (name, into, path) => {
    archives.push({ ...(await packArchive(name, path, join(work, 'archives'))), into });
    rmSync(path, { recursive: true, force: true });
  };

  // The project comes last: when only it changed, all parts before it stay as they were.
  const { trees, wheels, glibc } = await layOutWheels(options, folder('wheels'), work);
  for (const { name, path } of trees) await pack(name, 'venv', path);
  const modules = folder('modules');
  await layOutModules(modules);
  await pack('modules', 'modules', modules);
  const node = folder('node');
  await layOutNode(node);
  await pack('node', 'node', node);
  const project = folder('project');
  layOutProject(project);
  await pack('project', 'project', project);

  const facts = {
    commit: readCommit(),
    node: NODE_VERSION,
    python: wheels.length > 0 ? options.python : 'any',
    glibc: newer(glibc, OLDEST_GLIBC),
  };
  return writeParts({ out: options.out, archives, facts, wheels, sizes: options });
}

function newer(one, other) {
  return Number(one.split('.')[1]) > Number(other.split('.')[1]) ? one : other;
}

function requireLinux() {
  if (process.platform === 'linux') return;
  throw new Stop(
    `A bundle is made with GNU tar and xz on Linux, this is ${process.platform}: run the command on a Linux machine or in a Linux container.`,
  );
}
