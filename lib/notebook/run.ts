/** The run a notebook is about: live, with instruments and a server, or saved, with neither. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRun, readRunRecord } from '../archive/folder.js';
import type { EngineKind } from '../archive/record.js';
import { savedRuns } from '../archive/saved.js';
import { isExperiment } from '../causes/findings.js';
import { createClock } from '../clock.js';
import { openSession, type Session } from '../experiment/session.js';
import type { RunConfig } from '../freeze/config.js';
import type { FrozenRun } from '../freeze/freeze.js';
import { interpret } from '../interpret/interpret.js';
import { createDisplay, notebookPort, textPort } from '../report/display.js';
import { chartFontsOf } from '../report/picture.js';
import type { InterpretedRun } from '../report/subject.js';

/** The kernel starts in the project's root (see .jupyter/kernels/tslab/start.cjs). */
export const projectRoot = process.cwd();

/** The notebook's outputs; on a terminal, their plain text. */
export const display = createDisplay({
  port: notebookPort(
    projectRoot,
    textPort((text) => process.stdout.write(text)),
  ),
  fonts: chartFontsOf(projectRoot),
  clock: createClock(),
});

export interface NotebookRun {
  readonly frozen: FrozenRun;
  /** Absent in a replay. */
  readonly session?: Session | undefined;
}

/** Open a frozen run for the notebook. A live one starts its instruments here. */
export async function openNotebookRun(frozen: FrozenRun): Promise<NotebookRun> {
  return frozen.mode === 'replay' ? { frozen } : { frozen, session: await openSession(frozen) };
}

/** Which engine a configuration stands for, before anything is frozen. */
export function engineKindOf(config: RunConfig): EngineKind {
  return config.foundEngine?.kind ?? readRunRecord(config.replay ?? '').engine.kind;
}

/** Everything the run folder holds by now, and what it means. Read anew at every call: the other processes write there. */
export function readInterpreted(dir: string): InterpretedRun {
  const data = readRun(dir);
  return { data, findings: interpret(data) };
}

/** The newest run below data/runs, or the newest published one; undefined when there is none. Runs that never launched do not count, nor do experiments on cold starts. */
export const findLatestRun = (projectRoot: string): string | undefined =>
  findLatest(projectRoot, (dir) => existsSync(join(dir, 'requests.csv')) && !isExperiment(dir));

/** The newest folder of that kind below data/runs, or else the newest published one. */
export function findLatest(projectRoot: string, isOne: (dir: string) => boolean): string | undefined {
  const newestIn = (folder: string): string | undefined =>
    savedRuns(projectRoot, [folder])
      .filter(({ dir }) => isOne(dir))
      .sort((a, b) => Date.parse(b.record.startedAtUtc) - Date.parse(a.record.startedAtUtc))[0]?.dir;
  return newestIn('data/runs') ?? newestIn('data/published');
}
