import { defineConfig } from 'vitest/config';

/** Minutes, one at a time, not part of `npm test`: the notebook on a real engine, and whole experiments in rehearsal. */
export default defineConfig({
  test: {
    include: ['test/{real,slow}/**/*.test.ts'],
    testTimeout: 20 * 60_000,
    hookTimeout: 20 * 60_000,
    fileParallelism: false,
  },
});
