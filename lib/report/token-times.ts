/** Chart 4: how the text arrived, chunk by chunk, cold and warm streams over each other. */
import type { ChunkRow, RequestRow } from '../archive/tables.js';
import type { Findings, RequestTiming } from '../interpret/findings.js';
import { formatMs } from '../interpret/format.js';
import { medianOf } from '../statistics/samples.js';
import { framed, meaningColours, rounded, type Chart, type NoChart } from './chart.js';
import { downsample } from './downsample.js';
import { warmTimings } from './request-tables.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable } from './table.js';

const pointsInAll = 2000;
/** Steps through every n-th chunk would look like bursts: streams are left out before chunks are. */
const mostInAStream = pointsInAll / 2;
const seedNames = ['cold_1', 'warm_1', 'warm'];

interface Stream {
  readonly request: RequestRow;
  readonly kind: 'cold' | 'warm';
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Cumulative chunks with generated text against milliseconds since sending, one line a streamed request. */
export function tokenTimes({ data, findings }: InterpretedRun): Chart | NoChart {
  const streams = streamsOf(data.requests, data.chunks);
  if (streams.length === 0)
    return {
      kind: 'no-chart',
      why: "No streamed request with the seed's payload brought text, so there are no tokens to place in time.",
    };
  const drawn = streamsToDraw(streams);
  const values = drawn.flatMap((stream) =>
    downsample(stream.points, mostInAStream).map((point) => ({
      request: stream.request.requestId,
      kind: stream.kind,
      ms: rounded(point.x),
      count: point.y,
    })),
  );
  const title = stamped(findings.engineKind, tokensTitle(findings));
  const coldIn = (some: readonly Stream[]): number => some.filter(({ kind }) => kind === 'cold').length;
  const cold = coldIn(streams);
  const unit = streams.every(({ request }) => request.completionTokens === request.chunks)
    ? 'tokens (each chunk held one)'
    : 'chunks of text (one may hold several tokens)';
  const subtitle = `n = ${cold} cold and ${streams.length - cold} warm streams, the seed's payload; cold: thick line, warm: thin lines${drawn.length < streams.length ? `; drawn: ${coldIn(drawn)} and ${drawn.length - coldIn(drawn)} of them, evenly from the earliest first token to the latest` : ''}`;
  const colour = {
    field: 'kind',
    type: 'nominal',
    scale: { domain: ['warm', 'cold'], range: [meaningColours.warm, meaningColours.cold] },
    legend: { title: null },
  };
  const line = (kind: 'cold' | 'warm', mark: Record<string, unknown>) => ({
    transform: [{ filter: `datum.kind === '${kind}'` }],
    mark: { type: 'line', interpolate: 'step-after', ...mark },
    encoding: {
      x: {
        field: 'ms',
        type: 'quantitative',
        scale: { zero: true },
        axis: { title: 'milliseconds since the request was sent', tickCount: 8 },
      },
      y: { field: 'count', type: 'quantitative', axis: { title: unit } },
      color: colour,
      detail: { field: 'request' },
    },
  });
  return {
    kind: 'chart',
    title,
    subtitle,
    spec: framed(title, subtitle, {
      width: 640,
      height: 280,
      data: { values },
      layer: [line('warm', { strokeWidth: 1, opacity: 0.55 }), line('cold', { strokeWidth: 3 })],
    }),
    table: streamsTable(title, streams),
  };
}

/** Whether a chunk carried generated text. */
export const isText = (chunk: ChunkRow): boolean => chunk.kind === 'token' || chunk.kind === 'reasoning';

function streamsOf(requests: readonly RequestRow[], chunks: readonly ChunkRow[]): Stream[] {
  const byRequest = new Map<string, ChunkRow[]>();
  for (const chunk of chunks.filter(isText)) {
    const own = byRequest.get(chunk.requestId);
    if (own) own.push(chunk);
    else byRequest.set(chunk.requestId, [chunk]);
  }
  return requests.flatMap((request): Stream[] => {
    const own = byRequest.get(request.requestId) ?? [];
    const { sentAtMs } = request;
    if (
      !seedNames.includes(request.name) ||
      request.outcome !== 'completed' ||
      sentAtMs === undefined ||
      own.length === 0
    )
      return [];
    const ordered = [...own].sort((a, b) => a.sequence - b.sequence);
    const points = ordered.map((chunk, index) => ({ x: chunk.atMs - sentAtMs, y: index + 1 }));
    return [{ request, kind: request.name === 'cold_1' ? 'cold' : 'warm', points }];
  });
}

/** As many whole streams as the chart can hold, cold ones first: the one of the title, and of each kind from end to end. */
function streamsToDraw(streams: readonly Stream[]): Stream[] {
  const longest = Math.max(...streams.map(({ points }) => points.length));
  const room = Math.max(2, Math.floor(pointsInAll / longest));
  const [cold, warm] = (['cold', 'warm'] as const).map((kind) => streams.filter((stream) => stream.kind === kind));
  const [first, ...others] = cold ?? [];
  const shownCold = first ? [first, ...evenly(others, Math.ceil(room / 3) - 1)] : [];
  const shown = new Set([...shownCold, ...evenly(warm ?? [], room - shownCold.length)]);
  return streams.filter((stream) => shown.has(stream));
}

/** So many of them, from the earliest first chunk to the latest. */
function evenly(streams: readonly Stream[], count: number): Stream[] {
  if (streams.length <= count) return [...streams];
  const rising = [...streams].sort((a, b) => (a.points[0]?.x ?? 0) - (b.points[0]?.x ?? 0));
  const at = (index: number): number => (count === 1 ? 0 : Math.round((index * (rising.length - 1)) / (count - 1)));
  return Array.from({ length: Math.max(0, count) }, (_, index) => rising[at(index)]).filter(
    (stream): stream is Stream => stream !== undefined,
  );
}

/** Both ends of the stream: a mean time per token would hide text that arrives in bursts. */
function tokensTitle(findings: Findings): string {
  const cold = findings.timings.find(
    (timing) => timing.name === 'cold_1' && timing.streamed && timing.outcome === 'completed',
  );
  const ofSameLaunch = warmTimings(findings, cold?.launch).filter((timing) => timing.streamed);
  const warm = ofSameLaunch.length > 0 ? ofSameLaunch : warmTimings(findings).filter((timing) => timing.streamed);
  const ofWarm = (pick: (timing: RequestTiming) => number | undefined): number | undefined =>
    medianOf(warm.flatMap((timing) => pick(timing) ?? []));
  const warmTtftMs = ofWarm((timing) => timing.ttftMs);
  const warmE2eMs = ofWarm((timing) => timing.e2eMs);
  if (cold?.ttftMs === undefined || warmTtftMs === undefined)
    return 'When the text arrived: there is no pair of cold and warm streams to compare';
  const start = `The cold stream began ${difference(cold.ttftMs - warmTtftMs)} than the warm median`;
  const end =
    cold.e2eMs === undefined || warmE2eMs === undefined ? '' : `, and ended ${difference(cold.e2eMs - warmE2eMs)}`;
  return `${start} of launch ${warm[0]?.launch ?? cold.launch}${end}`;
}

const difference = (ms: number): string => `${formatMs(Math.abs(ms))} ${ms < 0 ? 'earlier' : 'later'}`;

function streamsTable(title: string, streams: readonly Stream[]): string {
  return renderTable({
    title,
    columns: [
      { header: 'request' },
      { header: 'kind' },
      { header: 'chunks', decimals: 0 },
      { header: 'tokens by usage', decimals: 0 },
      { header: 'first after (ms)', decimals: 1 },
      { header: 'last after (ms)', decimals: 1 },
    ],
    rows: streams.map(({ request, kind, points }) => [
      request.requestId,
      kind,
      points.length,
      request.completionTokens,
      points[0]?.x,
      points[points.length - 1]?.x,
    ]),
  });
}
