/** Chart 1: the phases of launch -> ready as bars on the launch clock, and what none of them explains. */
import type { LaunchFinding } from '../interpret/findings.js';
import { formatCounted, formatMs, formatPercent } from '../interpret/format.js';
import type { StartupTimeline } from '../launch/timeline.js';
import { areMany, launchesToDraw } from '../interpret/launchgroups.js';
import { framed, meaningColours, rounded, type Chart, type ChartSpec, type NoChart } from './chart.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable } from './table.js';

const notExplained = 'not explained';
const barHeight = 21;

interface Bar {
  readonly row: string;
  readonly kind: 'phase' | 'remainder';
  readonly startS: number;
  readonly endS: number;
  /** Text at the end of the bar; only the last bar of a row carries one. */
  readonly label: string;
}

/** One panel for each launch that became ready, of many for some; all on one scale of seconds since spawn. */
export function startupWaterfall({ findings }: InterpretedRun): Chart | NoChart {
  const launches = launchesToDraw(findings.launches).filter((launch) => launch.timeline !== undefined);
  const first = launches[0];
  if (!first?.timeline)
    return { kind: 'no-chart', why: 'No launch became ready, so there is no launch -> ready to draw.' };
  const timelines = launches.flatMap((launch) => launch.timeline ?? []);
  const longestS = Math.max(...timelines.map((timeline) => (timeline.readyAtMs - timeline.spawnAtMs) / 1000));
  const title = stamped(findings.engineKind, waterfallTitle(first, first.timeline));
  const covered = launches
    .map((launch) => `${formatPercent(launch.coveredFraction)} of launch ${launch.launch}`)
    .concat(
      areMany(findings.launches) && findings.worstCoverage
        ? [`${formatPercent(findings.worstCoverage.fraction)} of the one they cover least`]
        : [],
    )
    .join(', ');
  const shown = `${launches.length < findings.launches.length ? `${launches.length} of ` : ''}${formatCounted(findings.launches.length, 'launch')}`;
  const subtitle = `${shown}; named phases cover ${covered}; letter: term of the equation; grey, dashed: ${notExplained}`;
  const panels = launches.flatMap((launch, index) =>
    launch.timeline ? [panel(launch, launch.timeline, longestS, index === launches.length - 1)] : [],
  );
  return {
    kind: 'chart',
    title,
    subtitle,
    spec: framed(title, subtitle, { vconcat: panels, spacing: 18 }),
    table: barsTable(title, launches),
  };
}

function waterfallTitle(launch: LaunchFinding, timeline: StartupTimeline): string {
  const readyMs = timeline.readyAtMs - timeline.spawnAtMs;
  const longest = [...timeline.phases].sort((a, b) => b.endAtMs - b.startAtMs - (a.endAtMs - a.startAtMs))[0];
  if (!longest) return `Launch ${launch.launch} was ready after ${formatMs(readyMs)}; no phase was recognised`;
  const longestMs = longest.endAtMs - longest.startAtMs;
  return `"${longest.name}" took ${formatPercent(longestMs / readyMs, 2)} of the ${formatMs(readyMs)} to ready`;
}

function barsOf(timeline: StartupTimeline): Bar[] {
  const seconds = (atMs: number) => rounded((atMs - timeline.spawnAtMs) / 1000);
  const phases = timeline.phases.map((phase): Bar => ({
    row: `${phase.name} (${phase.term})`,
    kind: 'phase',
    startS: seconds(phase.startAtMs),
    endS: seconds(phase.endAtMs),
    label: formatMs(phase.endAtMs - phase.startAtMs),
  }));
  const gaps = [...timeline.gaps].sort((a, b) => a.startAtMs - b.startAtMs);
  const remainder = gaps.map((gap, index): Bar => ({
    row: notExplained,
    kind: 'remainder',
    startS: seconds(gap.startAtMs),
    endS: seconds(gap.endAtMs),
    label:
      index === gaps.length - 1
        ? `${formatMs(timeline.remainderMs)} in ${gaps.length} gap${gaps.length === 1 ? '' : 's'}`
        : '',
  }));
  return [...phases, ...remainder];
}

function panel(launch: LaunchFinding, timeline: StartupTimeline, longestS: number, isLast: boolean): ChartSpec {
  const bars = barsOf(timeline);
  const readyS = rounded((timeline.readyAtMs - timeline.spawnAtMs) / 1000);
  const rows = [...new Set(bars.map((bar) => bar.row))];
  const x = {
    field: 'startS',
    type: 'quantitative',
    // Room on the right for the label of a bar that ends at ready.
    scale: { domain: [0, rounded(longestS * 1.22)], nice: false },
    axis: { title: isLast ? 'seconds since spawn (launch clock)' : null },
  };
  const y = {
    field: 'row',
    type: 'nominal',
    sort: rows,
    axis: { title: null, ticks: false, domain: false, grid: true },
  };
  const { pages, compileCache } = launch.state;
  return {
    title: {
      text: `Launch ${launch.launch}: ready after ${formatMs(readyS * 1000)} (pages ${pages}; compile cache ${compileCache})`,
      fontSize: 12,
      fontWeight: 'normal',
      offset: 6,
      frame: 'group',
    },
    width: 560,
    height: { step: barHeight },
    data: { values: bars },
    layer: [
      {
        mark: { type: 'bar', height: 13 },
        encoding: {
          x,
          x2: { field: 'endS' },
          y,
          color: { condition: { test: "datum.kind === 'remainder'", value: '#dddddd' }, value: meaningColours.cold },
          stroke: { condition: { test: "datum.kind === 'remainder'", value: '#666666' }, value: meaningColours.cold },
          strokeDash: { condition: { test: "datum.kind === 'remainder'", value: [3, 2] }, value: [1, 0] },
          tooltip: [
            { field: 'row', title: 'phase' },
            { field: 'startS', title: 'start (s)' },
            { field: 'endS', title: 'end (s)' },
          ],
        },
      },
      {
        data: { values: [{ readyS }] },
        mark: { type: 'rule', color: '#222222', strokeWidth: 1.5 },
        encoding: { x: { field: 'readyS', type: 'quantitative' } },
      },
      // The label twice: a white rim first, so that it stays readable across the ready rule.
      ...[{ stroke: '#ffffff', strokeWidth: 4, fill: '#ffffff' }, { fill: '#222222' }].map((paint) => ({
        transform: [{ filter: "datum.label !== ''" }],
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 10.5, ...paint },
        encoding: { x: { field: 'endS', type: 'quantitative' }, y, text: { field: 'label' } },
      })),
      {
        data: { values: [{ readyS }] },
        mark: { type: 'text', align: 'right', baseline: 'bottom', dx: -3, dy: -2, y: 0, fontSize: 10.5, text: 'ready' },
        encoding: { x: { field: 'readyS', type: 'quantitative' } },
      },
    ],
  };
}

function barsTable(title: string, launches: readonly LaunchFinding[]): string {
  return renderTable({
    title,
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'phase' },
      { header: 'start (s)', decimals: 2 },
      { header: 'end (s)', decimals: 2 },
    ],
    rows: launches.flatMap((launch) =>
      (launch.timeline ? barsOf(launch.timeline) : []).map((bar) => [launch.launch, bar.row, bar.startS, bar.endS]),
    ),
  });
}
