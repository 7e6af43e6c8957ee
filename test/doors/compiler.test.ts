/** What the kernel keeps of its compiler, each in a process of its own: the compiler is patched when it is loaded. */
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectRoot, removeFolder, run, temporaryFolder } from './programs.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

const kernel = join(projectRoot, '.jupyter/kernels/tslab/compiler.cjs');
const moduleText = 'import { one } from "./one.js";\nexport const two = one + 1;\n';

/** The CommonJS that the compiler makes of a module, as tslab asks for it; with a folder, through what is kept there. */
async function transpiled(text: string, keptIn?: string): Promise<string> {
  const script = `
    ${keptIn === undefined ? '' : `require(${JSON.stringify(kernel)}).keepTranspiled(${JSON.stringify(keptIn)});`}
    const ts = require('@tslab/typescript-for-tslab');
    const compilerOptions = { module: ts.ModuleKind.CommonJS, esModuleInterop: true, target: ts.ScriptTarget.ES2022 };
    process.stdout.write(ts.transpileModule(${JSON.stringify(text)}, { fileName: 'custom.js', compilerOptions }).outputText);`;
  const { stdout, stderr } = await run(['-e', script]);
  expect(stderr).toBe('');
  return stdout;
}

test('gives what the compiler gives, and keeps it', async () => {
  const plain = await transpiled(moduleText);
  expect(plain).toContain('exports.two = ');
  expect(await transpiled(moduleText, folder)).toBe(plain);
  const [kept, ...others] = readdirSync(folder);
  expect(others).toEqual([]);
  expect(readFileSync(join(folder, kept ?? ''), 'utf8')).toBe(plain);
});

test('asks the compiler only for text it has not seen', async () => {
  await transpiled(moduleText, folder);
  const [kept = ''] = readdirSync(folder);
  writeFileSync(join(folder, kept), 'kept');
  expect(await transpiled(moduleText, folder)).toBe('kept');
  expect(await transpiled(`${moduleText}export const three = 3;\n`, folder)).toContain('exports.three = 3');
});

test('does without a folder that cannot be written', async () => {
  writeFileSync(join(folder, 'file'), '');
  expect(await transpiled(moduleText, join(folder, 'file', 'kept'))).toContain('exports.two = ');
});

/** Checks a cell that imports one module, as tslab does; says what was found, and in which files the compiler looked. */
async function checked(moduleSource: string, cellSource: string): Promise<{ found: string[]; lookedIn: string[] }> {
  writeFileSync(join(folder, 'lib.ts'), moduleSource);
  writeFileSync(join(folder, '__tslab__.ts'), cellSource);
  const script = `
    const { basename, join } = require('node:path');
    const path = require.resolve('@tslab/typescript-for-tslab');
    const compiler = require(path);
    const lookedIn = [];
    require.cache[path].exports = Object.defineProperties({}, {
      ...Object.getOwnPropertyDescriptors(compiler),
      getPreEmitDiagnosticsOfFiles: {
        enumerable: true,
        value: (program, files) => {
          lookedIn.push(...files.map(({ fileName }) => basename(fileName)));
          return compiler.getPreEmitDiagnosticsOfFiles(program, files);
        },
      },
    });
    require(${JSON.stringify(kernel)}).keepChecked(${JSON.stringify(join(folder, 'kept'))});
    const ts = require('@tslab/typescript-for-tslab');
    const files = ['__tslab__.ts', 'lib.ts'].map((name) => join(${JSON.stringify(folder)}, name));
    const program = ts.createProgram(files, { strict: true, types: [], lib: ['lib.es2022.d.ts'] });
    const found = ts.getPreEmitDiagnosticsOfFiles(program, files.map((file) => program.getSourceFile(file)));
    console.log(JSON.stringify({ found: found.map(({ file }) => basename(file.fileName)), lookedIn }));`;
  const { stdout, stderr } = await run(['-e', script]);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { found: string[]; lookedIn: string[] };
}

const goodModule = 'export const two: number = 2;\n';
const goodCell = 'import { two } from "./lib";\nexport const four = two * 2;\n';

test('checks files that were without a fault once, and the cell every time', async () => {
  expect(await checked(goodModule, goodCell)).toEqual({ found: [], lookedIn: ['__tslab__.ts', 'lib.ts'] });
  expect(await checked(goodModule, goodCell)).toEqual({ found: [], lookedIn: ['__tslab__.ts'] });
  const badCell = 'import { two } from "./lib";\nexport const four: string = two;\n';
  expect(await checked(goodModule, badCell)).toEqual({ found: ['__tslab__.ts'], lookedIn: ['__tslab__.ts'] });
});

test('checks anew what was changed, and never takes a fault for known', async () => {
  await checked(goodModule, goodCell);
  const badModule = 'export const two: number = "2";\n';
  const both = { found: ['lib.ts'], lookedIn: ['__tslab__.ts', 'lib.ts'] };
  expect(await checked(badModule, goodCell)).toEqual(both);
  expect(await checked(badModule, goodCell)).toEqual(both);
});

test('lets go of what was kept long ago, when something new is kept', async () => {
  mkdirSync(join(folder, 'kept'));
  const long = new Date(Date.now() - 40 * 24 * 3600 * 1000);
  for (const name of ['old.js', 'new.js']) writeFileSync(join(folder, 'kept', name), '');
  utimesSync(join(folder, 'kept', 'old.js'), long, long);
  await checked(goodModule, goodCell);
  const names = readdirSync(join(folder, 'kept')).map((name) => (name.endsWith('.checked') ? '.checked' : name));
  expect(names.sort()).toEqual(['.checked', 'new.js']);
});
