/** Runs put beside an experiment: named once, found again wherever they lie. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { besideOf, keepBeside } from '../../lib/causes/beside.js';
import { temporaryFolder } from '../launch/place.js';

/** A project with three experiments, one of them published, a run that is none, and a folder that cannot be read. */
function project() {
  const root = temporaryFolder();
  const folder = (path: string, files: Readonly<Record<string, string>>): string => {
    const dir = join(root, path);
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    return dir;
  };
  const record = (runId: string) => JSON.stringify({ format: 1, runId });
  const plan = 'block,position,cell,role,args,variables\n';
  folder('data/published/h100-monday', { 'run.json': record('monday'), 'plan.csv': plan });
  folder('data/runs/tuesday', { 'run.json': record('tuesday'), 'plan.csv': plan });
  folder('data/runs/ordinary', { 'run.json': record('ordinary') });
  folder('data/runs/broken', { 'run.json': 'no JSON', 'plan.csv': plan });
  const own = folder('data/runs/wednesday', { 'run.json': record('wednesday'), 'plan.csv': plan });
  return { root, own };
}

const named = (folders: string) => ({ DAY007_COLD_START_WITH: folders });

describe('runs beside an experiment', () => {
  it('are named as folders once, and found by their ids from then on, wherever they were moved to', () => {
    const { root, own } = project();
    keepBeside(own, root, named('data/published/h100-monday: data/runs/tuesday :data/runs/wednesday'));
    expect(readFileSync(join(own, 'beside.csv'), 'utf8')).toBe('runId\nmonday\ntuesday\n');
    keepBeside(own, root, {});
    renameSync(join(root, 'data/runs/tuesday'), join(root, 'data/published/h100-tuesday'));
    expect(besideOf(own, root)).toEqual({
      folders: [join(root, 'data/published/h100-monday'), join(root, 'data/published/h100-tuesday')],
      missing: [],
    });
  });

  it('that are not here are named; those that are named anew take the place of the others', () => {
    const { root, own } = project();
    keepBeside(own, root, named('data/published/h100-monday:data/runs/tuesday'));
    renameSync(join(root, 'data/runs/tuesday'), join(root, 'tuesday'));
    expect(besideOf(own, root)).toEqual({ folders: [join(root, 'data/published/h100-monday')], missing: ['tuesday'] });
    keepBeside(own, root, named('data/published/h100-monday'));
    expect(besideOf(own, root).missing).toEqual([]);
  });

  it('are none where nobody named any', () => {
    const { root, own } = project();
    keepBeside(own, root, named(' : '));
    expect(besideOf(own, root)).toEqual({ folders: [], missing: [] });
  });

  it.each(['data/runs/ordinary', 'data/runs/nowhere'])('cannot be %s, which is no experiment', (folder) => {
    const { root, own } = project();
    expect(() => keepBeside(own, root, named(folder))).toThrow(
      `DAY007_COLD_START_WITH names ${folder}, which is no experiment on cold starts`,
    );
  });
});
