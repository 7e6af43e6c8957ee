/** The small files of a synthetic model folder: a shape -> name and text of each, without the weights. */
import { modelConfig, type SyntheticShape } from './shapes.js';
import { formatTokenizerJson, tokenizerConfig } from './tokenizer.js';

/** Text of every file but the weights, by file name. */
export function formatModelTexts(shape: SyntheticShape): Readonly<Record<string, string>> {
  return {
    'config.json': formatJson(modelConfig(shape)),
    'generation_config.json': formatJson(generationConfig(shape)),
    'tokenizer.json': formatTokenizerJson(shape),
    'tokenizer_config.json': formatJson(tokenizerConfig(shape)),
  };
}

/** Only what ends a text. Sampling defaults stay with the server, which would take others from this file. */
function generationConfig(shape: SyntheticShape): Readonly<Record<string, unknown>> {
  const { endOfText, turnEnd } = shape.specialIds;
  return { eos_token_id: [turnEnd, endOfText] };
}

/** JSON for people: indented, with a newline at the end. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
