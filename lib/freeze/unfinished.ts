/** Folders that are still being written: named after their writer, so that what a killed one left can be told and removed. */
import { mkdirSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Unfinished folders that this process is writing: a number in a name alone does not tell, as pids come back. */
const beingWritten = new Set<string>();
let claims = 0;

/** A new empty folder next to `dir`, to be filled and then renamed to it. */
export function claimUnfinished(dir: string): string {
  claims += 1;
  const unfinished = `${dir}.${process.pid}-${claims}.tmp`;
  mkdirSync(unfinished);
  beingWritten.add(unfinished);
  return unfinished;
}

/** Remove an unfinished folder, if it is still there. */
export async function dropUnfinished(unfinished: string): Promise<void> {
  await rm(unfinished, { recursive: true, force: true });
  beingWritten.delete(unfinished);
}

/** Remove what writers that no longer run left behind. If another process has the pid by now, the folder stays. */
export async function removeAbandoned(dir: string): Promise<void> {
  for (const name of readdirSync(dirname(dir))) {
    const path = join(dirname(dir), name);
    if (!path.startsWith(`${dir}.`) || !name.endsWith('.tmp') || beingWritten.has(path)) continue;
    const pid = Number.parseInt(path.slice(dir.length + 1), 10);
    if (pid === process.pid || !isRunning(pid)) await rm(path, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
