import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createClock } from '../../lib/clock.js';
import {
  bootOffsetMs,
  findProcessesOfRun,
  parseProcStat,
  readBirthMs,
  readProcessTree,
  readProcUnits,
  treeOf,
  type ProcStat,
} from '../../lib/launch/processes.js';

const recorded = 'test/fixtures/procfs/ready';
const pidsOf = (found: readonly { readonly pid: number }[]) => found.map(({ pid }) => pid).sort((a, b) => a - b);

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

function temporaryProc(): string {
  const dir = mkdtempSync(join(tmpdir(), 'proc-'));
  cleanups.push(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** A process of our own in a session of its own, ready once it has said so. */
async function startInSession(
  script: string,
  env: NodeJS.ProcessEnv = {},
): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn('sh', ['-c', script], {
    detached: true,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  cleanups.push(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It has ended already.
    }
  });
  if (child.stdout) await once(child.stdout, 'data');
  return child as ChildProcess & { readonly pid: number };
}

describe('a line of /proc/<pid>/stat', () => {
  it('reads a real vLLM worker', () => {
    const stat = parseProcStat(readFileSync(`${recorded}/10501/stat`, 'utf8'));
    expect(stat).toEqual({
      pid: 10501,
      name: 'VLLM::Worker',
      state: 'S',
      parentPid: 10252,
      sessionId: 10044,
      majorFaults: 30,
      cpuTicks: 1961 + 961,
      startTicks: 134495,
      rssPages: 511273,
    });
  });

  it('survives spaces and parentheses in the name of the process', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{0,15}$/), (name) => {
        const line = `7 (${name}) S 1 7 7 0 -1 0 5 6 3 4 10 20 8 9 20 0 1 0 4242 1000 33 0\n`;
        expect(parseProcStat(line)).toMatchObject({
          pid: 7,
          name,
          state: 'S',
          parentPid: 1,
          sessionId: 7,
          majorFaults: 3,
          cpuTicks: 30,
          startTicks: 4242,
          rssPages: 33,
        });
      }),
    );
  });

  it('is absent when the text is cut or foreign', () => {
    expect(parseProcStat('')).toBeUndefined();
    expect(parseProcStat('7 (sh) S 1 7 7 0 -1')).toBeUndefined();
    expect(parseProcStat('no such process')).toBeUndefined();
  });
});

describe('the process tree of a server', () => {
  const stat = (pid: number, parentPid: number, sessionId: number, state = 'S'): ProcStat => ({
    pid,
    parentPid,
    sessionId,
    state,
    name: 'p',
    majorFaults: 0,
    cpuTicks: 0,
    startTicks: 0,
    rssPages: 0,
  });

  it('holds the five processes of a real vLLM and not the kernel thread beside it', () => {
    expect(pidsOf(readProcessTree(10044, { procDir: recorded }))).toEqual([10044, 10048, 10251, 10252, 10501]);
    expect(pidsOf(readProcessTree(10252, { procDir: recorded }))).toEqual([10252, 10501]);
  });

  it('keeps a worker whose parents have died, by its session', () => {
    const orphan = [stat(1, 0, 1), stat(30, 1, 10)];
    expect(pidsOf(treeOf(orphan, 10, 10))).toEqual([30]);
  });

  it('keeps descendants that opened a session of their own', () => {
    const all = [stat(1, 0, 1), stat(10, 1, 10), stat(20, 10, 20), stat(21, 20, 20), stat(99, 1, 99)];
    expect(pidsOf(treeOf(all, 10, 10))).toEqual([10, 20, 21]);
  });

  it("does not take the session of a root that leads none: those are its owner's other programs", () => {
    const all = [stat(5, 1, 5), stat(10, 5, 5), stat(11, 5, 5)];
    expect(pidsOf(treeOf(all, 10, 10))).toEqual([10]);
  });

  it('ends even if parent pids form a circle', () => {
    expect(pidsOf(treeOf([stat(2, 3, 2), stat(3, 2, 2)], 2, 2))).toEqual([2, 3]);
  });

  it('leaves zombies out', () => {
    const procDir = temporaryProc();
    mkdirSync(join(procDir, '10'));
    writeFileSync(join(procDir, '10/stat'), '10 (vllm) Z 1 10 10 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 0\n');
    expect(readProcessTree(10, { procDir })).toEqual([]);
  });
});

describe('the search for processes of a run', () => {
  it('finds a real vLLM whose engine and worker have overwritten their environment', () => {
    const procDir = temporaryProc();
    cpSync(recorded, procDir, { recursive: true });
    // What the recorded processes showed: setproctitle left only line ends in the environment of the last two.
    for (const pid of [10044, 10048, 10251])
      writeFileSync(join(procDir, `${pid}/environ`), 'PATH=/bin\0DAY007_RUN_ID=run-1\0DAY007_LAUNCH=2\0');
    for (const pid of [10252, 10501]) writeFileSync(join(procDir, `${pid}/environ`), '\0\0\0\0');
    expect(pidsOf(findProcessesOfRun('run-1', { procDir }))).toEqual([10044, 10048, 10251, 10252, 10501]);
    expect(pidsOf(findProcessesOfRun('run-1', { procDir, launch: 3 }))).toEqual([]);
    expect(pidsOf(findProcessesOfRun('run', { procDir }))).toEqual([]);

    for (const pid of [10044, 10048, 10251, 10252]) rmSync(join(procDir, String(pid)), { recursive: true });
    expect(findProcessesOfRun('run-1', { procDir })).toEqual([]);
    expect(findProcessesOfRun('run-1', { procDir, sessionIds: [10044] })).toEqual([
      { pid: 10501, name: 'VLLM::Worker' },
    ]);
    expect(findProcessesOfRun('run-1', { procDir, sessionIds: [10044], exceptPids: [10501] })).toEqual([]);
  });

  it('finds living processes by their environment until they are gone', async () => {
    const runId = `test-${process.pid}-environment`;
    const server = await startInSession('sleep 60 & echo up; wait', { DAY007_RUN_ID: runId });
    const found = findProcessesOfRun(runId);
    expect(found.map(({ name }) => name).sort()).toEqual(['sh', 'sleep']);
    expect(pidsOf(readProcessTree(server.pid))).toEqual(pidsOf(found));
    process.kill(-server.pid, 'SIGKILL');
    await once(server, 'close');
    expect(findProcessesOfRun(runId, { sessionIds: [server.pid] })).toEqual([]);
  });

  it('never lists the caller or its ancestors, even when they carry the run id', () => {
    const procDir = temporaryProc();
    for (const [pid, parent] of [
      [process.pid, 4194001],
      [4194001, 1],
      [4194002, process.pid],
    ] as const) {
      mkdirSync(join(procDir, String(pid)));
      writeFileSync(
        join(procDir, `${pid}/stat`),
        `${pid} (node) S ${parent} 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 0\n`,
      );
      writeFileSync(join(procDir, `${pid}/environ`), 'DAY007_RUN_ID=mine\0');
    }
    expect(pidsOf(findProcessesOfRun('mine', { procDir }))).toEqual([4194002]);
  });
});

describe('the birth of a process on the run clock', () => {
  it('lies between the call to spawn and its first word, to one clock tick', async () => {
    const clock = createClock();
    const beforeMs = clock.nowMs();
    const child = await startInSession('echo up; sleep 60');
    const birthMs = readBirthMs(child.pid, clock);
    expect(birthMs).toBeGreaterThanOrEqual(beforeMs - 20);
    expect(birthMs).toBeLessThanOrEqual(clock.nowMs());
  });

  it('is absent for a process that is not there', () => {
    expect(readBirthMs(10044, createClock(), temporaryProc())).toBeUndefined();
  });

  it('does not take the rounding of /proc/uptime for a difference of clocks', () => {
    // Monotonic zero 5000 ms before the run began; 2000.004 ms into the run uptime says 7.00 s.
    expect(bootOffsetMs(7000, 2000.004, -5000)).toBe(-5000);
    expect(bootOffsetMs(7000, 2009.9, -5000)).toBe(-5000);
  });

  it('counts the time a machine slept: boot was earlier than monotonic zero says', () => {
    expect(bootOffsetMs(67_000, 2000, -5000)).toBe(-65_000);
  });
});

it('reads clock ticks and page size of this machine, and assumes the usual ones elsewhere', () => {
  const { ticksPerS, pageBytes } = readProcUnits();
  expect(ticksPerS).toBe(100);
  expect([4096, 16384, 65536]).toContain(pageBytes);
  expect(readProcUnits(temporaryProc())).toEqual({ ticksPerS: 100, pageBytes: 4096 });
});
