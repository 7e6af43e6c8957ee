/**
 * The cells of day-007.ipynb, one function each: do the step, keep what it saw, show what it means.
 * In a replay the step was done long ago, and only the showing is left.
 */
import { relative } from 'node:path';
import { isColdStreamed, wholeWarmRuns } from '../experiment/requests.js';
import type { EngineKind } from '../archive/record.js';
import { InterruptedError, interruptible } from '../experiment/interrupt.js';
import type { Session } from '../experiment/session.js';
import { resolveConfig, type RunConfig } from '../freeze/config.js';
import { freezeRun } from '../freeze/freeze.js';
import type { ConfigInput } from '../freeze/settings.js';
import { LaunchError } from '../launch/failure.js';
import { judgeAppendices, knobTerms, type Appendix } from '../interpret/appendices.js';
import { formatBytes, formatCounted, formatMs } from '../interpret/format.js';
import { steadyThresholds } from '../interpret/steady.js';
import type { Trace } from '../probe/trace.js';
import { coldWarmPoints } from '../report/cold-warm-points.js';
import type { Progress } from '../report/display.js';
import {
  answerTable,
  decisionTable,
  excessTable,
  knobTable,
  sixTermsTable,
  statisticsTable,
  stopwatchText,
} from '../report/finding-tables.js';
import {
  environmentTable,
  modelTable,
  seedDifferencesTable,
  settingsTable,
  workloadTable,
} from '../report/frozen-tables.js';
import { coldWarmTable, definitionsTable, prefixTable, serverTtftTable, warmTable } from '../report/request-tables.js';
import {
  bandsTable,
  interferenceTable,
  observerTable,
  snapshotTable,
  stopwatchTable,
} from '../report/snapshot-tables.js';
import { launchesTable, phasesTable, repeatsTable } from '../report/startup-tables.js';
import { chartFontsOf } from '../report/picture.js';
import { startupWaterfall } from '../report/startup-waterfall.js';
import { stampedOnly, type InterpretedRun } from '../report/subject.js';
import { renderTable } from '../report/table.js';
import { firstTokenLatencyMarkdown } from '../report/template.js';
import { timelineChart } from '../report/timeline-chart.js';
import { tokenTimes } from '../report/token-times.js';
import { truthTable } from '../report/truth-table.js';
import { writeCharts, writeReport } from '../report/write-report.js';
import { bulleted, engineReading, penaltyReading, startupReading } from './reading.js';
import {
  display,
  engineKindOf,
  findLatestRun,
  openNotebookRun,
  projectRoot,
  readInterpreted,
  type NotebookRun,
} from './run.js';

const answerOutput = 'day007-answer';

/** Warm requests in each launch but the last, which has the full block: n = 6 is the first with a 95 % interval. */
const pairedWarmRuns = 6;

/** From this warm TTFT on, the comparison with and without samplers takes half as many requests. */
const slowTtftMs = 1000;

/** The answer of the newest run, before anything is run; `save` fills it again with this run's. */
export async function showAnswer(): Promise<void> {
  const latest = findLatestRun(projectRoot);
  const text =
    latest === undefined
      ? 'No run yet: run the cells below, and the answer will stand here.'
      : answerTable(readInterpreted(latest));
  await display.show(text, { displayId: answerOutput });
}

/** Resolve the configuration and show where each value came from. Throws ConfigError or EngineError, each with what to do. */
export const configure = (cell: ConfigInput = {}): Promise<RunConfig> => resolveAndShow(cell, false);

/** The same for an experiment on cold starts: without a vLLM, the rehearsal that knows what its causes cost. */
export const configureExperiment = (cell: ConfigInput = {}): Promise<RunConfig> => resolveAndShow(cell, true);

async function resolveAndShow(cell: ConfigInput, forExperiment: boolean): Promise<RunConfig> {
  const config = resolveConfig(cell, { projectRoot, forExperiment });
  const settings = settingsTable({ configEntries: config.entries, engine: { kind: engineKindOf(config) } });
  await display.show(`${engineReading(config.foundEngine)}\n\n${settings}`);
  return config;
}

/** Freeze model, machine and requests, write run.json, and start the instruments. */
export async function freeze(config: RunConfig): Promise<NotebookRun> {
  const progress = display.progress(config.replay === undefined ? 'Freezing' : 'Reading the saved run');
  const frozen = await interruptible(
    (signal) =>
      freezeRun(config, {
        signal,
        onProgress: ({ step, doneBytes, totalBytes }) =>
          progress.update(
            `${step === 'write-model' ? 'writing' : 'hashing'} the model: ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
          ),
      }),
    () => 'Freezing was interrupted; nothing is frozen and nothing was started. Run the cell again.',
  );
  const run = await openNotebookRun(frozen);
  progress.done(
    frozen.mode === 'replay'
      ? `The saved run ${frozen.record.runId}; nothing will be launched`
      : `Frozen as run ${frozen.record.runId}; from here on nothing may change`,
  );
  await display.show(
    [
      modelTable(frozen.record),
      environmentTable(frozen.record),
      seedDifferencesTable(frozen.record),
      workloadTable(frozen.record),
    ].join('\n\n'),
  );
  return run;
}

/** Warm the probe and measure its own error. */
export async function calibrate(run: NotebookRun): Promise<void> {
  await act(run, 'Checking the stopwatch', async (session, progress) => {
    const { mode } = await session.calibrate();
    progress.done(`The stopwatch was checked (${mode})`);
  });
  await display.show(
    `Error of the probe's first-token stamp: ${stopwatchText(read(run).findings)}. It is shown, never subtracted.`,
  );
}

/** Read GPU and host at a named point. */
export async function snapshot(run: NotebookRun, point: string): Promise<void> {
  await run.session?.snapshot(point);
  await display.show(snapshotTable(read(run).data));
}

/** Start the server and wait until it answers. Throws LaunchError with the server's last lines and what to try. */
export async function launch(run: NotebookRun): Promise<void> {
  await act(run, 'Launching', async (session, progress, signal) => {
    // The cell may be run again: the server of the launch before leaves first.
    await session.stop();
    signal.throwIfAborted();
    progress.done(await launchWithProgress(session, progress, signal));
  });
  await display.show(launchesTable(read(run)));
}

/** Chart 1 and what it says. */
export async function showStartup(run: NotebookRun): Promise<void> {
  const interpreted = read(run);
  await display.show(startupWaterfall(interpreted));
  await display.show(`${startupReading(interpreted)}\n\n${phasesTable(interpreted)}`);
}

/** GET /v1/models, and the memory of the machine before any request. Throws SanityError when another model is served. */
export async function sanityCheck(run: NotebookRun): Promise<void> {
  const row = await run.session?.sanityCheck();
  const { data } = read(run);
  const served = row?.outputPreview ?? data.requests.find(({ name }) => name === 'sanity')?.outputPreview;
  await display.show(`The server lists: ${served ?? 'not asked in this run'}.\n\n${snapshotTable(data)}`);
}

/** The first request of this launch. */
export async function probeCold(run: NotebookRun): Promise<void> {
  await act(run, 'cold_1', async (session, progress, signal) => progress.done(traceText(await session.cold(signal))));
}

/** The second request at once, and the seed's two-row table. */
export async function probeWarmAtOnce(run: NotebookRun): Promise<void> {
  await act(run, 'warm_1', async (session, progress, signal) =>
    progress.done(traceText(await session.warmAtOnce(signal))),
  );
  await display.show(coldWarmTable(read(run)));
}

/** Some warm requests for this launch's own median, then restart: cold_1 and warm_1 of every further launch. The last one stays up. */
export async function restartAndRepeat(run: NotebookRun): Promise<void> {
  await act(run, 'Restarting', async (session, progress, signal) => {
    const { launches } = session.run.config;
    while (session.readyLaunches() < launches && session.run.record.engine.kind !== 'attach') {
      // Run again after an interrupted launch, it finds no server to warm.
      if (isUp(session)) {
        await warmBlock(session, progress, signal, {
          whole: isColdStreamed(session.launches()) ? 0 : pairedWarmRuns,
          streamed: isColdStreamed(session.launches()) ? pairedWarmRuns : 0,
        });
        await session.stop();
        signal.throwIfAborted();
      }
      progress.update(await launchWithProgress(session, progress, signal));
      await session.cold(signal);
      signal.throwIfAborted();
      await session.warmAtOnce(signal);
    }
    progress.done(`${formatCounted(session.launches(), 'launch')} in this run`);
  });
  const interpreted = read(run);
  await display.show([launchesTable(interpreted), coldWarmTable(interpreted), repeatsTable(interpreted)].join('\n\n'));
}

/** The warm block of the last launch: five answers taken whole, as in the seed, then the streamed ones. */
export async function probeWarm(run: NotebookRun): Promise<void> {
  await act(run, 'Warm requests', async (session, progress, signal) => {
    const { warmRuns } = session.run.config;
    // The driver's averages need a window of their own length; without a GPU there is nothing to wait for.
    const atLeastMs = session.sampler.noGpu === undefined ? steadyThresholds.windowMs : 0;
    const sent = await warmBlock(session, progress, signal, { whole: wholeWarmRuns, streamed: warmRuns, atLeastMs });
    const more = sent - wholeWarmRuns - warmRuns;
    progress.done(
      `${sent} warm requests${more > 0 ? `, ${more} more than asked for: bands of the GPU need ${formatMs(atLeastMs)}` : ''}`,
    );
  });
  await display.show(warmTable(read(run)));
}

/** Chart 2 and what it says. */
export async function showColdWarm(run: NotebookRun): Promise<void> {
  const interpreted = read(run);
  await display.show(coldWarmPoints(interpreted));
  await display.show(penaltyReading(interpreted.findings));
}

/** The long workload: the request that fills the cache, then unique and cached prompts in turn. */
export async function probeLong(run: NotebookRun): Promise<void> {
  await act(run, 'Long prompts', async (session, progress, signal) => {
    const traces = await session.long((trace) => progress.update(traceText(trace)), signal);
    progress.done(`${traces.length} long requests`);
  });
  await display.show(prefixTable(read(run)));
}

/** The same requests with the samplers on and off, in turns: what watching costs. Half as many where a warm TTFT passes 1 s. */
export async function compareObserver(run: NotebookRun): Promise<void> {
  await act(run, 'The cost of watching', async (session, progress, signal) => {
    const { warmCachedTtftMs, warmTtftMs } = read(run).findings;
    const isSlow = ((warmCachedTtftMs ?? warmTtftMs)?.median ?? 0) >= slowTtftMs;
    const { observerRuns } = session.run.config;
    const runs = isSlow ? Math.ceil(observerRuns / 2) : observerRuns;
    const traces = await session.observer({ runs }, (trace) => progress.update(traceText(trace)), signal);
    progress.done(`${traces.length} requests, half of them unwatched`);
  });
  await display.show(observerTable(read(run)));
}

/** Chart 3: one clock from spawn to the last token. */
export async function showTimeline(run: NotebookRun): Promise<void> {
  await display.show(timelineChart(read(run)));
}

/** GPU and CPU bands over the steady window, and what may have disturbed it. */
export async function showBands(run: NotebookRun): Promise<void> {
  const interpreted = read(run);
  await display.show(`${bandsTable(interpreted)}\n\n${interferenceTable(interpreted)}`);
}

/** Chart 4: tokens over time, cold and warm. */
export async function showTokens(run: NotebookRun): Promise<void> {
  await display.show(tokenTimes(read(run)));
}

/** The seed's six terms in both windows, and the second ledger part by part. */
export async function showEquation(run: NotebookRun): Promise<void> {
  const interpreted = read(run);
  await display.show(`${sixTermsTable(interpreted)}\n\n${excessTable(interpreted)}`);
}

/** The decision table A-D with its signals. */
export async function showDecision(run: NotebookRun): Promise<void> {
  await display.show(decisionTable(read(run)));
}

/** The four questions of the seed's template, answered. */
export async function showInterpretation(run: NotebookRun): Promise<void> {
  const { findings } = read(run);
  await display.show(
    findings.answers.map(({ question, lines }) => `**${question}**\n\n${bulleted(lines)}`).join('\n\n'),
  );
}

/** Which rule fired, the knob, the expected effect, and how to check it. */
export async function showNextKnob(run: NotebookRun): Promise<void> {
  await display.show(knobTable(read(run)));
}

/** Stop the server and the instruments, and show that nothing is left. */
export async function stop(run: NotebookRun): Promise<void> {
  await act(run, 'Stopping', async (session, progress) => {
    await session.close();
    progress.done('Stopped');
  });
  const { data, findings } = read(run);
  const ends = findings.launches.map((one) =>
    one.stoppedHow === undefined
      ? `Launch ${one.launch}: not ours to stop, or its end was not seen.`
      : `Launch ${one.launch} ended (${one.stoppedHow}) in ${formatMs(one.stopMs)}; processes left: ${one.leftoverProcesses ?? 'not looked for'}.`,
  );
  await display.show(`${bulleted(ends)}\n\n${snapshotTable(data)}`);
}

/** Write findings.json and first_token_latency.md, show the report, and fill the answer at the top. */
export async function save(run: NotebookRun): Promise<void> {
  const interpreted = read(run);
  const written = [
    ...writeReport(run.frozen.dir, interpreted.data, interpreted.findings),
    ...(await writeCharts(run.frozen.dir, interpreted, chartFontsOf(projectRoot))),
  ];
  const folder = relative(projectRoot, run.frozen.dir) || '.';
  await display.show(firstTokenLatencyMarkdown(interpreted.data, interpreted.findings));
  await display.show(
    `Written to \`${folder}\`: ${written.map((file) => `\`${relative(run.frozen.dir, file)}\``).join(', ')}, beside the CSV files. What may leave the machine: \`npm run share -- ${folder}\`.`,
  );
  const answer = answerTable(interpreted);
  await display.show(answer, { displayId: answerOutput, isUpdate: true });
  await display.show(answer);
}

/** What an appendix of the seed claims, against this run. */
export async function judge(run: NotebookRun, appendix: Appendix): Promise<void> {
  const { data, findings } = read(run);
  const rows = judgeAppendices(data, findings).filter((one) => one.appendix === appendix);
  const claims = renderTable({
    title: stampedOnly(findings.engineKind, `What appendix ${appendix} claims`),
    columns: [{ header: 'claim' }, { header: 'verdict' }, { header: 'because' }],
    rows: rows.map(({ claim, verdict, because }) => [claim, verdict, because]),
  });
  await display.show(appendix === 'E' ? `${knobTermsTable(findings.engineKind)}\n\n${claims}` : claims);
}

/** Every definition of TTFT for one stream, the stopwatch's table, of a rehearsal its truth, all statistics. */
export async function showFinePrint(run: NotebookRun): Promise<void> {
  const interpreted = read(run);
  await display.show(
    [
      definitionsTable(interpreted),
      serverTtftTable(interpreted),
      stopwatchTable(interpreted),
      truthTable(interpreted),
      statisticsTable(interpreted),
    ]
      .filter((table) => table !== '')
      .join('\n\n'),
  );
}

function knobTermsTable(engineKind: EngineKind): string {
  return renderTable({
    title: stampedOnly(engineKind, 'Knobs of a real server'),
    columns: [{ header: 'knob' }, { header: 'terms' }, { header: 'what it does' }],
    rows: knobTerms.map(({ knob, terms, effect }) => [knob, terms, effect]),
  });
}

const read = (run: NotebookRun): InterpretedRun => readInterpreted(run.frozen.dir);

/**
 * Do a step of a live run under a progress line; in a replay it is done already. A failure says so on its line before it
 * is thrown on. Jupyter's interrupt aborts `signal`, and the cell ends when the step has.
 */
async function act(
  run: NotebookRun,
  label: string,
  step: (session: Session, progress: Progress, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { session } = run;
  if (!session) return;
  const progress = display.progress(label);
  try {
    await interruptible(
      (signal) => step(session, progress, signal),
      () => interruptedText(label, session),
    );
  } catch (error) {
    const wasInterrupted =
      error instanceof InterruptedError || (error instanceof LaunchError && error.reason === 'interrupted');
    progress.done(wasInterrupted ? 'interrupted' : 'failed');
    throw error;
  }
}

/** What stands after an interrupt and how to go on. */
function interruptedText(label: string, session: Session): string {
  const what = `"${label}" was interrupted, and its work has ended.`;
  const launch = session.launches();
  if (isUp(session))
    return `${what} The server of launch ${launch} is still up: run the cell again, or the launch cell.`;
  return launch === 0 || session.run.record.engine.kind === 'attach'
    ? `${what} Run the cell again.`
    : `${what} No server is up: run the launch cell again.`;
}

function isUp(session: Session): boolean {
  const server = session.server();
  return server !== undefined && server.ended() === undefined;
}

/** Launch once; what became of it, in a line. */
async function launchWithProgress(session: Session, progress: Progress, signal: AbortSignal): Promise<string> {
  let phase = 'starting';
  const row = await session.launch({
    signal,
    onProgress: ({ elapsedMs, milestone, line }) => {
      phase = milestone ?? phase;
      progress.update(`launch ${session.launches()}, ${(elapsedMs / 1000).toFixed(0)} s, ${phase}: ${line}`);
    },
  });
  const readyMs =
    row.spawnAtMs === undefined || row.readyAtMs === undefined ? undefined : row.readyAtMs - row.spawnAtMs;
  return readyMs === undefined
    ? `Attached to ${session.run.config.url ?? 'the server'}`
    : `Launch ${row.launch} is ready after ${formatMs(readyMs)}`;
}

async function warmBlock(
  session: Session,
  progress: Progress,
  signal: AbortSignal,
  plan: { readonly whole: number; readonly streamed: number; readonly atLeastMs?: number },
): Promise<number> {
  let done = 0;
  await session.warm(
    plan,
    (trace) => progress.update(`${++done} of ${plan.whole + plan.streamed}: ${traceText(trace)}`),
    signal,
  );
  return done;
}

/** One request in a line. */
function traceText({ request }: Trace): string {
  const { name, index, outcome, error, sentAtMs, firstTokenAtMs, startAtMs, endAtMs, totalTokens } = request;
  if (outcome !== 'completed') return `${name} ${index}: ${outcome} (${error ?? 'no reason given'})`;
  const ttft =
    firstTokenAtMs === undefined || sentAtMs === undefined ? '' : `TTFT ${formatMs(firstTokenAtMs - sentAtMs)}, `;
  const wall = endAtMs === undefined ? '' : `wall_s ${formatMs(endAtMs - startAtMs)}, `;
  return `${name} ${index}: ${ttft}${wall}${totalTokens ?? '?'} tokens`;
}
