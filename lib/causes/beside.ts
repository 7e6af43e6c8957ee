/**
 * Runs of the same experiment from other machines or days, put beside one run. They are named as folders once; their run
 * ids are kept in the run, so that whoever shows it again, from wherever it was shared to, puts the same runs beside it.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { besideTable } from '../archive/cold-start-tables.js';
import { formatHeader, formatRows } from '../archive/csv.js';
import { readRows, readRunRecord } from '../archive/folder.js';
import { savedRunFolders } from './estimate.js';
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
  for (const folder of experimentsIn(projectRoot)) {
    const runId = runIdOf(folder);
    if (runId !== undefined && !byId.has(runId)) byId.set(runId, folder);
  }
  return {
    folders: runIds.flatMap((runId) => byId.get(runId) ?? []),
    missing: runIds.filter((runId) => !byId.has(runId)),
  };
}

/** Undefined where run.json is missing or of another version: such a folder is not looked for. */
function runIdOf(folder: string): string | undefined {
  try {
    return readRunRecord(folder).runId;
  } catch {
    return undefined;
  }
}

function experimentsIn(projectRoot: string): string[] {
  return savedRunFolders.flatMap((saved) => {
    const root = join(projectRoot, saved);
    if (!existsSync(root)) return [];
    return readdirSync(root)
      .map((name) => join(root, name))
      .filter(isExperiment);
  });
}
