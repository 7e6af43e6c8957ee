/** Program: `npm run share -- <run folder> [--name name]` writes the shareable copy into data/published/. */
import { hostname, homedir, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readRunRecord } from '../archive/folder.js';
import { formatBytes } from '../interpret/format.js';
import type { Identity } from './redact.js';
import { secretsOfEnvironment } from './secrets.js';
import { defaultShareName, shareRun } from './share.js';

function main(): void {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: 'string' } } });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1)
    throw new Error('Give one run folder: npm run share -- data/runs/<run id> [--name cpu-qwen2.5-0.5b-2026-11-24]');
  const projectRoot = process.cwd();
  const runDir = resolve(folder);
  const name = values.name ?? defaultShareName(readRunRecord(runDir));
  const result = shareRun(runDir, join(projectRoot, 'data', 'published'), name, thisMachine(projectRoot));
  console.log(`Shared copy: ${result.folder} (${result.files.length} files, ${formatBytes(result.bytes)})`);
  for (const step of result.reductions) console.log(step);
  if (result.notShared.length > 0) console.log(`Not shared: ${result.notShared.join(', ')}`);
}

function thisMachine(projectRoot: string): Identity {
  return {
    userName: userInfo().username,
    hostName: hostname(),
    home: homedir(),
    projectRoot,
    paths: [tmpdir()],
    secrets: secretsOfEnvironment(process.env),
  };
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
