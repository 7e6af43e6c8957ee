/**
 * The text a server answers on /metrics -> figures. Reads the Prometheus text exposition format, and what
 * OpenMetrics adds to it (exemplars, "# EOF"); the parser knows nothing of vLLM.
 */
import type { MetricRow } from '../archive/tables.js';

export interface Exposition {
  /** Declared type by family name ("counter", "gauge", "histogram", "summary", ...). */
  readonly types: ReadonlyMap<string, string>;
  readonly figures: readonly Figure[];
  /** Lines that are neither comment nor figure, as they stand. */
  readonly unread: readonly string[];
}

export interface Figure {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** May be NaN or infinite: the format allows it. */
  readonly value: number;
}

export function parseExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const figures: Figure[] = [];
  const unread: string[] = [];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [, family, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (family !== undefined && type !== undefined) types.set(family, type);
    if (line === '' || line.startsWith('#')) continue;
    const figure = parseFigure(line);
    if (figure) figures.push(figure);
    else unread.push(line);
  }
  return { types, figures, unread };
}

const nameAtStart = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
/** A label value may hold braces, commas and escaped quotes, so labels are read one by one. */
const labelAtStart = /^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|(?=\}))/;

function parseFigure(line: string): Figure | undefined {
  const name = nameAtStart.exec(line)?.[0];
  if (name === undefined) return undefined;
  const labels: Record<string, string> = {};
  let rest = line.slice(name.length).trimStart();
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    for (let label = labelAtStart.exec(rest); label; label = labelAtStart.exec(rest)) {
      labels[label[1] ?? ''] = unescapeLabel(label[2] ?? '');
      rest = rest.slice(label[0].length);
    }
    if (!rest.trimStart().startsWith('}')) return undefined;
    rest = rest.trimStart().slice(1);
  }
  // After the value may stand a timestamp, and after " # " an exemplar; neither is used here.
  const value = parseValue(rest.trim().split(/\s+/)[0] ?? '');
  return value === undefined ? undefined : { name, labels, value };
}

function unescapeLabel(text: string): string {
  return text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}

function parseValue(text: string): number | undefined {
  if (/^nan$/i.test(text)) return NaN;
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinite) return infinite[1] === '-' ? -Infinity : Infinity;
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
}

/** Which scrape a row belongs to. */
export interface ScrapePoint {
  readonly launch: number;
  /** "after-ready", "after-cold_1", ... */
  readonly scrape: string;
  readonly atMs: number;
}

/**
 * The rows kept of a scrape: vllm:* and process_*; of histograms and summaries only sum and count, and no
 * creation times. A figure that is NaN or infinite was not observed and gives no row.
 */
export function metricRows(text: string, point: ScrapePoint): MetricRow[] {
  const { types, figures } = parseExposition(text);
  return figures
    .filter(({ name, value }) => Number.isFinite(value) && isKept(name, types))
    .map(({ name, labels, value }) => ({ ...point, metric: name, labels: formatLabels(labels), value }));
}

function isKept(name: string, types: ReadonlyMap<string, string>): boolean {
  if (!/^(?:vllm:|process_)/.test(name) || name.endsWith('_created')) return false;
  const type = types.get(name);
  // A figure of a histogram is named after its family: its own name is declared only for gauges and counters.
  if (type !== undefined && type !== 'histogram' && type !== 'summary') return true;
  return type === undefined && !name.endsWith('_bucket');
}

/** The model and the engine number are the same in all rows of a run with one engine; with several, metricDelta adds them up. */
const impliedLabels = new Set(['model_name', 'engine']);

function formatLabels(labels: Readonly<Record<string, string>>): string | undefined {
  const named = Object.entries(labels).filter(([name]) => !impliedLabels.has(name));
  return named.length === 0 ? undefined : named.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',');
}

/**
 * How much a counter, or the _sum or _count of a histogram, grew between two scrapes of one launch; label sets
 * are added up. Absent when either scrape lacks it, or when it fell (the server was restarted between the two).
 * Throws RangeError when the rows are of several launches: their scrapes have the same names.
 */
export function metricDelta(
  rows: readonly MetricRow[],
  fromScrape: string,
  toScrape: string,
  metric: string,
): number | undefined {
  const wanted = rows.filter((row) => row.metric === metric);
  if (new Set(wanted.map(({ launch }) => launch)).size > 1)
    throw new RangeError(`${metric}: give the rows of one launch`);
  const totalAt = (scrape: string) => {
    const values = wanted.filter((row) => row.scrape === scrape).map(({ value }) => value);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
  };
  const before = totalAt(fromScrape);
  const after = totalAt(toScrape);
  return before === undefined || after === undefined || after < before ? undefined : after - before;
}
