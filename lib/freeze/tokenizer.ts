/**
 * The tokenizer of our synthetic models: one token per UTF-8 byte, no merges, and fillers up to the vocabulary.
 * A text of n bytes (in NFC) is n tokens, so prompt lengths are known before any server runs.
 */
import type { SyntheticShape } from './shapes.js';

/** The three special tokens and how they are written in a text. */
const specialTexts = { endOfText: '<|endoftext|>', turnStart: '<|im_start|>', turnEnd: '<|im_end|>' } as const;

const BYTE_TOKENS = 256;

/**
 * Token ids of a text under the tokenizer of any synthetic model: id n is byte n of the text in NFC
 * (the tokenizer composes accents first, as Qwen's does). No special tokens are added. A lone surrogate becomes the three bytes of U+FFFD.
 * Throws RangeError when the text spells a special token, whose id depends on the model.
 */
export function encodeWithByteTokens(text: string): number[] {
  const special = Object.values(specialTexts).find((token) => text.includes(token));
  if (special) throw new RangeError(`the text holds the special token ${special}; write it without`);
  return [...Buffer.from(text.normalize('NFC'), 'utf8')];
}

/**
 * tokenizer.json (the Hugging Face "tokenizers" format): a byte-level BPE with no merges and exactly `vocabSize` entries.
 * Fillers decode to distinct printable text (" w1234"). Ids 0-255 are bytes: only 32-126 are printable alone.
 */
export function formatTokenizerJson(shape: SyntheticShape): string {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens(shape).map(({ id, content }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    // transformers 5 loads any Qwen2 folder with its own Qwen2 tokenizer, which has this one; so Phi-3 gets it too.
    normalizer: { type: 'NFC' },
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: listVocabulary(shape),
      merges: [],
    },
  });
}

function specialTokens(shape: SyntheticShape): { id: number; content: string }[] {
  const keys = ['endOfText', 'turnStart', 'turnEnd'] as const;
  return keys.map((key) => ({ id: shape.specialIds[key], content: specialTexts[key] }));
}

/** Text of every token -> its id, for all ids below `vocabSize`. */
function listVocabulary(shape: SyntheticShape): Record<string, number> {
  const specials = new Map(specialTokens(shape).map(({ id, content }) => [id, content]));
  const letters = byteLetters();
  const space = letters[0x20] as string;
  const vocabulary: Record<string, number> = {};
  for (let id = 0; id < shape.vocabSize; id += 1) {
    vocabulary[specials.get(id) ?? letters[id] ?? `${space}w${id}`] = id;
  }
  return vocabulary;
}

/**
 * The letter that stands for each byte in a byte-level vocabulary: printable Latin-1 for itself,
 * every other byte for the next code point from 256 on (the GPT-2 convention, which decoders undo).
 */
function byteLetters(): string[] {
  let next = 256;
  return Array.from({ length: BYTE_TOKENS }, (_, byte) => {
    const itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCodePoint(itself ? byte : next++);
  });
}

/** Turns between markers, each headed by its role; an open assistant turn at the end when generation is asked for. */
const chatTemplate =
  "{%- for turn in messages -%}{{ '<|im_start|>' + turn['role'] + '\\n' + turn['content'] + '<|im_end|>\\n' }}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";

/** tokenizer_config.json, with the chat template. */
export function tokenizerConfig(shape: SyntheticShape): Readonly<Record<string, unknown>> {
  return {
    tokenizer_class: shape.family === 'qwen2' ? 'Qwen2Tokenizer' : 'PreTrainedTokenizerFast',
    model_max_length: shape.maxPositions,
    bos_token: null,
    eos_token: specialTexts[shape.endsWith],
    pad_token: specialTexts.endOfText,
    clean_up_tokenization_spaces: false,
    chat_template: chatTemplate,
  };
}
