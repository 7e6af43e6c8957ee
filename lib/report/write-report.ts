/** Findings -> files of the run folder: findings.json, first_token_latency.md, charts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunData } from '../archive/folder.js';
import type { Findings } from '../interpret/findings.js';
import type { Chart, NoChart } from './chart.js';
import { coldWarmPoints } from './cold-warm-points.js';
import { renderPng, type ChartFonts } from './picture.js';
import { startupWaterfall } from './startup-waterfall.js';
import type { InterpretedRun } from './subject.js';
import { firstTokenLatencyMarkdown } from './template.js';
import { timelineChart } from './timeline-chart.js';
import { tokenTimes } from './token-times.js';

/** Write (or rewrite) findings.json and first_token_latency.md; returns their paths. Numbers keep every digit. */
export function writeReport(runDir: string, data: RunData, findings: Findings): string[] {
  const files: readonly (readonly [string, string])[] = [
    ['findings.json', `${stableJson(findings)}\n`],
    ['first_token_latency.md', firstTokenLatencyMarkdown(data, findings)],
  ];
  return files.map(([name, text]) => {
    const file = join(runDir, name);
    writeFileSync(file, text);
    return file;
  });
}

/** The four figures of a run by the name of their file. */
export function chartsOf(run: InterpretedRun): Readonly<Record<string, Chart | NoChart>> {
  return {
    'startup-waterfall': startupWaterfall(run),
    'cold-warm-points': coldWarmPoints(run),
    timeline: timelineChart(run),
    'token-times': tokenTimes(run),
  };
}

/** Write each figure that can be drawn below charts/ as PNG (the notebook holds the specifications); returns the paths. */
export async function writeCharts(runDir: string, run: InterpretedRun, fonts: ChartFonts): Promise<string[]> {
  const folder = join(runDir, 'charts');
  mkdirSync(folder, { recursive: true });
  const written: string[] = [];
  for (const [name, chart] of Object.entries(chartsOf(run))) {
    if (chart.kind === 'no-chart') continue;
    const file = join(folder, `${name}.png`);
    writeFileSync(file, await renderPng(chart.spec, fonts));
    written.push(file);
  }
  return written;
}

/** JSON whose keys come in alphabetical order at every depth, so that equal contents are equal files. */
export function stableJson(value: unknown): string {
  const sortKeys = (_key: string, inner: unknown): unknown =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return JSON.stringify(value, sortKeys, 2);
}
