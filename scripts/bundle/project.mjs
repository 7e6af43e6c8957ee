// The project's own files as they lie here: what git tracks or would track, without tests and published runs.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../parts/place.mjs';
import { Stop } from '../parts/stop.mjs';

const LEFT_OUT = /^(data\/published|test|\.ci|\.github)\//;

export function layOutProject(folder) {
  const files = git('ls-files', '-z', '--cached', '--others', '--exclude-standard')
    .split('\0')
    .filter((file) => file !== '' && !LEFT_OUT.test(file) && existsSync(join(root, file)));
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file), { verbatimSymlinks: true });
  }
}

/** The commit the files stand at; says so when they differ from it. */
export function readCommit() {
  const commit = git('rev-parse', 'HEAD').trim();
  return git('status', '--porcelain').trim() === '' ? commit : `${commit} with changes`;
}

function git(...args) {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 });
  if (status === 0) return stdout;
  throw new Stop(
    `A bundle takes the files that git knows, and git ${args[0]} failed: ${(stderr ?? 'git was not found').trim()}. Run it in a clone of the project.`,
  );
}
