import { describe, expect, it } from 'vitest';
import type { TruthFinding } from '../../lib/interpret/findings.js';
import { answerTable } from '../../lib/report/finding-tables.js';
import type { InterpretedRun } from '../../lib/report/subject.js';
import { firstTokenLatencyMarkdown } from '../../lib/report/template.js';
import { truthSentence, truthTable } from '../../lib/report/truth-table.js';
import { fullRun, rehearsalRun } from './sample.js';

const truth: TruthFinding = {
  errors: [
    { quantity: 'ready', n: 2, medianMs: 4, maxMs: 8, limitMs: 25, holds: true },
    { quantity: 'log line', n: 120, medianMs: 0.4, p99Ms: 3, maxMs: 9 },
    { quantity: 'first token', n: 30, medianMs: 0.25, maxMs: 2.5, limitMs: 2, holds: false },
  ],
  phases: [
    { launch: 1, name: 'Weights loaded', startErrorMs: 0.125, endErrorMs: -1 },
    { launch: 2, name: 'Compile | warm-up', startErrorMs: 3 },
  ],
  unmatched: ['launch 2: the phase "Compile | warm-up" was played and not seen whole'],
};

function withTruth(): InterpretedRun {
  const run = rehearsalRun();
  return { ...run, findings: { ...run.findings, truth } };
}

const rowsOf = (table: string) => table.split('\n').filter((line) => line.startsWith('| '));
const cellsOf = (line = '') =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());

describe('truthTable', () => {
  it('shows every kind of reading with its limit and whether that holds, then every phase; what is absent is a dash', () => {
    const lines = rowsOf(truthTable(withTruth())).map(cellsOf);
    expect(lines).toContainEqual(['ready', '2', '4.000', '–', '8.000', '25', 'yes']);
    expect(lines).toContainEqual(['log line', '120', '0.400', '3.000', '9.000', '–', '–']);
    expect(lines).toContainEqual(['first token', '30', '0.250', '–', '2.500', '2', 'no']);
    expect(lines).toContainEqual(['1', 'Weights loaded', '0.13', '-1.00']);
    expect(lines).toContainEqual(['2', 'Compile \\| warm-up', '3.00', '–']);
  });

  it('is stamped, names its limits and what it could not compare', () => {
    const table = truthTable(withTruth());
    const titles = table.split('\n').filter((line) => line.startsWith('**'));
    expect(titles.length).toBe(2);
    for (const title of titles) expect(title).toMatch(/^\*\*REHEARSAL: /);
    expect(table).toContain(
      '25.0 ms for ready, 50.0 ms for the two ends of a phase, 2.00 ms for first tokens and gaps',
    );
    expect(table).toContain('Not compared: launch 2: the phase');
  });

  it('is nothing at all for a real run', () => {
    expect(truthTable(fullRun())).toBe('');
    const { data, findings } = fullRun();
    expect(firstTokenLatencyMarkdown(data, findings)).not.toContain('What the rehearsal did');
    expect(answerTable(fullRun())).not.toContain('seen against true');
  });

  it('closes first_token_latency.md of a rehearsal', () => {
    const { data, findings } = withTruth();
    const sections = firstTokenLatencyMarkdown(data, findings).split('\n## ');
    expect(sections.at(-1)).toMatch(/^What the rehearsal did, and what we saw of it\n/);
  });
});

describe('truthSentence', () => {
  it('counts what was promised, and names what does not hold', () => {
    expect(truthSentence(truth.errors)).toBe(
      'within the limit in 1 of 2 comparisons; not: first token, max 2.50 ms against 2.00 ms',
    );
    expect(truthSentence([truth.errors[0] as (typeof truth.errors)[number], ...truth.errors.slice(0, 2)])).toBe(
      'within the limit in all 2 comparisons that have one',
    );
  });
});
