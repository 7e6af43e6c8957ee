/**
 * `npm run bench:probe`: how late are the probe's stamps, beside those of a bare socket in the same minutes? A
 * program; it writes a folder and ends 0 when the target holds, 1 when it does not, 3 when this machine and this
 * many requests cannot tell, 2 when it was called wrongly.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatHeader, formatRows } from '../archive/csv.js';
import type { CalibrationRow } from '../archive/tables.js';
import { createClock, readWallClock, type Clock } from '../clock.js';
import { readEnvironment } from '../freeze/environment.js';
import { startProber } from '../probe/client.js';
import { asleepAsAsked, probeModeFor, type ProbeMode } from '../probe/mode.js';
import { randomFrom } from '../statistics/random.js';
import { clients, type ClientName } from './clients.js';
import { rampSteps, runRamp, type RampPoint, type RampStep } from './ramp.js';
import { benchMarkdown, sentence, type BenchSummary } from './report.js';
import { sittingsOf, type SettingPlan, type SettingRuns } from './setting.js';
import { runSetting } from './sittings.js';
import { summarizeBench } from './summary.js';
import {
  benchBlocksTable,
  benchQuantilesTable,
  benchRampTable,
  benchRequestsTable,
  blockRow,
  quantileRows,
  requestRows,
} from './tables.js';
import { calibrationAsked, startTruthStream } from '../probe/truth.js';

const usage = `Usage: npm run bench:probe -- [--out FOLDER] [--publish FOLDER] [--clients probe,socket,undici,node-http] [--seed 7] [--rounds N] [--target-ms 0.5] [--asleep] [--quick]
--out        where everything is written; default data/runs/bench-<instant>
--publish    a second folder without the single requests, small enough to be published
--rounds     rounds of blocks at each number of streams: more of them narrow the intervals (default 240 at one stream, 480 at 64)
--target-ms  also hold the p99 of the TTFT error at one stream against this limit
--asleep     let the event loop sleep between events, also where a core could be kept awake
--quick      few requests: shows that it works, resolves nothing`;

class UsageError extends Error {
  override readonly name = 'UsageError';
}

interface Options {
  readonly out?: string | undefined;
  readonly publish?: string | undefined;
  readonly names: readonly ClientName[];
  readonly seed: number;
  readonly rounds?: number | undefined;
  readonly targetMs?: number | undefined;
  readonly asleep: boolean;
  readonly quick: boolean;
}

interface Scale {
  readonly settings: readonly SettingPlan[];
  readonly calibration: { readonly warmups: number; readonly measured: number };
  readonly ramp: readonly RampStep[];
  /** Events of each stream at a step of the ramp: half a second's. */
  readonly rampEvents: number;
}

// 6,000 requests at one stream and 307,200 at 64 for each client. At 64, one late turn of an event loop meets up to 64
// requests, so that a p99 from few rounds is the luck of some turns: after 120 rounds, on two machines, an interval
// around a ratio of 1 still reached beyond 1.5. And 480 rounds of one process gave 1.34, those of six others about 1.
const sittings = 12;
const full: Scale = {
  settings: [
    { streams: 1, sittings, rounds: 240, requests: 25, warmups: 100, asked: calibrationAsked },
    { streams: 64, sittings, rounds: 480, requests: 640, warmups: 1280, asked: calibrationAsked },
  ],
  calibration: { warmups: 20, measured: 100 },
  ramp: rampSteps,
  rampEvents: 100,
};

const quick: Scale = {
  settings: [
    { streams: 1, sittings: 2, rounds: 4, requests: 3, warmups: 3, asked: calibrationAsked },
    { streams: 8, sittings: 2, rounds: 4, requests: 16, warmups: 8, asked: calibrationAsked },
  ],
  calibration: { warmups: 2, measured: 4 },
  ramp: rampSteps.slice(0, 2),
  rampEvents: 10,
};

function scaleOf({ quick: few, rounds }: Options): Scale {
  const scale = few ? quick : full;
  if (rounds === undefined) return scale;
  return { ...scale, settings: scale.settings.map((plan) => ({ ...plan, rounds })) };
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: Error) => {
    process.stderr.write(`${error.message}\n${error instanceof UsageError ? `${usage}\n` : ''}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === 'help') {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const startedAt = readWallClock();
  const out = resolve(options.out ?? join('data/runs', `bench-${startedAt.slice(0, 19).replaceAll(':', '')}`));
  if (existsSync(join(out, 'summary.json')))
    throw new UsageError(`${out} holds a bench already; give another folder with --out.`);
  const scale = scaleOf(options);
  const clock = createClock();
  const loadBefore = loadavg()[0] ?? NaN;
  const mode = options.asleep ? asleepAsAsked : probeModeFor(availableParallelism());
  const { runs, calibration, points } = await measure(options, scale, mode, clock);
  const {
    cpuModel,
    cpuCores: cores,
    kernel,
    node,
    governor,
    project,
  } = await readEnvironment({
    projectRoot: process.cwd(),
  });
  const summary: BenchSummary = {
    format: 1,
    startedAt,
    command: commandOf(options),
    seed: options.seed,
    mode: mode.text,
    machine: { cpuModel, cores, kernel, node, governor, loadBefore, loadAfter: loadavg()[0] ?? NaN },
    project,
    ...summarizeBench(runs, calibration, points, options.seed, options.targetMs),
  };
  write(out, summary, runs, points);
  writeFileSync(
    join(out, benchRequestsTable.file),
    formatHeader(benchRequestsTable) +
      runs.map(({ blocks }) => formatRows(benchRequestsTable, blocks.flatMap(requestRows))).join(''),
  );
  if (options.publish !== undefined) write(resolve(options.publish), summary, runs, points);
  process.stdout.write(`${benchMarkdown(summary).split('\n**`')[0]}\n${sentence(summary)}\n${out}\n`);
  return { within: 0, 'not within': 1, 'not resolved': 3 }[summary.verdict];
}

async function measure(
  options: Options,
  scale: Scale,
  mode: ProbeMode,
  clock: Clock,
): Promise<{ runs: SettingRuns[]; calibration: CalibrationRow[]; points: RampPoint[] }> {
  const projectRoot = process.cwd();
  const say = (what: string) => process.stderr.write(`${what}\n`);
  const random = randomFrom(options.seed);
  const named = options.names.map((name) => clients[name]);
  const truth = await startTruthStream(projectRoot, clock);
  try {
    const runs: SettingRuns[] = [];
    const calibration: CalibrationRow[] = [];
    const calibrate = async () => {
      say('calibration, as a run does it');
      calibration.push(...(await calibrateAsARun(projectRoot, clock, scale.calibration)));
    };
    await calibrate();
    for (const plan of scale.settings) {
      say(
        `${plan.streams} at once: ${plan.rounds} rounds in ${sittingsOf(plan).length} sittings of ${plan.requests} requests by each of ${options.names.join(', ')}`,
      );
      runs.push(await runSetting(plan, { names: options.names, mode, seed: options.seed, clock, projectRoot }));
      if (plan.streams === 1) await calibrate();
    }
    say('more and more events a second');
    const points = await runRamp(named, scale.ramp, scale.rampEvents, truth, mode, clock, random);
    return { runs, calibration, points };
  } finally {
    truth.stop();
  }
}

/** In a fresh prober, as at the beginning of a notebook's run. */
async function calibrateAsARun(
  projectRoot: string,
  clock: Clock,
  { warmups, measured }: Scale['calibration'],
): Promise<readonly CalibrationRow[]> {
  const prober = startProber({ clockOriginNs: String(clock.originNs), projectRoot }, `bench-${process.pid}`);
  try {
    return (await prober.calibrate(warmups, measured)).rows;
  } finally {
    await prober.stop();
  }
}

function write(
  folder: string,
  summary: BenchSummary,
  runs: readonly SettingRuns[],
  points: readonly RampPoint[],
): void {
  mkdirSync(folder, { recursive: true });
  const save = (file: string, content: string) => writeFileSync(join(folder, file), content);
  save('summary.json', `${JSON.stringify(summary, undefined, 2)}\n`);
  save('README.md', benchMarkdown(summary));
  save(
    benchBlocksTable.file,
    formatHeader(benchBlocksTable) +
      formatRows(
        benchBlocksTable,
        runs.flatMap(({ blocks }) => blocks.map(blockRow)),
      ),
  );
  const quantiles = runs.flatMap(({ plan, blocks }) =>
    [...new Set(blocks.map(({ client }) => client))].sort().flatMap((client) =>
      quantileRows(
        plan.streams,
        client,
        blocks.filter((block) => block.client === client),
      ),
    ),
  );
  save(benchQuantilesTable.file, formatHeader(benchQuantilesTable) + formatRows(benchQuantilesTable, quantiles));
  save(benchRampTable.file, formatHeader(benchRampTable) + formatRows(benchRampTable, points));
}

/** What to type for the same bench; folders are nobody else's business. */
function commandOf({ names, seed, rounds, targetMs, asleep, quick }: Options): string {
  const repeated = rounds === undefined ? '' : ` --rounds ${rounds}`;
  const target = targetMs === undefined ? '' : ` --target-ms ${targetMs}`;
  return `npm run bench:probe -- --clients ${names.join(',')} --seed ${seed}${repeated}${target}${asleep ? ' --asleep' : ''}${quick ? ' --quick' : ''}`;
}

function parseOptions(args: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        out: text,
        publish: text,
        clients: text,
        seed: text,
        rounds: text,
        'target-ms': text,
        asleep: flag,
        quick: flag,
        help: flag,
      },
    }));
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}.`, { cause });
  }
  if (values.help) return 'help';
  const names = (values.clients ?? 'probe,socket').split(',');
  const known = names.filter((name): name is ClientName => name in clients);
  if (known.length < names.length || !known.includes('probe') || !known.includes('socket'))
    throw new UsageError(
      `--clients reads "${names.join(',')}"; expected probe, socket and any of ${Object.keys(clients).join(', ')}.`,
    );
  const numberOf = (name: string, given: string | undefined) => {
    if (given === undefined) return undefined;
    const value = Number(given);
    if (!(value > 0)) throw new UsageError(`--${name} reads "${given}"; expected a number above 0.`);
    return value;
  };
  const rounds = numberOf('rounds', values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds <= 10_000))
    throw new UsageError(`--rounds reads "${rounds}"; expected a whole number from 1 to 10,000.`);
  return {
    out: values.out,
    publish: values.publish,
    names: [...new Set(known)],
    seed: numberOf('seed', values.seed) ?? 7,
    rounds,
    targetMs: numberOf('target-ms', values['target-ms']),
    asleep: values.asleep ?? false,
    quick: values.quick ?? false,
  };
}
