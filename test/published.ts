/** What lies in data/published, by kind. Each kind has a test that holds its folders to their own data. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = 'data/published';

function foldersWith(isOne: (holds: (file: string) => boolean) => boolean): string[] {
  return readdirSync(root)
    .map((name) => join(root, name))
    .filter((dir) => isOne((file) => existsSync(join(dir, file))));
}

/** Runs of day-007.ipynb. */
export const publishedRuns = foldersWith((holds) => holds('run.json') && !holds('plan.csv'));

/** Runs of cold-start.ipynb. */
export const publishedExperiments = foldersWith((holds) => holds('plan.csv'));

/** Results of the benches: they have a summary and no run. */
export const publishedBenches = foldersWith((holds) => holds('summary.json') && !holds('run.json'));
