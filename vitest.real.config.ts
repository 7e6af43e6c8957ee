import { defineConfig } from 'vitest/config';

/** The notebook on a real engine: minutes, one at a time, not part of `npm test`. */
export default defineConfig({
  test: {
    include: ['test/real/**/*.test.ts'],
    testTimeout: 20 * 60_000,
    hookTimeout: 20 * 60_000,
    fileParallelism: false,
  },
});
