/**
 * `npm run bench:overhead`: does watching change what is watched? The same cached prompt with the samplers on and off, in
 * turns, against an engine of the run's usual choice or a server that is up. A program; it writes a run folder, and
 * overhead.json and overhead.csv beside it. It ends 0 when the difference is not told from 0 or is at most 1 % of the
 * warm median, 1 when it is more, 3 when nothing could be compared, 2 when it was called wrongly.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { defineTable, flag, maybeNumber, number, text } from '../archive/columns.js';
import { formatHeader, formatRows } from '../archive/csv.js';
import { readRun, type RunData } from '../archive/folder.js';
import { openSession, type Session } from '../experiment/session.js';
import { interruptible } from '../experiment/interrupt.js';
import { resolveConfig } from '../freeze/config.js';
import { freezeRun, type FrozenRun } from '../freeze/freeze.js';
import type { ConfigInput } from '../freeze/settings.js';
import type { Findings, ObserverFinding } from '../interpret/findings.js';
import { formatPercent } from '../interpret/format.js';
import { interpret } from '../interpret/interpret.js';
import { observerTable } from '../report/snapshot-tables.js';
import { engineLabel } from '../report/subject.js';

const usage = `Usage: npm run bench:overhead -- [--url http://127.0.0.1:8000 --model NAME] [--engine auto|vllm|rehearsal] [--runs 60] [--out FOLDER]
--url, --model  a server that is up, and a name it serves; without them an engine is started, as DAY007_* and npm start choose it
--runs          requests with the samplers on, and as many with them off
--out           where overhead.json and overhead.csv are written; default: the folder of the run`;

/** What the project promises of its observers: at most this share of a warm TTFT. */
const largestFraction = 0.01;
/** Requests before the comparison: the server's first ones are not warm. */
const warmups = 6;

class UsageError extends Error {
  override readonly name = 'UsageError';
}

const overheadTable = defineTable('overhead.csv', 'one request with the samplers on or off', {
  pair: number('count', 'Pair of neighbours, one of each kind, from 1.'),
  samplersOn: flag('true: host and GPU were sampled.'),
  requestId: text('As in requests.csv of the run.'),
  startAtMs: number('ms', 'On the clock of the run.'),
  ttftMs: maybeNumber('ms', 'From sending to the first event with generated text. Absent: not completed.'),
});

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: Error) => {
    process.stderr.write(`${error.message}\n${error instanceof UsageError ? `${usage}\n` : ''}`);
    process.exitCode = error instanceof UsageError ? 2 : 3;
  },
);

async function main(args: readonly string[]): Promise<number> {
  const asked = parseOptions(args);
  if (asked === 'help') {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const run = await freezeRun(resolveConfig(asked.config, { projectRoot: process.cwd() }));
  if (run.mode === 'replay') throw new UsageError('A saved run is not measured again: unset DAY007_REPLAY.');
  await interruptible((signal) => measure(run, asked.runs, signal));
  const data = readRun(run.dir);
  const findings = interpret(data);
  const folder = resolve(asked.out ?? run.dir);
  write(folder, data, findings);
  process.stdout.write(`${engineLabel(data)}\n\n${observerTable({ data, findings })}\n\n`);
  const { observer } = findings;
  if ('absentBecause' in observer) return 3;
  process.stdout.write(`${sentence(observer.finding)}\n${folder}\n`);
  return holds(observer.finding) ? 0 : 1;
}

function parseOptions(args: readonly string[]) {
  const text = { type: 'string' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        url: text,
        model: text,
        engine: text,
        runs: text,
        out: text,
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}.`, { cause });
  }
  if (values.help) return 'help';
  const runs = Number(values.runs ?? '60');
  if (!Number.isInteger(runs) || runs < 6)
    throw new UsageError(
      `--runs reads "${values.runs}"; expected a whole number of at least 6, the first with an interval.`,
    );
  const { url, model, engine, out } = values;
  const config: ConfigInput = { url, model, engine, launches: 1 };
  return { runs, out, config: definedOnly(config) };
}

/** A field that is there and undefined would hide what the environment says of it. */
function definedOnly(config: ConfigInput): ConfigInput {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

async function measure(run: FrozenRun, runs: number, signal: AbortSignal): Promise<void> {
  const say = (what: string) => process.stderr.write(`${what}\n`);
  const session: Session = await openSession(run);
  try {
    await session.calibrate();
    say('starting the server');
    await session.launch({ signal });
    await session.cold(signal);
    await session.warm({ whole: 0, streamed: warmups }, undefined, signal);
    say(`${runs} requests with the samplers on and as many with them off`);
    await session.observer({ runs }, undefined, signal);
  } finally {
    await session.close();
  }
}

function write(folder: string, data: RunData, findings: Findings): void {
  mkdirSync(folder, { recursive: true });
  const { runId, engine, environment, model } = data.record;
  const { cpuModel, cpuCores, kernel, node, gpus } = environment;
  const summary = {
    format: 1,
    runId,
    engine: { kind: engine.kind, device: engine.device, vllmVersion: engine.vllmVersion },
    model: model.name,
    machine: { cpuModel, cpuCores, kernel, node, gpus: gpus.map(({ name }) => name) },
    sampleIntervalMs: data.record.config['sampleIntervalMs'],
    largestFraction,
    observer: findings.observer,
  };
  writeFileSync(join(folder, 'overhead.json'), `${JSON.stringify(summary, undefined, 2)}\n`);
  const rows = data.requests
    .filter(({ name }) => name === 'observed' || name === 'unobserved')
    .map((row) => ({
      pair: row.index,
      samplersOn: row.name === 'observed',
      requestId: row.requestId,
      startAtMs: row.startAtMs,
      ttftMs:
        row.outcome !== 'completed' || row.sentAtMs === undefined || row.firstTokenAtMs === undefined
          ? undefined
          : row.firstTokenAtMs - row.sentAtMs,
    }));
  writeFileSync(join(folder, overheadTable.file), formatHeader(overheadTable) + formatRows(overheadTable, rows));
}

function holds({ verdict, differenceFraction }: ObserverFinding): boolean {
  return verdict === 'not resolved' || differenceFraction <= largestFraction;
}

/** What the exit code says, and how large a cost this many pairs would still hide. */
function sentence(finding: ObserverFinding): string {
  const { upperFraction } = finding;
  const most =
    upperFraction === undefined ? '' : ` At most ${formatPercent(upperFraction)} by the end of the interval.`;
  return holds(finding)
    ? `Within ${formatPercent(largestFraction)} of the warm median, or not told from 0.${most}`
    : `More than ${formatPercent(largestFraction)} of the warm median.${most}`;
}
