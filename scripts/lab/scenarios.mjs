// What is tried on the notebook in Lab, in this order and on one page: each scenario goes on from where the one before
// left the kernel. A scenario gives what it saw (`says`) and what was wrong (`problems`).
import { cellOf } from './notebook.mjs';
import { isPortFree, processesWith, secondsUntil } from './traces.mjs';

/** From the click to the end of the cell. A server that is asked to stop has its engine's processes to end. */
const LAUNCH_ENDS_S = 5;
const REQUESTS_END_S = 3;
/** From the restart to the last process of the old run gone. */
const OLD_RUN_GONE_S = 5;
const KEEPER_GONE_S = 1;
/** New states of a live line that a reader must have had on the screen before the cell ended. */
const LIVE_STATES = 5;
/** States of a line after which its cell is in the middle of its work. */
const MIDST_STATES = 3;
const launching = { call: 'launch', midst: /launch \d+, /, limitS: LAUNCH_ENDS_S };
const warming = { call: 'probeWarm', midst: /\d+ of \d+: /, limitS: REQUESTS_END_S };
const relaunching = { call: 'restartAndRepeat', midst: /launch 2, /, limitS: LAUNCH_ENDS_S };
const CHARTS = 4;
/** A drawn chart has more than this many pixels that are not background. */
const CHART_INK = 500;
/** What stays with the kernel when no server is up: the instruments. */
const INSTRUMENTS = /lib\/(probe\/prober|snapshot\/sampler-program)\.ts/;

/** Any notebook: runs to its end, and nothing is wrong with what it shows. */
export async function runAny({ notebook }) {
  if ((await notebook.read()).cells.length > 0) await notebook.startAll();
  const { cells } = await notebook.rest();
  const charts = await lookAtCharts(notebook, cells);
  return {
    says: [`${cells.length} code cells`, charts.says],
    problems: [...failuresOf(cells), ...charts.problems],
  };
}

/** The scenarios of day-007.ipynb: [name, scenario]. */
export const scenarios = [
  ['run all', runAll],
  ['restart after a complete run', restartAfterComplete],
  ['interrupt a launch', interruptLaunch],
  ['interrupt requests', interruptRequests],
  ['restart after an interrupted run', restartAfterInterrupted],
];

/** Whether these scenarios mean anything for a notebook. */
export const hasScenarios = (cells) => cells.some(({ source }) => source.includes('day007.launch('));

async function runAll(lab) {
  const { notebook } = lab;
  await notebook.startAll();
  const end = await notebook.rest();
  const result = await lookAtCompleteRun(lab, end.cells);
  for (const call of ['launch', 'probeWarm']) {
    const states = (await notebook.seenOf(cellOf(end.cells, call).index)).length;
    result.says.push(`${call}: ${states} states of its output on the screen while it ran`);
    if (states < LIVE_STATES)
      result.problems.push(`${call}: only ${states} states were on the screen while it ran; ${LIVE_STATES} wanted`);
  }
  return result;
}

/** The second run goes on in the scenarios below, which interrupt it twice and see it come to its answer. */
async function restartAfterComplete(lab) {
  const before = await lab.completed();
  return restart(lab, runIdOf(before.cells));
}

async function interruptLaunch(lab) {
  const { notebook, port } = lab;
  await lab.running('launch');
  const interrupted = await interruptAt(lab, launching);
  const left = () =>
    processesWith({ DAY007_RUN_ID: interrupted.runId }).filter(({ command }) => !INSTRUMENTS.test(command));
  // The server's keeper tells its end and then ends itself.
  await secondsUntil(() => left().length === 0, KEEPER_GONE_S);
  const problems = [...interrupted.problems, ...left().map((one) => `left of the launch: ${one.pid} ${one.command}`)];
  if (!(await isPortFree(port))) problems.push(`port ${port} is still taken`);
  await notebook.startFrom(cellOf(interrupted.cells, 'launch').index);
  const again = await notebook.ended('launch');
  if (again.stderr) problems.push(`the launch cell, run again: ${again.stderr.trim()}`);
  return { says: [...interrupted.says, 'the launch cell was run again'], problems };
}

async function interruptRequests(lab) {
  const { notebook } = lab;
  await lab.running('probeWarm');
  const interrupted = await interruptAt(lab, warming);
  const servers = processesWith({ DAY007_RUN_ID: interrupted.runId, DAY007_LAUNCH: undefined });
  const problems = [...interrupted.problems];
  if (servers.length === 0) problems.push('no process of the server is left, and it was to stay');
  if (!(await isHealthy(lab.port))) problems.push('the server does not answer /health');
  await notebook.startFrom(cellOf(interrupted.cells, 'probeWarm').index);
  const end = await notebook.rest();
  const result = await lookAtCompleteRun(lab, end.cells);
  return {
    says: [...interrupted.says, `the server stayed: ${servers.length} processes`, ...result.says],
    problems: [...problems, ...result.problems],
  };
}

async function restartAfterInterrupted(lab) {
  await lab.fresh();
  const interrupted = await interruptAt(lab, relaunching);
  const begun = await restart(lab, interrupted.runId);
  const { cells } = await lab.notebook.rest();
  const complete = await lookAtCompleteRun(lab, cells);
  return {
    says: [...interrupted.says, ...begun.says, ...complete.says],
    problems: [...interrupted.problems, ...begun.problems, ...complete.problems],
  };
}

/** Restarts by the menu: the old run must leave nothing, and a new one must begin. */
async function restart({ notebook, port }, oldRunId) {
  await notebook.restartAndStartAll();
  const seconds = await secondsUntil(() => processesWith({ DAY007_RUN_ID: oldRunId }).length === 0, OLD_RUN_GONE_S);
  const problems = processesWith({ DAY007_RUN_ID: oldRunId }).map(
    ({ pid, command }) => `left of the old run: ${pid} ${command}`,
  );
  if (!(await isPortFree(port))) problems.push(`port ${port} is still taken`);
  await notebook.ended('freeze');
  const runId = runIdOf((await notebook.read()).cells);
  if (runId === 'none' || runId === oldRunId) problems.push(`the run after ${oldRunId} is ${runId}`);
  return {
    says: [seconds === undefined ? '' : `nothing of run ${oldRunId} is left ${seconds.toFixed(1)} s after the restart`],
    problems,
  };
}

/** Interrupts in the middle of a cell's work: it must end soon, say so in a sentence, and keep the cells below from running. */
async function interruptAt({ notebook }, { call, midst, limitS }) {
  await notebook.untilSeen(call, midst, MIDST_STATES);
  await notebook.interrupt();
  const startedMs = performance.now();
  const { cells } = await notebook.rest();
  const seconds = (performance.now() - startedMs) / 1000;
  const cell = cellOf(cells, call);
  const said = cell.stderr.trim();
  const ranOn = cells.filter((one) => one.index > cell.index && one.executionCount > cell.executionCount);
  return {
    runId: runIdOf(cells),
    cells,
    says: [`${call} ended ${seconds.toFixed(1)} s after the interrupt and says: ${said}`],
    problems: [
      ...(seconds > limitS ? [`${call} ended ${seconds.toFixed(1)} s after the interrupt; ${limitS} s allowed`] : []),
      ...(isPlainSentence(said) ? [] : [`${call} does not say in a plain sentence that it was interrupted: ${said}`]),
      ...ranOn.map((one) => `ran on after the interrupt: ${one.source}`),
    ],
  };
}

/** Says "interrupted" and what to do, without a stack, in a line or two. */
function isPlainSentence(text) {
  return /interrupted/i.test(text) && !/\n\s+at |asynchronously|[{}]/.test(text) && text.split('\n').length <= 2;
}

/** What must hold of a run that came to its end: every cell ran, the answer stands at the top, charts are drawn, nothing is left. */
async function lookAtCompleteRun({ notebook, port }, cells) {
  const failures = failuresOf(cells);
  if (failures.length > 0) return { says: [], problems: failures };
  const runId = runIdOf(cells);
  const charts = await lookAtCharts(notebook, cells, CHARTS);
  const answer = await lookAtAnswer(notebook, cells, runId);
  const left = processesWith({ DAY007_RUN_ID: runId });
  return {
    says: [`run ${runId}`, answer.says, charts.says],
    problems: [
      ...answer.problems,
      ...charts.problems,
      ...left.map(({ pid, command }) => `left of the run: ${pid} ${command}`),
      ...((await isPortFree(port)) ? [] : [`port ${port} is still taken`]),
    ],
  };
}

/** The first cell's table is filled with this run's answer: the same rows as the last table of the saving cell. */
async function lookAtAnswer(notebook, cells, runId) {
  const top = cellOf(cells, 'showAnswer');
  const [rows = []] = await notebook.tablesOf(top.index);
  const saved = (await notebook.tablesOf(cellOf(cells, 'save').index)).at(-1) ?? [];
  const problems = [];
  if (!top.texts.join('\n').includes(runId)) problems.push(`the answer at the top is not that of run ${runId}`);
  if (rows.length < 2 || JSON.stringify(rows) !== JSON.stringify(saved))
    problems.push(
      `the answer at the top has ${rows.length} rows, that of the saving cell ${saved.length}, or they differ`,
    );
  const empty = rows.filter((row) => row.some((cell) => cell === '')).slice(1);
  problems.push(...empty.map((row) => `an empty cell in the answer: ${row.join(' | ')}`));
  return { says: `the answer at the top: ${rows.length} rows`, problems };
}

async function lookAtCharts(notebook, cells, wanted) {
  const problems = [];
  const sizes = [];
  for (const { index, charts } of cells.filter((cell) => cell.charts > 0)) {
    const drawn = (await notebook.chartsOf(index)).filter(({ ink }) => ink > CHART_INK);
    sizes.push(...drawn.map(({ width, height }) => `${width}x${height}`));
    if (drawn.length < charts) problems.push(`cell ${index}: ${charts - drawn.length} of ${charts} charts not drawn`);
  }
  if (wanted !== undefined && sizes.length !== wanted) problems.push(`${sizes.length} charts drawn, not ${wanted}`);
  return { says: `charts drawn: ${sizes.join(', ') || 'none'}`, problems };
}

function failuresOf(cells) {
  return cells.flatMap(({ source, error, stderr, executionCount }) => {
    const name = source.split('\n').at(-1);
    if (error || stderr) return [`"${name}": ${(error ?? stderr).trim().slice(0, 800)}`];
    return executionCount === null ? [`"${name}" did not run`] : [];
  });
}

function runIdOf(cells) {
  const text = cellOf(cells, 'freeze').texts.join('\n');
  return /Frozen as run (\S+?);/.exec(text)?.[1] ?? 'none';
}

async function isHealthy(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health`)).ok;
  } catch {
    return false;
  }
}
