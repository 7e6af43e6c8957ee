/** Looks at Python code: folded, cut to a stretch of time, and their common path; on made-up looks and on a live program. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { foldLooks, readDump, whereaboutsBetween, type Look } from '../../lib/causes/stacks.js';
import { watchStacks } from '../../lib/causes/watch.js';
import { createClock } from '../../lib/clock.js';

const look = (atMs: number, stack: readonly string[], over: Partial<Look> = {}): Look => ({
  atMs,
  pid: 7,
  process: 'engine',
  state: stack.length > 0 ? 'active' : 'waiting',
  stack,
  ...over,
});

describe('looks in a row', () => {
  it('at the same place are one row, each process by itself', () => {
    const looks = [
      look(0, ['main', 'load']),
      look(0, ['serve'], { pid: 8, process: 'api' }),
      look(500, ['main', 'load']),
      look(1000, ['main', 'compile; link']),
      look(1000, ['serve'], { pid: 8, process: 'api' }),
      look(1500, []),
    ];
    const rows = foldLooks(3, looks).map(({ pid, fromAtMs, toAtMs, looks: times, state, stack }) => [
      pid,
      fromAtMs,
      toAtMs,
      times,
      state,
      stack,
    ]);
    expect(rows).toEqual([
      [7, 0, 500, 2, 'active', 'main; load'],
      [8, 0, 1000, 2, 'active', 'serve'],
      [7, 1000, 1000, 1, 'active', 'main; compile, link'],
      [7, 1500, 1500, 1, 'waiting', ''],
    ]);
  });
});

describe('whereabouts', () => {
  const looks = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) =>
    look(
      second * 1000,
      second < 2 ? [] : second < 6 ? ['main', 'warm up', 'compile'] : ['main', 'warm up', `run ${second}`],
    ),
  );
  const waiting = [0, 9].map((second) => look(second * 1000, [], { pid: 8, process: 'api' }));
  const rows = foldLooks(1, [...looks, ...waiting]);

  it('go as deep as half of the running looks go together', () => {
    const [first, ...rest] = whereaboutsBetween(rows, 0, 10_000);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ pid: 7, process: 'engine', looks: 10, path: ['main', 'warm up', 'compile'] });
    expect(first?.activeShare).toBeCloseTo(0.8);
  });

  it('are those of the stretch alone', () => {
    expect(whereaboutsBetween(rows, 5500, 9500)[0]).toMatchObject({
      looks: 4,
      activeShare: 1,
      path: ['main', 'warm up'],
    });
    expect(whereaboutsBetween(rows, 20_000, 30_000)).toEqual([]);
    // Three looks at 3 s, 4 s and 5 s; the row they are in has four over three seconds.
    expect(whereaboutsBetween(rows, 3000, 5000)[0]?.looks).toBeCloseTo((4 * 2) / 3);
  });
});

describe('a dump of py-spy', () => {
  const dumps = JSON.parse(readFileSync('test/fixtures/stacks/vllm-0.32.0-cpu.json', 'utf8')) as {
    pid: number;
    dump: unknown;
  }[];

  it('of each process of a starting vLLM is read, outermost function first', () => {
    expect(dumps.length).toBeGreaterThanOrEqual(2);
    for (const { pid, dump } of dumps) {
      const seen = readDump(JSON.stringify(dump), pid);
      expect(seen?.stack[0]).toMatch(/^<module> \(|^_bootstrap/);
      for (const frame of seen?.stack ?? []) expect(frame).toMatch(/^\S.* \(\S.*\)$/);
    }
  });

  it('without a Python frame says nothing, and another text is an error', () => {
    expect(readDump('[]', 1)).toBeUndefined();
    expect(() => readDump('{"threads": []}', 1)).toThrow();
    expect(() => readDump('Error: no such process', 1)).toThrow();
  });
});

const spy = '.venv/bin/py-spy';
const python = '.venv/bin/python';

describe.skipIf(!existsSync(spy) || !existsSync(python))('watching', () => {
  it('names what a live program is at, and ends when it is told to', async () => {
    const runId = `stacks-${process.pid}`;
    const code = 'def dig():\n  while True: pass\ndef shift():\n  dig()\nshift()';
    const child = spawn(python, ['-c', code], { env: { DAY007_RUN_ID: runId, DAY007_LAUNCH: '4' } });
    onTestFinished(() => void child.kill('SIGKILL'));
    const enough = new AbortController();
    const watching = watchStacks({ spy, runId, launch: 4, clock: createClock(), intervalMs: 100 }, enough.signal);
    await sleep(2000);
    enough.abort();
    const { looks, problem } = await watching;
    // Where a process may not be looked at (ptrace), that is what has to be said.
    if (looks.length === 0) return expect(problem).toMatch(/permission|ptrace/i);
    const [row] = whereaboutsBetween(foldLooks(4, looks), -Infinity, Infinity);
    expect(row?.pid).toBe(child.pid);
    expect(row?.path.map((frame) => frame.split(' ')[0])).toEqual(['<module>', 'shift', 'dig']);
  });

  it('says why it saw nothing', async () => {
    const runId = `stacks-none-${process.pid}`;
    const child = spawn(python, ['-c', 'while True: pass'], { env: { DAY007_RUN_ID: runId, DAY007_LAUNCH: '1' } });
    onTestFinished(() => void child.kill('SIGKILL'));
    const enough = new AbortController();
    const plan = { spy: '/nowhere/py-spy', runId, launch: 1, clock: createClock(), intervalMs: 50 };
    const watching = watchStacks(plan, enough.signal);
    await sleep(500);
    enough.abort();
    const { looks, missed, problem } = await watching;
    // Where other programs have the cores, it may get none between two rounds, and is then not looked at.
    expect(looks.filter(({ state }) => state !== 'waiting')).toEqual([]);
    expect(missed).toBeGreaterThan(0);
    expect(problem).toContain('ENOENT');
  });
});
