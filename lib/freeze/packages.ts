/**
 * An executable of a Python installation -> the packages installed beside it, by reading folder names.
 * Nothing is imported and no Python is run: that would warm the imports we are about to time.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path';

/** Installed distributions: normalised name -> version, and the folders they were found in, in search order. */
export interface InstalledPackages {
  readonly versions: ReadonlyMap<string, string>;
  readonly folders: readonly string[];
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The interpreter named by a script's shebang, as an absolute path. Understands `#!/path/python`,
 * `#!/usr/bin/env python` and the `/bin/sh` form pip writes for long paths. Absent when it is none of these.
 */
export function parseInterpreter(script: string, env: Env): string | undefined {
  const [first = '', second = ''] = script.split('\n');
  const wrapped = /^'''exec' "?([^"]+?)"? "\$0" "\$@"/.exec(second);
  if (first.startsWith('#!/bin/sh') && wrapped?.[1] !== undefined) return wrapped[1];
  const [command, ...rest] = /^#!\s*(.+)$/.exec(first)?.[1]?.trim().split(/\s+/) ?? [];
  if (command === undefined) return undefined;
  const name = basename(command) === 'env' ? rest.find((word) => !word.startsWith('-')) : command;
  if (name === undefined || !basename(name).startsWith('python')) return undefined;
  return isAbsolute(name) ? name : findOnPath(name, env);
}

/** The first file of that name on PATH. */
export function findOnPath(name: string, env: Env): string | undefined {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** The interpreter that runs an executable: itself if it is a Python, else the one its shebang names. */
export function readInterpreter(executable: string, env: Env): string | undefined {
  if (/^python[\d.]*$/.test(basename(executable))) return executable;
  return parseInterpreter(readHead(executable, 1024), env);
}

function readHead(file: string, bytes: number): string {
  const handle = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.toString('utf8', 0, readSync(handle, buffer, 0, bytes, 0));
  } finally {
    closeSync(handle);
  }
}

/** Packages an interpreter would import, from the names of its *.dist-info folders. The first folder wins, as in sys.path. */
export function readInstalledPackages(interpreter: string, env: Env): InstalledPackages {
  const folders = readPackageFolders(interpreter, env);
  const versions = new Map<string, string>();
  for (const name of folders.flatMap((folder) => readdirSync(folder))) {
    const found = parseDistInfo(name);
    if (found && !versions.has(found.name)) versions.set(found.name, found.version);
  }
  return { versions, folders };
}

/** `vllm-0.32.0+cpu.dist-info` -> vllm 0.32.0+cpu; the name in lower case with underscores. */
export function parseDistInfo(folderName: string): { name: string; version: string } | undefined {
  const [, name, version] = /^(.+)-([^-]+)\.dist-info$/.exec(folderName) ?? [];
  if (name === undefined || version === undefined) return undefined;
  return { name: name.toLowerCase().replace(/[-_.]+/g, '_'), version };
}

/** PYTHONPATH, then the environment's own folders, then those of the base Python if the environment includes them. */
function readPackageFolders(interpreter: string, env: Env): string[] {
  const prefix = dirname(dirname(interpreter));
  const venv = readVenvConfig(prefix);
  const own = venv ? foldersBelow(prefix, venv.version) : baseFolders(interpreter);
  const base = venv?.includesBase === true ? baseFolders(interpreter) : [];
  const fromPath = (env['PYTHONPATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const named = own.filter((folder) => existsSync(folder)).flatMap(foldersNamedIn);
  return [...new Set([...fromPath, ...own, ...named, ...base])].filter((folder) => existsSync(folder));
}

/** Folders that an environment's *.pth files add: so one sees the packages of the environment it was made from. */
function foldersNamedIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.pth'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split(/\r?\n/))
    .filter((line) => isAbsolute(line));
}

function readVenvConfig(prefix: string): { version: string | undefined; includesBase: boolean } | undefined {
  const file = join(prefix, 'pyvenv.cfg');
  if (!existsSync(file)) return undefined;
  const config = readFileSync(file, 'utf8');
  return {
    version: /^version(?:_info)?\s*=\s*(\d+\.\d+)/m.exec(config)?.[1],
    includesBase: /^include-system-site-packages\s*=\s*true/im.test(config),
  };
}

function baseFolders(interpreter: string): string[] {
  const real = realpathSync(interpreter);
  const version = /python(\d+\.\d+)$/.exec(real)?.[1];
  const prefix = dirname(dirname(real));
  const roots = prefix === '/usr' ? ['/usr/local', '/usr'] : [prefix];
  return roots.flatMap((root) => foldersBelow(root, version));
}

function foldersBelow(prefix: string, version: string | undefined): string[] {
  const libs = [join(prefix, 'lib'), join(prefix, 'lib64')].filter((folder) => existsSync(folder));
  return libs.flatMap((lib) =>
    readdirSync(lib)
      .filter((name) =>
        version === undefined ? /^python3/.test(name) : name === `python${version}` || name === 'python3',
      )
      .flatMap((name) => [join(lib, name, 'site-packages'), join(lib, name, 'dist-packages')]),
  );
}
