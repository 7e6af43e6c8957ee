/** Typed cells -> one Markdown table. Outside text is escaped here, so no table function has to think of it. */
import { markdownTable } from 'markdown-table';
import { dash } from '../interpret/format.js';
import { escapeMarkdown } from './text.js';

export interface TableColumn {
  /** Name with its unit: "wall_s (s)". */
  readonly header: string;
  /** Given: a column of numbers, right-aligned, all with this many decimals. */
  readonly decimals?: number | undefined;
}

/** `undefined` is "not observed" and prints as a dash. */
export type Cell = string | number | undefined;

export interface TableView {
  readonly title?: string | undefined;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly (readonly Cell[])[];
  /** Sentences below the table. */
  readonly notes?: readonly string[] | undefined;
}

const longestCell = 400;

/** The table as GitHub-flavoured Markdown, title above and notes below, without a final newline. No rows: a line that says so. */
export function renderTable(view: TableView): string {
  const body = view.rows.map((row) => view.columns.map((column, index) => renderCell(row[index], column)));
  const table = markdownTable([view.columns.map((column) => escapeMarkdown(column.header)), ...body], {
    align: view.columns.map((column) => (column.decimals === undefined ? 'l' : 'r')),
    alignDelimiters: false,
    padding: true,
  });
  const parts = [
    ...(view.title === undefined ? [] : [`**${escapeMarkdown(view.title)}**`]),
    view.rows.length === 0 ? 'Nothing was observed.' : table,
    ...notesOf(view.notes ?? []),
  ];
  return parts.join('\n\n');
}

/** One note is a sentence, several are a list. */
function notesOf(notes: readonly string[]): string[] {
  const lines = notes.map((note) => escapeMarkdown(note));
  return lines.length > 1 ? [lines.map((line) => `- ${line}`).join('\n')] : lines;
}

/** A two-column table of names and values. */
export function renderFacts(title: string, facts: readonly (readonly [name: string, value: Cell])[]): string {
  return renderTable({ title, columns: [{ header: 'what' }, { header: 'value' }], rows: facts });
}

function renderCell(cell: Cell, column: TableColumn): string {
  if (cell === undefined || cell === '') return dash;
  if (typeof cell === 'string') return escapeMarkdown(cell, longestCell);
  return column.decimals === undefined ? String(cell) : fixed(cell, column.decimals);
}

/** A number with a fixed count of decimals; a value that rounds to zero has no minus sign. */
export function fixed(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return /^-0(?:\.0*)?$/.test(text) ? text.slice(1) : text;
}
