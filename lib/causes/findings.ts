/** Run folders of one experiment -> what it found. Blocks of several machines or days are put together; each lies on one of them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRows, readRun, type RunData } from '../archive/folder.js';
import { designProgress, type DesignProgress } from './design.js';
import { effectsOf, type CellValue, type Effect } from './contrasts.js';
import { cellOf } from './experiment.js';
import { judgeSeedTable, type JudgedCell } from './judged.js';
import { causeLedger, type CauseLedger } from './ledger.js';
import { launchMeasures } from './measures.js';
import { absentProbes } from './probes.js';
import { namedInGaps, silencesOf, watchedStretches, type Silence, type WatchedStretch } from './silence.js';
import { medianOf } from '../statistics/samples.js';
import {
  cellsTable,
  planTable,
  probesTable,
  stacksTable,
  type CellRow,
  type PlanRow,
  type ProbeRow,
  type StackRow,
} from '../archive/cold-start-tables.js';
import { processWitness, witnessesOf, type PlacedMeasures, type Witness } from './witnesses.js';

/** One run folder of an experiment. */
export interface ExperimentData {
  readonly data: RunData;
  readonly plan: readonly PlanRow[];
  readonly rows: readonly CellRow[];
  readonly probes: readonly ProbeRow[];
  readonly stacks: readonly StackRow[];
}

export interface CauseFindings {
  readonly runs: readonly ExperimentData[];
  readonly progress: readonly DesignProgress[];
  /** By their marks: at least so many. */
  readonly machines: number;
  readonly boots: number;
  /** Whole blocks or parts of them, over all runs. */
  readonly blocks: number;
  readonly values: readonly CellValue[];
  readonly effects: readonly Effect[];
  /** The same contrasts on the TTFT of the first request. */
  readonly firstRequest: readonly Effect[];
  readonly ledger: CauseLedger;
  readonly witnesses: readonly Witness[];
  readonly silences: readonly Silence[];
  /** Median over the all-cold launches of the share of launch -> ready that no phase names. */
  readonly unnamedShare?: number | undefined;
  /** The launches whose Python code was looked at. */
  readonly watched: readonly WatchedLaunch[];
  readonly judged: readonly JudgedCell[];
}

export interface WatchedLaunch {
  readonly launch: number;
  readonly cell: string;
  readonly readyMs: number;
  /** Of it: named by no phase. */
  readonly remainderMs: number;
  /** Of that: with a process found running, and the looks that this rests on. */
  readonly namedMs: number;
  readonly namedByLooks: number;
  /** Looks that succeeded. */
  readonly looks: number;
  readonly stretches: readonly WatchedStretch[];
  /** What else there is to say of it: looks that failed, a state without proof. */
  readonly because?: string | undefined;
}

export const isExperiment = (dir: string): boolean => existsSync(join(dir, planTable.file));

export function readExperiment(dir: string): ExperimentData {
  return {
    data: readRun(dir),
    plan: readRows(dir, planTable),
    rows: readRows(dir, cellsTable),
    probes: readRows(dir, probesTable),
    stacks: readRows(dir, stacksTable),
  };
}

/** Deterministic, from the data alone; an unfinished experiment gives what it can. */
export function causeFindings(runs: readonly ExperimentData[]): CauseFindings {
  const placed = runs.flatMap(placedMeasures);
  const counted = runs.flatMap((run) => countedRows(run));
  const values = counted.flatMap(({ blockKey, cell, readyMs }): CellValue[] =>
    readyMs === undefined ? [] : [{ block: blockKey, cell, value: readyMs }],
  );
  const first = runs[0];
  const noOwnKv = runs.map(ownKvIsSmall).find((because) => because !== undefined);
  const askable = ({ cause }: Effect): boolean => cause !== 'D' || noOwnKv === undefined;
  const effects = effectsOf(values).filter(askable);
  const allCold = placed.filter(({ cell }) => cell === 'both-cold').map(({ measures }) => measures);
  const ledger = causeLedger({
    effects,
    values,
    rows: counted,
    probes: runs.map(({ probes }) => probes),
    noOwnKv,
    weightsBytes: first?.data.record.model.weightsBytes,
    kvDifferenceBytes: runs.map(kvDifferenceBytes).find((bytes) => bytes !== undefined),
    device: first?.data.record.engine.device ?? 'unknown',
    engineProcesses: allCold[0]?.engineProcesses ?? placed[0]?.measures.engineProcesses,
    noProcessProbe:
      first &&
      absentProbes(
        first.data,
        runs.flatMap(({ probes }) => probes),
      ),
  });
  return {
    runs,
    progress: runs.map(({ plan, rows }) => designProgress(plan, rows)),
    machines: new Set(counted.map(({ machine }) => machine)).size,
    boots: new Set(counted.map(({ machine, boot }) => `${machine} ${boot}`)).size,
    blocks: new Set(counted.map(({ blockKey }) => blockKey)).size,
    values,
    effects,
    firstRequest: effectsOf(
      counted.flatMap(({ blockKey, cell, coldTtftMs }) =>
        coldTtftMs === undefined ? [] : [{ block: blockKey, cell, value: coldTtftMs }],
      ),
    ).filter(askable),
    ledger,
    witnesses: [
      ...witnessesOf(effects, placed, Number(first?.data.record.config['sampleIntervalMs'] ?? 100)),
      ...processWitness(ledger.rows.find(({ cause }) => cause === 'G')?.centre, placed),
    ],
    silences: runs.flatMap((run) => silencesOfRun(run)),
    unnamedShare: medianOf(allCold.map(({ remainderMs, readyMs }) => remainderMs / readyMs)),
    watched: runs.flatMap((run) => watchedLaunches(run)),
    judged: judgeSeedTable(
      runs.flatMap((run) => countedRows(run).map(({ launch, cell }) => ({ data: run.data, launch, cell }))),
      values,
      effects,
    ),
  };
}

/** Rows that count, with the name of their block over all runs. */
function countedRows({ data, rows }: ExperimentData): (CellRow & { readonly blockKey: string })[] {
  return rows
    .filter(({ role, outcome }) => role === 'measure' && outcome === 'counted')
    .map((row) => ({ ...row, blockKey: `${data.record.runId} ${row.block}` }));
}

function placedMeasures(run: ExperimentData): PlacedMeasures[] {
  const measures = new Map(launchMeasures(run.data).map((one) => [one.launch, one]));
  return countedRows(run).flatMap(({ launch, cell, blockKey }) => {
    const own = measures.get(launch);
    return own ? [{ block: blockKey, cell, measures: own }] : [];
  });
}

function silencesOfRun(run: ExperimentData): Silence[] {
  const counted = new Set(countedRows(run).map(({ launch }) => launch));
  const timelines = launchMeasures(run.data).flatMap(({ launch, finding }) =>
    finding.timeline && counted.has(launch) ? [finding.timeline] : [],
  );
  return silencesOf(run.data, timelines);
}

function watchedLaunches({ data, rows, stacks }: ExperimentData): WatchedLaunch[] {
  const measures = new Map(launchMeasures(data).map((one) => [one.launch, one]));
  return rows
    .filter(({ outcome }) => outcome === 'watched')
    .flatMap(({ launch, cell, because }): WatchedLaunch[] => {
      const { readyMs, remainderMs, finding } = measures.get(launch) ?? {};
      const timeline = finding?.timeline;
      if (!timeline || readyMs === undefined || remainderMs === undefined) return [];
      const own = stacks.filter((row) => row.launch === launch);
      const looks = own.reduce((sum, row) => sum + row.looks, 0);
      const stretches = looks === 0 ? [] : watchedStretches(data, timeline, own);
      const { namedMs, looks: namedLooks } = namedInGaps(timeline, own);
      return [{ launch, cell, readyMs, remainderMs, namedMs, namedByLooks: namedLooks, looks, stretches, because }];
    });
}

/** Why D cannot be asked: this engine's own KV cache is the small one, and the two cells are one. Undefined: it can. */
function ownKvIsSmall({ data, plan }: ExperimentData): string | undefined {
  const own = data.record.engine.env['VLLM_CPU_KVCACHE_SPACE'];
  const small = plan.find(({ cell }) => cell.endsWith('kv-small'));
  if (own === undefined || !small || cellOf(small).env['VLLM_CPU_KVCACHE_SPACE'] !== own) return undefined;
  return `this start's own KV cache is the small one (${own} GiB), so what that costs is in the remainder`;
}

/** From what the plan adds to the starts of its cells with a large and a small KV cache; absent without them. */
function kvDifferenceBytes({ plan }: ExperimentData): number | undefined {
  const bytesOf = (end: string): number | undefined => {
    const row = plan.find(({ cell }) => cell.endsWith(`kv-${end}`));
    if (!row) return undefined;
    const { args, env } = cellOf(row);
    const given = env['VLLM_CPU_KVCACHE_SPACE'];
    return given === undefined ? Number(args[args.indexOf('--kv-cache-memory-bytes') + 1]) : Number(given) * 2 ** 30;
  };
  const [small, large] = [bytesOf('small'), bytesOf('large')];
  return small === undefined || large === undefined ? undefined : large - small;
}
