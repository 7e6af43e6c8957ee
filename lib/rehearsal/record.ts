/** A saved run -> the recording of one of its launches. Texts are kept as logged, but for what is this run's or machine's own. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readRows, readRunRecord } from '../archive/folder.js';
import type { RunRecord } from '../archive/record.js';
import { tables, type StartupRow } from '../archive/tables.js';
import { parseLogLine, recognizeMilestone } from '../launch/milestones.js';
import { startupTimeline, type Phase } from '../launch/timeline.js';
import type { RecordedLine, RecordedPhase, RecordedProcess, Recording, Role } from './recording.js';

/** As startup.csv cuts them. */
const textLimit = 600;

interface LogRow {
  readonly atMs: number;
  readonly stream: 'out' | 'err';
  readonly text: string;
}

/** Throws when the launch never became ready, or was not asked to end. */
export function recordLaunch(runDir: string, launch: number): Recording {
  const record = readRunRecord(runDir);
  const startup = readRows(runDir, tables.startup).filter((row) => row.launch === launch);
  const timeline = startupTimeline(startup, launch);
  const stop = readRows(runDir, tables.stops).find((row) => row.launch === launch);
  if (!timeline || stop?.reason !== 'asked') {
    throw new Error(
      `launch ${launch} of ${runDir} cannot be recorded: it ${timeline ? 'was not stopped by the run' : 'never became ready'}. Give a launch that did both.`,
    );
  }
  const since = sinceInstant(timeline.spawnAtMs);
  const processes = processesOf(startup, since);
  const log = readLog(join(runDir, `server-${launch}.log`));
  const write = lineWriter(record, rolesByPid(startup), processes);
  const spoken = log.filter((row) => row.atMs <= timeline.readyAtMs);
  // What follows is said of requests: the server that replays this answers its own.
  const last = spoken.findIndex(({ text }) => eventOf(text) === 'http-ready');
  const kept = last < 0 ? spoken : spoken.slice(0, last + 1);
  return {
    engine: record.engine.kind,
    version: record.engine.vllmVersion ?? 'unknown',
    device: record.engine.device,
    source: { run: basename(runDir), launch },
    readyAtMs: since(timeline.readyAtMs),
    processes,
    phases: timeline.phases.map((phase) =>
      phaseRow(
        phase,
        kept,
        processes.map(({ bornAtMs }) => bornAtMs),
        since,
      ),
    ),
    lines: kept.map((row) => write(row, since(row.atMs))),
    shutdown: log
      .filter((row) => row.atMs >= stop.askedAtMs && /\[shutdown\]|^(?:\(.*\) )?INFO: {5}|terminating/.test(row.text))
      .map((row) => write(row, sinceInstant(stop.askedAtMs)(row.atMs))),
  };
}

/** The log keeps three decimals, the tables keep all: on three they agree. */
const rounded = (ms: number) => Math.round(ms * 1000) / 1000;
const sinceInstant = (originMs: number) => (atMs: number) => rounded(rounded(atMs) - rounded(originMs));
const eventOf = (text: string) => recognizeMilestone(parseLogLine(text).message)?.event;

function readLog(file: string): LogRow[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((row): LogRow[] => {
      const found = /^([\d.]+)\t(out|err)\t(.*)$/s.exec(row);
      return found ? [{ atMs: Number(found[1]), stream: found[2] as LogRow['stream'], text: found[3] ?? '' }] : [];
    });
}

const birth = /^(engine|worker)-process-born$/;

function processesOf(startup: readonly StartupRow[], since: (atMs: number) => number): RecordedProcess[] {
  return startup.flatMap((row): RecordedProcess[] => {
    const role = birth.exec(row.event ?? '')?.[1] as RecordedProcess['role'] | undefined;
    const speaks = startup.find(({ event }) => event === `${role}-speaks`);
    if (!role || !speaks) return [];
    return [{ role, name: row.process ?? role, bornAtMs: since(row.atMs), speaksAtMs: since(speaks.atMs) }];
  });
}

function rolesByPid(startup: readonly StartupRow[]): ReadonlyMap<number, Role> {
  return new Map(
    startup.flatMap((row): [number, Role][] => {
      const role = row.event === 'spawned' ? 'server' : (birth.exec(row.event ?? '')?.[1] as Role | undefined);
      return role && row.pid !== undefined ? [[row.pid, role]] : [];
    }),
  );
}

/** The table's text was cut before it was redacted: the ends differ from the log's, the beginnings do not. */
const tellingLength = 80;

/** A line that opened or closed a phase is found by its stamp and its text: several lines share a stamp. */
function phaseRow(
  phase: Phase,
  lines: readonly LogRow[],
  births: readonly number[],
  since: (atMs: number) => number,
): RecordedPhase {
  const lineAt = (atMs: number, evidence: string) => {
    const sameStamp = lines.map((row) => since(row.atMs) === since(atMs));
    const exact = lines.findIndex(
      (row, at) => sameStamp[at] && row.text.slice(0, tellingLength) === evidence.slice(0, tellingLength),
    );
    // "The process logged its first line" is not in the log: that line is the first of its stamp.
    const found = exact < 0 ? sameStamp.indexOf(true) : exact;
    return found < 0 ? undefined : found;
  };
  const endsWithBirth = births.includes(since(phase.endAtMs));
  const endLine = endsWithBirth ? undefined : lineAt(phase.endAtMs, phase.endEvidence);
  if (endLine === undefined && !endsWithBirth)
    throw new Error(`the log has no line "${phase.endEvidence}" that ends "${phase.name}"`);
  return {
    name: phase.name,
    term: phase.term,
    startAtMs: since(phase.startAtMs),
    endAtMs: since(phase.endAtMs),
    startLine: lineAt(phase.startAtMs, phase.startEvidence),
    endLine,
  };
}

function lineWriter(record: RunRecord, byPid: ReadonlyMap<number, Role>, processes: readonly RecordedProcess[]) {
  const hide = hideOwn(record, byPid);
  let last: Role = 'server';
  return ({ stream, text }: LogRow, atMs: number): RecordedLine => {
    const line = parseLogLine(text);
    // A line without a name comes from the process that was born last and has not said its name yet, else from the last speaker.
    const unnamed = processes.filter(({ bornAtMs, speaksAtMs }) => bornAtMs <= atMs && atMs < speaksAtMs).at(-1)?.role;
    if (line.pid !== undefined) last = byPid.get(line.pid) ?? last;
    return {
      atMs,
      stream,
      writer: line.pid === undefined ? (unnamed ?? last) : last,
      process: line.process,
      text: hide(text).slice(0, textLimit),
    };
  };
}

/** Replaces what differs from run to run by its place. The longer of two paths goes first. */
function hideOwn(record: RunRecord, byPid: ReadonlyMap<number, Role>): (text: string) => string {
  const { command, env } = record.engine;
  const flag = (name: string) => command[command.indexOf(name) + 1];
  const cacheRoot = env['VLLM_CACHE_ROOT'];
  const paths: [string | undefined, string][] = [
    [cacheRoot, 'cache-root'],
    [cacheRoot && dirname(cacheRoot), 'run-folder'],
    [record.model.location, 'model'],
    [flag('--served-model-name'), 'served-name'],
    ['<project>', 'project'],
  ];
  const port = flag('--port') ?? '8000';
  const length = flag('--max-model-len');
  const rules: [RegExp, string][] = [
    [/\b\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?= \[)/g, '{{clock}}'],
    [/(?<=\[[WEI])\d{4} \d\d:\d\d:\d\d\.\d{9}(?= )/g, '{{stamp}}'],
    [new RegExp(`(?<=127\\.0\\.0\\.1:|'port': )${port}\\b`, 'g'), '{{port}}'],
    ...(length === undefined
      ? []
      : [
          [new RegExp(`(?<=max model len |max_model_len': |max_seq_len=)${length}\\b`, 'g'), '{{max-model-len}}'] as [
            RegExp,
            string,
          ],
        ]),
  ];
  // A folder of which sharing left nothing but "<path>" is the place of no line.
  const known = paths.filter((each): each is [string, string] => Boolean(each[0]) && each[0] !== '<path>');
  return (text) => {
    let hidden = text;
    for (const [path, place] of known) hidden = hidden.replaceAll(path, `{{${place}}}`);
    for (const [pattern, place] of rules) hidden = hidden.replace(pattern, place);
    hidden = hidden.replace(/(?<=pid[= ]|process \[)\d+/g, (pid) => {
      const role = byPid.get(Number(pid));
      return role ? `{{pid-${role}}}` : pid;
    });
    // A figure that the timeline reads must be true of the replayed start; other words stay as they were.
    return eventOf(text) === undefined
      ? hidden
      : hidden.replace(/(?<![\w.])[\d.]+(?= (?:s|secs|seconds)\b)/g, (seconds) => `{{seconds:${seconds}}}`);
  };
}
