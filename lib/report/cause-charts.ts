/** What an experiment on cold starts found -> its three charts: seconds per cause, every launch by cell, the witnesses. */
import type { CauseFindings } from '../causes/findings.js';
import type { CauseRow } from '../causes/ledger.js';
import { formatCounted, formatMs, formatPercent } from '../interpret/format.js';
import { centreText, kindOf, largestCauses, summedCauses, witnessText } from './cause-tables.js';
import { framed, meaningColours, rounded, type Chart, type ChartSpec, type NoChart } from './chart.js';
import { stamped } from './subject.js';
import { medianOf } from '../statistics/samples.js';
import { renderTable } from './table.js';

interface CauseBar {
  readonly row: string;
  readonly s: number;
  readonly lowerS: number;
  readonly upperS: number;
  readonly floorS?: number | undefined;
  readonly kind: 'cause' | 'part' | 'remainder';
  readonly label: string;
}

/** Chart 1: a bar a cause with its interval, and the floor of this node as a mark. */
export function causeBars(findings: CauseFindings): Chart | NoChart {
  const bars = findings.ledger.rows
    .filter(({ window, cause }) => window === 'launch -> ready' && cause !== 'AxC')
    .flatMap((row): CauseBar[] => {
      const { centre } = row;
      if (!centre) return [];
      const seconds = (ms: number) => rounded(ms / 1000);
      return [
        {
          row: row.cause === 'remainder' || isPart(row.cause) ? row.name : `${row.cause}  ${row.name}`,
          s: seconds(centre.centre),
          lowerS: seconds(centre.interval?.lower ?? centre.centre),
          upperS: seconds(centre.interval?.upper ?? centre.centre),
          floorS: row.floorMs === undefined ? undefined : seconds(row.floorMs),
          kind: row.cause === 'remainder' ? 'remainder' : isPart(row.cause) ? 'part' : 'cause',
          label: row.resolved === false ? `${formatMs(centre.centre)}, not resolved` : formatMs(centre.centre),
        },
      ];
    });
  if (bars.length === 0)
    return { kind: 'no-chart', why: 'No block holds the cells that a cause needs: launch more of the design.' };
  const title = stamped(kindOf(findings), causeTitle(findings));
  const subtitle = `${formatCounted(findings.blocks, 'block')}; line: interval of the differences inside the blocks; tick: the least this node could do it in; lighter: shown beside the causes, not added to them; grey: not explained`;
  return {
    kind: 'chart',
    title,
    subtitle,
    spec: framed(title, subtitle, causeSpec(bars)),
    table: barTable(title, bars),
  };
}

/** Shown beside the causes, and not added to them. */
const isPart = (cause: string): boolean => /^[CD]-/.test(cause);

function unresolvedTitle(rows: readonly CauseRow[]): string {
  if (!rows.some(({ centre }) => centre?.interval))
    return 'Seconds per cause, without intervals: they need six whole blocks';
  return rows.some(({ cause, centre }) => summedCauses.includes(cause) && centre && !centre.interval)
    ? 'No cause of the cold start is resolved yet: some have no interval, which needs six whole blocks'
    : 'No cause of the cold start is resolved: every interval holds 0';
}

function causeTitle({ ledger }: CauseFindings): string {
  const [first, second] = largestCauses(ledger.rows);
  if (!first) return unresolvedTitle(ledger.rows);
  const part = (row: typeof first): string =>
    `${row.name}: ${formatMs(row.centre?.centre)} (${formatPercent(row.share, 2)})`;
  return second ? `${part(first)}; then ${part(second)}` : part(first);
}

function causeSpec(bars: readonly CauseBar[]): ChartSpec {
  const rows = bars.map(({ row }) => row);
  const y = { field: 'row', type: 'nominal', sort: rows, axis: { title: null, ticks: false, domain: false } };
  const most = Math.max(...bars.map(({ upperS, floorS }) => Math.max(upperS, floorS ?? 0)), 0.001);
  const least = Math.min(...bars.map(({ lowerS }) => lowerS), 0);
  const x = {
    field: 's',
    type: 'quantitative',
    scale: { domain: [rounded(least), rounded(most * 1.3)], nice: false },
    axis: { title: 'seconds of launch -> ready' },
  };
  const colour = {
    field: 'kind',
    type: 'nominal',
    legend: null,
    scale: {
      domain: ['cause', 'part', 'remainder'],
      range: [meaningColours.cold, '#8fbcd8', meaningColours.remainder],
    },
  };
  return {
    width: 520,
    height: { step: 30 },
    data: { values: bars },
    layer: [
      { mark: { type: 'bar', height: 15 }, encoding: { x, y, color: colour } },
      {
        mark: { type: 'rule', color: '#222222', strokeWidth: 1.6 },
        encoding: { x: { field: 'lowerS', type: 'quantitative' }, x2: { field: 'upperS' }, y },
      },
      {
        transform: [{ filter: 'isValid(datum.floorS)' }],
        mark: { type: 'tick', color: meaningColours.warm, thickness: 3, size: 24 },
        encoding: { x: { field: 'floorS', type: 'quantitative' }, y },
      },
      {
        mark: { type: 'text', align: 'left', dx: 6, dy: -1, fontSize: 10.5, color: '#222222' },
        encoding: { x: { field: 'upperS', type: 'quantitative' }, y, text: { field: 'label' } },
      },
    ],
  };
}

function barTable(title: string, bars: readonly CauseBar[]): string {
  return renderTable({
    title,
    columns: [
      { header: 'cause' },
      { header: 'seconds', decimals: 3 },
      { header: 'from', decimals: 3 },
      { header: 'to', decimals: 3 },
      { header: 'floor (s)', decimals: 3 },
    ],
    rows: bars.map(({ row, s, lowerS, upperS, floorS }) => [row, s, lowerS, upperS, floorS]),
  });
}

/** Chart 2: every counted launch as a point, a row a cell; lines join the launches of a block. */
export function cellPoints(findings: CauseFindings): Chart | NoChart {
  const { values, progress } = findings;
  if (values.length === 0) return { kind: 'no-chart', why: 'No launch was counted.' };
  const blocks = [...new Set(values.map(({ block }) => block))];
  const points = values.map(({ block, cell, value }) => ({
    block: blocks.indexOf(block) + 1,
    cell,
    s: rounded(value / 1000),
  }));
  const middleOf = (cell: string): number =>
    medianOf(points.filter((point) => point.cell === cell).map(({ s }) => s)) ?? 0;
  const cells = [...new Set(points.map(({ cell }) => cell))].sort((a, b) => middleOf(b) - middleOf(a));
  const [slowest, fastest] = [cells[0] ?? '', cells.at(-1) ?? ''];
  const title = stamped(
    kindOf(findings),
    `${slowest} takes ${formatMs(middleOf(slowest) * 1000)} to ready, ${fastest} ${formatMs(middleOf(fastest) * 1000)} (middle launches)`,
  );
  // Each by the plan of its own run: runs of two designs share some of the cells.
  const whole = progress.reduce((sum, { wholeBlocks }) => sum + wholeBlocks, 0);
  const every = whole === blocks.length ? 'each with every cell once' : `${whole} of them with every cell`;
  const subtitle = `n = ${points.length} launches, a point each; ${formatCounted(blocks.length, 'block')}, ${every}, in random order; void launches are left out`;
  const spec = framed(title, subtitle, {
    width: 520,
    height: { step: 34 },
    data: { values: points },
    mark: { type: 'point', filled: true, size: 60, opacity: 0.75, color: meaningColours.cold },
    encoding: {
      x: { field: 's', type: 'quantitative', scale: { zero: true }, axis: { title: 'launch -> ready (s)' } },
      y: { field: 'cell', type: 'nominal', sort: cells, axis: { title: null, grid: true } },
      tooltip: [{ field: 'cell' }, { field: 'block' }, { field: 's', title: 'seconds' }],
    },
  });
  const table = renderTable({
    title,
    columns: [{ header: 'cell' }, { header: 'block', decimals: 0 }, { header: 'launch -> ready (s)', decimals: 3 }],
    rows: points.map(({ cell, block, s }) => [cell, block, s]),
  });
  return { kind: 'chart', title, subtitle, spec, table };
}

/** Chart 3: the same effect by the experiment and by each witness, an interval each. */
export function witnessChart(findings: CauseFindings): Chart | NoChart {
  const own = [...new Map(findings.witnesses.map((one) => [one.cause, one])).values()].map(({ cause, main }) => ({
    cause,
    by: cause === 'G' ? 'own probes' : 'experiment: launch -> ready',
    centre: main,
  }));
  // CPU time of several processes is no stretch of the clock: it stands in the table alone.
  const others = findings.witnesses
    .filter(({ isClock }) => isClock)
    .map(({ cause, witness, centre }) => ({ cause, by: witness, centre }));
  const marks = [...own, ...others].flatMap(({ cause, by, centre }) => {
    if (!centre) return [];
    const seconds = (ms: number) => rounded(ms / 1000);
    const { lower, upper } = centre.interval ?? { lower: centre.centre, upper: centre.centre };
    return [
      {
        cause,
        by,
        s: seconds(centre.centre),
        lowerS: seconds(lower),
        upperS: seconds(upper),
        text: centreText(centre),
      },
    ];
  });
  if (others.length === 0) return { kind: 'no-chart', why: 'No effect has another witness yet.' };
  const title = stamped(kindOf(findings), `The same seconds by other witnesses: ${witnessText(findings)}`);
  const subtitle = `${formatCounted(findings.blocks, 'block')}; line: interval over the blocks; each panel with a scale of its own`;
  const order = [...new Set(marks.map(({ by }) => by))];
  const y = { field: 'by', type: 'nominal', sort: order, axis: { title: null } };
  const spec = framed(title, subtitle, {
    spacing: 14,
    resolve: { scale: { x: 'independent' } },
    vconcat: [...new Set(marks.map(({ cause }) => cause))].map((cause) => ({
      title: { text: cause, fontSize: 12, fontWeight: 'normal', offset: 4, frame: 'group' },
      width: 420,
      height: { step: 20 },
      data: { values: marks.filter((mark) => mark.cause === cause) },
      layer: [
        {
          mark: { type: 'rule', color: meaningColours.cold, strokeWidth: 2 },
          encoding: {
            x: { field: 'lowerS', type: 'quantitative', axis: { title: 'seconds' } },
            x2: { field: 'upperS' },
            y,
          },
        },
        {
          mark: { type: 'point', filled: true, size: 70, color: meaningColours.cold },
          encoding: { x: { field: 's', type: 'quantitative' }, y },
        },
      ],
    })),
  });
  const table = renderTable({
    title,
    columns: [{ header: 'cause' }, { header: 'by' }, { header: 'effect' }],
    rows: marks.map(({ cause, by, text }) => [cause, by, text]),
  });
  return { kind: 'chart', title, subtitle, spec, table };
}
