/** Rounds of two clients' errors -> the ratio of their 99th percentiles, with an interval, and what may be said of it. */
import { randomFrom } from '../statistics/random.js';

/** The errors of one block: what was measured in one go, by one client. */
export type BlockErrors = readonly number[];

export interface Interval {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

export type Verdict = 'within' | 'not within' | 'not resolved';

export const intervalLevel = 0.95;
export const resamples = 2000;
export const intervalMethod =
  `${intervalLevel * 100} % percentile interval of a bootstrap in two stages: ${resamples} times, as many sittings as there were are ` +
  'drawn with replacement, and for each as many of its rounds as it had; a sitting is one process of the clients and one of ' +
  'the server, whose state all its rounds share; a round brings the blocks of all clients with it, since they met the same ' +
  'minute of the machine; the percentile is taken over all requests of the drawn blocks';

/** Whose errors a round holds: the errors of one client, and in which sitting they were measured. */
export interface RoundErrors {
  readonly sitting: number;
  readonly errors: BlockErrors;
}

/** The p99 of the pooled rounds, in their unit. Throws RangeError without a value. */
export function p99WithInterval(rounds: readonly RoundErrors[], seed: number): Interval {
  return bootstrap(rounds, seed, [pool(rounds)], ([value = NaN]) => value);
}

/** p99(rounds) / p99(against); item i of both is one round. Throws RangeError when the rounds do not match. */
export function p99Ratio(rounds: readonly RoundErrors[], against: readonly RoundErrors[], seed: number): Interval {
  if (rounds.length !== against.length || rounds.some(({ sitting }, at) => sitting !== against[at]?.sitting))
    throw new RangeError('a ratio needs the same rounds of both clients');
  return bootstrap(rounds, seed, [pool(rounds), pool(against)], ([above = NaN, below = NaN]) => above / below);
}

/**
 * The rule, fixed before any measuring: 'within' when the whole interval is at or below the limit, 'not within' when
 * all of it is above, else 'not resolved'.
 */
export function decide({ lower, upper }: Interval, limit: number): Verdict {
  if (upper <= limit) return 'within';
  return lower > limit ? 'not within' : 'not resolved';
}

/** All values in falling order, each with its block. */
interface Pool {
  readonly values: Float64Array;
  readonly blocks: Uint32Array;
  readonly sizes: readonly number[];
}

function pool(rounds: readonly RoundErrors[]): Pool {
  const blocks = rounds.map(({ errors }) => errors);
  const all = blocks.flatMap((errors, block) => errors.map((value) => ({ value, block })));
  if (all.length === 0) throw new RangeError('there is no p99 of nothing');
  all.sort((a, b) => b.value - a.value);
  return {
    values: Float64Array.from(all, ({ value }) => value),
    blocks: Uint32Array.from(all, ({ block }) => block),
    sizes: blocks.map((errors) => errors.length),
  };
}

/** The type-7 p99 when block b counts `times[b]` times; found from the top, where it lies. */
function p99Of({ values, blocks, sizes }: Pool, times: ArrayLike<number>): number {
  const n = sizes.reduce((sum, size, block) => sum + size * (times[block] ?? 0), 0);
  const fromTop = (n - 1) * 0.01;
  let seen = 0;
  let upper: number | undefined;
  for (let at = 0; at < values.length; at += 1) {
    seen += times[blocks[at] ?? 0] ?? 0;
    const value = values[at] ?? NaN;
    // The order statistics around the position, counted from the top: rank 0 is the maximum.
    if (upper === undefined && seen > Math.floor(fromTop)) upper = value;
    if (upper !== undefined && seen > Math.ceil(fromTop))
      return upper + (value - upper) * (fromTop - Math.floor(fromTop));
  }
  return upper ?? NaN;
}

function bootstrap(
  rounds: readonly RoundErrors[],
  seed: number,
  pools: readonly Pool[],
  statistic: (p99s: readonly number[]) => number,
): Interval {
  const random = randomFrom(seed);
  const of = (times: ArrayLike<number>) => statistic(pools.map((one) => p99Of(one, times)));
  const sittings = [...new Set(rounds.map(({ sitting }) => sitting))].map((sitting) =>
    rounds.flatMap((round, at) => (round.sitting === sitting ? [at] : [])),
  );
  const drawn = Float64Array.from({ length: resamples }, () => {
    const times = new Uint32Array(rounds.length);
    for (let draw = 0; draw < sittings.length; draw += 1) {
      // With one sitting there is nothing to choose, and the rounds alone are drawn.
      const own = sittings[Math.floor(random() * sittings.length)] ?? [];
      for (let inner = 0; inner < own.length; inner += 1) {
        const at = own[Math.floor(random() * own.length)] ?? 0;
        times[at] = (times[at] ?? 0) + 1;
      }
    }
    return of(times);
  }).sort();
  const tail = Math.floor(((1 - intervalLevel) / 2) * resamples);
  return {
    estimate: of(new Uint32Array(rounds.length).fill(1)),
    lower: drawn[tail] ?? NaN,
    upper: drawn[resamples - 1 - tail] ?? NaN,
  };
}
