/** The model folder, as far as the rehearsal looks into it: which files hold weights, and how long a context may be. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Absolute paths of the weight files of a folder, sorted. */
export function weightFilesOf(model: string): string[] {
  return readdirSync(model)
    .filter((name) => name.endsWith('.safetensors'))
    .sort()
    .map((name) => join(model, name));
}

/** The longest context of a model, in tokens: `asked`, else its own. Throws, in vLLM's words, when the folder is no model. */
export function readMaxModelLen(model: string, asked: number | undefined): number {
  const file = join(model, 'config.json');
  if (!existsSync(file) || weightFilesOf(model).length === 0) {
    throw new Error(
      `Invalid repository ID or local directory specified: '${model}'. It must be a folder with config.json and at least one .safetensors file`,
    );
  }
  const config = JSON.parse(readFileSync(file, 'utf8')) as { readonly max_position_embeddings?: number };
  const longest = asked ?? config.max_position_embeddings;
  if (longest === undefined) throw new Error(`${file} has no max_position_embeddings: give --max-model-len`);
  return longest;
}
