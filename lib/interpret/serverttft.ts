/**
 * The client's TTFT against the server's own account of the same requests. vLLM keeps two: the engine's, one figure a
 * request (queue_time_ms + time_to_first_token_ms, from queued to first token), and the front end's, a histogram in
 * /metrics (from taking the prompt in, before tokenizing, to handling the engine's first output, before detokenizing;
 * vLLM 0.32: renderers/base.py, v1/metrics/stats.py). What is left between them is named, never subtracted.
 */
import type { RunData } from '../archive/folder.js';
import type { MetricRow, RequestRow } from '../archive/tables.js';
import { counterIncrease } from '../snapshot/procfs.js';
import type { RequestTiming, ServerTtftFinding } from './findings.js';
import { formatCounted } from './format.js';
import { engineMs, launchesOf, requestsNamed } from './series.js';
import { medianInterval } from '../statistics/intervals.js';
import { median, medianOf, quartiles, sortSamples } from '../statistics/samples.js';

const histogram = 'vllm:time_to_first_token_seconds';

const consistsOf = {
  engine:
    'HTTP parsing, tokenizing, the way to the engine and back, detokenizing, writing the event, the read of the client',
  frontEnd: 'HTTP parsing, detokenizing, writing the event, the read of the client',
  between: 'tokenizing, and the way to the engine and back',
} as const;

/** Per launch: each kind of streamed request against the engine's figures, then each block between two scrapes. */
export function serverTtftFindings(data: RunData, timings: readonly RequestTiming[]): ServerTtftFinding[] {
  return launchesOf(timings).flatMap((launch) => [
    ...perRequest(timings, launch),
    ...blocksOf(data, launch).flatMap((block) => perBlock(block, timings)),
  ]);
}

/** In the order in which a run sends them. */
const compared = ['cold_1', 'warm_1', 'warm', 'cold-long', 'warm-unique', 'warm-cached', 'observed', 'unobserved'];

function perRequest(timings: readonly RequestTiming[], launch: number): ServerTtftFinding[] {
  return compared.flatMap((name): ServerTtftFinding[] => {
    const streamed = requestsNamed(timings, name, launch).filter(({ ttftMs }) => ttftMs !== undefined);
    if (streamed.length === 0) return [];
    const row = { launch, block: name, against: 'engine', statistic: 'median', consistsOf: consistsOf.engine } as const;
    const pairs = streamed.flatMap((timing) => {
      const serverMs = engineMs(timing);
      return timing.ttftMs === undefined || serverMs === undefined ? [] : [{ clientMs: timing.ttftMs, serverMs }];
    });
    if (pairs.length === 0) return [{ ...row, absentBecause: 'the answers carry no figures of the server' }];
    const differences = sortSamples(pairs.map(({ clientMs, serverMs }) => clientMs - serverMs));
    return [
      {
        ...row,
        n: pairs.length,
        clientMs: medianOf(pairs.map(({ clientMs }) => clientMs)),
        serverMs: medianOf(pairs.map(({ serverMs }) => serverMs)),
        differenceMs: median(differences),
        minMs: differences[0],
        lowerQuartileMs: quartiles(differences)?.lower,
        upperQuartileMs: quartiles(differences)?.upper,
        maxMs: differences.at(-1),
        interval: medianInterval(differences),
      },
    ];
  });
}

/** The generation requests between two scrapes that follow each other. */
interface Block {
  readonly launch: number;
  readonly name: string;
  readonly requests: readonly RequestRow[];
  /** First tokens the server counted, and their times added up; absent when either scrape lacks the histogram. */
  readonly counted?: { readonly n: number; readonly sumMs: number } | undefined;
}

function blocksOf(data: RunData, launch: number): Block[] {
  const metrics = data.metrics.filter((row) => row.launch === launch);
  // By instant: a cell that was run again scrapes under the same name again.
  const scrapes = [...new Map(metrics.map(({ scrape, atMs }) => [atMs, scrape]))].sort(([a], [b]) => a - b);
  return scrapes.slice(1).flatMap(([toAtMs, to], index): Block[] => {
    const [fromAtMs, from] = scrapes[index] ?? [toAtMs, to];
    const requests = data.requests.filter(
      (row) =>
        row.launch === launch && row.workload !== 'models' && row.startAtMs >= fromAtMs && row.startAtMs < toAtMs,
    );
    if (requests.length === 0) return [];
    const names = [...new Set(requests.map(({ name }) => name))].join(', ');
    return [{ launch, name: `${names} (${from} to ${to})`, requests, counted: countedIn(metrics, fromAtMs, toAtMs) }];
  });
}

function countedIn(metrics: readonly MetricRow[], fromAtMs: number, toAtMs: number): Block['counted'] {
  const n = growth(metrics, fromAtMs, toAtMs, `${histogram}_count`);
  const sumS = growth(metrics, fromAtMs, toAtMs, `${histogram}_sum`);
  return n === undefined || sumS === undefined ? undefined : { n, sumMs: sumS * 1000 };
}

/** Of all label sets together. Absent when either scrape lacks the figure, or when it fell: the server was another one. */
function growth(metrics: readonly MetricRow[], fromAtMs: number, toAtMs: number, metric: string): number | undefined {
  const totalAt = (atMs: number) => {
    const values = metrics.filter((row) => row.atMs === atMs && row.metric === metric).map(({ value }) => value);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
  };
  return counterIncrease(totalAt(fromAtMs), totalAt(toAtMs));
}

/** A histogram gives a mean and nothing else, so means are compared: of exactly the requests that the server counted. */
function perBlock({ launch, name, requests, counted }: Block, timings: readonly RequestTiming[]): ServerTtftFinding[] {
  const row = { launch, block: name, statistic: 'mean' } as const;
  const frontEnd = { ...row, against: 'front end', consistsOf: consistsOf.frontEnd } as const;
  const between = { ...row, against: 'engine, by the front end', consistsOf: consistsOf.between } as const;
  if (!counted) return [{ ...frontEnd, absentBecause: `/metrics has no ${histogram} at both ends of the block` }];
  if (counted.n !== requests.length || counted.n === 0)
    return [
      {
        ...frontEnd,
        absentBecause: `the server counted ${formatCounted(counted.n, 'first token')}, the block has ${formatCounted(requests.length, 'request')}`,
      },
    ];
  const own = requests.map(({ requestId }) => timings.find((timing) => timing.requestId === requestId));
  const client = own.flatMap((timing) => timing?.ttftMs ?? []);
  const engine = own.flatMap((timing) => (timing && engineMs(timing)) ?? []);
  const meanMs = counted.sumMs / counted.n;
  const unseen = requests.length - client.length;
  return [
    unseen > 0
      ? {
          ...frontEnd,
          absentBecause: `${unseen} of ${formatCounted(requests.length, 'request')} of the block had no first token that the client saw (answered whole, or not completed)`,
        }
      : difference(frontEnd, counted.n, meanOf(client), meanMs),
    ...(engine.length === requests.length ? [difference(between, counted.n, meanMs, meanOf(engine))] : []),
  ];
}

function difference(
  row: Pick<ServerTtftFinding, 'launch' | 'block' | 'against' | 'statistic' | 'consistsOf'>,
  n: number,
  clientMs: number,
  serverMs: number,
): ServerTtftFinding {
  return { ...row, n, clientMs, serverMs, differenceMs: clientMs - serverMs };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
