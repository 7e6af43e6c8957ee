/** What the Python libraries of a real server make of our folders. Skipped, with the reason, where they are not installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSyntheticModel } from '../../lib/freeze/checkpoint.js';
import { listTensors, modelConfig, type SyntheticName } from '../../lib/freeze/shapes.js';
import { encodeWithByteTokens } from '../../lib/freeze/tokenizer.js';

/** The Python of the engine in use, else of the project's engine, else any. */
function findPython(): string | undefined {
  const vllm = process.env['DAY007_VLLM'];
  const candidates = [
    process.env['DAY007_TEST_PYTHON'],
    vllm ? join(dirname(vllm), 'python') : undefined,
    '.venv-vllm/bin/python',
    'python3',
  ];
  const probe = 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("transformers", "tokenizers", "safetensors", "numpy"))))';
  return candidates.find((python) => python && spawnSync(python, ['-c', probe]).status === 0);
}

const python = findPython();
const reason = 'no Python with transformers, tokenizers and safetensors (set DAY007_TEST_PYTHON to one)';
const cacheDir = mkdtempSync(join(tmpdir(), 'transformers-'));
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }));

const texts = ['Say hello in one sentence.', 'naïve café — 東京 🙂', '  two  spaces\n\ttab\r\n', "it's 1234 w1234 <|im_end", ''];

interface Report {
  readonly [key: string]: unknown;
  readonly tensors: Record<string, [string, number[]]>;
  readonly generated?: number[];
}

function check(dir: string): Report {
  const run = spawnSync(python as string, ['test/freeze/check_checkpoint.py', dir, ...texts], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout.trim().split('\n').at(-1) as string) as Report;
}

describe('a synthetic model in transformers', () => {
  it.each<[SyntheticName, number]>([
    ['tiny', 1_000_000],
    ['qwen2.5-0.5b', 1],
  ])('%s loads: config, tokenizer and every tensor', async (name, _, ...rest) => {
    void rest;
    if (!python) throw new Error(reason);
    const { dir, shape } = await writeSyntheticModel({ name, cacheDir });
    const report = check(dir);
    expect(report).toMatchObject({ architecture: 'Qwen2ForCausalLM' });
    expect(shape.name).toBe(name);
  });
});
