/**
 * What a start owes to its state and to its flags: a profile may give each a price, so that an experiment on cold starts
 * has causes of known length to find. Without prices a profile plays its recording as it is.
 */
import { z } from 'zod';

const phasesMs = z.record(z.string(), z.number().nonnegative());

export const pricesSchema = z.strictObject({
  /** Lengths of phases, by the state in which the start finds the compile cache. */
  cache: z.strictObject({ empty: phasesMs, filled: phasesMs }),
  /** Lengths of phases under a flag, by the flag with its value as it is written: "--load-format dummy". */
  flags: z.record(z.string(), phasesMs),
  /** How fast the weights are read, by where they are found. */
  weights: z.strictObject({ coldBytesPerS: z.number().positive(), warmBytesPerS: z.number().positive() }),
  /** What each GiB of --kv-cache-memory-bytes adds to a phase. */
  kvCache: z.strictObject({ phase: z.string(), msPerGiB: z.number().nonnegative() }),
});

export type Prices = z.infer<typeof pricesSchema>;

/** What a start finds, and is told. */
export interface StartState {
  readonly cache: 'empty' | 'filled';
  /** Share of the weights in the page cache, 0-1; absent where the kernel will not say. */
  readonly residentFraction?: number | undefined;
  /** The words of the command line. */
  readonly words: readonly string[];
}

/** What the prices change of a profile's start. */
export interface PricedStart {
  readonly phasesMs: Readonly<Record<string, number>>;
  readonly weights: 'none' | { readonly bytesPerS: number };
}

const gibibyte = 2 ** 30;
/** More than half: the rest is read ahead while the first half is copied. */
const warmFraction = 0.5;

/** Later prices win: the state of the cache over the profile, a flag over both. */
export function priceStart(
  prices: Prices,
  profileMs: Readonly<Record<string, number>>,
  { cache, residentFraction, words }: StartState,
): PricedStart {
  const line = ` ${words.join(' ').replaceAll('=', ' ')} `;
  const flags = Object.keys(prices.flags).filter((flag) => line.includes(` ${flag} `));
  const phases = Object.assign(
    {},
    profileMs,
    prices.cache[cache],
    ...flags.map((flag) => prices.flags[flag]),
  ) as Record<string, number>;
  const kvBytes = Number(/ --kv-cache-memory-bytes (\d+) /.exec(line)?.[1] ?? 0);
  const { phase, msPerGiB } = prices.kvCache;
  phases[phase] = (phases[phase] ?? 0) + (kvBytes / gibibyte) * msPerGiB;
  const isCold = (residentFraction ?? 0) < warmFraction;
  return {
    phasesMs: phases,
    weights: line.includes(' --load-format dummy ')
      ? 'none'
      : { bytesPerS: isCold ? prices.weights.coldBytesPerS : prices.weights.warmBytesPerS },
  };
}
