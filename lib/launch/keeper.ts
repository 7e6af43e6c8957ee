/**
 * The keeper: a program that owns one server. It starts the server in a session of its own, stamps and
 * saves every line of its log, asks /health, and ends all of its processes when asked to or when its own
 * standard input closes, which is what happens when the notebook kernel dies in any way.
 *
 * Run as `node --import tsx lib/launch/keeper.ts`; see protocol.ts for what goes over its pipes.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { appendRows } from '../archive/folder.js';
import { tables, type StartupRow } from '../archive/tables.js';
import { createClock } from '../clock.js';
import { endProcesses } from './ending.js';
import { createLineSplitter, type StampedLine } from './lines.js';
import { isFatalLine, parseLogLine, recognizeMilestone } from './milestones.js';
import { findProcessesOfRun, readBirthMs } from './processes.js';
import type { KeeperEvent, KeeperJob, StoppedEvent } from './protocol.js';
import { awaitReadiness } from './readiness.js';

/** A dead owner leaves nobody to wait for: the server gets half a second to leave by itself. */
const ownerGoneGraceMs = 500;
const textLimit = 300;

// Jupyter interrupts a cell with SIGINT to the whole group; the server's life does not end with a cell.
process.on('SIGINT', () => undefined);
// A closed pipe to a dead kernel must not end the keeper before it has ended the server.
process.stdout.on('error', () => undefined);

const input = createInterface({ input: process.stdin });
input.once('line', (line) => keep(JSON.parse(line) as KeeperJob));

function report(event: KeeperEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function keep(job: KeeperJob): void {
  const clock = createClock(BigInt(job.clockOriginNs));
  const [executable, ...args] = job.command;
  const logFile = join(job.runDir, `server-${job.launch}.log`);
  closeSync(openSync(logFile, 'a', 0o600));
  const spawnAtMs = clock.nowMs();
  const server = spawn(executable ?? '', args, {
    env: { ...process.env, ...job.env, DAY007_RUN_ID: job.runId, DAY007_LAUNCH: String(job.launch) },
    cwd: job.runDir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    report({ event: 'spawn-failed', code: error.code ?? 'unknown', message: error.message });
    process.exitCode = 1;
    input.close();
    process.stdin.destroy();
  });
  const pid = server.pid;
  if (pid === undefined) return;

  const record = (row: Omit<StartupRow, 'launch'>) => appendRows(job.runDir, tables.startup, [{ launch: job.launch, ...row }]);
  record({ atMs: spawnAtMs, source: 'spawn', event: 'spawned', pid, text: 'the server process was started' });
  writeFileSync(join(job.runDir, 'server.json'), JSON.stringify({ launch: job.launch, pid, sid: pid }));
  report({ event: 'spawned', atMs: spawnAtMs, pid });

  let ready = false;
  const speakers = new Set<number>();
  const take = (stream: 'out' | 'err', lines: readonly StampedLine[]) => {
    for (const { atMs, text } of lines) {
      appendFileSync(logFile, `${atMs.toFixed(3)}\t${stream}\t${text}\n`);
      const line = parseLogLine(text);
      if (!ready && line.pid !== undefined && line.process !== undefined && !speakers.has(line.pid)) {
        speakers.add(line.pid);
        recordSpeaker(record, line.process, line.pid, pid, atMs, readBirthMs(line.pid, clock));
      }
      const milestone = recognizeMilestone(line.message);
      // After readiness the log fills with access lines: only what was recognised is kept in the table.
      if (!ready || milestone) {
        record({ atMs, source: 'log', event: milestone?.event, process: line.process, pid: line.pid, value: milestone?.value, text: text.slice(0, textLimit) });
      }
      report({ event: 'line', atMs, text: text.slice(0, textLimit), milestone: milestone?.event, fatal: isFatalLine(line.message) });
    }
  };
  for (const [stream, pipe] of [['out', server.stdout], ['err', server.stderr]] as const) {
    const splitter = createLineSplitter();
    pipe.on('data', (bytes: Buffer) => take(stream, splitter.push(bytes, clock.nowMs())));
    pipe.on('end', () => take(stream, splitter.flush(clock.nowMs())));
  }

  const waiting = new AbortController();
  void awaitReadiness(job.healthUrl, job.healthIntervalMs, clock, waiting.signal).then((found) => {
    if (!found) return;
    ready = true;
    record({ atMs: found.readyAtMs, source: 'health', event: 'ready', text: 'GET /health answered 200' });
    report({ event: 'ready', atMs: found.readyAtMs, healthPolls: found.polls, longestPauseMs: found.longestPauseMs });
  });

  const living = () => findProcessesOfRun(job.runId, { sessionIds: [pid], exceptPids: [process.pid], launch: job.launch }).map((found) => found.pid);
  let ending: Promise<void> | undefined;
  const end = (reason: StoppedEvent['reason'], graceMs: number) => {
    ending ??= (async () => {
      waiting.abort();
      const askedAtMs = clock.nowMs();
      const { how, goneAtMs, leftover } = await endProcesses(pid, living, graceMs, clock);
      const stopped: StoppedEvent = {
        event: 'stopped',
        reason,
        how,
        askedAtMs,
        goneAtMs,
        exitCode: server.exitCode ?? undefined,
        signal: server.signalCode ?? undefined,
        leftoverProcesses: leftover,
      };
      const { event: _, ...row } = stopped;
      appendRows(job.runDir, tables.stops, [{ launch: job.launch, ...row }]);
      rmSync(join(job.runDir, 'server.json'), { force: true });
      report(stopped);
      input.close();
      process.stdin.destroy();
    })();
  };
  // 'close' comes after 'exit' and after the last line of both pipes: a dying server's last words are kept.
  server.on('close', () => end('died', ownerGoneGraceMs));
  server.on('exit', () => setTimeout(() => end('died', ownerGoneGraceMs), 1000).unref());
  input.on('line', (line) => {
    if ((JSON.parse(line) as { stop?: boolean }).stop) end('asked', job.termGraceMs);
  });
  input.on('close', () => end('owner-gone', ownerGoneGraceMs));
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end('owner-gone', ownerGoneGraceMs));
}

/** The first line of a process tells which one it is; its birth is read back from /proc, so both ends are observed. */
function recordSpeaker(record: (row: Omit<StartupRow, 'launch'>) => void, name: string, pid: number, rootPid: number, atMs: number, bornAtMs: number | undefined): void {
  if (pid === rootPid) return;
  const kind = /EngineCore/.test(name) ? 'engine' : /Worker/.test(name) ? 'worker' : undefined;
  if (!kind) return;
  if (bornAtMs !== undefined) {
    record({ atMs: bornAtMs, source: 'process', event: `${kind}-process-born`, process: name, pid, text: `process ${name} (pid ${pid}) was started` });
  }
  record({ atMs, source: 'process', event: `${kind}-speaks`, process: name, pid, text: `process ${name} (pid ${pid}) logged its first line` });
}
