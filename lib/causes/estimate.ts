/** How long the launches to come will take, from launches on record: said before anything is started. */
import { readRows, readRun } from '../archive/folder.js';
import type { EngineRecord } from '../archive/record.js';
import { savedRuns } from '../archive/saved.js';
import { formatCounted } from '../interpret/format.js';
import { medianOf } from '../statistics/samples.js';
import type { Cell } from './cells.js';
import { isHopeless } from './design.js';
import { recordedLaunches, type RecordedLaunch } from './recorded.js';
import { cellsTable, type CellRow, type PlanRow } from '../archive/cold-start-tables.js';

export interface Estimate {
  readonly launches: number;
  /** Absent: nothing comparable is on record. */
  readonly ms?: number | undefined;
  /** "38 launches, about 22 min; from 12 launches of this run" */
  readonly text: string;
}

/** Setting the state, requests, stop, and the sampler's last rows; beside launch -> ready. Read off recorded runs where they have it. */
const besidesMs = 8_000;

/** The plan's open launches, each as long as those of its cell took here, else as the recorded ones in its state of the compile cache. */
export function estimateDesign(
  plan: readonly PlanRow[],
  rows: readonly CellRow[],
  cells: readonly Cell[],
  recorded: readonly RecordedLaunch[],
): Estimate {
  const open = plan.filter(
    (row) =>
      !rows.some((done) => done.block === row.block && done.cell === row.cell && done.outcome === 'counted') &&
      !isHopeless(row.cell, row.block, rows),
  );
  const own = rows.filter(({ outcome }) => outcome === 'counted');
  const lengths = open.map(({ cell, role }) => {
    const here = medianOf(own.filter((row) => row.cell === cell).map((row) => row.endedAtMs - row.startedAtMs));
    return (
      here ??
      recordedMs(
        cells.find(({ name }) => name === cell),
        role === 'prime',
        recorded,
      )
    );
  });
  const known = lengths.filter((length): length is number => length !== undefined);
  const basis = own.length > 0 ? `${formatCounted(own.length, 'launch')} of this run` : basisOf(recorded);
  const count = formatCounted(open.length, 'launch');
  if (known.length < open.length || open.length === 0)
    return {
      launches: open.length,
      text:
        open.length === 0
          ? 'no launch is left'
          : `${count}; how long they take is not known: no launch of such an engine is on record`,
    };
  const ms = known.reduce((sum, length) => sum + length, 0);
  return { launches: open.length, ms, text: `${count}, about ${minutes(ms)} (from ${basis})` };
}

function recordedMs(cell: Cell | undefined, isPrime: boolean, recorded: readonly RecordedLaunch[]): number | undefined {
  if (!cell) return undefined;
  const wanted = isPrime || cell.compileCache === 'cold' ? 'cold' : 'warm';
  const same = recorded.filter(({ compileCache }) => compileCache === wanted);
  const ready = medianOf((same.length > 0 ? same : recorded).map(({ readyMs }) => readyMs));
  return ready === undefined ? undefined : ready + besidesMs;
}

function basisOf(recorded: readonly RecordedLaunch[]): string {
  const runs = new Set(recorded.map(({ runId }) => runId)).size;
  return `${recorded.length} recorded launches of ${runs === 1 ? '1 run' : `${runs} runs`}`;
}

/** "22 min", "1 h 05 min", "40 s". */
export function minutes(ms: number): string {
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  const whole = Math.round(ms / 60_000);
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${String(whole % 60).padStart(2, '0')} min`;
}

/** Launches of saved runs with the same kind of engine on the same device; runs that cannot be read are left out. */
export function findRecorded(
  projectRoot: string,
  engine: Pick<EngineRecord, 'kind' | 'device'>,
  folders?: readonly string[],
): RecordedLaunch[] {
  const found = savedRuns(projectRoot, folders)
    .filter(({ record }) => record.engine.kind === engine.kind && record.engine.device === engine.device)
    .flatMap(({ dir }) => recordedIn(dir));
  const keyOf = ({ runId, launch }: RecordedLaunch): string => `${runId} ${launch}`;
  return [...new Map(found.map((one) => [keyOf(one), one])).values()];
}

/** Cells of an experiment that add nothing to the server's command: the starts that other starts can be compared with. */
export const plainCells: readonly string[] = ['both-cold', 'pages-cold', 'compile-cold', 'both-warm'];

/** Every launch of an ordinary run; of an experiment, those of plain cells that counted. */
function isPlainStart(rows: readonly CellRow[]): (launch: RecordedLaunch) => boolean {
  const plain = new Set(
    rows.filter(({ cell, outcome }) => outcome === 'counted' && plainCells.includes(cell)).map(({ launch }) => launch),
  );
  return ({ launch }) => rows.length === 0 || plain.has(launch);
}

function recordedIn(dir: string): RecordedLaunch[] {
  try {
    return recordedLaunches(readRun(dir)).filter(isPlainStart(readRows(dir, cellsTable)));
  } catch {
    return []; // Rows that cannot be read: an estimate can do without.
  }
}
