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
 * End every process that `living` lists. `rootPid` is asked with SIGTERM (vLLM then stops its own workers), each
 * of the others when the root is gone. What is left at `killAtMs()` gets SIGKILL; that instant may be moved
 * earlier meanwhile. `living` is read again before each signal, so that processes born meanwhile are not missed.
 */
export async function endProcesses(
  rootPid: number,
  living: () => readonly number[],
  killAtMs: () => number,
  clock: Clock,
): Promise<Ending> {
  if (living().length === 0) return { how: 'exit', goneAtMs: clock.nowMs(), leftover: 0 };
  const asked = new Set<number>();
  const ask = () => {
    const still = living();
    // While the root lives it tells the others; without it there is nobody who could.
    for (const pid of still.includes(rootPid) ? [rootPid] : still) {
      if (!asked.has(pid)) send(pid, 'SIGTERM');
      asked.add(pid);
    }
    return still;
  };
  if (await allGone(ask, killAtMs, clock)) return { how: 'sigterm', goneAtMs: clock.nowMs(), leftover: 0 };
  const insist = () => {
    const still = living();
    for (const pid of still) send(pid, 'SIGKILL');
    return still;
  };
  const giveUpAtMs = clock.nowMs() + killGraceMs;
  await allGone(insist, () => giveUpAtMs, clock);
  return { how: 'sigkill', goneAtMs: clock.nowMs(), leftover: living().length };
}

async function allGone(signalLiving: () => readonly number[], untilMs: () => number, clock: Clock): Promise<boolean> {
  while (signalLiving().length > 0) {
    if (clock.nowMs() >= untilMs()) return false;
    await sleep(checkEveryMs);
  }
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it has just ended. EPERM: it changed its user; it is counted as left over.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
