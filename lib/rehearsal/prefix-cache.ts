/**
 * Which prompts share their beginning: whole blocks of token ids, each known by itself and all before it. Prompts
 * only; generated tokens are not kept.
 */
import { createHash } from 'node:crypto';

export interface PrefixCache {
  /** Tokens of the prompt that are there already. At least one token is always computed again. */
  find(prompt: readonly number[], salt: string | undefined): number;
  keep(prompt: readonly number[], salt: string | undefined): void;
}

export const noPrefixCache: PrefixCache = { find: () => 0, keep: () => undefined };

/** Holds `capacityTokens`; what was not used for the longest time goes first. */
export function createPrefixCache(blockTokens: number, capacityTokens: number): PrefixCache {
  const capacity = Math.floor(capacityTokens / blockTokens);
  const held = new Set<string>();
  const use = (key: string) => {
    held.delete(key);
    held.add(key);
  };
  return {
    find: (prompt, salt) => {
      const keys = blockKeys(prompt.slice(0, -1), salt, blockTokens);
      const missing = keys.findIndex((key) => !held.has(key));
      const found = missing < 0 ? keys : keys.slice(0, missing);
      found.forEach(use);
      return found.length * blockTokens;
    },
    keep: (prompt, salt) => {
      blockKeys(prompt, salt, blockTokens).forEach(use);
      for (const key of held) {
        if (held.size <= capacity) break;
        held.delete(key);
      }
    },
  };
}

/** One key a whole block. The salt goes into the first, and so into all. */
function blockKeys(ids: readonly number[], salt: string | undefined, blockTokens: number): string[] {
  const keys: string[] = [];
  for (let end = blockTokens; end <= ids.length; end += blockTokens) {
    const before = keys.at(-1) ?? `salt ${salt ?? ''}`;
    const block = ids.slice(end - blockTokens, end).join(',');
    keys.push(createHash('sha256').update(`${before}/${block}`).digest('base64'));
  }
  return keys;
}
