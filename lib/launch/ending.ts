/** How a server and all its processes are ended: ask, wait, insist, and say which it took. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.js';

export interface Ending {
  readonly how: 'sigterm' | 'sigkill' | 'exit';
  readonly goneAtMs: number;
  /** Processes still alive after SIGKILL had two seconds to work; 0 is the only good answer. */
  readonly leftover: number;
}

const checkEveryMs = 20;
const killGraceMs = 2000;

/**
 * End every process that `living` lists. `rootPid` is asked with SIGTERM (vLLM then stops its own workers);
 * what is left after `termGraceMs` gets SIGKILL. `living` is read again before each signal, so that processes
 * born meanwhile are not missed.
 */
export async function endProcesses(rootPid: number, living: () => readonly number[], termGraceMs: number, clock: Clock): Promise<Ending> {
  if (living().length === 0) return { how: 'exit', goneAtMs: clock.nowMs(), leftover: 0 };
  // Without the root there is nobody who could tell the others: ask each of them.
  const asked = living().includes(rootPid) ? [rootPid] : living();
  for (const pid of asked) send(pid, 'SIGTERM');
  if (await allGone(living, termGraceMs, clock)) return { how: 'sigterm', goneAtMs: clock.nowMs(), leftover: 0 };
  for (const pid of living()) send(pid, 'SIGKILL');
  await allGone(
    () => {
      const still = living();
      for (const pid of still) send(pid, 'SIGKILL');
      return still;
    },
    killGraceMs,
    clock,
  );
  return { how: 'sigkill', goneAtMs: clock.nowMs(), leftover: living().length };
}

async function allGone(living: () => readonly number[], withinMs: number, clock: Clock): Promise<boolean> {
  const untilMs = clock.nowMs() + withinMs;
  while (clock.nowMs() < untilMs) {
    if (living().length === 0) return true;
    await sleep(checkEveryMs);
  }
  return living().length === 0;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
