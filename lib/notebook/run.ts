/** The run a notebook is about: live, with instruments and a server, or saved, with neither. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRun, readRunRecord } from '../archive/folder.js';
import type { EngineKind } from '../archive/record.js';
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

/** The newest folder of that kind below data/runs, or else the newest published one. What is no run, or cannot be read, is passed over: it must not keep a new run from beginning. */
export function findLatest(projectRoot: string, isOne: (dir: string) => boolean): string | undefined {
  for (const folder of ['data/runs', 'data/published']) {
    const root = join(projectRoot, folder);
    if (!existsSync(root)) continue;
    const runs = readdirSync(root)
      .map((name) => join(root, name))
      .filter(isOne)
      .flatMap((dir) => {
        const startedAtMs = startOf(dir);
        return startedAtMs === undefined ? [] : [{ dir, startedAtMs }];
      })
      .sort((a, b) => b.startedAtMs - a.startedAtMs);
    if (runs[0] !== undefined) return runs[0].dir;
  }
  return undefined;
}

function startOf(dir: string): number | undefined {
  try {
    return Date.parse(readRunRecord(dir).startedAtUtc);
  } catch {
    return undefined;
  }
}
