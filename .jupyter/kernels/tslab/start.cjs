// Starts the tslab kernel for this project's notebooks. tslab leaves five things open that they need; each is one
// function below. Two of them wrap methods of tslab's own classes, which is why package.json pins tslab exactly.
'use strict';

const { join } = require('node:path');
const { formatWithOptions } = require('node:util');

const PARENT_CHECK_MS = 500;

standInProjectRoot();
leaveWithParent();
leaveFoldersUnwatched();
const jupyter = require('tslab/dist/jupyter.js');
const tslab = require('tslab/dist/main.js');
announceExecution(jupyter.ZmqServer.prototype);
nameErrorInReply(jupyter.JupyterHandlerImpl.prototype, reportsOf(tslab.main));

/** Cells say `./lib/index`, whatever folder their notebook lies in: tslab resolves from the folder it starts in. */
function standInProjectRoot() {
  process.chdir(join(__dirname, '..', '..', '..'));
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
  console.error = (...report) => {
    reports.push(report);
    error(...report);
  };
  main();
  console.error = error;
  return reports;
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
  return { ename, evalue, traceback: text.split('\n') };
}
