/**
 * The keeper: a program that owns one server. It starts the server in a session of its own, stamps and
 * saves every line of its log, asks /health, and ends all of its processes when asked to or when its own
 * standard input closes, which is what happens when the notebook kernel dies in any way.
 *
 * Run as `node --import tsx lib/launch/keeper.ts`; see protocol.ts for what goes over its pipes.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { appendFileSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { appendRows } from '../archive/folder.js';
import { tables, type StartupRow } from '../archive/tables.js';
import { createClock, type Clock } from '../clock.js';
import { endProcesses } from './ending.js';
import { readJsonLines } from './jsonlines.js';
import { createLineSplitter, type StampedLine } from './lines.js';
import { isFatalLine, parseLogLine, recognizeMilestone } from './milestones.js';
import { findProcessesOfRun, readBirthMs } from './processes.js';
import type { KeeperEvent, KeeperJob, KeeperRequest, StoppedEvent } from './protocol.js';
import { awaitReadiness } from './readiness.js';

/** A dead owner leaves nobody to wait for: the server gets half a second to leave by itself. */
const ownerGoneGraceMs = 500;
/** How long the pipes of a server that has ended may stay open for its last words. */
const lastWordsMs = 1000;
const textLimit = 600;
/** The owner gets more of a line than the table keeps: the cause of a failure may stand at its end. */
const reportLimit = 2000;

type ServerProcess = ChildProcessByStdio<null, Readable, Readable>;
type RecordRow = (row: Omit<StartupRow, 'launch'>) => void;

/** The way to end the server; set as soon as there is one. */
let end: ((reason: StoppedEvent['reason'], problem?: string) => void) | undefined;

// Jupyter interrupts a cell with SIGINT to the whole group; the server's life does not end with a cell.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => (end ? end('owner-gone') : process.exit()));
// A closed pipe to a dead kernel must not end the keeper before it has ended the server,
process.stdout.on('error', () => undefined);
// and neither must an error of its own, such as a full disk: the server would outlive everybody.
process.on('uncaughtException', (error) => {
  process.exitCode = 1;
  if (end) return end('keeper-failed', error.message);
  report({ event: 'spawn-failed', code: 'keeper-failed', message: error.message });
  process.stdin.destroy();
});

readJsonLines<KeeperJob | KeeperRequest>(process.stdin, (message) =>
  'stop' in message ? end?.('asked') : keep(message),
);
process.stdin.on('close', () => end?.('owner-gone'));

function report(event: KeeperEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function keep(job: KeeperJob): void {
  const clock = createClock(BigInt(job.clockOriginNs));
  const logFile = join(job.runDir, `server-${job.launch}.log`);
  closeSync(openSync(logFile, 'a', 0o600));
  const spawnAtMs = clock.nowMs();
  const server = spawnServer(job);
  const pid = server.pid;
  if (pid === undefined) return;
  const waiting = new AbortController();
  end = createEnd(job, server, pid, clock, () => waiting.abort());

  const record: RecordRow = (row) => appendRows(job.runDir, tables.startup, [{ launch: job.launch, ...row }]);
  record({ atMs: spawnAtMs, source: 'spawn', event: 'spawned', pid, text: 'the server process was started' });
  writeFileSync(join(job.runDir, 'server.json'), JSON.stringify({ launch: job.launch, pid, sid: pid }));
  report({ event: 'spawned', atMs: spawnAtMs, pid });
  let ready = false;
  const follow = createFollower(logFile, record, pid, clock, () => ready);
  followPipe(server.stdout, clock, (lines) => follow('out', lines));
  followPipe(server.stderr, clock, (lines) => follow('err', lines));
  void awaitReadiness(job.healthUrl, job.healthIntervalMs, clock, waiting.signal).then((found) => {
    if (!found) return;
    ready = true;
    record({ atMs: found.readyAtMs, source: 'health', event: 'ready', text: 'GET /health answered 200' });
    report({ event: 'ready', atMs: found.readyAtMs, healthPolls: found.polls, longestPauseMs: found.longestPauseMs });
  });
}

/** What the processes of a launch can be found by; the clock's origin is for an engine that tells the truth about itself. */
function marksOf(job: KeeperJob): Readonly<Record<string, string>> {
  return {
    DAY007_RUN_ID: job.runId,
    DAY007_LAUNCH: String(job.launch),
    DAY007_CLOCK_ORIGIN_NS: job.clockOriginNs,
  };
}

/** In a session of its own, so that all of its processes can be found by it. */
function spawnServer(job: KeeperJob): ServerProcess {
  const [executable, ...args] = job.command;
  const server = spawn(executable ?? '', args, {
    env: { ...process.env, ...job.env, ...marksOf(job) },
    cwd: job.runDir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    report({ event: 'spawn-failed', code: error.code ?? 'unknown', message: error.message });
    process.exitCode = 1;
    process.stdin.destroy();
  });
  return server;
}

/** What ends the server, also when it ends by itself: its processes first, then the row in stops.csv, then the keeper. */
function createEnd(
  job: KeeperJob,
  server: ServerProcess,
  pid: number,
  clock: Clock,
  stopWaiting: () => void,
): NonNullable<typeof end> {
  const living = () =>
    findProcessesOfRun(job.runId, { sessionIds: [pid], exceptPids: [process.pid], launch: job.launch }).map(
      (found) => found.pid,
    );
  // 'close' comes after 'exit' and after the last line of both pipes: a dying server's last words are kept.
  const closed = new Promise<void>((resolve) => server.on('close', () => resolve()));
  let exitedAtMs: number | undefined;
  let killAtMs = Infinity;
  let ending: Promise<void> | undefined;

  const finish = async (reason: StoppedEvent['reason'], problem?: string) => {
    stopWaiting();
    const askedAtMs = (reason === 'died' ? exitedAtMs : undefined) ?? clock.nowMs();
    const { how, goneAtMs, leftover } = await endProcesses(pid, living, () => killAtMs, clock);
    await atMost(lastWordsMs, closed);
    const row = {
      reason,
      how,
      askedAtMs,
      goneAtMs,
      exitCode: server.exitCode ?? undefined,
      signal: server.signalCode ?? undefined,
      leftoverProcesses: leftover,
    };
    try {
      appendRows(job.runDir, tables.stops, [{ launch: job.launch, ...row }]);
      rmSync(join(job.runDir, 'server.json'), { force: true });
    } finally {
      report({ event: 'stopped', ...row, problem });
      process.stdin.destroy();
    }
  };
  const endOnce: NonNullable<typeof end> = (reason, problem) => {
    // An owner that dies during an ordinary stop makes it shorter; the reason stays the first one.
    if (!ending || reason === 'owner-gone')
      killAtMs = Math.min(killAtMs, clock.nowMs() + (reason === 'asked' ? job.termGraceMs : ownerGoneGraceMs));
    ending ??= finish(reason, problem);
  };
  server.on('exit', () => {
    exitedAtMs = clock.nowMs();
    // Children that are left behind hold the pipes open: 'close' would not come.
    setTimeout(() => endOnce('died'), lastWordsMs).unref();
  });
  void closed.then(() => endOnce('died'));
  return endOnce;
}

async function atMost(limitMs: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, sleep(limitMs, undefined, { signal: over.signal }).catch(() => undefined)]);
  over.abort();
}

function followPipe(pipe: Readable, clock: Clock, take: (lines: readonly StampedLine[]) => void): void {
  const splitter = createLineSplitter();
  pipe.on('data', (bytes: Buffer) => take(splitter.push(bytes, clock.nowMs())));
  pipe.on('end', () => take(splitter.flush(clock.nowMs())));
}

/** What becomes of each line: all of them in the raw log, those of the start-up in startup.csv, a report to the owner. */
function createFollower(logFile: string, record: RecordRow, rootPid: number, clock: Clock, isReady: () => boolean) {
  const speakers = new Set<number>();
  return (stream: 'out' | 'err', lines: readonly StampedLine[]): void => {
    for (const { atMs, text } of lines) {
      appendFileSync(logFile, `${atMs.toFixed(3)}\t${stream}\t${text}\n`);
      const line = parseLogLine(text);
      if (!isReady() && line.pid !== undefined && line.process !== undefined && !speakers.has(line.pid)) {
        speakers.add(line.pid);
        recordSpeaker(record, line.process, line.pid, rootPid, atMs, readBirthMs(line.pid, clock));
      }
      const milestone = recognizeMilestone(line.message);
      // After readiness the log fills with access lines: only what was recognised is kept in the table.
      if (!isReady() || milestone) {
        record({
          atMs,
          source: 'log',
          event: milestone?.event,
          process: line.process,
          pid: line.pid,
          value: milestone?.value,
          text: text.slice(0, textLimit),
        });
      }
      report({
        event: 'line',
        atMs,
        text: text.slice(0, reportLimit),
        milestone: milestone?.event,
        fatal: isFatalLine(line.message),
      });
    }
  };
}

/** The first line of a process tells which one it is; its birth is read back from /proc, so both ends are observed. */
function recordSpeaker(
  record: RecordRow,
  name: string,
  pid: number,
  rootPid: number,
  atMs: number,
  bornAtMs: number | undefined,
): void {
  if (pid === rootPid) return;
  const kind = /EngineCore/.test(name) ? 'engine' : /Worker/.test(name) ? 'worker' : undefined;
  if (!kind) return;
  if (bornAtMs !== undefined) {
    record({
      atMs: bornAtMs,
      source: 'process',
      event: `${kind}-process-born`,
      process: name,
      pid,
      text: `process ${name} (pid ${pid}) was started`,
    });
  }
  record({
    atMs,
    source: 'process',
    event: `${kind}-speaks`,
    process: name,
    pid,
    text: `process ${name} (pid ${pid}) logged its first line`,
  });
}
