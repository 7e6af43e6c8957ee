/** Chart 3: one clock from spawn to the last token of a launch; a row for each quantity that was observed. */
import type { RunData } from '../archive/folder.js';
import type { LaunchRow, RequestRow } from '../archive/tables.js';
import { formatMs, formatPercent } from '../interpret/format.js';
import { framed, meaningColours, rounded, type Chart, type ChartSpec, type NoChart } from './chart.js';
import { downsample, ratePerS, type CurvePoint } from './downsample.js';
import { stamped, type InterpretedRun } from './subject.js';
import { isText } from './token-times.js';
import { renderTable } from './table.js';

const pointsPerCurve = 320;
const width = 640;

interface Quantity {
  readonly name: string;
  readonly unit: string;
  readonly colour: string;
  /** x: seconds since spawn. Empty: not observed. */
  readonly points: readonly CurvePoint[];
}

/** The timeline of a launch (default: the first that became ready, else the first). */
export function timelineChart({ data, findings }: InterpretedRun, launch?: number): Chart | NoChart {
  const chosen = chooseLaunch(data.launches, launch);
  if (chosen?.spawnAtMs === undefined)
    return { kind: 'no-chart', why: 'No launch of this run was spawned here, so there is no clock to draw on.' };
  const spawnAtMs = chosen.spawnAtMs;
  const seconds = (atMs: number): number => rounded((atMs - spawnAtMs) / 1000);
  const requests = data.requests.filter((row) => row.launch === chosen.launch && row.outcome === 'completed');
  const endS = endOfWindow(data, chosen, requests, seconds);
  const quantities = quantitiesOf(data, chosen.launch, seconds).map((quantity) => ({
    ...quantity,
    points: quantity.points.filter((point) => point.x >= 0 && point.x <= endS),
  }));
  const drawn = quantities.filter((quantity) => quantity.points.length > 1);
  const absent = quantities.filter((quantity) => quantity.points.length <= 1);
  const title = stamped(findings.engineKind, timelineTitle(chosen, requests, endS));
  const missing =
    absent.length === 0 ? '' : `; not observed, so no row: ${absent.map((quantity) => quantity.name).join(', ')}`;
  const subtitle = `launch ${chosen.launch}, n = ${requests.length} requests (shaded: blue cold, orange warm); rule: ready${missing}`;
  const spans = requests.map((row) => ({
    from: seconds(row.startAtMs),
    to: seconds(row.endAtMs ?? row.startAtMs),
    kind: row.name.startsWith('cold') ? 'cold' : 'warm',
    label: row.name.startsWith('cold') ? row.name : '',
  }));
  const readyS = chosen.readyAtMs === undefined ? undefined : seconds(chosen.readyAtMs);
  const phases = phaseBars(findings.launches.find((one) => one.launch === chosen.launch)?.timeline, seconds);
  const rows = [...(phases.length === 0 ? [] : [phaseRow(phases)]), ...drawn.map((quantity) => curveRow(quantity))];
  if (rows.length === 0)
    return {
      kind: 'no-chart',
      why: `Launch ${chosen.launch} left neither phases nor samples: there is nothing to draw on its clock.`,
    };
  const panels = rows.map((row, index) =>
    panel(index === 0 ? withSpanNames(row) : row, index === rows.length - 1, endS, readyS),
  );
  return {
    kind: 'chart',
    title,
    subtitle,
    spec: framed(title, subtitle, { datasets: { spans }, vconcat: panels, spacing: 28, bounds: 'flush' }),
    table: quantitiesTable(title, quantities),
  };
}

function chooseLaunch(launches: readonly LaunchRow[], launch: number | undefined): LaunchRow | undefined {
  if (launch !== undefined) return launches.find((row) => row.launch === launch);
  return launches.find((row) => row.outcome === 'ready' && row.spawnAtMs !== undefined) ?? launches[0];
}

function endOfWindow(
  data: RunData,
  chosen: LaunchRow,
  requests: readonly RequestRow[],
  seconds: (atMs: number) => number,
): number {
  const ends = requests.map((row) => row.lastTokenAtMs ?? row.endAtMs ?? row.startAtMs);
  const seen = data.samples.filter((row) => row.launch === chosen.launch).map((row) => row.atMs);
  const lastAtMs =
    ends.length > 0 ? Math.max(...ends) : (chosen.readyAtMs ?? Math.max(chosen.spawnAtMs ?? 0, ...seen.slice(-1)));
  return Math.max(0.001, seconds(lastAtMs));
}

function timelineTitle(chosen: LaunchRow, requests: readonly RequestRow[], endS: number): string {
  if (chosen.readyAtMs === undefined || chosen.spawnAtMs === undefined)
    return `Launch ${chosen.launch} never became ready (${chosen.outcome})`;
  const readyMs = chosen.readyAtMs - chosen.spawnAtMs;
  if (requests.length === 0) return `Launch ${chosen.launch} was ready after ${formatMs(readyMs)} and answered nothing`;
  return `${formatPercent(readyMs / 1000 / endS, 2)} of the ${formatMs(endS * 1000)} from spawn to last token went by before ready`;
}

function quantitiesOf(data: RunData, launch: number, seconds: (atMs: number) => number): Quantity[] {
  const samples = data.samples.filter((row) => row.launch === launch);
  // One GPU is drawn: the first. All are in gpu.csv.
  const gpus = data.gpu.filter((row) => row.launch === launch);
  const gpu = gpus.filter((row) => row.gpu === gpus[0]?.gpu);
  const curve = <Row extends { readonly atMs: number }>(
    rows: readonly Row[],
    pick: (row: Row) => number | undefined,
  ): CurvePoint[] =>
    rows.flatMap((row) => {
      const y = pick(row);
      return y === undefined ? [] : [{ x: seconds(row.atMs), y }];
    });
  const ids = new Set(data.requests.filter((row) => row.launch === launch).map((row) => row.requestId));
  const texts = data.chunks
    .filter((chunk) => ids.has(chunk.requestId) && isText(chunk))
    .sort((a, b) => a.atMs - b.atMs);
  const diskMB = ratePerS(
    curve(samples, (row) => row.diskReadBytes),
    1,
  ).map(({ x, y }) => ({ x, y: y / 1e6 }));
  const { gpu: gpuColour, host } = meaningColours;
  return [
    { name: 'GPU memory', unit: 'MiB', colour: gpuColour, points: curve(gpu, (row) => row.memoryUsedMiB) },
    { name: 'GPU utilisation', unit: '%', colour: gpuColour, points: curve(gpu, (row) => row.utilizationPercent) },
    { name: 'GPU power', unit: 'W', colour: gpuColour, points: curve(gpu, (row) => row.powerW) },
    { name: 'server CPU', unit: 'cores', colour: host, points: curve(samples, (row) => row.serverCpuCores) },
    { name: 'page cache', unit: 'MiB', colour: host, points: curve(samples, (row) => row.pageCacheMiB) },
    { name: 'disk reads', unit: 'MB/s', colour: host, points: diskMB },
    {
      name: 'chunks of text, cumulative',
      unit: 'count',
      colour: '#222222',
      points: texts.map((chunk, index) => ({ x: seconds(chunk.atMs), y: index + 1 })),
    },
  ];
}

interface Row {
  readonly title: string;
  readonly height: number | ChartSpec;
  readonly layers: readonly ChartSpec[];
  readonly y: ChartSpec;
}

interface PhaseBar {
  readonly phase: string;
  readonly from: number;
  readonly to: number;
}

function phaseBars(
  timeline: InterpretedRun['findings']['launches'][number]['timeline'],
  seconds: (atMs: number) => number,
): PhaseBar[] {
  return (timeline?.phases ?? []).map((phase) => ({
    phase: phase.name,
    from: seconds(phase.startAtMs),
    to: seconds(phase.endAtMs),
  }));
}

function phaseRow(bars: readonly PhaseBar[]): Row {
  const y = {
    field: 'phase',
    type: 'nominal',
    sort: bars.map((bar) => bar.phase),
    axis: { title: null, ticks: false, domain: false },
  };
  return {
    title: 'phases of launch -> ready, from the log',
    height: { step: 15 },
    y,
    layers: [
      {
        data: { values: bars },
        mark: { type: 'bar', color: meaningColours.cold, stroke: meaningColours.cold, strokeWidth: 1, height: 9 },
        encoding: { x: { field: 'from', type: 'quantitative' }, x2: { field: 'to' }, y },
      },
    ],
  };
}

function curveRow(quantity: Quantity): Row {
  const y = {
    field: 'y',
    type: 'quantitative',
    scale: { zero: quantity.name !== 'page cache', nice: true },
    axis: { title: null, tickCount: 3, format: ',~r' },
  };
  const values = downsample(quantity.points, pointsPerCurve).map(({ x, y: value }) => ({ x, y: rounded(value) }));
  return {
    title: `${quantity.name} (${quantity.unit})`,
    height: 52,
    y,
    layers: [
      {
        data: { values },
        mark: { type: 'line', color: quantity.colour, strokeWidth: 1.3, interpolate: 'step-after' },
        encoding: { x: { field: 'x', type: 'quantitative' }, y },
      },
    ],
  };
}

/** Names of the cold requests on their spans, so that the shading can be read without colour. */
function withSpanNames(row: Row): Row {
  const names = {
    data: { name: 'spans' },
    transform: [{ filter: "datum.label !== ''" }],
    mark: {
      type: 'text',
      angle: 270,
      align: 'right',
      baseline: 'top',
      dx: -4,
      dy: 2,
      y: 0,
      fontSize: 10,
      color: '#222222',
    },
    encoding: { x: { field: 'from', type: 'quantitative' }, text: { field: 'label' } },
  };
  return { ...row, layers: [...row.layers, names] };
}

/** A row on the shared clock: the request spans behind, the row's own layers, the ready rule in front. */
function panel(row: Row, isLast: boolean, endS: number, readyS: number | undefined): ChartSpec {
  const x = {
    type: 'quantitative',
    scale: { domain: [0, endS], nice: false, clamp: true },
    axis: { title: isLast ? 'seconds since spawn (launch clock)' : null, labels: isLast, ticks: isLast },
  };
  const shade = {
    data: { name: 'spans' },
    mark: { type: 'rect', opacity: 0.28 },
    encoding: {
      x: { ...x, field: 'from' },
      x2: { field: 'to' },
      color: {
        field: 'kind',
        type: 'nominal',
        scale: { domain: ['cold', 'warm'], range: [meaningColours.cold, meaningColours.warm] },
        legend: null,
      },
    },
  };
  const rule =
    readyS === undefined
      ? []
      : [
          {
            data: { values: [{ readyS }] },
            mark: { type: 'rule', color: '#222222', strokeWidth: 1.2, strokeDash: [4, 2] },
            encoding: { x: { field: 'readyS', type: 'quantitative' } },
          },
        ];
  return {
    title: { text: row.title, fontSize: 11, fontWeight: 'normal', offset: 3, frame: 'group' },
    width,
    height: row.height,
    layer: [shade, ...row.layers, ...rule],
  };
}

function quantitiesTable(title: string, quantities: readonly Quantity[]): string {
  return renderTable({
    title,
    columns: [
      { header: 'quantity' },
      { header: 'unit' },
      { header: 'n', decimals: 0 },
      { header: 'lowest', decimals: 1 },
      { header: 'highest', decimals: 1 },
    ],
    rows: quantities.map(({ name, unit, points }) => {
      const ys = points.map((point) => point.y);
      return points.length === 0
        ? [name, unit, 0]
        : [name, unit, points.length, ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
    }),
  });
}
