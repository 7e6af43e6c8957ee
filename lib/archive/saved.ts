/** The saved runs of a project. What is no run, or is one of another version, is passed over: no reader of many runs may fail of one. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRunRecord } from './folder.js';
import type { RunRecord } from './record.js';

/** Where saved runs lie; a published run is the copy of a local one and has its id. */
export const savedRunFolders = ['data/published', 'data/runs'] as const;

export interface SavedRun {
  readonly dir: string;
  readonly record: RunRecord;
}

/** The runs in these folders of the project, folder by folder. */
export function savedRuns(projectRoot: string, folders: readonly string[] = savedRunFolders): SavedRun[] {
  return folders
    .map((folder) => join(projectRoot, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .flatMap((dir) => {
      const record = readableRecord(dir);
      return record === undefined ? [] : [{ dir, record }];
    });
}

function readableRecord(dir: string): RunRecord | undefined {
  try {
    return readRunRecord(dir);
  } catch {
    return undefined;
  }
}
