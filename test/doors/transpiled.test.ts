/** What the kernel keeps of its compiler's second step, in a process of its own: the compiler is patched when it is loaded. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectRoot, removeFolder, run, temporaryFolder } from './programs.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

const kernel = join(projectRoot, '.jupyter/kernels/tslab/transpiled.cjs');
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
