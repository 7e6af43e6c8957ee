/** A profile and a request -> what is generated: the text of each token and when it is there. A pure plan. */
import { createHash } from 'node:crypto';
import { seedFrom } from '../statistics/random.js';
import type { ServingProfile } from './serving-profile.js';

export interface GenerationPlan {
  /** One for each token. Noise: nothing was computed. */
  readonly texts: readonly string[];
  /** When each token is there, in ms after the request was scheduled. */
  readonly atMs: readonly number[];
}

export interface GenerationAsk {
  readonly prompt: readonly number[];
  readonly cachedTokens: number;
  readonly maxTokens: number;
  /** Place among the generations of this launch, from 1: the first pays more, and each has its own jitter. */
  readonly ordinal: number;
}

export function planGeneration(profile: ServingProfile, ask: GenerationAsk): GenerationPlan {
  const { stream, seed, jitterMs, firstRequest } = profile;
  const drawn = (index: number) => fractionOf(`${seed}/${ask.ordinal}/${index}`);
  const step = (ms: number, index: number) =>
    jitterMs === 0 ? ms : Math.max(0, ms + jitterMs * (2 * drawn(index) - 1));
  const prefillMs = profile.prefillBaseMs + profile.prefillMsPerToken * (ask.prompt.length - ask.cachedTokens);
  const atMs: number[] = [];
  let now = step(prefillMs, 0) + (ask.ordinal === 1 ? firstRequest.excessMs : 0);
  for (let made = 0; made < ask.maxTokens; made += 1) {
    if (made > 0) now += step(profile.decodeMsPerToken, made);
    for (const stall of stream.stalls) if (stall.afterTokens === made) now += stall.forMs;
    atMs.push(now);
  }
  return { texts: textsOf(profile, ask), atMs };
}

/** The same prompt gives the same text. The word says what it is. */
function textsOf({ seed, stream }: ServingProfile, { prompt, maxTokens }: GenerationAsk): string[] {
  const source = createHash('sha256')
    .update(`${seed}/${prompt.join(',')}`)
    .digest('hex');
  return Array.from({ length: maxTokens }, (_, index) => {
    if (index < stream.emptyChunks) return '';
    if (stream.splitUtf8 === 'writes' && index % 4 === 1) return ' nöise😀';
    if (stream.splitUtf8 === 'chunks' && index % 4 === 1) return index === maxTokens - 1 ? halfCharacter : '';
    if (stream.splitUtf8 === 'chunks' && index % 4 === 2) return '😀';
    return ` noise${Math.floor(1000 * fractionOf(`${source}/${index}`))}`;
  });
}

/** What is left of a character whose other bytes never came. */
const halfCharacter = '\uFFFD';

/** A number from 0 to 1 that depends on the name alone. */
function fractionOf(name: string): number {
  return seedFrom(name) / 2 ** 32;
}
