/** Requests -> tables: the seed's cold/warm and variance tables, prefix rows, every TTFT definition. */
import type { RequestRow } from '../archive/tables.js';
import type { Findings, RequestTiming } from '../interpret/findings.js';
import { summarize, type Summary } from '../statistics/summary.js';
import { formatMs, formatPercent } from '../interpret/format.js';
import { peersWithoutStream, peerTtfts } from '../interpret/definitions.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable, type Cell } from './table.js';

const seedRuns = 5;

/**
 * The warm requests of the seed's payload that were completed, in the order they were sent; of one launch (default:
 * the one that the findings call warm), as launches are never pooled.
 */
export function warmTimings(
  findings: Findings,
  launch: number | undefined = findings.warmLaunch,
): readonly RequestTiming[] {
  return findings.timings.filter(
    (timing) =>
      timing.name === 'warm' && timing.outcome === 'completed' && (launch === undefined || timing.launch === launch),
  );
}

/** The seed's two rows, once for each launch. */
export function coldWarmTable({ findings }: InterpretedRun): string {
  const rows = findings.timings.filter(({ name }) => name === 'cold_1' || name === 'warm_1');
  return renderTable({
    title: stamped(findings.engineKind, 'Cold against warm'),
    columns: [
      { header: 'run' },
      { header: 'launch', decimals: 0 },
      { header: 'wall_s (s)', decimals: 3 },
      { header: 'TTFT (ms)', decimals: 1 },
      { header: 'total_tokens', decimals: 0 },
      { header: 'notes' },
    ],
    rows: rows.map((timing) => [
      timing.name,
      timing.launch,
      timing.wallS,
      timing.ttftMs,
      timing.totalTokens,
      requestNote(timing),
    ]),
  });
}

/** What a reader needs to know of one request besides its times. */
export function requestNote(timing: RequestTiming): string {
  const place: Record<string, string> = {
    cold_1: 'first request after server start',
    warm_1: 'immediate second request',
  };
  const notes = [place[timing.name], timing.streamed ? 'streamed' : 'not streamed: no first token to see'];
  if (timing.outcome !== 'completed') notes.push(timing.outcome);
  if (timing.jitLines !== undefined && timing.jitLines > 0) notes.push(`${timing.jitLines} JIT warnings in the log`);
  return notes.filter((note) => note !== undefined).join('; ');
}

/** The first five warm requests, all of them in brief, and the same for the first five alone. */
export function warmTable({ findings }: InterpretedRun): string {
  const rows = renderTable({
    title: stamped(findings.engineKind, 'Warm variance: the first five, back to back'),
    columns: [
      { header: 'run', decimals: 0 },
      { header: 'wall_s (s)', decimals: 3 },
      { header: 'TTFT (ms)', decimals: 1 },
      { header: 'TPOT (ms)', decimals: 2 },
      { header: 'total_tokens', decimals: 0 },
      { header: 'notes' },
    ],
    rows: warmTimings(findings)
      .slice(0, seedRuns)
      .map((timing, index) => [
        index + 1,
        timing.wallS,
        timing.ttftMs,
        timing.tpotMs,
        timing.totalTokens,
        requestNote(timing),
      ]),
  });
  const brief = renderTable({
    title: stamped(findings.engineKind, 'Warm in brief'),
    columns: summaryColumns,
    rows: [
      summaryRow('wall_s, first five', 's', findings.firstFiveWallS),
      summaryRow('wall_s, all', 's', findings.warmWallS),
      summaryRow('TTFT, all', 'ms', findings.warmTtftMs),
      summaryRow('TPOT, all', 'ms', findings.warmTpotMs),
    ],
    notes: [
      clientServerText(findings),
      'Interval: from order statistics, for the median; none below six requests. Spread: (max - min) / median.',
    ],
  });
  return `${rows}\n\n${brief}`;
}

/** One sentence: how far the warm TTFT lies above what the engine says of the same requests. */
export function clientServerText({ serverTtft, warmLaunch }: Findings): string {
  const warm = serverTtft.find(
    ({ launch, block, against }) => launch === warmLaunch && block === 'warm' && against === 'engine',
  );
  if (!warm) return "TTFT against the server's own: no streamed warm request.";
  if (warm.differenceMs === undefined)
    return `TTFT against the server's own: not observable: ${warm.absentBecause ?? 'no figures'}.`;
  return `TTFT minus the engine's own (queued to first token): median ${formatMs(warm.differenceMs)}, half of them ${formatMs(warm.lowerQuartileMs)} to ${formatMs(warm.upperQuartileMs)}, all ${formatMs(warm.minMs)} to ${formatMs(warm.maxMs)} (n = ${warm.n ?? 0}).`;
}

export const summaryColumns = [
  { header: 'quantity' },
  { header: 'unit' },
  { header: 'n', decimals: 0 },
  { header: 'min', decimals: 3 },
  { header: 'median', decimals: 3 },
  { header: 'max', decimals: 3 },
  { header: 'MAD', decimals: 3 },
  { header: 'spread (%)', decimals: 1 },
  { header: 'interval from', decimals: 3 },
  { header: 'interval to', decimals: 3 },
  { header: 'level (%)', decimals: 1 },
] as const;

/** One summary as a row of `summaryColumns`; absent: dashes. */
export function summaryRow(quantity: string, unit: string, summary: Summary | undefined): Cell[] {
  if (!summary) return [quantity, unit];
  const { n, min, median, max, mad, spread, interval } = summary;
  return [
    quantity,
    unit,
    n,
    min,
    median,
    max,
    mad,
    spread * 100,
    interval?.lower,
    interval?.upper,
    interval && interval.level * 100,
  ];
}

/** The client's TTFT against the server's own account of the same requests, and what lies between the two. */
export function serverTtftTable({ findings }: InterpretedRun): string {
  const { stopwatch, warmLaunch } = findings;
  // cold_1 of every launch; everything else of the launch that the warm figures come from.
  const shown = findings.serverTtft.filter(({ launch, block }) => launch === warmLaunch || block === 'cold_1');
  return renderTable({
    title: stamped(findings.engineKind, "Client TTFT against the server's own"),
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'requests' },
      { header: 'against' },
      { header: 'n', decimals: 0 },
      { header: 'by' },
      { header: 'client (ms)', decimals: 2 },
      { header: 'server (ms)', decimals: 2 },
      { header: 'difference (ms)', decimals: 2 },
      { header: 'min', decimals: 2 },
      { header: 'Q1', decimals: 2 },
      { header: 'Q3', decimals: 2 },
      { header: 'max', decimals: 2 },
      { header: 'the difference consists of' },
    ],
    rows: shown.map((one) => [
      one.launch,
      one.block,
      one.against,
      one.n,
      one.statistic,
      one.clientMs,
      one.serverMs,
      one.differenceMs,
      // One request has no spread.
      ...(one.n === 1
        ? Array<undefined>(4).fill(undefined)
        : [one.minMs, one.lowerQuartileMs, one.upperQuartileMs, one.maxMs]),
      one.absentBecause === undefined ? one.consistsOf : `not observable: ${one.absentBecause}`,
    ]),
    notes: [
      'engine: queue_time_ms + time_to_first_token_ms of each answer, from queued to first token. front end: vllm:time_to_first_token_seconds in /metrics between two scrapes, from taking the prompt in to handling the first output; a histogram gives a mean. "engine, by the front end": the mean of the front end stands where the client does.',
      `The connection is in none of them. The stopwatch's own error is inside each difference with the client: ${stopwatch ? `${formatMs(stopwatch.medianErrorMs)} median, ${formatMs(stopwatch.maxErrorMs)} at most` : 'not checked in this run'}.`,
    ],
  });
}

const prefixNames = ['cold-long', 'warm-unique', 'warm-cached'] as const;

/** The long workload by name: cold of its kind, fresh salt, repeated. `cached_tokens` proves which is which. */
export function prefixTable({ findings }: InterpretedRun): string {
  const rows = prefixNames.map((name): Cell[] => {
    const timings = findings.timings.filter((timing) => timing.name === name && timing.outcome === 'completed');
    const ttft = summarize(definedNumbers(timings.map((timing) => timing.ttftMs)));
    return [
      name,
      timings.length,
      range(timings.map((timing) => timing.promptTokens)),
      range(timings.map((timing) => timing.cachedTokens)),
      ttft?.min,
      ttft?.median,
      ttft?.max,
      summarize(definedNumbers(timings.map((timing) => timing.serverFirstTokenMs)))?.median,
    ];
  });
  return renderTable({
    title: stamped(findings.engineKind, 'Long prompt: unique and cached'),
    columns: [
      { header: 'request' },
      { header: 'n', decimals: 0 },
      { header: 'prompt_tokens' },
      { header: 'cached_tokens' },
      { header: 'TTFT min (ms)', decimals: 1 },
      { header: 'TTFT median (ms)', decimals: 1 },
      { header: 'TTFT max (ms)', decimals: 1 },
      { header: "server's own first token, median (ms)", decimals: 1 },
    ],
    rows,
    notes: savingNotes(findings),
  });
}

function savingNotes({ prefixSavingMs: saving }: InterpretedRun['findings']): string[] {
  if (!saving) return [];
  const range = saving.interval
    ? ` (${formatMs(saving.interval.lower)} to ${formatMs(saving.interval.upper)}, ${formatPercent(saving.interval.level)})`
    : '';
  return [
    `Unique minus cached, paired: ${formatMs(saving.medianDifference)} median${range}, n = ${saving.n}. Positive: the cache saves this much.`,
  ];
}

/** "0" or "0-1,024": the values seen; absent when none was. */
function range(values: readonly (number | undefined)[]): string | undefined {
  const seen = definedNumbers(values);
  if (seen.length === 0) return undefined;
  const low = Math.min(...seen);
  const high = Math.max(...seen);
  return low === high ? String(low) : `${low}-${high}`;
}

function definedNumbers(values: readonly (number | undefined)[]): number[] {
  return values.flatMap((value) => value ?? []);
}

/** Every definition of "time to first token": who uses it, cold and warm; then all stamps of one stream. */
export function definitionsTable(run: InterpretedRun, requestId?: string): string {
  const { findings } = run;
  const definitions = renderTable({
    title: stamped(findings.engineKind, 'TTFT by every definition'),
    columns: [
      { header: 'definition' },
      { header: 'used by' },
      { header: 'cold (ms)', decimals: 2 },
      { header: 'warm median (ms)', decimals: 2 },
      { header: 'n warm', decimals: 0 },
    ],
    rows: findings.ttftDefinitions.map((one) => [
      one.definition,
      one.usedBy,
      one.coldMs,
      one.warmMs?.median,
      one.warmMs?.n,
    ]),
  });
  return [definitions, streamTable(run, requestId), peersTable(run, requestId)]
    .filter((table) => table !== '')
    .join('\n\n');
}

/** The same stream as each peer would score it. Empty without a stream: the table before it says so. */
function peersTable({ data, findings }: InterpretedRun, requestId: string | undefined): string {
  const request = streamToDefine(data.requests, requestId);
  if (!request) return '';
  const chunks = data.chunks.filter((chunk) => chunk.requestId === request.requestId);
  const begins = { call: 'the call, connection included', sent: 'request written' };
  const ends = {
    event: 'first event of any kind',
    choice: 'first event with a choice, text or not',
    token: 'first text or reasoning',
    visible: 'first text, reasoning not counted',
  };
  return renderTable({
    title: stamped(findings.engineKind, `The same stream (${request.requestId}) as each peer scores it`),
    columns: [
      { header: 'peer' },
      { header: 'version read' },
      { header: 'from' },
      { header: 'to' },
      { header: 'event here' },
      { header: 'TTFT (ms)', decimals: 3 },
      { header: 'remark' },
      { header: 'source' },
    ],
    rows: peerTtfts(request, chunks).map((one) => [
      one.peer,
      one.version,
      begins[one.begin],
      ends[one.end],
      one.event,
      one.ms,
      one.remark,
      one.source,
    ]),
    notes: [
      'Read from the sources of each, as of 2026; none was run. "call": a client that keeps its connections would not pay for one here.',
      `Without a stream of their own: ${peersWithoutStream}.`,
      'A token that shows only in a rising count of usage (continuous_usage_stats) is not asked for here, so no row ends at one.',
    ],
  });
}

/**
 * One streamed request by all its stamps (default: a cold_1, else the first streamed). The definitions differ
 * only in where they start and end.
 */
function streamTable({ data, findings }: InterpretedRun, requestId: string | undefined): string {
  const request = streamToDefine(data.requests, requestId);
  if (!request) return 'No streamed request was completed: no first token was seen by any definition.';
  const definitions = definitionsOf(request);
  const headline = between(request.sentAtMs, request.firstTokenAtMs);
  return renderTable({
    title: stamped(findings.engineKind, `Every TTFT definition for one stream (${request.requestId})`),
    columns: [
      { header: 'from' },
      { header: 'to' },
      { header: 'ms', decimals: 3 },
      { header: 'minus the headline (ms)', decimals: 3 },
    ],
    rows: definitions.map(([from, to, ms]) => [
      from,
      to,
      ms,
      ms === undefined || headline === undefined ? undefined : ms - headline,
    ]),
    notes: [`The headline is "request written" to "first event with generated text": ${formatMs(headline)}.`],
  });
}

function streamToDefine(requests: readonly RequestRow[], requestId: string | undefined): RequestRow | undefined {
  if (requestId !== undefined) return requests.find((row) => row.requestId === requestId);
  const streams = requests.filter((row) => row.streamed && row.outcome === 'completed');
  return streams.find((row) => row.name === 'cold_1') ?? streams[0];
}

function definitionsOf(row: RequestRow): readonly (readonly [from: string, to: string, ms: number | undefined])[] {
  return [
    ['request written', 'response headers', between(row.sentAtMs, row.headersAtMs)],
    ['request written', 'first body byte (TTFB)', between(row.sentAtMs, row.firstByteAtMs)],
    ['request written', 'first SSE event', between(row.sentAtMs, row.firstEventAtMs)],
    ['request written', 'first event with a choice', between(row.sentAtMs, row.firstChoiceAtMs)],
    ['request written', 'first event with generated text (headline)', between(row.sentAtMs, row.firstTokenAtMs)],
    ['request written', 'first event with visible text', between(row.sentAtMs, row.firstVisibleAtMs)],
    ['before the connection', 'first event with generated text', between(row.startAtMs, row.firstTokenAtMs)],
    ['before the connection', 'whole answer (wall_s)', between(row.startAtMs, row.endAtMs)],
    ['scheduled, in the server', 'first token, in the server', row.serverFirstTokenMs],
    ['queued, in the server', 'first token, in the server', plus(row.serverQueueMs, row.serverFirstTokenMs)],
  ];
}

function between(fromMs: number | undefined, toMs: number | undefined): number | undefined {
  return fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs;
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}
