// A folder -> one .tar.xz. The same files give the same bytes, so that what did not change is neither compressed nor
// carried again.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Stop } from '../parts/stop.mjs';

/** One owner, order and date for all files: the oldest date that a ZIP, and so a wheel, can hold. */
const TAR = [
  '--sort=name',
  '--mtime=@315532800',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--mode=u+rw,go=rX',
  '-cf',
  '-',
];
/** Blocks are what a newer xz decompresses in parallel; smaller ones compress worse. */
const XZ = 'xz -T0 -6 --block-size=24MiB -c';
/** Archives of one name that stay in the cache. */
const KEPT = 4;

/** { name, file, bytes, unpackedBytes, sha256 } of the archive, from `cacheDir` when it was made before. */
export async function packArchive(name, folder, cacheDir) {
  mkdirSync(cacheDir, { recursive: true });
  const { sha256: contents, bytes: unpackedBytes } = await hashStream(startTar(folder).stdout);
  const file = join(cacheDir, `${name}-${contents}.tar.xz`);
  if (!existsSync(file)) {
    forgetOldest(name, cacheDir);
    await compress(name, folder, file);
  }
  const { sha256 } = await hashStream(createReadStream(file));
  return { name: `${name}.tar.xz`, file, bytes: statSync(file).size, unpackedBytes, sha256 };
}

function startTar(folder) {
  return spawn('tar', [...TAR, '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The sha256 and the length of what a stream brings. */
export async function hashStream(stream) {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}

async function compress(name, folder, file) {
  const startedMs = performance.now();
  process.stderr.write(`xz ${name} ...`);
  const unfinished = `${file}.tmp`;
  // The shell joins the two; either one's failure is the pipe's.
  const script = `set -o pipefail; tar "$@" | ${XZ} > "$0"`;
  const child = spawn('bash', ['-c', script, unfinished, ...TAR, '-C', folder, '.'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise((resolve, reject) => {
    child.on('error', () =>
      reject(
        new Stop(
          'bash, tar and xz are needed to make a bundle: install them (Debian, Ubuntu: apt-get install xz-utils).',
        ),
      ),
    );
    child.on('close', resolve);
  });
  if (code !== 0) {
    rmSync(unfinished, { force: true });
    throw new Stop(
      `${name} could not be compressed (exit code ${code}): are tar and xz installed, and is there space below ${folder}?`,
    );
  }
  renameSync(unfinished, file);
  process.stderr.write(` ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
}

/** Of each name the newest few are kept: bundles for two Pythons, or with and without something, share the rest. */
function forgetOldest(name, cacheDir) {
  const files = readdirSync(cacheDir)
    .filter((entry) => entry.startsWith(`${name}-`))
    .map((entry) => join(cacheDir, entry))
    .sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs);
  for (const file of files.slice(KEPT - 1)) rmSync(file);
}
