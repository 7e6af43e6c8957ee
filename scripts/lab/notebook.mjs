// A notebook open in Lab, and what a person does with it: the menus, the dialogs, waiting, looking.
import { openPage } from './browser.mjs';
import {
  isOpenAndIdle,
  measureCharts,
  readNotebook,
  readSeen,
  readSelected,
  readTables,
  selectCell,
  watchOutputs,
} from './inpage.mjs';
import { Stop } from '../parts/stop.mjs';

const OPEN_MS = 60_000;
const CHART_MS = 20_000;
const MENU_MS = 10_000;
const LOOK_EVERY_MS = 50;
const SELECT_ATTEMPTS = 20;
const SETTLED_MS = 1000;

/** Opens `path` (below Lab's root). `limitMs`: the longest wait for anything that a notebook does. */
export async function openNotebook(browser, lab, path, limitMs) {
  const isOwn = (url) => new URL(url).host === new URL(lab.url).host;
  const { page, requests, errors } = await openPage(browser, isOwn);
  await page.goto(`${lab.url}/lab/workspaces/lab-check/tree/${path}?token=${lab.token}&reset`);
  await page.waitForFunction(isOpenAndIdle, path, { timeout: OPEN_MS });

  const read = () => page.evaluate(readNotebook);
  const until = async (what, look) => {
    for (const startedMs = performance.now(); ;) {
      const notebook = await read();
      const found = look(notebook);
      if (found) return found;
      if (performance.now() - startedMs > limitMs)
        throw new Stop(`waited ${limitMs / 1000} s for ${what}.\n${describe(notebook)}`);
      await page.waitForTimeout(LOOK_EVERY_MS);
    }
  };
  const open = (menu) =>
    page.locator('.lm-MenuBar-item', { hasText: new RegExp(`^${menu}$`) }).click({ timeout: MENU_MS });
  const pick = (command) => page.locator(`.lm-Menu-item[data-command="${command}"]`).click({ timeout: MENU_MS });
  const choose = async (menu, command) => {
    await open(menu);
    await pick(command);
  };
  /** Opens a menu with a cell selected. Lab, still busy with the end of an interrupted run, was once seen to select another. */
  const openFor = async (index, menu) => {
    for (let attempt = 1; attempt <= SELECT_ATTEMPTS; attempt += 1) {
      await page.evaluate(selectCell, index);
      await open(menu);
      if ((await page.evaluate(readSelected)) === index) return;
      await page.keyboard.press('Escape');
      await page.waitForTimeout(LOOK_EVERY_MS);
    }
    throw new Stop(`cell ${index} did not stay selected in ${SELECT_ATTEMPTS} attempts.`);
  };
  /** What was on the screen of a cell while it ran, state after state. */
  const seenOf = async (index) => (await page.evaluate(readSeen))[index] ?? [];
  const isAtRest = ({ kernel, cells }) => kernel === 'idle' && !cells.some(isWaiting);
  /** At rest, and unchanged for a while: the kernel's answers to cells that were given up still come in after the interrupt. */
  const settled = async () => {
    let since = performance.now();
    let last = '';
    return until('the notebook to settle', (notebook) => {
      const now = JSON.stringify(notebook.cells.map(({ prompt, executionCount }) => [prompt, executionCount]));
      if (now !== last || !isAtRest(notebook)) since = performance.now();
      last = now;
      return performance.now() - since > SETTLED_MS && notebook;
    });
  };
  /** Chooses a command that runs cells; resolves when the first of them has been taken up. */
  const begin = async (menu, command) => {
    await page.evaluate(watchOutputs);
    await choose(menu, command);
  };

  return {
    page,
    requests,
    errors,
    read,
    until,
    seenOf,
    startAll: async () => {
      const before = (await read()).cells.map(({ prompt }) => prompt);
      await begin('Run', 'runmenu:run-all');
      await until('the first cell to run', ({ cells }) => cells.some(({ prompt }, at) => prompt !== before[at]));
    },
    startFrom: async (index) => {
      const { executionCount: before } = (await settled()).cells.find((cell) => cell.index === index);
      await page.evaluate(watchOutputs);
      await openFor(index, 'Run');
      await pick('notebook:run-all-below');
      await until(`cell ${index} to run`, ({ cells }) =>
        cells.some((cell) => cell.index === index && (isWaiting(cell) || cell.executionCount > before)),
      );
    },
    restartAndStartAll: async () => {
      const before = (await read()).cells.length;
      await choose('Kernel', 'runmenu:restart-and-run-all');
      await page.locator('.jp-Dialog .jp-mod-accept').click({ timeout: MENU_MS });
      await page.evaluate(watchOutputs);
      await until('the first cell to run again', ({ cells }) => cells.length === before && cells.some(isWaiting));
    },
    interrupt: () => choose('Kernel', 'kernelmenu:interrupt'),
    /** Until the line of a cell has shown so many states like this one, and the cell still runs. */
    untilSeen: async (call, pattern, count) => {
      for (const startedMs = performance.now(); ;) {
        const notebook = await read();
        const cell = cellOf(notebook.cells, call);
        const states = await seenOf(cell.index);
        if (states.filter((state) => pattern.test(state)).length >= count && isWaiting(cell)) return;
        const isOver = notebook.kernel === 'idle' && !notebook.cells.some(isWaiting);
        if (isOver || performance.now() - startedMs > limitMs)
          throw new Stop(
            `${call} was never seen in its midst (${pattern}); its states:\n  ${states.join('\n  ')}\n${describe(notebook)}`,
          );
        await page.waitForTimeout(LOOK_EVERY_MS);
      }
    },
    /** Until a cell that was started has ended; gives the cell. */
    ended: (call) =>
      until(`${call} to end`, ({ cells }) => {
        const cell = cellOf(cells, call);
        return !isWaiting(cell) && cell;
      }),
    /** Until no cell runs or waits to: all is done, or one has failed. */
    rest: () => until('the cells to end', (notebook) => isAtRest(notebook) && notebook),
    /** Lab draws what is in view. Each chart of a cell, drawn or not. */
    chartsOf: async (index) => {
      await page.evaluate(selectCell, index);
      let charts = [];
      for (const startedMs = performance.now(); performance.now() - startedMs < CHART_MS;) {
        charts = await page.evaluate(measureCharts, index);
        if (charts.length > 0 && charts.every(({ ink }) => ink > 0)) break;
        await page.waitForTimeout(LOOK_EVERY_MS);
      }
      return charts;
    },
    tablesOf: async (index) => {
      await page.evaluate(selectCell, index);
      await page.waitForTimeout(200);
      return page.evaluate(readTables, index);
    },
  };
}

export const isWaiting = ({ prompt }) => prompt.includes('*');

/** The cell that calls `day007.<call>(...)`. */
export function cellOf(cells, call) {
  const cell = cells.find(({ source }) => source.includes(`day007.${call}(`));
  if (!cell) throw new Stop(`the notebook has no cell that calls day007.${call}(...)`);
  return cell;
}

/** What a failed wait shows: which cells ran, which did not, and what they said last. */
function describe({ kernel, cells }) {
  const lines = cells.map(
    ({ prompt, source, texts, stderr }) =>
      `  ${prompt.padEnd(6)} ${source.split('\n').at(-1)?.slice(0, 50)} | ${(stderr || texts.at(-1) || '').trim().slice(0, 150)}`,
  );
  return [`  the kernel is ${kernel}; the cells:`, ...lines].join('\n');
}
