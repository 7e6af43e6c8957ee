/** Prices of causes: what a rehearsal's start owes to its state and its flags. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { priceStart, type Prices } from '../../lib/rehearsal/flags.js';
import { startupProfileSchema } from '../../lib/rehearsal/startup-profile.js';

const prices: Prices = {
  cache: { empty: { compile: 800, capture: 300 }, filled: { compile: 100, capture: 300 } },
  flags: { '--enforce-eager': { compile: 0, capture: 0 } },
  weights: { coldBytesPerS: 1000, warmBytesPerS: 4000 },
  kvCache: { phase: 'kv', msPerGiB: 5 },
};
const phases = { imports: 900, kv: 20 };
const start = (words: string, cache: 'empty' | 'filled' = 'filled', residentFraction?: number) =>
  priceStart(prices, phases, { cache, residentFraction, words: words.split(' ') });

describe('the price of a start', () => {
  it('follows the compile cache, and a flag over it', () => {
    expect(start('serve m', 'empty').phasesMs).toEqual({ imports: 900, kv: 20, compile: 800, capture: 300 });
    expect(start('serve m', 'filled').phasesMs).toMatchObject({ compile: 100, capture: 300 });
    expect(start('serve m --enforce-eager', 'empty').phasesMs).toMatchObject({ compile: 0, capture: 0 });
  });

  it('follows the pages: cold by the rate of the storage, and cold where nobody can tell', () => {
    expect(start('serve m', 'filled', 1).weights).toEqual({ bytesPerS: 4000 });
    expect(start('serve m', 'filled', 0.2).weights).toEqual({ bytesPerS: 1000 });
    expect(start('serve m').weights).toEqual({ bytesPerS: 1000 });
    expect(start('serve m --load-format dummy').weights).toBe('none');
    expect(start('serve m --load-format=dummy').weights).toBe('none');
  });

  it('grows with the KV cache', () => {
    expect(start(`serve m --kv-cache-memory-bytes ${2 ** 30}`).phasesMs['kv']).toBe(25);
    expect(start(`serve m --kv-cache-memory-bytes=${48 * 2 ** 30} --port 8000`).phasesMs['kv']).toBe(20 + 48 * 5);
  });
});

it('a profile may have prices, and the one for cold starts does', () => {
  const { startup } = JSON.parse(readFileSync('lib/rehearsal/profiles/cold-start.json', 'utf8')) as {
    startup: unknown;
  };
  expect(startupProfileSchema.parse(startup).prices).toBeDefined();
});
