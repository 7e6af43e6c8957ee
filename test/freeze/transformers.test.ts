/** What the Python libraries of a real server make of our folders. Skipped, with the reason, where they are not installed. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSyntheticModel } from '../../lib/freeze/checkpoint.js';
import { formatModelTexts } from '../../lib/freeze/modeltexts.js';
import {
  countParameters,
  listTensors,
  modelConfig,
  syntheticShapes,
  type SyntheticShape,
} from '../../lib/freeze/shapes.js';
import { encodeWithByteTokens } from '../../lib/freeze/tokenizer.js';

/** A Python named for tests, that of the engine in use, that of the project's own engine, or any. */
function findPython(): string | undefined {
  const { DAY007_TEST_PYTHON: named, DAY007_VLLM: vllm } = process.env;
  const candidates = [named, vllm ? join(dirname(vllm), 'python') : undefined, '.venv-vllm/bin/python', 'python3'];
  const probe =
    'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("transformers", "tokenizers", "safetensors", "numpy"))))';
  return candidates.find((python) => python && spawnSync(python, ['-c', probe]).status === 0);
}

interface Report {
  readonly architecture: string;
  readonly dtype: string;
  readonly ropeTheta: number;
  readonly tokenizer: {
    readonly entries: number;
    readonly largestId: number;
    readonly eosId: number;
    readonly padId: number;
    readonly eosIsSpecial: boolean;
    readonly fillers: number;
    readonly distinctFillers: number;
    readonly unprintableFillers: number;
    readonly printableBytes: number[];
    readonly encoded: number[][];
    readonly decoded: string[];
    readonly chat: string;
    readonly chatIds: number[];
  };
  readonly weights?: { readonly metadata: unknown; readonly tensors: Record<string, [string, number[]]> };
  readonly expectedTensors?: Record<string, number[]>;
  readonly generation?: Record<string, unknown>;
}

const texts = [
  'Say hello in one sentence.',
  'naïve café: 東京 🙂',
  'a decomposed e\u0301 and an ohm sign \u2126',
  '  two  spaces\n\ttab\r\n\u0000',
  "it's 1234 w1234 Ġw1234 <|im_end",
  'x'.repeat(3000),
  '',
];

const python = findPython();
const title = python
  ? 'in transformers'
  : 'in transformers (no Python with transformers here; name one in DAY007_TEST_PYTHON)';

describe.skipIf(!python)(`a synthetic model ${title}`, () => {
  let root = '';
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  let reports: Report[] = [];

  /** The weights of tiny alone are written; the others are judged by their small files. */
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'transformers-'));
    const folders: string[] = [];
    for (const shape of syntheticShapes) folders.push(await writeFolder(shape));
    const run = spawnSync(python as string, ['test/freeze/check_checkpoint.py'], {
      input: JSON.stringify({ folders, texts }),
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    if (run.status !== 0) throw new Error(run.stderr);
    expect(run.stderr).not.toContain('incorrect regex');
    reports = JSON.parse(run.stdout.trim().split('\n').at(-1) as string) as Report[];
  }, 180_000);

  async function writeFolder(shape: SyntheticShape): Promise<string> {
    if (shape.name === 'tiny') return (await writeSyntheticModel({ name: shape.name, cacheDir: root })).dir;
    const dir = join(root, shape.name);
    mkdirSync(dir);
    for (const [file, text] of Object.entries(formatModelTexts(shape))) writeFileSync(join(dir, file), text);
    return dir;
  }

  const cases = syntheticShapes.map((shape, index) => ({
    name: shape.name,
    shape,
    report: () => reports[index] as Report,
  }));

  it.each(cases)('$name: config.json is understood', ({ shape, report }) => {
    const config = modelConfig(shape) as { architectures: string[] };
    expect(report()).toMatchObject({
      architecture: config.architectures[0],
      dtype: 'bfloat16',
      ropeTheta: shape.ropeTheta,
    });
  });

  it.each(cases)(
    '$name: the tokenizer is as large as the vocabulary and ends texts as config.json does',
    ({ shape, report }) => {
      expect(report().tokenizer).toMatchObject({
        entries: shape.vocabSize,
        largestId: shape.vocabSize - 1,
        eosId: modelConfig(shape)['eos_token_id'],
        padId: shape.specialIds.endOfText,
        eosIsSpecial: true,
      });
    },
  );

  it.each(cases)(
    '$name: every filler decodes to its own printable text; of the bytes, the printable ASCII ones do',
    ({ shape, report }) => {
      const fillers = shape.vocabSize - 256 - 3;
      expect(report().tokenizer).toMatchObject({ fillers, distinctFillers: fillers, unprintableFillers: 0 });
      expect(report().tokenizer.printableBytes).toEqual(Array.from({ length: 95 }, (_, index) => 32 + index));
    },
  );

  it.each(cases)('$name: a text is encoded as we encode it, and decoded back', ({ report }) => {
    expect(report().tokenizer.encoded).toEqual(texts.map(encodeWithByteTokens));
    expect(report().tokenizer.decoded).toEqual(texts.map((text) => text.normalize('NFC')));
  });

  it.each(cases)('$name: the chat template marks the turns', ({ shape, report }) => {
    const { turnStart, turnEnd } = shape.specialIds;
    expect(report().tokenizer.chat).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(report().tokenizer.chatIds).toEqual([turnStart, ...encodeWithByteTokens('user\nHi'), turnEnd, 10]);
  });

  it.for(cases)('$name: the model class wants exactly the tensors we write', ({ shape, report }, context) => {
    const expected = report().expectedTensors;
    if (!expected) return context.skip('no torch in this Python');
    expect(Object.fromEntries(listTensors(shape).map((tensor) => [tensor.name, tensor.shape]))).toEqual(expected);
  });

  it('tiny: safetensors opens the weights with every name, shape and dtype', () => {
    const tiny = syntheticShapes[0] as SyntheticShape;
    expect(reports[0]?.weights?.metadata).toEqual({ format: 'pt' });
    expect(reports[0]?.weights?.tensors).toEqual(
      Object.fromEntries(listTensors(tiny).map((tensor) => [tensor.name, ['BF16', tensor.shape]])),
    );
  });

  it('tiny: loads with nothing missing and generates', (context) => {
    if (!reports[0]?.generation) return context.skip('no torch in this Python');
    expect(reports[0].generation).toEqual({
      missing: [],
      unexpected: [],
      parameters: countParameters(syntheticShapes[0] as SyntheticShape),
      dtype: 'torch.bfloat16',
      tokens: 8,
      finite: true,
    });
  });
});
