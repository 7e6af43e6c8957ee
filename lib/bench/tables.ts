/** The CSV tables of a bench folder, and its rows from what was measured. */
import { defineTable, maybeNumber, number, text } from '../archive/columns.js';
import { quantile, sortSamples } from '../statistics/samples.js';
import type { MeasuredBlock } from './setting.js';

const streams = number('count', 'Requests in flight at any time.');
const client = text('probe, socket, undici or node-http.');
const sitting = number('count', 'Sitting, from 1: one process of the clients and one of the server.');
const round = number('count', 'Round, from 1, over all sittings: every client has one block in it.');

export const benchRequestsTable = defineTable('requests.csv', 'one request of the bench', {
  streams,
  client,
  sitting,
  round,
  index: number('count', 'Request within its block, from 1, in the order in which they ended.'),
  firstTokenErrorMs: number(
    'ms',
    "Client's stamp of the first event minus the instant just before the server wrote it.",
  ),
  worstChunkErrorMs: number('ms', 'The largest such difference over the events of the request.'),
  connectMs: maybeNumber('ms', 'Time to connect. Absent where the client does not tell.'),
});

export const benchBlocksTable = defineTable('blocks.csv', 'one block of the bench: some requests by one client', {
  streams,
  client,
  sitting,
  round,
  position: number('count', 'Position of the block in its round, from 1.'),
  requests: number('count', 'Requests of the block.'),
  events: number('count', 'Events that carried an instant.'),
  startAtMs: number('ms', 'When the block began, on the clock of the bench.'),
  wallMs: number('ms', 'How long it took.'),
  cpuMs: number(
    'ms',
    'User and system time of the client’s process over the block; spinning is inside where it spins.',
  ),
  medianFirstTokenErrorMs: number('ms', 'Median of the TTFT errors.'),
  worstFirstTokenErrorMs: number('ms', 'Largest of them.'),
  medianChunkErrorMs: number('ms', 'Median of the errors of all events.'),
  worstChunkErrorMs: number('ms', 'Largest of them.'),
});

export const benchQuantilesTable = defineTable('quantiles.csv', 'one quantile of one client’s errors', {
  streams,
  client,
  error: text('ttft (the first event of each request) or chunk (every event).'),
  n: number('count', 'Errors.'),
  quantile: number('fraction 0-1', 'Which quantile: linear interpolation at (n - 1) q.'),
  errorMs: number('ms', 'Its value.'),
});

export const benchRampTable = defineTable('ramp.csv', 'one client at one rate of events', {
  client,
  attempt: number('count', 'Which of the tries at this rate, from 1.'),
  streams,
  chunkDelayMs: number('ms', 'Gap between two events of one stream.'),
  events: number('count', 'Events that came.'),
  askedPerS: number('1/s', 'Events a second that the server was asked for.'),
  writtenPerS: number('1/s', 'Events a second that it wrote.'),
  medianErrorMs: number('ms', 'Median error of all events.'),
  p99ErrorMs: number('ms', 'Their p99.'),
});

export const benchTables = [benchRequestsTable, benchBlocksTable, benchQuantilesTable, benchRampTable] as const;

export const ttftErrors = (block: MeasuredBlock): number[] => block.requests.map(({ errorsMs }) => errorsMs[0] ?? NaN);
export const chunkErrors = (block: MeasuredBlock): number[] => block.requests.flatMap(({ errorsMs }) => errorsMs);

export function requestRows({ streams, client, sitting, round, requests }: MeasuredBlock) {
  return requests.map(({ errorsMs, connectMs }, at) => ({
    streams,
    client,
    sitting,
    round,
    index: at + 1,
    firstTokenErrorMs: errorsMs[0] ?? NaN,
    worstChunkErrorMs: Math.max(...errorsMs),
    connectMs,
  }));
}

export function blockRow(block: MeasuredBlock) {
  const { streams, client, sitting, round, position, startAtMs, wallMs, cpuMs, requests } = block;
  const first = sortSamples(ttftErrors(block));
  const all = sortSamples(chunkErrors(block));
  return {
    streams,
    client,
    sitting,
    round,
    position,
    requests: requests.length,
    events: all.length,
    startAtMs,
    wallMs,
    cpuMs,
    medianFirstTokenErrorMs: quantile(first, 0.5) ?? NaN,
    worstFirstTokenErrorMs: quantile(first, 1) ?? NaN,
    medianChunkErrorMs: quantile(all, 0.5) ?? NaN,
    worstChunkErrorMs: quantile(all, 1) ?? NaN,
  };
}

const shownQuantiles = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

/** The distribution in few lines: what is published in place of the single requests. */
export function quantileRows(streams: number, client: string, blocks: readonly MeasuredBlock[]) {
  return (['ttft', 'chunk'] as const).flatMap((error) => {
    const rising = sortSamples(blocks.flatMap(error === 'ttft' ? ttftErrors : chunkErrors));
    return shownQuantiles.map((share) => ({
      streams,
      client,
      error,
      n: rising.length,
      quantile: share,
      errorMs: quantile(rising, share) ?? NaN,
    }));
  });
}
