/** Typed rows <-> CSV text. Absent cells are empty; numbers keep every digit they have. */
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import type { Columns, RowOf, Table } from './columns.js';

/** A file of the archive does not hold what its table declares. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  constructor(
    readonly file: string,
    readonly line: number | undefined,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

function cellText(value: string | number | boolean | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`a cell cannot hold ${value}: leave it absent`);
    return String(value);
  }
  return String(value);
}

/** The header line of a table, with its newline. */
export function formatHeader<C extends Columns>(table: Table<C>): string {
  return `${Object.keys(table.columns).join(',')}\n`;
}

/** Rows as CSV lines without a header. An empty list gives ''. Throws RangeError on NaN or infinity. */
export function formatRows<C extends Columns>(table: Table<C>, rows: readonly RowOf<Table<C>>[]): string {
  const names = Object.keys(table.columns);
  return stringify(
    rows.map((row) =>
      names.map((name) => cellText((row as Record<string, string | number | boolean | undefined>)[name])),
    ),
  );
}

/**
 * Parse a CSV file of a table. A half-written last line (the writer was killed) is dropped;
 * anything else that does not fit throws ArchiveError with its line.
 */
export function parseRows<C extends Columns>(table: Table<C>, csv: string): RowOf<Table<C>>[] {
  const whole = csv.endsWith('\n') ? csv : csv.slice(0, csv.lastIndexOf('\n') + 1);
  if (whole === '') return [];
  let records: string[][];
  try {
    records = parse(whole, { relax_column_count: true });
  } catch (cause) {
    throw new ArchiveError(table.file, undefined, `${table.file} is not CSV: ${(cause as Error).message}`, { cause });
  }
  const [header, ...body] = records;
  const names = Object.keys(table.columns);
  const missing = names.filter((name) => !table.columns[name]?.optional && !header?.includes(name));
  if (!header || missing.length > 0) {
    throw new ArchiveError(
      table.file,
      1,
      `${table.file} lacks the columns ${missing.join(', ')}; it was written by another version of this project`,
    );
  }
  return body.map((cells, index) => parseRow(table, header, cells, index + 2));
}

function parseRow<C extends Columns>(
  table: Table<C>,
  header: string[],
  cells: string[],
  line: number,
): RowOf<Table<C>> {
  const row: Record<string, unknown> = {};
  for (const [name, column] of Object.entries(table.columns)) {
    const at = header.indexOf(name);
    const cell = at < 0 ? '' : (cells[at] ?? '');
    if (cell === '' && column.optional) continue;
    if (column.kind === 'text') row[name] = cell;
    else if (column.kind === 'flag' && (cell === 'true' || cell === 'false')) row[name] = cell === 'true';
    else if (column.kind === 'number' && cell !== '' && Number.isFinite(Number(cell))) row[name] = Number(cell);
    else {
      throw new ArchiveError(
        table.file,
        line,
        `${table.file} line ${line}: ${name} reads ${JSON.stringify(cell)}, expected a ${column.kind}`,
      );
    }
  }
  return row as RowOf<Table<C>>;
}
