// `npm run check:lab -- [notebook]`: opens a notebook in JupyterLab in a real Chromium, runs all cells, and says what a
// person would see: failed cells, pictures, how charts are shown, and every request that left this machine.
// Options: --screenshot <file.png>, --minutes <n>, --page <file.html> (looks at a rendered page instead), CHROMIUM=<path>.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { isAbsolute, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './parts/place.mjs';
import { Stop } from './parts/stop.mjs';

const CHROMIUMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LAB_START_MS = 60_000;
const CHART_MS = 20_000;
const VIEW = { width: 1400, height: 1000 };

export async function main(args) {
  const options = readOptions(args);
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: findChromium(), args: FLAGS });
  try {
    const report = options.page ? await lookAtPage(browser, options) : await runInLab(browser, options);
    console.log(JSON.stringify(report, undefined, 2));
    return report.problems.length === 0 ? 0 : 1;
  } finally {
    await browser.close();
  }
}

function readOptions(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { screenshot: { type: 'string' }, minutes: { type: 'string', default: '30' }, page: { type: 'string' } },
  });
  const notebook = resolve(root, positionals[0] ?? 'notebooks/day-007.ipynb');
  const opened = values.page ? resolve(values.page) : notebook;
  if (!existsSync(opened)) throw new Stop(`${opened} does not exist: name a notebook, or a page with --page.`);
  return {
    notebook: relative(root, notebook),
    page: values.page && opened,
    screenshot: values.screenshot,
    limitMs: Number(values.minutes) * 60_000,
  };
}

function findChromium() {
  const found = [process.env.CHROMIUM, ...CHROMIUMS].find((path) => path && existsSync(path));
  if (!found)
    throw new Stop('Chromium was not found: apt-get install chromium, or name a browser with CHROMIUM=/path.');
  return found;
}

/** A rendered page by itself: it must make no request and show its pictures. */
async function lookAtPage(browser, { page: file, screenshot }) {
  const page = await browser.newPage({ viewport: VIEW });
  const requests = listenToRequests(page, (url) => url === pathToFileURL(file).href);
  await page.goto(pathToFileURL(file).href, { waitUntil: 'load' });
  const seen = await page.evaluate(lookAtOutputs);
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
  return {
    page: file,
    ...seen,
    requests,
    problems: [...requests.map((url) => `request to ${url}`), ...describeBroken(seen)],
  };
}

async function runInLab(browser, { notebook, screenshot, limitMs }) {
  if (isAbsolute(notebook) || notebook.startsWith('..'))
    throw new Stop(`${notebook} lies outside the project: JupyterLab opens files below ${root} only.`);
  const lab = await startLab();
  try {
    const page = await browser.newPage({ viewport: VIEW });
    const requests = listenToRequests(page, (url) => new URL(url).host === new URL(lab.url).host);
    await page.goto(`${lab.url}/lab/tree/${notebook}?token=${lab.token}&reset`);
    const run = await runAllCells(page, notebook, limitMs);
    await waitForCharts(page);
    const seen = await page.evaluate(lookAtOutputs);
    if (screenshot) await page.screenshot({ path: screenshot });
    const problems = [...run.failures, ...requests.map((url) => `request to ${url}`), ...describeBroken(seen)];
    return { notebook, ...run, ...seen, requests, problems };
  } finally {
    await lab.stop();
  }
}

async function startLab() {
  const port = await freePort();
  const token = 'lab-check';
  const args = [
    '--no-browser',
    `--port=${port}`,
    '--ServerApp.port_retries=0',
    `--IdentityProvider.token=${token}`,
    '--LabApp.expose_app_in_browser=True',
  ];
  const child = spawn(process.execPath, ['scripts/door.cjs', 'jupyter', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (log += bytes));
  const ended = new Promise((settle) => child.on('close', settle));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  for (const startedMs = performance.now(); ;) {
    if (await answers(`${url}/api?token=${token}`)) return { url, token, stop };
    if (child.exitCode !== null || performance.now() - startedMs > LAB_START_MS) {
      await stop();
      throw new Stop(
        `JupyterLab did not answer within ${LAB_START_MS / 1000} s. Its last lines:\n${log.split('\n').slice(-15).join('\n')}`,
      );
    }
    await new Promise((settle) => setTimeout(settle, 200));
  }
}

function freePort() {
  return new Promise((settle) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => settle(port));
    });
  });
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function listenToRequests(page, isOwn) {
  const foreign = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !isOwn(url)) foreign.push(url);
  });
  return foreign;
}

/** Runs the notebook through Lab's own command, which resolves when the last cell has ended: with false when one failed. */
async function runAllCells(page, notebook, limitMs) {
  await page.waitForFunction(
    (path) => {
      const widget = globalThis.jupyterapp?.shell?.currentWidget;
      return (
        widget?.context?.path === path &&
        widget.context.isReady &&
        widget.sessionContext?.session?.kernel?.status === 'idle'
      );
    },
    notebook,
    { timeout: LAB_START_MS },
  );
  const startedMs = performance.now();
  page.setDefaultTimeout(limitMs);
  const isDone = page.evaluate(() => globalThis.jupyterapp.commands.execute('notebook:run-all-cells'));
  const allRan = await Promise.race([
    isDone,
    new Promise((_, reject) =>
      setTimeout(
        () => reject(new Stop(`The notebook did not end within ${limitMs / 60_000} minutes.`)),
        limitMs,
      ).unref(),
    ),
  ]);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const cells = await page.evaluate(readCells);
  return { seconds, ...cells, failures: allRan ? cells.failures : ['a cell failed', ...cells.failures] };
}

/** Lab loads its chart library when it meets the first chart, and draws what is in view; a chart never drawn is reported as missing. */
async function waitForCharts(page) {
  const isDrawn = () =>
    [...document.querySelectorAll('.jp-RenderedVegaCommon5')].every((node) => node.querySelector('canvas, svg, img'));
  await page.waitForFunction(isDrawn, undefined, { timeout: CHART_MS }).catch(() => undefined);
}

/* The functions below run inside the browser. */

/** What Lab's model of the notebook holds after the run. */
function readCells() {
  const { model } = globalThis.jupyterapp.shell.currentWidget.content;
  const cells = model
    .toJSON()
    .cells.filter((cell) => cell.cell_type === 'code' && [cell.source].flat().join('').trim() !== '');
  const outputs = cells.flatMap((cell) => cell.outputs);
  const failures = cells.flatMap((cell, index) => {
    const error = cell.outputs.find((output) => output.output_type === 'error');
    if (error) return [`code cell ${index + 1}: ${error.ename}: ${error.evalue}`];
    return cell.execution_count === null ? [`code cell ${index + 1} did not run`] : [];
  });
  return {
    codeCells: cells.length,
    stderr: outputs
      .filter((output) => output.name === 'stderr')
      .map((output) => [output.text].flat().join('').slice(0, 500)),
    bundles: outputs.filter((output) => output.data).map((output) => Object.keys(output.data)),
    failures,
  };
}

/** Which format of each bundle is on the screen, and whether its picture has pixels. */
function lookAtOutputs() {
  const pictures = [...document.querySelectorAll('img')];
  const shown = [...document.querySelectorAll('.jp-OutputArea-output')].map(
    (node) => node.dataset.mimeType ?? node.className,
  );
  return {
    shown,
    pictures: pictures.map((image) => `${image.naturalWidth}x${image.naturalHeight}`),
    vegaCharts: [...document.querySelectorAll('.jp-RenderedVegaCommon5')].map(
      (node) => node.querySelector('canvas, svg, img')?.tagName ?? 'not drawn',
    ),
    text: document.body.innerText.length,
  };
}

function describeBroken({ pictures, vegaCharts }) {
  return [
    ...pictures.flatMap((size, index) => (size === '0x0' ? [`picture ${index + 1} is empty`] : [])),
    ...vegaCharts.flatMap((tag, index) => (tag === 'not drawn' ? [`chart ${index + 1} was not drawn`] : [])),
  ];
}
