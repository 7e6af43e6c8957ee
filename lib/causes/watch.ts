/** Looks at the Python code of a starting server's processes, again and again, from outside (py-spy). */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { Clock } from '../clock.js';
import { findOnPath } from '../freeze/packages.js';
import { findProcessesOfRun, readProcStat } from '../launch/processes.js';
import { readDump, type Look } from './stacks.js';

export interface WatchPlan {
  readonly spy: string;
  readonly runId: string;
  readonly launch: number;
  readonly clock: Clock;
  /** From the beginning of a round of looks to that of the next; a round that takes longer is followed at once. */
  readonly intervalMs: number;
}

export interface Watched {
  readonly looks: readonly Look[];
  /** Looks that failed, though their process was still there afterwards. */
  readonly missed: number;
  /** What the first of them said. */
  readonly problem?: string | undefined;
}

/** py-spy as `npm run setup` installs it, or the first on PATH. */
export const findSpy = (env: Readonly<Record<string, string | undefined>> = process.env): string | undefined =>
  findOnPath('py-spy', env);

const lookLimitMs = 10_000;

/**
 * Rounds of looks at every Python process of the launch until `signal` aborts. A process that used no CPU since the
 * round before is not stopped for a look: it waits. Never rejects.
 */
export async function watchStacks(plan: WatchPlan, signal: AbortSignal): Promise<Watched> {
  const { clock, runId, launch, intervalMs } = plan;
  const looks: Look[] = [];
  const cpuTicks = new Map<number, number>();
  const problems: string[] = [];
  while (!signal.aborted) {
    const dueAtMs = clock.nowMs() + intervalMs;
    const found = findProcessesOfRun(runId, { launch }).filter(({ pid }) => isPython(pid));
    const round = await Promise.all(
      found.map(async ({ pid, name }): Promise<Look[]> => {
        const ticks = readProcStat(pid)?.cpuTicks;
        const isIdle = ticks !== undefined && cpuTicks.get(pid) === ticks;
        if (ticks !== undefined) cpuTicks.set(pid, ticks);
        const atMs = clock.nowMs();
        if (isIdle) return [{ atMs, pid, process: name, state: 'waiting', stack: [] }];
        const seen = await look(plan.spy, pid);
        if (typeof seen === 'string') {
          // A process that ended meanwhile, or has no interpreter yet, is no problem.
          if (isPython(pid) && !/python interpreter/.test(seen)) problems.push(seen);
          return [];
        }
        return seen === undefined ? [] : [{ atMs, pid, process: name, ...seen }];
      }),
    );
    looks.push(...round.flat());
    await sleep(Math.max(0, dueAtMs - clock.nowMs()), undefined, { signal }).catch(() => undefined);
  }
  return { looks, missed: problems.length, problem: problems[0] };
}

/** What was seen; a text: why nothing was. Never cut short: a py-spy that is killed may leave its process stopped. */
async function look(spy: string, pid: number): Promise<Pick<Look, 'state' | 'stack'> | string | undefined> {
  try {
    const { stdout } = await execa(spy, ['dump', '--json', '--pid', String(pid)], { timeout: lookLimitMs });
    return readDump(stdout, pid);
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n')[0];
    return said === undefined || said === '' ? (error as Error).message : said;
  }
}

function isPython(pid: number): boolean {
  try {
    return /^python[\d.]*$/.test(basename(readlinkSync(`/proc/${pid}/exe`)));
  } catch {
    return false; // It has ended, or is another user's.
  }
}
