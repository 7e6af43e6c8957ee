import { describe, expect, it } from 'vitest';
import { firstTokenLatencyMarkdown } from '../../lib/report/template.js';
import type { InterpretedRun } from '../../lib/report/subject.js';
import { fullRun, gpuRun, partialRun, rehearsalRun } from './sample.js';

/** The blanks of the template: "- label =" lines, in its order. */
const blanks = [
  'MODEL',
  'GPU',
  'OS/kernel',
  'vLLM version',
  'Launch flags',
  'Notes (anything non-default: quantization, env vars, etc.)',
  'GPU mem used before server start (MiB)',
  'GPU mem used after server start, before any request (MiB)',
  'GPU mem used after cold_1 (MiB)',
  'min_wall_s',
  'median_wall_s',
  'max_wall_s',
  'spread % = (max-min)/median',
  'Typical GPU util band',
  'Typical GPU power band',
  'Typical CPU util band (vLLM pid)',
  'Any interference (other GPU jobs, clock changes, etc.)',
];
const headings = [
  'Server Config',
  'Baseline GPU Snapshot',
  'Cold vs Warm (restart required)',
  'Warm Variance (steady state)',
  'Sanity Metrics During Warm Runs',
  'Interpretation (write 5–10 lines, evidence-based)',
];

const markdownOf = ({ data, findings }: InterpretedRun): string => firstTokenLatencyMarkdown(data, findings);

function valueOf(markdown: string, label: string): string {
  const line = markdown.split('\n').find((one) => one.startsWith(`- ${label} =`));
  if (line === undefined) throw new Error(`the template's "${label}" is missing`);
  return line.slice(`- ${label} =`.length).trim();
}

function tableRows(markdown: string, heading: string): string[][] {
  const section = markdown.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe.each([
  ['full', fullRun],
  ['GPU', gpuRun],
  ['partial', partialRun],
  ['rehearsal', rehearsalRun],
] as const)('first_token_latency.md of a %s run', (_kind, makeRun) => {
  const markdown = markdownOf(makeRun());
  it("keeps the template's headings in order", () => {
    expect([...markdown.matchAll(/^## (.+)$/gm)].map((match) => match[1])).toEqual(headings);
  });
  it.each(blanks)('fills "%s"', (label) => {
    expect(valueOf(markdown, label)).not.toBe('');
    expect(valueOf(markdown, label)).not.toMatch(/^not observable:?\s*$|undefined|NaN|^–$/);
  });
  it('fills every cell of both tables', () => {
    const cells = [...tableRows(markdown, 'Cold vs Warm'), ...tableRows(markdown, 'Warm Variance')];
    expect(cells.length).toBeGreaterThanOrEqual(7);
    for (const cell of cells.flat()) expect(cell).not.toMatch(/^–?$/);
  });
  it('has exactly five warm rows', () => {
    expect(tableRows(markdown, 'Warm Variance').map((cells) => cells[0])).toEqual(['1', '2', '3', '4', '5']);
  });
  it('answers each of the four questions', () => {
    const interpretation = markdown.slice(markdown.indexOf('## Interpretation'));
    const answers = interpretation.split(/^\d\) /m).slice(1);
    expect(answers).toHaveLength(4);
    for (const answer of answers) expect(answer).toMatch(/\n {3}- \S/);
  });
  it('says that the weights are random and where it differs from the seed', () => {
    expect(valueOf(markdown, 'Notes (anything non-default: quantization, env vars, etc.)')).toContain('Random weights');
    expect(markdown).toContain('| setting | seed | here | why |');
  });
  it('shows no absolute path', () => {
    expect(markdown).not.toMatch(/\/home\/|\/opt\//);
  });
});

describe('first_token_latency.md', () => {
  it('takes its numbers from the run', () => {
    const markdown = markdownOf(fullRun());
    expect(valueOf(markdown, 'median_wall_s')).toBe('0.674');
    expect(tableRows(markdown, 'Cold vs Warm')[0]).toEqual([
      'cold_1, launch 1',
      '1.432',
      '73',
      'first request after server start; streamed',
    ]);
    expect(valueOf(markdown, 'Launch flags')).toBe('vllm serve qwen --max-model-len 4096 --port 8000');
  });
  it('gives GPU memory of every launch', () => {
    expect(valueOf(markdownOf(gpuRun()), 'GPU mem used after cold_1 (MiB)')).toBe('74100 on GPU 0 (launches 1 and 2)');
    expect(valueOf(markdownOf(gpuRun()), 'Typical GPU util band')).toBe('80.0 to 97.0 %, median 91.0 (n = 60)');
  });
  it('says why a blank cannot be filled', () => {
    const markdown = markdownOf(partialRun());
    expect(valueOf(markdown, 'min_wall_s')).toBe('not observable: launch 1 ended before any request (died)');
    expect(valueOf(markdown, 'GPU')).toBe('not observable: no GPU on this machine (engine device: cpu)');
  });
  it('is stamped when no real engine ran', () => {
    expect(markdownOf(rehearsalRun())).toMatch(/^# REHEARSAL: /);
  });
});
