/**
 * A recording: what one real server said while it started and while it ended, with the instant of every line, as rows
 * of JSON. Made by record.ts from a saved run, never typed. What belongs to one machine or one run is a placeholder.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Who writes a line: the API process, or one of its children. */
export const roles = ['server', 'engine', 'worker'] as const;
export type Role = (typeof roles)[number];

const header = z.strictObject({
  row: z.literal('recording'),
  engine: z.string(),
  version: z.string(),
  device: z.string(),
  /** The saved run and its launch that this was made from. */
  source: z.strictObject({ run: z.string(), launch: z.number() }),
  /** From spawn to the first 200 on /health, in ms. */
  readyAtMs: z.number(),
});
const processRow = z.strictObject({
  row: z.literal('process'),
  role: z.enum(['engine', 'worker']),
  name: z.string(),
  bornAtMs: z.number(),
  speaksAtMs: z.number(),
});
const phaseRow = z.strictObject({
  row: z.literal('phase'),
  name: z.string(),
  term: z.string(),
  startAtMs: z.number(),
  endAtMs: z.number(),
  /** The line that opens it, counted from 0. Absent: the spawn or a birth does, or its closing line says how long it took. */
  startLine: z.number().optional(),
  /** The line that closes it. Absent: a birth does. */
  endLine: z.number().optional(),
});
const lineRow = z.strictObject({
  row: z.enum(['line', 'shutdown']),
  /** Since spawn in ms; for a line of the shutdown, since it was asked for. */
  atMs: z.number(),
  stream: z.enum(['out', 'err']),
  writer: z.enum(roles),
  /** The process as the line itself names it; absent where it names none. */
  process: z.string().optional(),
  text: z.string(),
});

type Header = Omit<z.infer<typeof header>, 'row'>;
export type RecordedProcess = Omit<z.infer<typeof processRow>, 'row'>;
export type RecordedPhase = Omit<z.infer<typeof phaseRow>, 'row'>;
export type RecordedLine = Omit<z.infer<typeof lineRow>, 'row'>;

export interface Recording extends Header {
  readonly processes: readonly RecordedProcess[];
  readonly phases: readonly RecordedPhase[];
  /** From spawn to the line with which the HTTP server is up. */
  readonly lines: readonly RecordedLine[];
  readonly shutdown: readonly RecordedLine[];
}

export function formatRecording({ processes, phases, lines, shutdown, ...head }: Recording): string {
  const rows = [
    { row: 'recording', ...head },
    ...processes.map((process) => ({ row: 'process', ...process })),
    ...phases.map((phase) => ({ row: 'phase', ...phase })),
    ...lines.map((line) => ({ row: 'line', ...line })),
    ...shutdown.map((line) => ({ row: 'shutdown', ...line })),
  ];
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

const anyRow = z.discriminatedUnion('row', [header, processRow, phaseRow, lineRow]);

/** Throws when a row is not one of a recording, or the first one is not its head. */
export function parseRecording(text: string): Recording {
  const rows = text
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => anyRow.parse(JSON.parse(row)));
  const [head, ...rest] = rows;
  if (head?.row !== 'recording') throw new Error('its first row is not that of a recording');
  const { row: _, ...facts } = head;
  const lines = (wanted: 'line' | 'shutdown') =>
    rest.flatMap((each) => (each.row === wanted ? [withoutRow(each)] : []));
  return {
    ...facts,
    processes: rest.flatMap((each) => (each.row === 'process' ? [withoutRow(each)] : [])),
    phases: rest.flatMap((each) => (each.row === 'phase' ? [withoutRow(each)] : [])),
    lines: lines('line'),
    shutdown: lines('shutdown'),
  };
}

function withoutRow<Row extends { readonly row: string }>({ row: _, ...rest }: Row): Omit<Row, 'row'> {
  return rest;
}

const extension = '.jsonl';

/** The recording of a name in a folder of recordings. Throws, naming those that there are. */
export function readRecording(folder: string, name: string): Recording {
  const file = join(folder, `${name}${extension}`);
  try {
    return parseRecording(readFileSync(file, 'utf8'));
  } catch (cause) {
    const found = readdirSync(folder).filter((each) => each.endsWith(extension));
    throw new Error(
      `the recording ${file} cannot be read (${(cause as Error).message}). There are: ${found.join(', ')}. npm run record makes one from a saved run.`,
      { cause },
    );
  }
}

const placeholder = /\{\{([a-z-]+)(?::([\d.]+))?\}\}/g;

/** Put values in the places of a recorded line. A place that `value` does not know stays as it is. */
export function fillPlaces(text: string, value: (name: string, figure?: string) => string | undefined): string {
  return text.replace(placeholder, (whole, name: string, figure?: string) => value(name, figure) ?? whole);
}
