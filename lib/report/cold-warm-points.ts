/** Chart 2: every request with the seed's payload as a point, cold ones marked, by TTFT and by wall_s. */
import type { RequestTiming } from '../interpret/findings.js';
import { formatFactor, formatMs } from '../interpret/format.js';
import { median, sortSamples } from '../interpret/stats.js';
import { framed, meaningColours, rounded, type Chart, type ChartSpec, type NoChart } from './chart.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable } from './table.js';

/** Above this ratio of the coldest request to the warm median a linear axis would flatten the warm points. */
export const logAxisRatio = 5;

interface Point {
  readonly measure: 'TTFT' | 'wall_s';
  readonly launch: string;
  /** Position in its launch: 1 is the first request after the server start. */
  readonly order: number;
  readonly name: string;
  readonly kind: 'cold' | 'warm';
  readonly ms: number;
  readonly label: string;
}

const seedNames = ['cold_1', 'warm_1', 'warm'];

/** Points, never bars: milliseconds against the place of the request in its launch. */
export function coldWarmPoints({ findings }: InterpretedRun): Chart | NoChart {
  const points = pointsOf(findings.timings);
  if (points.length === 0) return { kind: 'no-chart', why: "No request with the seed's payload was completed, so there is nothing to compare." };
  const measures = (['TTFT', 'wall_s'] as const).filter((measure) => points.some((point) => point.measure === measure));
  const medians = measures.map((measure) => ({ measure, ms: warmMedian(points, measure) }));
  const isLog = medians.some(({ measure, ms }) => ms !== undefined && coldest(points, measure) > logAxisRatio * ms);
  const title = stamped(findings.engineKind, pointsTitle(points));
  const requests = new Set(findings.timings.filter(isSeedRequest).map((timing) => timing.requestId)).size;
  const launches = new Set(points.map((point) => point.launch)).size;
  const subtitle = `n = ${requests} requests in ${launches} launch${launches === 1 ? '' : 'es'}, the seed's payload, one at a time; line: warm median${isLog ? '; logarithmic axis' : ''}; TTFT of streamed requests only`;
  const panels = measures.map((measure) => panel(points, measure, isLog));
  return {
    kind: 'chart',
    title,
    subtitle,
    spec: framed(title, subtitle, { hconcat: panels, spacing: 34, resolve: { legend: { color: 'shared', shape: 'shared' } } }),
    table: renderTable({
      title,
      columns: [{ header: 'measure' }, { header: 'launch' }, { header: 'request' }, { header: 'place in its launch', decimals: 0 }, { header: 'ms', decimals: 1 }],
      rows: points.map((point) => [point.measure, point.launch, point.name, point.order, point.ms]),
    }),
  };
}

const isSeedRequest = (timing: RequestTiming): boolean => seedNames.includes(timing.name) && timing.outcome === 'completed';

function pointsOf(timings: readonly RequestTiming[]): Point[] {
  const counts = new Map<number, number>();
  return timings.filter(isSeedRequest).flatMap((timing) => {
    const order = (counts.get(timing.launch) ?? 0) + 1;
    counts.set(timing.launch, order);
    const kind = timing.name === 'cold_1' ? ('cold' as const) : ('warm' as const);
    const shared = { launch: `launch ${timing.launch}`, order, name: timing.name, kind };
    const label = kind === 'cold' ? `cold_1, launch ${timing.launch}` : '';
    return [
      ...(timing.ttftMs === undefined ? [] : [{ ...shared, measure: 'TTFT' as const, ms: rounded(timing.ttftMs), label }]),
      ...(timing.wallS === undefined ? [] : [{ ...shared, measure: 'wall_s' as const, ms: rounded(timing.wallS * 1000), label }]),
    ];
  });
}

function warmMedian(points: readonly Point[], measure: Point['measure']): number | undefined {
  return median(sortSamples(points.filter((point) => point.measure === measure && point.name === 'warm').map((point) => point.ms)));
}

function coldest(points: readonly Point[], measure: Point['measure']): number {
  return Math.max(0, ...points.filter((point) => point.measure === measure && point.kind === 'cold').map((point) => point.ms));
}

function pointsTitle(points: readonly Point[]): string {
  const measure = points.some((point) => point.measure === 'TTFT' && point.kind === 'cold') ? 'TTFT' : 'wall_s';
  const cold = points.find((point) => point.measure === measure && point.kind === 'cold');
  const warm = warmMedian(points, measure);
  const what = measure === 'TTFT' ? 'first token' : 'whole answer';
  if (!cold) return warm === undefined ? 'No cold and no warm request to compare' : `Warm: ${what} after ${formatMs(warm)} (median)`;
  if (warm === undefined) return `Cold: ${what} after ${formatMs(cold.ms)}; no warm request to compare it with`;
  return `Cold: ${what} after ${formatMs(cold.ms)}; warm: ${formatMs(warm)} (median), a factor of ${formatFactor(cold.ms / warm)}`;
}

function panel(points: readonly Point[], measure: Point['measure'], isLog: boolean): ChartSpec {
  const own = points.filter((point) => point.measure === measure);
  const middle = warmMedian(points, measure);
  const scale = isLog ? { type: 'log', domain: logDomain(own.map((point) => point.ms)) } : { zero: true, nice: true };
  const y = { field: 'ms', type: 'quantitative', scale, axis: { title: `${measure} (ms${isLog ? ', logarithmic' : ''})`, ...(isLog ? { tickCount: 5 } : {}), format: ',~r' } };
  const colour = { field: 'kind', type: 'nominal', scale: { domain: ['cold', 'warm'], range: [meaningColours.cold, meaningColours.warm] }, legend: { title: null } };
  const launches = [...new Set(points.map((point) => point.launch))];
  return {
    width: 300,
    height: 260,
    data: { values: own },
    layer: [
      ...(middle === undefined ? [] : [{ data: { values: [{ ms: rounded(middle) }] }, mark: { type: 'rule', color: meaningColours.warm, strokeDash: [5, 3] }, encoding: { y } }]),
      {
        mark: { type: 'point', filled: true, opacity: 0.8 },
        encoding: {
          x: { field: 'order', type: 'quantitative', scale: { zero: false, nice: false, padding: 12 }, axis: { title: 'place of the request in its launch', tickMinStep: 1, format: 'd' } },
          y,
          color: colour,
          shape: { field: 'launch', type: 'nominal', scale: { domain: launches, range: ['circle', 'triangle-up', 'square', 'diamond', 'cross'] }, legend: { title: null } },
          size: { condition: { test: "datum.kind === 'cold'", value: 150 }, value: 50 },
          tooltip: [{ field: 'name' }, { field: 'launch' }, { field: 'ms' }],
        },
      },
      // Labels of different launches step aside from each other.
      ...launches.map((launch, index) => ({
        transform: [{ filter: `datum.label !== '' && datum.launch === '${launch}'` }],
        mark: { type: 'text', align: 'left', dx: 12, dy: index % 2 === 0 ? -5 : 8, fontSize: 10.5, color: '#222222' },
        encoding: { x: { field: 'order', type: 'quantitative' }, y, text: { field: 'label' } },
      })),
    ],
  };
}

/** A little beyond the outermost points; zero or less has no logarithm and is left to the lower edge. */
function logDomain(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  return [rounded(Math.min(...positive) / 1.4), rounded(Math.max(...positive) * 1.4)];
}
