import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { metricDelta, metricRows, parseExposition } from '../../lib/snapshot/prometheus.js';

const ready = readFileSync('test/fixtures/prometheus/vllm-0.32-after-ready.txt', 'utf8');
const afterOne = readFileSync('test/fixtures/prometheus/vllm-0.32-after-one-request.txt', 'utf8');
const rowsOf = (text: string, scrape: string, launch = 1) => metricRows(text, { launch, scrape, atMs: 5 });

describe('the exposition format', () => {
  it('reads every line of a real vLLM answer', () => {
    const { figures, unread, types } = parseExposition(ready);
    const lines = ready.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(unread).toEqual([]);
    expect(figures).toHaveLength(lines.length);
    expect(types.get('vllm:iteration_tokens_total')).toBe('histogram');
    expect(figures.find(({ name }) => name === 'process_cpu_seconds_total')?.value).toBe(14.51);
  });

  it('reads escapes, braces and commas inside label values', () => {
    const { figures, unread } = parseExposition('m{path="C:\\\\dir\\n\\"x\\"",set="{a,b}" , last="}"} 1\n');
    expect(unread).toEqual([]);
    expect(figures).toEqual([{ name: 'm', labels: { path: 'C:\\dir\n"x"', set: '{a,b}', last: '}' }, value: 1 }]);
  });

  it('gives back any label value that was escaped by the rules', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const escaped = value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
        expect(parseExposition(`m{l="${escaped}",k="v"} 2`).figures).toEqual([
          { name: 'm', labels: { l: value, k: 'v' }, value: 2 },
        ]);
      }),
    );
  });

  it('reads what else may stand in it: NaN, infinities, exponents, timestamps, exemplars, empty labels', () => {
    const { figures, unread } = parseExposition(
      [
        'a NaN',
        'b +Inf',
        'c -Inf',
        'd 1.7e-3 1395066363000',
        'e_bucket{le="0.5"} 4 # {trace_id="x y"} 0.4 1520879607.789',
        'f{} 0',
        'g{x="1",} 3',
        '# EOF',
      ].join('\n'),
    );
    expect(unread).toEqual([]);
    expect(figures.map(({ value }) => value)).toEqual([NaN, Infinity, -Infinity, 0.0017, 4, 0, 3]);
    expect(figures[6]?.labels).toEqual({ x: '1' });
  });

  it('keeps aside what it cannot read', () => {
    expect(parseExposition('<html>\nx{y="1" 3\nz abc\nw\nok 1').unread).toEqual(['<html>', 'x{y="1" 3', 'z abc', 'w']);
  });
});

describe('the answer of vLLM 0.26.0 on a GPU', () => {
  const [before = '', after = ''] = ['after-ready', 'after-one-request'].map((name) =>
    readFileSync(`test/fixtures/prometheus/vllm-0.26-cuda-${name}.txt`, 'utf8'),
  );

  it('is read to the last line, and shows the one request that was made: 49 tokens in, 64 out', () => {
    for (const text of [before, after]) expect(parseExposition(text).unread).toEqual([]);
    const rows = [...rowsOf(before, 'after-ready'), ...rowsOf(after, 'after-cold_1')];
    const delta = (metric: string) => metricDelta(rows, 'after-ready', 'after-cold_1', metric);
    expect(delta('vllm:prompt_tokens_total')).toBe(49);
    expect(delta('vllm:generation_tokens_total')).toBe(64);
    expect(delta('vllm:time_to_first_token_seconds_count')).toBe(1);
    expect(delta('vllm:request_queue_time_seconds_count')).toBe(1);
  });
});

describe('rows of a scrape', () => {
  it('keep vllm and process figures, sums and counts of histograms, and no bucket or creation time', () => {
    const rows = rowsOf(ready, 'after-ready');
    const names = rows.map(({ metric }) => metric);
    expect(names).toContain('vllm:time_to_first_token_seconds_sum');
    expect(names).toContain('vllm:iteration_tokens_total_count');
    expect(names).toContain('vllm:num_requests_running');
    expect(names).toContain('process_resident_memory_bytes');
    expect(names.filter((name) => /_bucket$|_created$|^python_|^http_/.test(name))).toEqual([]);
  });

  it('name only the labels that tell rows apart', () => {
    const rows = rowsOf(ready, 'after-ready');
    expect(rows.find(({ metric }) => metric === 'vllm:num_requests_running')).toEqual({
      launch: 1,
      scrape: 'after-ready',
      atMs: 5,
      metric: 'vllm:num_requests_running',
      labels: undefined,
      value: 0,
    });
    expect(
      rows.filter(({ metric }) => metric === 'vllm:prompt_tokens_by_source_total').map(({ labels }) => labels),
    ).toContain('source="local_compute"');
  });

  it('have none for a figure that is not a number', () => {
    expect(rowsOf('vllm:a NaN\nvllm:b +Inf\nvllm:c 0\n', 's').map(({ metric }) => metric)).toEqual(['vllm:c']);
  });

  it('drop quantiles of a summary and keep its sum and count', () => {
    const text = '# TYPE vllm:s summary\nvllm:s{quantile="0.5"} 3\nvllm:s_sum 10\nvllm:s_count 4\n';
    expect(rowsOf(text, 's').map(({ metric }) => metric)).toEqual(['vllm:s_sum', 'vllm:s_count']);
  });
});

describe('the difference of two scrapes', () => {
  const rows = [...rowsOf(ready, 'after-ready'), ...rowsOf(afterOne, 'after-cold_1')];

  it('shows the one request that was made: 38 tokens in, 64 out', () => {
    const delta = (metric: string) => metricDelta(rows, 'after-ready', 'after-cold_1', metric);
    expect(delta('vllm:prompt_tokens_total')).toBe(38);
    expect(delta('vllm:generation_tokens_total')).toBe(64);
    expect(delta('vllm:time_to_first_token_seconds_count')).toBe(1);
    expect(delta('vllm:prompt_tokens_by_source_total')).toBe(38);
    expect(delta('vllm:request_success_total')).toBe(1);
  });

  it('is absent for an unknown metric, an unknown scrape, and a counter that fell', () => {
    expect(metricDelta(rows, 'after-ready', 'after-cold_1', 'vllm:no_such_thing')).toBeUndefined();
    expect(metricDelta(rows, 'after-ready', 'after-warm', 'vllm:prompt_tokens_total')).toBeUndefined();
    expect(metricDelta(rows, 'after-cold_1', 'after-ready', 'vllm:prompt_tokens_total')).toBeUndefined();
  });

  it('refuses rows of two launches, whose scrapes have the same names', () => {
    expect(() =>
      metricDelta(
        [...rows, ...rowsOf(ready, 'after-ready', 2)],
        'after-ready',
        'after-cold_1',
        'vllm:prompt_tokens_total',
      ),
    ).toThrow(RangeError);
  });
});
