// What tslab asks of its compiler again and again, and the answer of which is known: kept on disk, below `folder`.
// To be set up before tslab is loaded: it copies the compiler's functions when it is.
'use strict';

const { createHash, randomBytes } = require('node:crypto');
const { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');

const compiler = require.resolve('@tslab/typescript-for-tslab');
const ownFiles = ['__tslab__.ts', '__tslab__.js', '__prev__.d.ts'];

/**
 * tslab turns each module of lib from ES into CommonJS by a compiler program of its own, at every start of a kernel.
 * The same text always becomes the same text.
 */
exports.keepTranspiled = function (folder) {
  const ts = require(compiler);
  replace('transpileModule', (text, options) => {
    const file = join(folder, `${hashOf(JSON.stringify([ts.version, options, text]))}.js`);
    return { outputText: readKept(file) ?? keep(file, ts.transpileModule(text, options).outputText), diagnostics: [] };
  });
};

/**
 * tslab checks the types of all of lib with its first cell, and the compiler checks them once more to write the
 * modules out. Files that were found without a fault, beside the same files and under the same options, are so again,
 * and are written out as before; then only the cell is checked.
 */
exports.keepChecked = function (folder) {
  const ts = require(compiler);
  const { createWatchProgram, getPreEmitDiagnosticsOfFiles } = ts;
  const keyOf = keyOfPrograms(ts);
  replace('getPreEmitDiagnosticsOfFiles', (program, files) => {
    const [cell, ...others] = files;
    const names = others.map(({ fileName }) => fileName).sort();
    const file = join(folder, `${hashOf(JSON.stringify([keyOf(program), names]))}.checked`);
    if (readKept(file) !== undefined) return getPreEmitDiagnosticsOfFiles(program, [cell]);
    const found = getPreEmitDiagnosticsOfFiles(program, files);
    if (!found.some((one) => others.includes(one.file))) {
      keep(file, '');
      forgetOld(folder);
    }
    return found;
  });
  replace('createWatchProgram', (host) => {
    const { afterProgramCreate } = host;
    host.afterProgramCreate = (builder) => {
      const { emit } = builder;
      builder.emit = (source, write, ...rest) => {
        if (!source || isOwn(source)) return emit(source, write, ...rest);
        const file = join(folder, `${hashOf(`${keyOf(builder.getProgram())} ${source.fileName}`)}.json`);
        const kept = readKept(file);
        if (kept !== undefined) return JSON.parse(kept).forEach((output) => write(...output));
        const outputs = [];
        const result = emit(source, (...output) => outputs.push(output.slice(0, 2)), ...rest);
        keep(file, JSON.stringify(outputs));
        outputs.forEach((output) => write(...output));
        return result;
      };
      return afterProgramCreate.call(host, builder);
    };
    return createWatchProgram(host);
  });
};

const isOwn = ({ fileName }) => ownFiles.includes(basename(fileName));

/** What decides on the faults of lib and on what becomes of it: the compiler, its options, and every text but the cells'. */
function keyOfPrograms(ts) {
  const hashes = new WeakMap();
  const keys = new WeakMap();
  const hashOfFile = (file) => {
    if (!hashes.has(file)) hashes.set(file, hashOf(`${file.fileName}\0${file.text}`));
    return hashes.get(file);
  };
  return (program) => {
    if (!keys.has(program)) {
      const files = program.getSourceFiles().filter((file) => !isOwn(file));
      keys.set(program, hashOf(JSON.stringify([ts.version, program.getCompilerOptions(), files.map(hashOfFile)])));
    }
    return keys.get(program);
  };
}

function replace(name, value) {
  const functions = Object.getOwnPropertyDescriptors(require(compiler));
  functions[name] = { enumerable: true, configurable: true, value };
  require.cache[compiler].exports = Object.defineProperties({}, functions);
}

const hashOf = (text) => createHash('sha256').update(text).digest('hex');

function readKept(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** What was kept long ago belongs to texts that have changed since; if not, it is made again. */
function forgetOld(folder) {
  const before = Date.now() - 30 * 24 * 3600 * 1000;
  try {
    for (const name of readdirSync(folder)) {
      const file = join(folder, name);
      if (statSync(file).mtimeMs < before) rmSync(file, { force: true });
    }
  } catch {
    // Another kernel may be tidying too.
  }
}

/** Renamed when it is whole: another kernel may read meanwhile. A disk that takes nothing costs time, not the run. */
function keep(file, text) {
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    const unfinished = `${file}.${randomBytes(4).toString('hex')}`;
    writeFileSync(unfinished, text);
    renameSync(unfinished, file);
  } catch {
    // Kept or not, the text is what was asked for.
  }
  return text;
}
