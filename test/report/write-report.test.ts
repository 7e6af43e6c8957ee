import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Findings } from '../../lib/interpret/findings.js';
import { chartFontsOf } from '../../lib/report/picture.js';
import { stableJson, writeCharts, writeReport } from '../../lib/report/write-report.js';
import { fullRun, partialRun } from './sample.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'report-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('writeReport', () => {
  it('writes findings with every digit, and the same bytes the second time', () => {
    const { data, findings } = fullRun();
    const [first = ''] = writeReport(folder, data, findings);
    const text = readFileSync(first, 'utf8');
    expect((JSON.parse(text) as Findings).warmTtftMs).toEqual(JSON.parse(JSON.stringify(findings.warmTtftMs)));
    writeReport(folder, data, { ...findings });
    expect(readFileSync(first, 'utf8')).toBe(text);
  });
  it('writes the template', () => {
    const { data, findings } = partialRun();
    const files = writeReport(folder, data, findings);
    expect(files.map((file) => basename(file))).toEqual(['findings.json', 'first_token_latency.md']);
    expect(readFileSync(files[1] ?? '', 'utf8')).toMatch(/^# Day 007/);
  });
});

describe('writeCharts', () => {
  it('writes each chart that can be drawn as a picture, and no other', async () => {
    const written = await writeCharts(folder, partialRun(), chartFontsOf(process.cwd()));
    expect(written.map((file) => basename(file))).toEqual(['timeline.png']);
  });
});

describe('stableJson', () => {
  it('does not depend on the order in which keys were set', () => {
    expect(stableJson({ b: 1, a: [{ d: 1, c: undefined }] })).toBe(stableJson({ a: [{ d: 1 }], b: 1 }));
  });
});
