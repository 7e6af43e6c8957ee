import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatModelTexts } from '../../lib/freeze/modeltexts.js';
import { findSyntheticShape, syntheticShapes, type SyntheticShape } from '../../lib/freeze/shapes.js';
import { encodeWithByteTokens, formatTokenizerJson, tokenizerConfig } from '../../lib/freeze/tokenizer.js';

interface TokenizerFile {
  readonly added_tokens: { id: number; content: string; special: boolean }[];
  readonly model: { vocab: Record<string, number>; merges: unknown[] };
}
const parse = (shape: SyntheticShape) => JSON.parse(formatTokenizerJson(shape)) as TokenizerFile;

describe('tokenizer.json', () => {
  it.each(syntheticShapes)('of $name has one entry for every id of the vocabulary and no merges', (shape) => {
    const { model } = parse(shape);
    const ids = Object.values(model.vocab).sort((a, b) => a - b);
    expect(ids.length).toBe(shape.vocabSize);
    expect(ids.every((id, index) => id === index)).toBe(true);
    expect(model.merges).toEqual([]);
  });

  it.each(syntheticShapes)('of $name keeps its special tokens at the ids the model config names', (shape) => {
    const { added_tokens, model } = parse(shape);
    const ids = Object.fromEntries(added_tokens.map((token) => [token.content, token.id]));
    const { endOfText, turnStart, turnEnd } = shape.specialIds;
    expect(ids).toEqual({ '<|endoftext|>': endOfText, '<|im_start|>': turnStart, '<|im_end|>': turnEnd });
    for (const [content, id] of Object.entries(ids)) expect(model.vocab[content]).toBe(id);
    expect(JSON.parse(formatModelTexts(shape)['generation_config.json'] as string)).toEqual({
      eos_token_id: [turnEnd, endOfText],
    });
  });

  it('spells bytes as byte-level vocabularies do, and fillers as a space and a word with their id', () => {
    const { vocab } = parse(findSyntheticShape('tiny') as SyntheticShape).model;
    // A printable byte is itself; space, newline and 0x80 are the known stand-ins of the GPT-2 byte map.
    expect(vocab).toMatchObject({
      A: 65,
      '~': 126,
      Ġ: 32,
      Ċ: 10,
      Ā: 0,
      '¡': 161,
      ÿ: 255,
      Ģ: 128,
      Ġw256: 256,
      Ġw1020: 1020,
    });
  });
});

describe('tokenizer_config.json', () => {
  it('ends texts with the token the model config ends them with', () => {
    expect(tokenizerConfig(findSyntheticShape('tiny') as SyntheticShape)).toMatchObject({ eos_token: '<|im_end|>' });
    expect(tokenizerConfig(findSyntheticShape('phi-3-mini') as SyntheticShape)).toMatchObject({
      eos_token: '<|endoftext|>',
    });
  });
});

describe('encoding a text', () => {
  it('gives one token a byte', () => {
    expect(encodeWithByteTokens('Hi é\n')).toEqual([72, 105, 32, 0xc3, 0xa9, 10]);
    expect(encodeWithByteTokens('')).toEqual([]);
  });

  it('composes accents first', () => {
    expect(encodeWithByteTokens('e\u0301')).toEqual([0xc3, 0xa9]);
  });

  it('keeps every well-formed text: the ids are the UTF-8 bytes of its NFC form', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(Buffer.from(encodeWithByteTokens(text)).toString('utf8')).toBe(text.normalize('NFC'));
      }),
    );
  });

  it('refuses a text that spells a special token', () => {
    expect(() => encodeWithByteTokens('one<|im_end|>two')).toThrow(RangeError);
  });
});
