/** Chart 2: every request with the seed's payload as a point, cold ones marked, by TTFT and by wall_s. */
import type { Findings, RequestTiming } from '../interpret/findings.js';
import { formatCounted, formatFactor, formatMs, formatSeconds } from '../interpret/format.js';
import { areMany, namedLaunches } from '../interpret/launchgroups.js';
import { medianOf } from '../statistics/samples.js';
import { framed, meaningColours, rounded, type Chart, type ChartSpec, type NoChart } from './chart.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable } from './table.js';

/** Above this ratio of the coldest request to the warm median a linear axis would flatten the warm points. */
export const logAxisRatio = 5;

interface Point {
  readonly measure: 'TTFT' | 'wall_s';
  readonly launch: string;
  /** The launch; of many, those that are neither the first nor the one with the most warm requests are one series. */
  readonly series: string;
  /** Position in its launch: 1 is the first request after the server start. */
  readonly order: number;
  /** The same, launches set a little apart so that equal requests do not hide each other. */
  readonly x: number;
  readonly name: string;
  readonly kind: 'cold' | 'warm';
  readonly ms: number;
  readonly label: string;
}

/** Launches beside each other in all take less than the place of one request. */
const widestStep = 0.25;
const seedNames = ['cold_1', 'warm_1', 'warm'];

/** Points, never bars: milliseconds against the place of the request in its launch. */
export function coldWarmPoints({ findings }: InterpretedRun): Chart | NoChart {
  const points = pointsOf(findings);
  if (points.length === 0)
    return {
      kind: 'no-chart',
      why: "No request with the seed's payload was completed, so there is nothing to compare.",
    };
  const measures = (['TTFT', 'wall_s'] as const).filter((measure) => points.some((point) => point.measure === measure));
  const levels = warmLevels(points).filter((level) => isOwnSeries(points, level));
  const isLog = points.some(
    (point) => point.kind === 'cold' && point.ms > logAxisRatio * (levelOf(levels, point)?.ms ?? Infinity),
  );
  const title = stamped(findings.engineKind, pointsTitle(findings));
  const requests = new Set(findings.timings.filter(isSeedRequest).map((timing) => timing.requestId)).size;
  const launches = new Set(points.map((point) => point.launch));
  const subtitle = `n = ${requests} requests in ${formatCounted(launches.size, 'launch')}, the seed's payload, one at a time; dashed: warm median of a launch${areMany([...launches]) ? ', of the first and of the one with the most warm requests' : ''}${isLog ? '; logarithmic axis' : ''}; TTFT of streamed requests only`;
  const panels = measures.map((measure) => panel(points, measure, levels, isLog));
  return {
    kind: 'chart',
    title,
    subtitle,
    spec: framed(title, subtitle, {
      hconcat: panels,
      spacing: 34,
      resolve: { legend: { color: 'shared', shape: 'shared' } },
    }),
    table: renderTable({
      title,
      columns: [
        { header: 'measure' },
        { header: 'launch' },
        { header: 'request' },
        { header: 'place in its launch', decimals: 0 },
        { header: 'ms', decimals: 1 },
      ],
      rows: points.map((point) => [point.measure, point.launch, point.name, point.order, point.ms]),
    }),
  };
}

const isSeedRequest = (timing: RequestTiming): boolean =>
  seedNames.includes(timing.name) && timing.outcome === 'completed';

function pointsOf({ timings, warmLaunch }: Findings): Point[] {
  const seed = timings.filter(isSeedRequest);
  const launches = [...new Set(seed.map(({ launch }) => launch))];
  const isAlone = (launch: number): boolean => !areMany(launches) || launch === 1 || launch === warmLaunch;
  const together = namedLaunches(launches.filter((launch) => !isAlone(launch)));
  const step = Math.min(widestStep, 0.8 / launches.length);
  const counts = new Map<number, number>();
  const points = seed.flatMap((timing): Point[] => {
    const { launch, name } = timing;
    const order = (counts.get(launch) ?? 0) + 1;
    counts.set(launch, order);
    const shared = {
      launch: `launch ${launch}`,
      series: isAlone(launch) ? `launch ${launch}` : together,
      order,
      x: rounded(order + step * launches.indexOf(launch)),
      name,
      kind: name === 'cold_1' ? ('cold' as const) : ('warm' as const),
      label: name === 'cold_1' ? `cold_1, launch ${launch}` : '',
    };
    return [
      ...(timing.ttftMs === undefined ? [] : [{ ...shared, measure: 'TTFT' as const, ms: rounded(timing.ttftMs) }]),
      ...(timing.wallS === undefined
        ? []
        : [{ ...shared, measure: 'wall_s' as const, ms: rounded(timing.wallS * 1000) }]),
    ];
  });
  return points.map((point) => (isNamed(points, point) ? point : { ...point, label: '' }));
}

/** Of a series of several launches, the slowest first request alone has its name beside it. */
function isNamed(points: readonly Point[], point: Point): boolean {
  if (point.series === point.launch) return true;
  const slower = points.filter(
    ({ series, measure, kind, ms }) =>
      series === point.series && measure === point.measure && kind === 'cold' && ms > point.ms,
  );
  return slower.length === 0;
}

const isOwnSeries = (points: readonly Point[], place: Place): boolean =>
  points.some((point) => isAt(point, place) && point.series === point.launch);

/** The warm median of one launch by one measure; launches in different states are never pooled. */
interface Level {
  readonly measure: Point['measure'];
  readonly launch: string;
  readonly ms: number;
}

function warmLevels(points: readonly Point[]): Level[] {
  const warm = points.filter((point) => point.name === 'warm');
  const keys = new Map(warm.map(({ measure, launch }) => [`${measure} ${launch}`, { measure, launch }]));
  return [...keys.values()].flatMap((key) => {
    const ms = medianOf(warm.filter((point) => isAt(point, key)).map((point) => point.ms));
    return ms === undefined ? [] : [{ ...key, ms: rounded(ms) }];
  });
}

type Place = Pick<Point, 'measure' | 'launch'>;
const isAt = (a: Place, b: Place): boolean => a.measure === b.measure && a.launch === b.launch;
const levelOf = (levels: readonly Level[], place: Place): Level | undefined =>
  levels.find((level) => isAt(level, place));

function pointsTitle(findings: Findings): string {
  const penalty = findings.penalties.find(({ by }) => by === 'TTFT') ?? findings.penalties[0];
  if (!penalty) return 'There is no pair of a first and a warm request to compare';
  const isTtft = penalty.by === 'TTFT';
  const text = (value: number): string => (isTtft ? formatMs(value) : formatSeconds(value));
  const what = isTtft ? 'first token' : 'whole answer';
  return `Launch ${penalty.launch}: ${what} after ${text(penalty.cold)} cold, ${text(penalty.warmMedian)} warm (median): ${formatFactor(penalty.factor)}`;
}

function panel(
  points: readonly Point[],
  measure: Point['measure'],
  levels: readonly Level[],
  isLog: boolean,
): ChartSpec {
  const own = points.filter((point) => point.measure === measure);
  const domain = logDomain(own.map((point) => point.ms));
  const scale = isLog ? { type: 'log', domain } : { zero: true, nice: true };
  const axis = {
    title: `${measure} (ms${isLog ? ', logarithmic' : ''})`,
    ...(isLog ? { values: logTicks(domain) } : {}),
    format: ',~r',
  };
  const y = { field: 'ms', type: 'quantitative', scale, axis };
  const colour = {
    field: 'kind',
    type: 'nominal',
    scale: { domain: ['cold', 'warm'], range: [meaningColours.cold, meaningColours.warm] },
    legend: { title: null },
  };
  const series = [...new Set(points.map((point) => point.series))];
  return {
    width: 300,
    height: 260,
    data: { values: own },
    layer: [
      ...levelLayers(
        levels.filter((level) => level.measure === measure),
        y,
      ),
      {
        mark: { type: 'point', filled: true, opacity: 0.8 },
        encoding: {
          x: {
            field: 'x',
            type: 'quantitative',
            scale: { zero: false, nice: false, padding: 12 },
            axis: { title: 'place of the request in its launch', tickMinStep: 1, format: 'd' },
          },
          y,
          color: colour,
          shape: {
            field: 'series',
            type: 'nominal',
            scale: { domain: series, range: ['circle', 'triangle-up', 'square'] },
            legend: series.length > 1 ? { title: null } : null,
          },
          size: { condition: { test: "datum.kind === 'cold'", value: 150 }, value: 50 },
          tooltip: [{ field: 'name' }, { field: 'launch' }, { field: 'order', title: 'place' }, { field: 'ms' }],
        },
      },
      ...labelLayers(own, y),
    ],
  };
}

/** Names beside the points that have one. The highest steps up and the lowest down, so that near ones can be read. */
function labelLayers(points: readonly Point[], y: ChartSpec): ChartSpec[] {
  const falling = points.filter(({ label }) => label !== '').sort((a, b) => b.ms - a.ms);
  return falling.map((point, index) => ({
    data: { values: [point] },
    mark: {
      type: 'text',
      align: 'left',
      dx: 12,
      dy: index === 0 ? -5 : index === falling.length - 1 ? 8 : 2,
      fontSize: 10.5,
      color: '#222222',
    },
    encoding: { x: { field: 'x', type: 'quantitative' }, y, text: { field: 'label' } },
  }));
}

/** A dashed line at each warm median, named at the right edge; close neighbours are named above and below. */
function levelLayers(levels: readonly Level[], y: ChartSpec): ChartSpec[] {
  const rising = [...levels].sort((a, b) => a.ms - b.ms);
  return rising.flatMap((level, index) => {
    const data = { values: [{ ...level, text: `${formatMs(level.ms)}, ${level.launch}` }] };
    const baseline =
      index === 0 && rising.length > 1 ? 'top' : index === rising.length - 1 && index > 0 ? 'bottom' : 'middle';
    return [
      { data, mark: { type: 'rule', color: meaningColours.warm, strokeDash: [5, 3] }, encoding: { y } },
      {
        data,
        mark: { type: 'text', align: 'left', baseline, dx: 5, x: 'width', fontSize: 10.5, color: '#222222' },
        encoding: { y, text: { field: 'text' } },
      },
    ];
  });
}

/** 1, 2, 5, 10, 20 ... within the domain. */
function logTicks([low, high]: readonly [number, number]): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    ticks.push(...[1, 2, 5].map((digit) => rounded(digit * 10 ** power)).filter((tick) => tick >= low && tick <= high));
  }
  return ticks;
}

/** A little beyond the outermost points; zero or less has no logarithm and is left to the lower edge. */
function logDomain(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  return [rounded(Math.min(...positive) / 1.4), rounded(Math.max(...positive) * 1.4)];
}
