/**
 * Runs of the same experiment from other machines or days, put beside one run. They are named as folders once; their run
 * ids are kept in the run, so that whoever shows it again, from wherever it was shared to, puts the same runs beside it.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { besideTable } from '../archive/cold-start-tables.js';
import { formatHeader, formatRows } from '../archive/csv.js';
import { readRows, readRunRecord } from '../archive/folder.js';
import { savedRuns } from '../archive/saved.js';
import { ExperimentError } from './experiment.js';
import { isExperiment } from './findings.js';

export interface Beside {
  readonly folders: readonly string[];
  /** Run ids of which no folder is here: their blocks are missing from what is shown. */
  readonly missing: readonly string[];
}

const variable = 'DAY007_COLD_START_WITH';

/**
 * Keep the runs that the environment names: folders with colons between, relative to the project. Named anew, they
 * replace the ones before; not named, those stay. Throws ExperimentError for a folder that is no experiment.
 */
export function keepBeside(
  dir: string,
  projectRoot: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): void {
  const given = (env[variable] ?? '').split(':').filter((folder) => folder.trim() !== '');
  if (given.length === 0) return;
  const own = readRunRecord(dir).runId;
  const runIds = given.map((folder) => {
    const path = resolve(projectRoot, folder.trim());
    if (!isExperiment(path))
      throw new ExperimentError(
        `${variable} names ${folder}, which is no experiment on cold starts (it has no plan.csv). Give run folders with colons between, relative to the project.`,
      );
    return readRunRecord(path).runId;
  });
  const others = [...new Set(runIds)].filter((runId) => runId !== own);
  writeFileSync(
    join(dir, besideTable.file),
    formatHeader(besideTable) +
      formatRows(
        besideTable,
        others.map((runId) => ({ runId })),
      ),
  );
}

/** The runs beside one, found by their ids among the saved runs of this project, published ones first. */
export function besideOf(dir: string, projectRoot: string): Beside {
  const runIds = readRows(dir, besideTable).map(({ runId }) => runId);
  if (runIds.length === 0) return { folders: [], missing: [] };
  const byId = new Map<string, string>();
  for (const { dir: folder, record } of savedRuns(projectRoot))
    if (isExperiment(folder) && !byId.has(record.runId)) byId.set(record.runId, folder);
  return {
    folders: runIds.flatMap((runId) => byId.get(runId) ?? []),
    missing: runIds.filter((runId) => !byId.has(runId)),
  };
}
