// The run folders that a check has made: they would be the newest runs, whose answer the notebook shows when it is opened.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../parts/place.mjs';

const runs = join(root, 'data', 'runs');

/** Folders of the runs that began at `sinceMs` (wall clock) or later with their server on `port`. */
function findRuns(port, sinceMs) {
  if (!existsSync(runs)) return [];
  return readdirSync(runs).filter((name) => {
    const record = readRecord(name);
    return record && Number(record.config?.port) === port && Date.parse(record.startedAtUtc) >= sinceMs;
  });
}

/** Removes those runs; gives their names. */
export function removeRuns(port, sinceMs) {
  const names = findRuns(port, sinceMs);
  for (const name of names) rmSync(join(runs, name), { recursive: true, force: true });
  return names;
}

function readRecord(name) {
  try {
    return JSON.parse(readFileSync(join(runs, name, 'run.json'), 'utf8'));
  } catch {
    return undefined; // It ended before anything was frozen, or is no run.
  }
}
