// The production node_modules of package-lock.json, without what a Linux x86-64 machine with glibc never loads.
import { copyFileSync, cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install } from '../parts/install.mjs';
import { root } from '../parts/place.mjs';

/** Native builds for other systems, as paths below node_modules. cmake-ts looks unneeded and is not: zeromq asks it for its build. */
const OTHER_SYSTEMS = [
  /^zeromq\/build\/(darwin|win32)$/,
  /^zeromq\/build\/linux\/(?!x64$)[^/]+$/,
  /^zeromq\/build\/linux\/x64\/node\/musl-[^/]+$/,
  /^@koromix\/koffi-linux-x64\/musl_x64$/,
  /^@resvg\/resvg-js-(?!linux-x64-gnu$)[^/]+$/,
  /^@esbuild\/(?!linux-x64$)[^/]+$/,
];
/** Charts are drawn with two of the fonts (lib/report/picture.ts). */
const OTHER_FONTS = /^dejavu-fonts-ttf\/ttf\/(?!DejaVuSans(-Bold)?\.ttf$)[^/]+$/;
const SOURCE_MAP = /\.(js|mjs|cjs|ts|mts|cts|css)\.map$/;

/** The packages themselves, directly below `folder`. */
export async function layOutModules(folder) {
  const place = mkdtempSync(join(tmpdir(), 'day-007-modules-'));
  try {
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      copyFileSync(join(root, name), join(place, name));
    const args = ['ci', '--prefix', place, '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
    await install('npm ci --omit=dev', 'npm', [...args, '--os=linux', '--cpu=x64', '--libc=glibc'], { place });
    const modules = join(place, 'node_modules');
    prune(modules, '');
    for (const name of readdirSync(modules)) move(join(modules, name), join(folder, name));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function prune(modules, below) {
  for (const entry of readdirSync(join(modules, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (isUnused(path)) rmSync(join(modules, path), { recursive: true });
    else if (entry.isDirectory()) prune(modules, path);
  }
}

/** Whether a path below node_modules is of no use on the machine that the bundle is for. */
export function isUnused(path) {
  return [SOURCE_MAP, OTHER_FONTS, ...OTHER_SYSTEMS].some((pattern) => pattern.test(path));
}

/** A temporary folder may lie on another file system. */
function move(from, to) {
  try {
    renameSync(from, to);
  } catch {
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}
