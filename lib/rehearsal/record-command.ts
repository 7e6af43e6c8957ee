/**
 * Program: `npm run record -- <run folder> --launch N --name NAME` makes a recording from one launch of a saved run.
 * Give a shared copy (npm run share): what identifies a machine is already gone from it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { recordLaunch } from './record.js';
import { formatRecording } from './recording.js';

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { launch: { type: 'string', default: '1' }, name: { type: 'string' } },
  });
  const [folder] = positionals;
  const launch = Number(values.launch);
  if (folder === undefined || positionals.length > 1 || values.name === undefined || !Number.isInteger(launch)) {
    throw new Error(
      'Give one run folder, a launch and a name: npm run record -- data/published/<run> --launch 1 --name vllm-0.32.0-cpu-1',
    );
  }
  const text = formatRecording(recordLaunch(resolve(folder), launch));
  const recordings = resolve('lib/rehearsal/recordings');
  mkdirSync(recordings, { recursive: true });
  const file = join(recordings, `${values.name}.jsonl`);
  writeFileSync(file, text);
  console.log(`${file}: ${text.split('\n').length - 1} rows, ${Buffer.byteLength(text)} bytes`);
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
