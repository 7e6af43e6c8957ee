/** The dependency audit of `npm run check`, with an npm that answers as the test wants. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakePath, removeFolder, run, temporaryFolder } from './programs.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

const audit = (npm: string) =>
  run(['scripts/door.cjs', 'check', 'audit'], {
    env: { PATH: fakePath(folder, { npm }), npm_config_loglevel: 'silent' },
  });

test('a clean audit passes', async () => {
  const { exitCode, stdout } = await audit('echo "found 0 vulnerabilities"');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^PASS {2}dependency audit .*\nchecks: 1 passed, 0 failed\n$/);
});

test('a vulnerable dependency fails, and is shown', async () => {
  const { exitCode, stdout } = await audit('echo "1 high severity vulnerability"; exit 1');
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /^FAIL {2}dependency audit .*\n {6}1 high severity vulnerability\nchecks: 0 passed, 1 failed\n$/,
  );
});

test.each([
  [
    'no audit endpoint',
    'npm warn audit 405 Method Not Allowed\nnpm error audit endpoint returned an error',
    '405 Method',
  ],
  ['no network', 'npm error code EAI_AGAIN', 'EAI_AGAIN'],
])('%s is said and is no failure', async (_name, answer, reason) => {
  const { exitCode, stdout } = await audit(`printf '%b\\n' '${answer.replaceAll('\n', '\\n')}' >&2; exit 1`);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('----  dependency audit: not run, the registry gave no answer:');
  expect(stdout).toContain(reason);
});
