// Adds up what a CI run left in its results folder, prints "N passed, N failed", and fails when anything did.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [results] = process.argv.slice(2);
const lines = existsSync(join(results, 'checks.txt'))
  ? readFileSync(join(results, 'checks.txt'), 'utf8').split('\n')
  : [];
const suites = [
  countTests('test.json', true),
  countTests('slow.json', true),
  countTests('real.json', existsSync(join(results, 'vllm-cpu.txt')) && isVllmSetUp()),
];
const passed =
  lines.filter((line) => line.startsWith('PASS')).length + suites.reduce((sum, suite) => sum + suite.passed, 0);
const failed =
  lines.filter((line) => line.startsWith('FAIL')).length + suites.reduce((sum, suite) => sum + suite.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** A test file that could not be loaded has no tests to count: it is one failure. So is a run that left no report. */
function countTests(name, isExpected) {
  const file = join(results, name);
  if (!existsSync(file)) return { passed: 0, failed: isExpected ? 1 : 0 };
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  return { passed: report.numPassedTests, failed: failed === 0 && !report.success ? 1 : failed };
}

function isVllmSetUp() {
  return readFileSync(join(results, 'vllm-cpu.txt'), 'utf8').includes('vLLM for CPU is set up');
}
