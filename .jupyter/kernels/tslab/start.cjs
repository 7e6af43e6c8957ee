// Starts the tslab kernel for this project's notebooks. tslab leaves some things open that they need; each is one
// function below. Two of them wrap methods of tslab's own classes, which is why package.json pins tslab exactly.
'use strict';

const { join } = require('node:path');
const { formatWithOptions } = require('node:util');

const PARENT_CHECK_MS = 500;
/** Longer than the keeper gives a server to leave: an interrupted launch ends by itself before this. */
const LAST_WORD_MS = 30_000;
const TSLAB_INTERRUPT = 'Interrupted asynchronously';
/** Their messages say what happened, the evidence and what to try: a stack and fields below only hide that. */
const SPEAK_FOR_THEMSELVES = new Set([
  'ArchiveError',
  'ConfigError',
  'EngineError',
  'FreezeError',
  'InterruptedError',
  'LaunchError',
  'ModelError',
  'SamplerError',
  'SanityError',
  'SessionError',
]);

standInProjectRoot();
leaveWithParent();
leaveFoldersUnwatched();
keepCompilersWork();
const jupyter = require('tslab/dist/jupyter.js');
const tslab = require('tslab/dist/main.js');
announceExecution(jupyter.ZmqServer.prototype);
nameErrorInReply(jupyter.JupyterHandlerImpl.prototype, reportsOf(tslab.main));
leaveLastWordToWork();

/** Cells say `./lib/index`, whatever folder their notebook lies in: tslab resolves from the folder it starts in. */
function standInProjectRoot() {
  process.chdir(join(__dirname, '..', '..', '..'));
}

/** A first cell took twice its time without, and every cell some more. */
function keepCompilersWork() {
  const { keepChecked, keepTranspiled } = require('./compiler.cjs');
  const folder = join(process.cwd(), '.cache', 'kernel');
  keepTranspiled(folder);
  keepChecked(folder);
}

/** A Jupyter that was killed cannot shut its kernel down, and nobody else would. */
function leaveWithParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, PARENT_CHECK_MS).unref();
}

/**
 * TypeScript watches the folders below the root, in case a file appears that it once looked for in vain. A run makes
 * folders there, and tslab's converter throws on the timer that TypeScript then asks for, in the middle of a cell.
 */
function leaveFoldersUnwatched() {
  require('@tslab/typescript-for-tslab').sys.watchDirectory = () => ({ close: () => undefined });
}

/** Tells every client that a cell runs and as which number; without it saved notebooks show `In [ ]`. */
function announceExecution(server) {
  const { handleExecute } = server;
  server.handleExecute = function (socket, request) {
    const announcement = request.createReply();
    announcement.header.msg_type = 'execute_input';
    announcement.content = { code: request.content.code, execution_count: this.handler.execCount + 1 };
    announcement.signAndSend(this.connInfo.key, this.iopub);
    return handleExecute.call(this, socket, request);
  };
}

/**
 * Runs tslab's main and returns the list that grows with each report of its executor. The executor keeps the
 * console.error it finds at its creation for the errors of cells, so this sees them as objects, and nothing else.
 */
function reportsOf(main) {
  const reports = [];
  const { error } = console;
  console.error = (...told) => {
    const report = told.map(inPlainWords);
    reports.push(report);
    error(...report.map((part) => (speaksForItself(part) ? `${part.name}: ${part.message}` : part)));
  };
  main();
  console.error = error;
  return reports;
}

function inPlainWords(part) {
  if (!(part instanceof Error) || part.message !== TSLAB_INTERRUPT) return part;
  const sentence = 'The cell was interrupted. What it had begun may go on until it ends by itself.';
  return Object.assign(new Error(sentence), { name: 'InterruptedError' });
}

function speaksForItself(part) {
  return part instanceof Error && SPEAK_FOR_THEMSELVES.has(part.name);
}

/** A failed cell's reply names its error: tslab answers a bare "error", so that a headless run could not say why it stopped. */
function nameErrorInReply(handler, reports) {
  const { handleExecute } = handler;
  handler.handleExecute = async function (...request) {
    const reply = await handleExecute.apply(this, request);
    const failures = reports.splice(0);
    return reply.status === 'error' ? { ...reply, ...describeFailure(failures) } : reply;
  };
}

function describeFailure(failures) {
  const [thrown] = failures.at(-1) ?? [];
  const text = failures.map((report) => formatWithOptions({ colors: false }, ...report)).join('\n');
  const [ename, evalue] = thrown instanceof Error ? [thrown.name, thrown.message] : ['CellError', text];
  return { ename, evalue, traceback: speaksForItself(thrown) ? [`${ename}: ${evalue}`] : text.split('\n') };
}

/**
 * tslab fails an interrupted cell at once while its work goes on, so that the next cell meets a server that is still
 * being stopped. Work that ends itself on SIGINT says so by `endsItsCell` on its listener (lib/experiment/interrupt.ts):
 * it is waited for and its error is the cell's. A second interrupt, or work that takes too long, is tslab's again.
 */
function leaveLastWordToWork() {
  const [failCell] = process.listeners('SIGINT');
  process.off('SIGINT', failCell);
  let asked;
  process.on('SIGINT', () => {
    const work = process.listeners('SIGINT').find((listener) => listener.endsItsCell);
    if (!work || work === asked) return failCell();
    asked = work;
    setTimeout(() => process.listeners('SIGINT').includes(work) && failCell(), LAST_WORD_MS).unref();
  });
}
