// tslab turns each module of lib from ES into CommonJS by a compiler program of its own, at every start of a kernel: a
// third of the first cell's time. The same text always becomes the same text, so what was made once is kept on disk.
'use strict';

const { createHash, randomBytes } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

/** To be called before tslab is loaded: it copies the compiler's functions when it is. */
exports.keepTranspiled = function (folder) {
  const path = require.resolve('@tslab/typescript-for-tslab');
  const ts = require(path);
  const functions = Object.getOwnPropertyDescriptors(ts);
  functions.transpileModule = {
    enumerable: true,
    value: (text, options) => {
      const key = createHash('sha256')
        .update(JSON.stringify([ts.version, options, text]))
        .digest('hex');
      const file = join(folder, `${key}.js`);
      return {
        outputText: readKept(file) ?? keep(file, ts.transpileModule(text, options).outputText),
        diagnostics: [],
      };
    },
  };
  require.cache[path].exports = Object.defineProperties({}, functions);
};

function readKept(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
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
