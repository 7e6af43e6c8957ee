/** A published bench says what its summary holds, and is small. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { benchMarkdown, type BenchSummary } from '../../lib/bench/report.js';
import { worst } from '../../lib/bench/summary.js';
import { publishedBenches } from '../published.js';

const largestBytes = 300 * 1024;

describe.each(publishedBenches)('%s', (dir) => {
  const summary = JSON.parse(readFileSync(join(dir, 'summary.json'), 'utf8')) as BenchSummary;

  it('has the page of its summary', () => {
    expect(readFileSync(join(dir, 'README.md'), 'utf8')).toBe(benchMarkdown(summary));
  });

  it('has the verdict that its ratios give', () => {
    const verdicts = summary.settings.flatMap(({ ratios }) => ratios.map(({ verdict }) => verdict));
    expect(summary.verdict).toBe(worst([...verdicts, ...(summary.absolute ? [summary.absolute.verdict] : [])]));
  });

  it('is of a size to share', () => {
    const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    expect(bytes).toBeLessThan(largestBytes);
  });
});
