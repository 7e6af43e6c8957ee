/** A bench's summary -> the page that a person reads: README.md of its folder. */
import { markdownTable } from 'markdown-table';
import type { Spread } from '../statistics/samples.js';
import { rampAttempts, rampLimitMs, type RampEnd } from './ramp.js';
import type { Interval } from './ratio.js';
import { ratioLimit, requestsForVerdict, type BenchFigures, type SettingFigures } from './summary.js';
import { benchTables } from './tables.js';

export interface BenchMachine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly governor?: string | undefined;
  /** 1-minute load averages before and after: the bench itself is in the second. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export interface BenchSummary extends BenchFigures {
  readonly format: 1;
  readonly startedAt: string;
  readonly command: string;
  readonly seed: number;
  /** How the clients waited: event loop kept awake or asleep. */
  readonly mode: string;
  readonly machine: BenchMachine;
  readonly project: string;
}

export function benchMarkdown(bench: BenchSummary): string {
  return [
    `# The probe's own error, ${bench.startedAt.slice(0, 10)}`,
    `**${sentence(bench)}**`,
    machineText(bench),
    `Error: a client's stamp of an event minus the instant just before the server wrote it, one monotonic clock, server in a process of its own; the server's cost of writing is inside. Each client opens a connection for each request. Blocks of all clients are interleaved in an order drawn from seed ${bench.seed}.`,
    ...bench.settings.map(settingText),
    `Ratio: p99 of the client over p99 of the bare socket of the same run, with its ${bench.method}. The rule, fixed before measuring: within when the whole interval is at or below ${ratioLimit}, not within when all of it is above, else not resolved, as it is below ${requestsForVerdict.toLocaleString('en-US')} requests of a client; for the TTFT error and the error of all events, at every number of streams.`,
    rampText(bench.ramp),
    calibrationText(bench),
    ...benchTables.map(tableText),
  ]
    .join('\n\n')
    .concat('\n');
}

/** The verdict in words; also the last line of the command. */
export function sentence({ verdict, settings, absolute }: BenchFigures): string {
  const at = settings.map(({ streams }) => streams).join(' and ');
  const more = absolute ? `, and its p99 at one stream against ${absolute.limitMs} ms` : '';
  return `p99 of the probe's error at ${at} streams against ${ratioLimit} × the bare socket's${more}: ${verdict}`;
}

function machineText({ machine, mode, command, project }: BenchSummary): string {
  const { cpuModel, cores, kernel, node, governor = 'not readable', loadBefore, loadAfter } = machine;
  return `${cpuModel}, ${cores} cores; ${kernel}; Node ${node}; governor ${governor}; load ${loadBefore.toFixed(2)} before, ${loadAfter.toFixed(2)} after (the bench is in it). Waiting: ${mode}. Project ${project}; \`${command}\`.`;
}

function settingText({
  streams,
  sittings,
  rounds,
  requestsPerBlock,
  warmups,
  asked,
  clients,
  ratios,
}: SettingFigures): string {
  const rows = clients.map(({ client, ttftErrorMs, chunkErrorMs, cpuMsPer1000Events }) => [
    client,
    String(ttftErrorMs.n),
    ...spreadCells(ttftErrorMs),
    ...spreadCells(chunkErrorMs),
    cpuMsPer1000Events.toFixed(1),
  ]);
  const ratioRows = ratios.map((ratio) => [ratio.client, ratio.error, ratioText(ratio), ratio.verdict]);
  return [
    `## ${streams} ${streams === 1 ? 'stream' : 'streams at once'}`,
    `${rounds} rounds${sittings === 1 ? '' : ` in ${sittings} sittings`}, a block of ${requestsPerBlock} requests by each client in each, after ${warmups} uncounted requests of each client at the start${sittings === 1 ? '' : ' of each sitting'}; ${asked.max_tokens} events, the first after ${asked.firstDelayMs} ms, then every ${asked.chunkDelayMs} ms.`,
    markdownTable(
      [
        [
          'client',
          'n',
          ...['median', 'p99', 'max'].map((what) => `TTFT error ${what} (ms)`),
          ...['median', 'p99', 'max'].map((what) => `all events ${what} (ms)`),
          'client CPU per 1,000 events (ms)',
        ],
        ...rows,
      ],
      { align: ['l', ...Array<string>(8).fill('r')] },
    ),
    markdownTable([['client', 'error', 'p99 over bare socket', `against ${ratioLimit}`], ...ratioRows]),
  ].join('\n\n');
}

const spreadCells = ({ median, p99, max }: Spread) => [median.toFixed(3), p99?.toFixed(3) ?? '-', max.toFixed(3)];
const ratioText = ({ estimate, lower, upper }: Interval) =>
  `${estimate.toFixed(2)} (${lower.toFixed(2)} to ${upper.toFixed(2)})`;

function rampText(ends: readonly RampEnd[]): string {
  const perS = (rate: number | undefined) => (rate === undefined ? '-' : Math.round(rate).toLocaleString('en-US'));
  const rows = ends.map(({ client, reachedAtPerS, heldUpToPerS }) => [
    client,
    reachedAtPerS === undefined ? `not reached up to ${perS(heldUpToPerS)}` : perS(reachedAtPerS),
    perS(heldUpToPerS),
  ]);
  const header = ['client', `events/s at which the p99 error passed ${rampLimitMs} ms`, 'highest rate held (events/s)'];
  return `## How many events a second\n\n${markdownTable([header, ...rows])}\n\nEach step of the ramp is tried ${rampAttempts} times by each client and counts as the middle one. Rates are what the one server process wrote; a client that kept up with all of them has its limit beyond.`;
}

function calibrationText({ calibrationLike: { bench, calibration, medianRatio, agree } }: BenchFigures): string {
  const row = (name: string, { n, median, p99, max }: Spread) => [
    name,
    String(n),
    ...spreadCells({ n, median, p99, max }),
  ];
  const table = markdownTable([
    ['TTFT error of the probe at one stream (ms)', 'n', 'median', 'p99', 'max'],
    row('this bench', bench),
    row('calibration, as a run of the notebook does it', calibration),
  ]);
  return `## Beside a run's calibration\n\n${table}\n\nMedian over median: ${medianRatio.toFixed(2)}; ${agree ? 'they agree' : 'they do not agree'} (within a factor of ${ratioLimit}, either way). A run's calibration comes early in the life of its process, as its requests do.`;
}

function tableText(table: (typeof benchTables)[number]): string {
  const rows = Object.entries(table.columns).map(([name, column]) => [
    `\`${name}\``,
    'unit' in column ? column.unit : column.kind,
    column.meaning,
  ]);
  return `**\`${table.file}\`**: ${table.rowIs}\n\n${markdownTable([['column', 'unit or kind', 'meaning'], ...rows])}`;
}
