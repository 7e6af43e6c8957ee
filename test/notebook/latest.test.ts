/** Which saved run stands at the top of the notebook: the newest one that can be read. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findLatestRun } from '../../lib/notebook/run.js';
import { publishedRuns } from '../published.js';
import { temporaryFolder } from '../launch/place.js';

it('is the newest run; a bench, a folder without its record and a damaged one do not keep it from being found', () => {
  const root = temporaryFolder();
  const runs = join(root, 'data/runs');
  mkdirSync(runs, { recursive: true });
  expect(findLatestRun(root)).toBeUndefined();
  for (const [name, record] of [
    ['bench', undefined],
    ['damaged', '{"format":'],
    ['other', '[]'],
  ] as const) {
    mkdirSync(join(runs, name));
    writeFileSync(join(runs, name, 'requests.csv'), 'launch\n');
    if (record !== undefined) writeFileSync(join(runs, name, 'run.json'), record);
  }
  expect(findLatestRun(root)).toBeUndefined();
  const [saved = ''] = publishedRuns;
  for (const file of ['run.json', 'requests.csv']) cpSync(join(saved, file), join(runs, 'saved', file));
  expect(findLatestRun(root)).toBe(join(runs, 'saved'));
  rmSync(join(runs, 'saved', 'requests.csv'));
  expect(findLatestRun(root)).toBeUndefined();
});
