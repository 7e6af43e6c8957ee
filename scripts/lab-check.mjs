// `npm run check:lab [-- notebook ...]`: notebooks in JupyterLab, driven in a real Chromium as a person would: run all,
// interrupt, restart and run again. Says PASS or FAIL for each scenario with its seconds and what was seen.
// Options: --only <name,name>, --minutes <n> (longest wait), --screenshot <file.png>, --page <file.html> (looks at a
// rendered page instead), CHROMIUM=<path>. The engine is the rehearsal unless DAY007_ENGINE says otherwise.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { randomBytes } from 'node:crypto';
import { startBrowser } from './lab/browser.mjs';
import { cellOf, openNotebook } from './lab/notebook.mjs';
import { lookAtPage } from './lab/rendered.mjs';
import { removeRuns } from './lab/runs.mjs';
import { hasScenarios, runAny, scenarios } from './lab/scenarios.mjs';
import { freePort, startLab } from './lab/server.mjs';
import { processesWith, secondsUntil } from './lab/traces.mjs';
import { cache, root } from './parts/place.mjs';
import { Stop } from './parts/stop.mjs';

const NOTEBOOK = 'notebooks/day-007.ipynb';
/** What is not said otherwise in the environment: how the notebook is driven does not hang on many requests. */
const SHORT_RUN = { DAY007_ENGINE: 'rehearsal', DAY007_LONG_RUNS: '2', DAY007_OBSERVER_RUNS: '2' };
/** From JupyterLab's end to the last process that it had started, or that those had. */
const ALL_GONE_S = 5;
/** What a page still asks for, or complains about, this long after its last cell counts too. */
const SETTLE_MS = 1000;

export async function main(args) {
  const options = readOptions(args);
  const browser = await startBrowser();
  const tally = { passed: 0, failed: 0 };
  try {
    if (options.page) await judge(tally, 'page', () => lookAtPage(browser, options.page, options.screenshot));
    else await checkNotebooks(browser, options, tally);
  } finally {
    await browser.close();
  }
  console.log(`Lab: ${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1;
}

function readOptions(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      minutes: { type: 'string', default: '2' },
      screenshot: { type: 'string' },
      page: { type: 'string' },
    },
  });
  const files = (values.page ? [values.page] : positionals.length > 0 ? positionals : [NOTEBOOK]).map((file) =>
    resolve(root, file),
  );
  for (const file of files)
    if (!existsSync(file)) throw new Stop(`${file} does not exist: name a notebook, or a page with --page.`);
  const names = scenarios.map(([name]) => name);
  const only = values.only?.split(',').map((name) => name.trim());
  const unknown = only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0) throw new Stop(`There is no scenario ${unknown.join(', ')}; there are: ${names.join(', ')}.`);
  return {
    notebooks: files,
    page: values.page && files[0],
    only,
    screenshot: values.screenshot,
    limitMs: Number(values.minutes) * 60_000,
  };
}

/** One JupyterLab for all of them; when it has ended, nothing that it or a run started may be left. */
async function checkNotebooks(browser, options, tally) {
  const mark = randomBytes(6).toString('hex');
  const port = await freePort();
  const sinceMs = Date.now();
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'lab-check-'));
  const lab = await startLab(environmentOf(mark, port));
  try {
    for (const file of options.notebooks) await checkNotebook(browser, lab, { ...options, file, folder, port, tally });
  } finally {
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  await judge(tally, 'JupyterLab ends', () => lookForLeftovers(mark));
  if (tally.failed === 0) removeRuns(port, sinceMs);
  else console.log(`The run folders stay in data/runs: those with port ${port} in run.json are this check's.`);
}

/** Each run of the notebook gets an id of its own; a replay would launch nothing. */
function environmentOf(mark, port) {
  const { DAY007_RUN_ID: _runId, DAY007_REPLAY: _replay, ...own } = process.env;
  return { ...SHORT_RUN, ...own, DAY007_PORT: String(port), LAB_CHECK: mark };
}

async function lookForLeftovers(mark) {
  const seconds = await secondsUntil(() => processesWith({ LAB_CHECK: mark }).length === 0, ALL_GONE_S);
  const left = processesWith({ LAB_CHECK: mark });
  return {
    says: seconds === undefined ? [] : [`nothing is left ${seconds.toFixed(1)} s after its end`],
    problems: left.map(({ pid, command }) => `left: ${pid} ${command}`),
  };
}

async function checkNotebook(browser, lab, { file, folder, port, tally, only, screenshot, limitMs }) {
  const copy = join(folder, basename(file));
  copyFileSync(file, copy);
  const notebook = await openNotebook(browser, lab, relative(root, copy), limitMs);
  const { cells } = await notebook.read();
  const list = hasScenarios(cells)
    ? scenarios.filter(([name]) => !only || only.includes(name))
    : [[`run ${basename(file)}`, runAny]];
  const stage = setStage(notebook, port);
  for (const [name, scenario] of list) {
    await judge(tally, name, async () => {
      const { says, problems } = await scenario(stage);
      await notebook.page.waitForTimeout(SETTLE_MS);
      // Taken out, so that each counts once; what came while the notebook was opened counts in the first scenario.
      const requests = notebook.requests.splice(0).map((url) => `request to ${url}`);
      const errors = notebook.errors.splice(0).map((text) => `console: ${text}`);
      return { says, problems: [...problems, ...requests, ...errors] };
    });
  }
  if (screenshot) await notebook.page.screenshot({ path: screenshot });
  await notebook.page.close();
}

/** What scenarios stand on: the notebook, the port of its server, and ways to come to a known state from any other. */
function setStage(notebook, port) {
  const fresh = async () => {
    const { cells } = await notebook.read();
    const isUntouched = cells.every(({ prompt }) => !/[*\d]/.test(prompt));
    return isUntouched ? notebook.startAll() : notebook.restartAndStartAll();
  };
  /** The cell has not run yet in this kernel, or runs. */
  const isAhead = async (call) => cellOf((await notebook.read()).cells, call).prompt.includes('*');
  return {
    notebook,
    port,
    /** A run that has just begun. */
    fresh,
    /** A run that is under way, with this cell still to come or running. */
    running: async (call) => (await isAhead(call)) || fresh(),
    /** A run that has come to its end. */
    completed: async () => {
      const { cells } = await notebook.read();
      if (!cells.every(({ prompt }) => /\d/.test(prompt))) await fresh();
      return notebook.rest();
    },
  };
}

/** Runs one scenario and says how it went. A scenario that could not go on has failed; the next one is tried all the same. */
async function judge(tally, name, scenario) {
  const startedMs = performance.now();
  const { says, problems } = await scenario().catch((error) => ({
    says: [],
    problems: [error.name === 'Stop' ? error.message : (error.stack ?? String(error))],
  }));
  tally[problems.length === 0 ? 'passed' : 'failed'] += 1;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${problems.length === 0 ? 'PASS' : 'FAIL'}  Lab: ${name} (${seconds} s)`);
  for (const line of [...says, ...problems.map((problem) => `! ${problem}`)])
    if (line) console.log(`      ${line.replaceAll('\n', '\n      ')}`);
}
