/** The run a notebook is about: live, with instruments and a server, or saved, with neither. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readRun } from '../archive/folder.js';
import { openSession, type Session } from '../experiment/session.js';
import type { FrozenRun } from '../freeze/freeze.js';
import { interpret } from '../interpret/interpret.js';
import type { InterpretedRun } from '../report/subject.js';

export interface NotebookRun {
  readonly frozen: FrozenRun;
  /** Absent in a replay. */
  readonly session?: Session | undefined;
}

/** Open a frozen run for the notebook. A live one starts its instruments here. */
export async function openNotebookRun(frozen: FrozenRun): Promise<NotebookRun> {
  return frozen.mode === 'replay' ? { frozen } : { frozen, session: await openSession(frozen) };
}

/** Everything the run folder holds by now, and what it means. Read anew at every call: the other processes write there. */
export function readInterpreted(dir: string): InterpretedRun {
  const data = readRun(dir);
  return { data, findings: interpret(data) };
}

/** The newest run below data/runs, or the newest published one; undefined when there is none. Runs that never launched do not count. */
export function findLatestRun(projectRoot: string): string | undefined {
  for (const folder of ['data/runs', 'data/published']) {
    const root = join(projectRoot, folder);
    if (!existsSync(root)) continue;
    const runs = readdirSync(root)
      .map((name) => join(root, name))
      .filter((dir) => existsSync(join(dir, 'requests.csv')))
      .sort((a, b) => startOf(b) - startOf(a));
    if (runs[0] !== undefined) return runs[0];
  }
  return undefined;
}

function startOf(dir: string): number {
  return statSync(join(dir, 'run.json')).mtimeMs;
}
