/** At which place of its Python code a process was, look after look; and where it stayed while the log was silent. */
import { z } from 'zod';
import type { StackRow } from '../archive/cold-start-tables.js';
import { groupBy } from './rows.js';

/** One look at one process. */
export interface Look {
  readonly atMs: number;
  readonly pid: number;
  readonly process: string;
  readonly state: 'active' | 'waiting';
  /** Outermost first; empty: the process used no CPU since the look before, and nobody looked closer. */
  readonly stack: readonly string[];
}

/** What `py-spy dump --json` prints of a process (0.4.3); more is there than is used. */
const dumpSchema = z.array(
  z.object({
    os_thread_id: z.number().nullable(),
    active: z.boolean(),
    owns_gil: z.boolean(),
    frames: z.array(z.object({ name: z.string(), filename: z.string(), short_filename: z.string().nullable() })),
  }),
);
type Thread = z.infer<typeof dumpSchema>[number];

/** Python's own steps between a module and one that it imports or runs: many, and they say nothing. */
const isPythonsOwn = (frame: string): boolean => frame.includes('(<frozen ');

/**
 * The thread that tells what the process was at: the main one while it runs, else another that runs, the holder of the
 * interpreter's lock first; else the main one, waiting. Undefined: no thread has a Python frame. Throws on text that is
 * no dump.
 */
export function readDump(text: string, pid: number): Pick<Look, 'state' | 'stack'> | undefined {
  const threads = dumpSchema.parse(JSON.parse(text)).filter(({ frames }) => frames.length > 0);
  const rank = ({ os_thread_id, active, owns_gil }: Thread): number =>
    (active ? 4 : 0) + (os_thread_id === pid ? 2 : 0) + (owns_gil ? 1 : 0);
  const [first] = [...threads].sort((a, b) => rank(b) - rank(a));
  if (!first) return undefined;
  const stack = first.frames
    .map(({ name, filename, short_filename }) => `${name} (${short_filename ?? filename})`)
    .filter((frame) => !isPythonsOwn(frame));
  return { state: first.active ? 'active' : 'waiting', stack: stack.reverse() };
}

/** Looks in a row that found a process at the same place are one row. */
export function foldLooks(launch: number, looks: readonly Look[]): StackRow[] {
  const rows: StackRow[] = [];
  const latest = new Map<number, number>();
  for (const { atMs, pid, process, state, stack } of looks) {
    const text = stack.map((frame) => frame.replaceAll(';', ',')).join('; ');
    const at = latest.get(pid);
    const before = at === undefined ? undefined : rows[at];
    if (at !== undefined && before?.stack === text && before.state === state && before.process === process)
      rows[at] = { ...before, toAtMs: atMs, looks: before.looks + 1 };
    else
      latest.set(
        pid,
        rows.push({ launch, pid, process, fromAtMs: atMs, toAtMs: atMs, looks: 1, state, stack: text }) - 1,
      );
  }
  return rows;
}

/** Where a process was during a stretch of time. */
export interface Whereabouts {
  readonly pid: number;
  readonly process: string;
  readonly looks: number;
  /** Looks that found it running, of all at it, 0-1. */
  readonly activeShare: number;
  /** From the outermost function on, as deep as at least half of the looks that found it running go together. */
  readonly path: readonly string[];
}

/** A process found running in fewer looks than this share of the most-looked-at one's is passed over. */
const leastShareOfLooks = 0.05;

/** Every process that was found running between two instants, the busiest first. */
export function whereaboutsBetween(rows: readonly StackRow[], fromAtMs: number, toAtMs: number): Whereabouts[] {
  const found = processesBetween(rows, fromAtMs, toAtMs);
  const most = mostLooks(found);
  return found
    .flatMap((own): Whereabouts[] => {
      const active = own.filter(({ state }) => state === 'active');
      const [last] = own.slice(-1);
      if (!last || active.length === 0 || sumOf(active) < leastShareOfLooks * most) return [];
      const looks = sumOf(own);
      return [
        { pid: last.pid, process: last.process, looks, activeShare: sumOf(active) / looks, path: commonPath(active) },
      ];
    })
    .sort((a, b) => b.activeShare * b.looks - a.activeShare * a.looks);
}

/** Rounds of looks between two instants: those at the process that was looked at most. */
export const looksInRounds = (rows: readonly StackRow[], fromAtMs: number, toAtMs: number): number =>
  mostLooks(processesBetween(rows, fromAtMs, toAtMs));

/** The rows of each process, with those of their looks that fall between two instants. */
function processesBetween(rows: readonly StackRow[], fromAtMs: number, toAtMs: number): StackRow[][] {
  const cut = rows.map((row) => ({ ...row, looks: looksBetween(row, fromAtMs, toAtMs) }));
  return [
    ...groupBy(
      cut.filter(({ looks }) => looks > 0),
      ({ pid }) => pid,
    ).values(),
  ];
}

const mostLooks = (processes: readonly (readonly StackRow[])[]): number => Math.max(0, ...processes.map(sumOf));

/** The looks of a row that fall between two instants, were they evenly spread over it. */
function looksBetween({ fromAtMs: first, toAtMs: last, looks }: StackRow, fromAtMs: number, toAtMs: number): number {
  if (last <= first) return first >= fromAtMs && first <= toAtMs ? looks : 0;
  const share = (Math.min(last, toAtMs) - Math.max(first, fromAtMs)) / (last - first);
  return Math.max(0, share) * looks;
}

const sumOf = (rows: readonly StackRow[]): number => rows.reduce((sum, { looks }) => sum + looks, 0);

function commonPath(rows: readonly StackRow[]): string[] {
  const all = sumOf(rows);
  let together = rows.map((row) => ({ row, frames: row.stack.split('; ') }));
  const path: string[] = [];
  for (;;) {
    const depth = path.length;
    const next = [...groupBy(together, ({ frames }) => frames[depth])]
      .map(([frame, group]) => ({ frame, group, looks: sumOf(group.map(({ row }) => row)) }))
      .sort((a, b) => b.looks - a.looks)[0];
    if (next?.frame === undefined || next.looks < all / 2) return path;
    path.push(next.frame);
    together = next.group;
  }
}
