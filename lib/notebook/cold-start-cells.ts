/**
 * The cells of cold-start.ipynb, one function each: plan, launch in many states, and say what each cause costs. A run
 * that was interrupted goes on where it stopped; a saved one is shown again.
 */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { besideOf, keepBeside } from '../causes/beside.js';
import { designProgress } from '../causes/design.js';
import { cellOf, openExperiment, type Experiment } from '../causes/experiment.js';
import { estimateDesign, findRecorded, minutes, plainCells } from '../causes/estimate.js';
import {
  causeFindings,
  isExperiment,
  readExperiment,
  type CauseFindings,
  type ExperimentData,
} from '../causes/findings.js';
import { resolveOptions, type ExperimentInput } from '../causes/options.js';
import { fitStarts, testPrediction } from '../causes/prediction.js';
import { absentProbes, runProbes } from '../causes/probes.js';
import { recordedLaunches, type RecordedLaunch } from '../causes/recorded.js';
import { openRun, type OpenedRun } from '../causes/resume.js';
import { leastSilenceShare } from '../causes/silence.js';
import { phaseNoise, simulateDesigns, type InjectedEffects } from '../causes/simulation.js';
import { findSpy } from '../causes/watch.js';
import { interruptible } from '../experiment/interrupt.js';
import type { RunConfig } from '../freeze/config.js';
import { formatMs, formatPercent } from '../interpret/format.js';
import { causeBars, cellPoints, witnessChart } from '../report/cause-charts.js';
import {
  causeAnswerTable,
  causeTable,
  firstRequestTable,
  judgedTable,
  planTableOf,
  predictionTable,
  probeTable,
  proofTable,
  simulationTable,
  watchedTable,
  witnessTable,
} from '../report/cause-tables.js';
import type { LaunchProgress } from '../launch/server.js';
import { environmentTable, modelTable } from '../report/frozen-tables.js';
import { bulleted } from './reading.js';
import { display, findLatest, projectRoot } from './run.js';

const answerOutput = 'day007-cold-start-answer';

export interface ColdStart {
  readonly run: OpenedRun;
  /** Absent in a replay. */
  readonly experiment?: Experiment | undefined;
  readonly probeRuns?: number | undefined;
}

/** The answer of the newest experiment, before anything is run; `finishColdStart` fills it again. */
export async function showColdStartAnswer(): Promise<void> {
  const latest = findLatestExperiment();
  const text =
    latest === undefined
      ? 'No experiment on cold starts yet: run the cells below, and the answer will stand here.'
      : causeAnswerTable(findingsOf(latest));
  await display.show(text, { displayId: answerOutput });
}

/** Freeze the run, or open it again where it stopped; write the plan; say how long it will take. Nothing is launched. */
export async function planColdStart(config: RunConfig, input: ExperimentInput = {}): Promise<ColdStart> {
  const progress = display.progress('Freezing');
  const run = await interruptible((signal) => openRun(config, { signal }));
  const words = {
    new: `Frozen as run ${run.record.runId}`,
    resumed: `Run ${run.record.runId} goes on where it stopped`,
    replay: `The saved run ${run.record.runId}; nothing will be launched`,
  } as const;
  progress.done(words[run.how]);
  const options = run.how === 'replay' ? undefined : resolveOptions(input, run.record.engine);
  const experiment = options && openExperiment(run, options);
  keepBeside(run.dir, projectRoot);
  const data = readExperiment(run.dir);
  const cells = [...new Map(data.plan.map((row) => [row.cell, cellOf(row)])).values()];
  const estimate = estimateDesign(data.plan, data.rows, cells, findRecorded(projectRoot, run.record.engine));
  await display.show(
    [
      modelTable(run.record),
      environmentTable(run.record),
      planTableOf(data),
      ...(experiment ? [`To come: **${estimate.text}**.`] : []),
      ...besideText(run.dir),
    ].join('\n\n'),
  );
  return { run, experiment, probeRuns: options?.probeRuns };
}

/** Which runs stand beside this one in all that follows, and which should and are not here. */
function besideText(dir: string): string[] {
  const { folders, missing } = besideOf(dir, projectRoot);
  const names = folders.map((folder) => `\`${relative(projectRoot, folder)}\``);
  return [
    ...(names.length === 0 ? [] : [`Put beside it, in all that is said of causes: ${names.join(', ')}.`]),
    ...(missing.length === 0
      ? []
      : [
          `**Not here: ${missing.join(', ')}.** These runs were put beside this one before; without them, what follows says less than it did.`,
        ]),
  ];
}

/** What this node can do at best, and what a process costs that does nothing: small probes, each with its command. */
export async function probeNode({ run, experiment, probeRuns }: ColdStart): Promise<void> {
  let failures: readonly string[] = [];
  if (experiment) {
    const progress = display.progress('Probing the node');
    failures = await interruptible((signal) =>
      runProbes(run, ({ probe, run: at, of }) => progress.update(`${probe}, ${at} of ${of}`), signal, probeRuns),
    );
    progress.done(
      failures.length === 0 ? 'The node was probed' : `The node was probed; ${failures.length} probes failed`,
    );
  }
  const experimentData = readExperiment(run.dir);
  await display.show(probeTable(experimentData, absentProbes(run, experimentData.probes), failures));
}

/** Launch what is left of the plan. Interrupt it when you like: run the cell again, or the notebook with the same run id. */
export async function launchDesign({ run, experiment }: ColdStart): Promise<void> {
  if (experiment) {
    const progress = display.progress('Launching');
    const startedAtMs = run.clock.nowMs();
    try {
      await interruptible((signal) =>
        experiment.go(({ counted, left, void: voided, next, line, elapsedMs }) => {
          const done = `${counted} counted, ${voided} void, ${left} to come, ${minutes(run.clock.nowMs() - startedAtMs)} so far`;
          const now = next
            ? `block ${next.block}, ${next.cell}${next.attempt > 1 ? `, try ${next.attempt}` : ''}`
            : 'done';
          progress.update(`${done}; ${now}${line === undefined ? '' : ` (${formatMs(elapsedMs)}): ${line}`}`);
        }, signal),
      );
      const { left } = designProgress(experiment.plan, experiment.rows());
      const word =
        left === 0
          ? 'The design is done'
          : `The time of this sitting is used up; ${left} launches wait for the next one`;
      progress.done(`${word}: ${minutes(run.clock.nowMs() - startedAtMs)}`);
    } catch (error) {
      progress.done('Stopped before the design was done; run the cell again to go on');
      throw error;
    }
  }
  await display.show(planTableOf(readExperiment(run.dir)));
}

/** Every launch with the proof of its state; void ones with the reason. */
export async function showProof({ run }: ColdStart): Promise<void> {
  await display.show(proofTable(readExperiment(run.dir)));
}

/** Chart 1 and the ledger. */
export async function showCauses(cold: ColdStart): Promise<void> {
  const findings = read(cold);
  await display.show(causeBars(findings));
  await display.show(causeTable(findings));
}

/** Chart 2: every launch that counts. */
export async function showLaunchesByCell(cold: ColdStart): Promise<void> {
  await display.show(cellPoints(read(cold)));
}

/** Chart 3, disagreements, and what ran while the log was silent. */
export async function showWitnesses(cold: ColdStart): Promise<void> {
  const findings = read(cold);
  await display.show(witnessChart(findings));
  await display.show(witnessTable(findings));
}

/**
 * One more launch, of the state whose log was silent longest, looked at from outside with py-spy: what ran in the
 * silences? Once per run, when its design is done.
 */
export async function watchSilence(cold: ColdStart): Promise<void> {
  const { run, experiment } = cold;
  const own = readExperiment(run.dir);
  let because = whyNotWatched(cold, own);
  if (experiment && because === undefined) {
    const [longest] = causeFindings([own]).silences;
    const cell = own.rows.find(({ launch }) => launch === longest?.launch)?.cell;
    if (cell === undefined) because = `the log was never silent for ${formatPercent(leastSilenceShare, 2)} of a start`;
    else await watchOne(experiment, cell);
  }
  await display.show(watchedTable(read(cold), because));
}

async function watchOne(experiment: Experiment, cell: string): Promise<void> {
  const progress = display.progress(`Watching a start (${cell})`);
  const onLine = ({ line, elapsedMs }: LaunchProgress) => progress.update(`${formatMs(elapsedMs)}: ${line}`);
  await interruptible((signal) => experiment.watch(cell, findSpy() ?? '', onLine, signal));
  progress.done(`A start was watched (${cell})`);
}

/** Undefined: a start can be watched now, and none was. */
function whyNotWatched({ run, experiment }: ColdStart, { plan, rows }: ExperimentData): string | undefined {
  if (rows.some(({ outcome }) => outcome === 'watched')) return 'one was watched before';
  if (!experiment) return 'this is a saved run, in which no start was watched';
  if (run.record.engine.kind === 'rehearsal') return 'the rehearsal engine is no Python program';
  if (designProgress(plan, rows).left > 0) return 'the design is not done; a start is watched after it';
  return findSpy() === undefined ? 'there is no py-spy here (`npm run setup` installs it into `.venv`)' : undefined;
}

/** The seed's verdicts beside the experiment's, and what the state of a start does to the first request. */
export async function judgeSeedTableByExperiment(cold: ColdStart): Promise<void> {
  const findings = read(cold);
  await display.show([judgedTable(findings), firstRequestTable(findings)].join('\n\n'));
}

/** Fitted on one shape, tested on another: this run's if there are others like it, and the published ones. */
export async function showPrediction(cold: ColdStart): Promise<void> {
  const { engine, model } = cold.run.record;
  const recorded = findRecorded(projectRoot, engine);
  const own = stateLaunches(read(cold));
  const other = recorded.filter((launch) => launch.model !== model.name && launch.runId !== cold.run.record.runId);
  const parts = [
    own.length > 0 && other.length > 0
      ? `**This run's model of a start, tested on other shapes**\n\n${predictionTable(fitStarts(own), testPrediction(fitStarts(own), other))}`
      : `This run's launches were not tested on another shape: no launch of another one by ${engine.kind} on ${engine.device} is on record.`,
    publishedPrediction(),
  ];
  await display.show(parts.join('\n\n'));
}

/** 1,000 designs made from recorded noise: does the interval keep its promise, and how wide is it? */
export async function showCoverage(cold: ColdStart): Promise<void> {
  const findings = read(cold);
  const launches = noiseLaunches(findings);
  const noise = phaseNoise(launches);
  if (noise.length === 0) {
    const why = 'no two launches in one state, of this run or of the published ones, are on record here';
    return display.show(`Not simulated: ${why}.`);
  }
  // As many as the effects rest on: of runs put together, some blocks hold other cells.
  const blocks = Math.max(6, ...findings.effects.map(({ differences }) => differences.length));
  const effects = simulateDesigns(noise, {
    designs: 1000,
    blocks,
    seed: Number(cold.run.record.config['seed'] ?? 7),
    injected: foundEffects(findings),
  });
  await display.show(simulationTable(effects, blocks, launches));
}

/** Stop the instruments, and fill the answer at the top. */
export async function finishColdStart(cold: ColdStart): Promise<void> {
  await cold.experiment?.close();
  const answer = causeAnswerTable(read(cold));
  await display.show(answer, { displayId: answerOutput, isUpdate: true });
  await display.show(answer);
  const folder = relative(projectRoot, cold.run.dir) || '.';
  await display.show(
    bulleted([
      `Everything is in \`${folder}\`: \`plan.csv\`, \`cells.csv\`, \`probes.csv\` and the tables of every launch.`,
      `To go on with it on this machine: \`DAY007_RUN_ID=${cold.run.record.runId}\`, and the notebook again. To put blocks of other runs beside it: \`DAY007_COLD_START_WITH=<run folder>:<run folder>\`, once; a replay then finds them again.`,
      `What may leave the machine: \`npm run share -- ${folder}\`.`,
    ]),
  );
}

/** This run and those put beside it, read anew at every call. */
const read = ({ run }: ColdStart): CauseFindings => findingsOf(run.dir);

function findingsOf(dir: string): CauseFindings {
  return causeFindings([dir, ...besideOf(dir, projectRoot).folders].map(readExperiment));
}

/** Launches of the four states that a model of a start knows: nothing added to the command. */
function stateLaunches({ runs }: CauseFindings): RecordedLaunch[] {
  return runs.flatMap(({ data, rows }) => {
    const counted = new Set(
      rows
        .filter(({ outcome, cell, role }) => role === 'measure' && outcome === 'counted' && plainCells.includes(cell))
        .map(({ launch }) => launch),
    );
    return recordedLaunches(data).filter(({ launch }) => counted.has(launch));
  });
}

/** Launches to draw noise from: this experiment's own, once each state was started a few times; else the published ones. */
function noiseLaunches(findings: CauseFindings): RecordedLaunch[] {
  const own = stateLaunches(findings);
  const times = (state: string): number => own.filter(({ compileCache }) => compileCache === state).length;
  return Math.min(times('cold'), times('warm')) >= leastForNoise ? own : publishedLaunches();
}

/** Fewer than six launches in a state show too little of what they can stray by. */
const leastForNoise = 6;

function publishedLaunches(): RecordedLaunch[] {
  return findRecorded(projectRoot, { kind: 'vllm', device: 'cuda' }, ['data/published']);
}

/** Real launches on a GPU, whatever engine this run has: fitted on the shape that was started in most states. */
function publishedPrediction(): string {
  const launches = publishedLaunches();
  const models = [...new Set(launches.map(({ model }) => model))];
  const statesOf = (model: string) =>
    new Set(
      launches
        .filter((one) => one.model === model)
        .flatMap(({ pages, compileCache }) => [`p ${pages ?? ''}`, `c ${compileCache ?? ''}`]),
    ).size;
  const fitOn = [...models].sort((a, b) => statesOf(b) - statesOf(a))[0];
  const heldOut = launches.filter(({ model }) => model !== fitOn);
  if (fitOn === undefined || heldOut.length === 0) return 'No two shapes started on a GPU are on record.';
  const model = fitStarts(launches.filter((one) => one.model === fitOn));
  return `**Launches of vLLM on a GPU, on record**\n\n${predictionTable(model, testPrediction(model, heldOut))}`;
}

/** What the experiment found, to be put into made-up designs; what it did not find is put in as 0. */
function foundEffects({ effects }: CauseFindings): InjectedEffects {
  const of = (cause: string): number => effects.find((effect) => effect.cause === cause)?.centre?.centre ?? 0;
  return {
    pagesMs: of('A'),
    compileCacheMs: of('C-cache') || of('C'),
    interactionMs: 0,
    copyMs: of('B'),
    captureMs: of('C-rest'),
    kvMs: of('D-size'),
  };
}

/** The newest run folder that holds an experiment with a launch. */
const findLatestExperiment = (): string | undefined =>
  findLatest(projectRoot, (dir) => isExperiment(dir) && existsSync(join(dir, 'cells.csv')));
