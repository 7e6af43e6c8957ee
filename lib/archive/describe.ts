/** The declared tables -> data/README.md: every file, what one row is, every column with unit and meaning. */
import { markdownTable } from 'markdown-table';
import type { Columns, Table } from './columns.js';
import { tables } from './tables.js';

const introduction = `# The data

A run writes one folder below \`data/runs/\` (kept on the machine, ignored by git). \`npm run share\` makes the copy
that may leave it, below \`data/published/\`.

| file | what it holds |
| --- | --- |
| \`run.json\` | what was frozen before the first launch: configuration, engine, machine, model files with hashes, requests |
| \`serve.sh\` | the exact command of the server |
| \`server-<launch>.log\` | the server's log; each line has its instant and its pipe (out, err) before it |
| \`*.csv\` | the observations, a table each, described below |
| \`findings.json\` | what was computed from them; can be deleted and is computed again |
| \`first_token_latency.md\` | the report in the template of the runbook; the same holds |
| \`day-007.ipynb\`, \`day-007.html\` | the notebook as it was run |

Instants (\`...AtMs\`) are milliseconds on one monotonic clock whose zero is the freezing of the run; all processes of
a run share it. Durations end in \`Ms\`. Every other quantity carries its unit in its name or in the table below.
An empty cell means "not observed", never zero. Rows are appended when the thing was seen, so a run that was cut
short keeps what it had.

This file is generated from \`lib/archive/tables.ts\`; a test compares the two.
`;

/** The text of data/README.md. */
export function describeTables(): string {
  return [introduction, ...Object.values(tables).map(describeTable)].join('\n');
}

function describeTable(table: Table<Columns>): string {
  const rows = Object.entries(table.columns).map(([name, column]) => [
    `\`${name}\``,
    column.unit ?? column.kind,
    column.optional ? 'may be empty' : '',
    column.meaning.replaceAll('|', '\\|'),
  ]);
  return `## ${table.file}\n\nOne row is ${table.rowIs}.\n\n${markdownTable([['column', 'unit', '', 'meaning'], ...rows])}\n`;
}
