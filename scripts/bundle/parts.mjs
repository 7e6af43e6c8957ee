// Archives -> numbered parts in one folder, or in deliveries d0, d1, ... that each fit one journey, with MANIFEST and
// installer in every folder.
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { root } from '../parts/place.mjs';
import { Stop } from '../parts/stop.mjs';

const installer = join(root, 'scripts', 'bundle', 'install.sh');
const CHUNK = 4 * 1024 ** 2;
const MIB = 1024 ** 2;
/** Left free in a delivery for MANIFEST and install.sh. */
const ENVELOPE = 64 * 1024;
const OURS = /^(MANIFEST|install\.sh|d\d+|.+\.tar\.xz\.\d{3})$/;

/** Writes all of it below `out`; returns { archives, folders: [{ name, bytes, parts }] }. */
export function writeParts({ out, archives, facts, wheels, sizes }) {
  emptyOut(out);
  const space = makeSpace(out, sizes);
  const parts = archives.flatMap((archive) => cut(archive, space));
  const manifest = writeManifest({ archives, parts, facts, wheels });
  for (const folder of space.folders) {
    writeFileSync(join(folder.path, 'MANIFEST'), manifest);
    copyFileSync(installer, join(folder.path, 'install.sh'));
  }
  return { archives, folders: space.folders };
}

/** Only a folder that holds a bundle, or nothing, is emptied. */
function emptyOut(out) {
  mkdirSync(out, { recursive: true });
  const entries = readdirSync(out);
  const foreign = entries.find((entry) => !OURS.test(entry));
  if (foreign !== undefined)
    throw new Stop(`${out} holds ${foreign}, which is not of a bundle: give --out an empty or a new folder.`);
  for (const entry of entries) rmSync(join(out, entry), { recursive: true });
}

/** Where the next part may go and how large it may be. Without deliveries: one folder, without limit. */
function makeSpace(out, { partBytes, deliveryBytes }) {
  const folders = [];
  const room = deliveryBytes === undefined ? Infinity : deliveryBytes - ENVELOPE;
  if (room < 1024)
    throw new Stop('--delivery-size is too small: a delivery holds the installer too, give at least 1M.');
  const open = () => {
    const name = deliveryBytes === undefined ? '.' : `d${folders.length}`;
    const path = join(out, name);
    mkdirSync(path, { recursive: true });
    folders.push({ name, path, bytes: 0, parts: 0 });
  };
  open();
  return {
    folders,
    take(wantedBytes) {
      if (folders.at(-1).bytes >= room) open();
      const folder = folders.at(-1);
      const bytes = Math.min(wantedBytes, partBytes, room - folder.bytes);
      folder.bytes += bytes;
      folder.parts += 1;
      return { bytes, path: folder.path };
    },
  };
}

function cut(archive, space) {
  const parts = [];
  const source = openSync(archive.file, 'r');
  try {
    for (let offset = 0; offset < archive.bytes;) {
      const { bytes, path } = space.take(archive.bytes - offset);
      const name = `${archive.name}.${String(parts.length).padStart(3, '0')}`;
      parts.push({ name, archive: archive.name, bytes, sha256: copySlice(source, offset, bytes, join(path, name)) });
      offset += bytes;
    }
  } finally {
    closeSync(source);
  }
  return parts;
}

function copySlice(source, offset, bytes, file) {
  const hash = createHash('sha256');
  const target = openSync(file, 'w');
  const buffer = Buffer.alloc(Math.min(bytes, CHUNK));
  try {
    for (let done = 0; done < bytes;) {
      const read = readSync(source, buffer, 0, Math.min(buffer.length, bytes - done), offset + done);
      hash.update(buffer.subarray(0, read));
      writeSync(target, buffer, 0, read);
      done += read;
    }
  } finally {
    closeSync(target);
  }
  return hash.digest('hex');
}

/** Lines a shell can read: kind, then words. The bundle's name is the hash of what it holds, not of when it was made. */
function writeManifest({ archives, parts, facts, wheels }) {
  const contents = [
    ...Object.entries(facts).map(([name, value]) => `set ${name} ${value}`),
    ...wheels.map(({ sha256, file }) => `wheel ${sha256} ${file}`),
    ...archives.map(
      ({ name, into, sha256, bytes, unpackedBytes }) => `archive ${name} ${into} ${sha256} ${bytes} ${unpackedBytes}`,
    ),
    ...parts.map(({ name, archive, sha256, bytes }) => `part ${name} ${archive} ${sha256} ${bytes}`),
  ].join('\n');
  const id = createHash('sha256').update(contents).digest('hex').slice(0, 16);
  return `day-007-bundle 1\nbundle ${id}\nset made ${new Date().toISOString()}\n${contents}\n`;
}

/** What was made, for the terminal. */
export function describeParts(out, { archives, folders }) {
  const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
  const total = archives.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines = archives.map(
    ({ name, bytes, unpackedBytes }) =>
      `  ${name.padEnd(20)} ${mib(bytes).padStart(10)}, unpacked ${mib(unpackedBytes)}`,
  );
  const where = folders.map(
    ({ name, bytes, parts }) => `  ${join(relative(root, out), name)}: ${parts} parts, ${mib(bytes)}`,
  );
  return [
    `Bundle, ${mib(total)}`,
    ...lines,
    'In',
    ...where,
    'Install with: sh install.sh --to DIR (docs/air-gapped.md)',
  ].join('\n');
}
