// `npm run check`: everything that can be said about the source without running it, one line a check.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './parts/place.mjs';

const node = process.execPath;
const bin = (name) => join(root, 'node_modules', '.bin', name);
const kernelTsc = join(root, 'node_modules', '@tslab', 'typescript-for-tslab', 'lib', 'tsc.js');

/** Each: a name, the command, and for the last one a reason to call it "not run" instead of failed. */
const checks = [
  { name: 'types', command: bin('tsc'), args: ['-p', 'tsconfig.json'] },
  { name: 'types as the notebook kernel sees lib', command: node, args: [kernelTsc, '-p', 'tsconfig.kernel.json'] },
  { name: 'lint', command: bin('eslint'), args: ['.', '--max-warnings', '0'] },
  { name: 'format', command: bin('prettier'), args: ['--check', '.', '--log-level', 'warn'] },
  {
    name: 'order of the stages',
    command: bin('depcruise'),
    args: ['lib', 'test', '--config', '.dependency-cruiser.cjs'],
  },
  { name: 'unused code', command: bin('knip'), args: ['--no-progress'] },
  {
    name: 'dependency audit',
    command: 'npm',
    args: ['audit', '--omit=dev', '--audit=true', '--loglevel=notice'],
    notRun: reasonForNoAudit,
  },
];

export async function main(args) {
  const chosen = args.length === 0 ? checks : checks.filter(({ name }) => args.some((word) => name.includes(word)));
  const outcomes = chosen.map(runCheck);
  const failed = outcomes.filter((outcome) => outcome === 'FAIL').length;
  console.log(`checks: ${outcomes.filter((outcome) => outcome === 'PASS').length} passed, ${failed} failed`);
  return failed === 0 && chosen.length > 0 ? 0 : 1;
}

function runCheck({ name, command, args, notRun }) {
  const startedMs = performance.now();
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const output = `${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}`;
  if (status === 0) {
    console.log(`PASS  ${name} (${seconds} s)`);
    return 'PASS';
  }
  const reason = notRun?.(output);
  if (reason) {
    console.log(`----  ${name}: not run, ${reason}`);
    return 'NOT RUN';
  }
  console.log(`FAIL  ${name} (${seconds} s)\n${output.trimEnd().replace(/^/gm, '      ')}`);
  return 'FAIL';
}

/** A registry without the audit endpoint, or no network, says nothing about our dependencies. Anything else is a finding. */
function reasonForNoAudit(output) {
  if (!/audit endpoint returned an error|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH/.test(output))
    return undefined;
  const line = output.split('\n').find((text) => /^npm (warn|error) /.test(text)) ?? '';
  return `the registry gave no answer: ${line.replace(/^npm (warn|error) /, '')}`;
}
