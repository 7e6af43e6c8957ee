import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { startupTimeline } from '../../lib/launch/timeline.js';
import { recordLaunch } from '../../lib/rehearsal/record.js';
import { fillPlaces, formatRecording, parseRecording, readRecording } from '../../lib/rehearsal/recording.js';

const recordings = resolve('lib/rehearsal/recordings');
const published = resolve('data/published');
const cpu = join(published, 'cpu-qwen2.5-0.5b-2026-11-25');
const h100 = join(published, 'h100-qwen2.5-1.5b-2026-11-26');
const made = [
  ['vllm-0.32.0-cpu-1', cpu, 1],
  ['vllm-0.32.0-cpu-2', cpu, 2],
  ['vllm-0.26.0-h100-1', h100, 1],
  ['vllm-0.26.0-h100-2', h100, 2],
] as const;

it('keeps no recording that was not made from a published run', () => {
  expect(readdirSync(recordings).sort()).toEqual(made.map(([name]) => `${name}.jsonl`).sort());
});

it.each(made)('%s comes out of its published run again, byte for byte', (name, runDir, launch) => {
  const committed = readFileSync(join(recordings, `${name}.jsonl`), 'utf8');
  expect(formatRecording(recordLaunch(runDir, launch))).toBe(committed);
  expect(formatRecording(parseRecording(committed))).toBe(committed);
  expect(Buffer.byteLength(committed)).toBeLessThan(60 * 1024);
});

it.each(made)('%s holds the phases of the run, and nothing that belonged to it alone', (name, runDir, launch) => {
  const rows = readRows(runDir, tables.startup);
  const timeline = startupTimeline(rows, launch);
  const recording = readRecording(recordings, name);
  expect(recording.phases.map((phase) => phase.name)).toEqual(timeline?.phases.map((phase) => phase.name));
  const pids = new Set(rows.flatMap((row) => (row.launch === launch && row.pid !== undefined ? [row.pid] : [])));
  for (const { text } of [...recording.lines, ...recording.shutdown]) {
    expect(text).not.toMatch(/\d\d-\d\d \d\d:\d\d:\d\d|<project>|seed7|synthetic:|data\/runs/);
    for (const pid of pids) expect(text).not.toMatch(new RegExp(`pid[= ]${pid}\\b|\\[${pid}\\]`));
  }
});

it('fills the places it knows and leaves the others', () => {
  const values: Readonly<Record<string, string>> = { clock: '11-25 01:14:56' };
  expect(fillPlaces("INFO {{clock}} {'a': {}} {{other}}", (place) => values[place])).toBe(
    "INFO 11-25 01:14:56 {'a': {}} {{other}}",
  );
  expect(fillPlaces('took {{seconds:3.94}} s', (place, figure) => `${place}/${figure ?? ''}`)).toBe(
    'took seconds/3.94 s',
  );
});

it('names the recordings that there are when one is asked for that is not there', () => {
  expect(() => readRecording(recordings, 'vllm-9')).toThrow(/vllm-0\.32\.0-cpu-1\.jsonl/);
});

it('does not record a launch that a run has not', () => {
  expect(() => recordLaunch(cpu, 9)).toThrow(/launch 9 of .* never became ready/);
});
