// What a run has left on the machine: processes and an open port. Read from outside, not from what the run says of itself.
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * Processes whose environment holds every NAME=VALUE of `marks` (any value where it is undefined), their descendants,
 * and everyone in their sessions; zombies and this program and its parents left out. A program that overwrites its
 * environment is found by its session.
 */
export function processesWith(marks) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(readProcess);
  const own = ancestorsOf(process.pid, all);
  const marked = all.filter(({ pid }) => !own.has(pid) && hasMarks(pid, marks));
  const sessions = new Set(marked.map(({ session }) => session));
  const found = new Set(marked.map(({ pid }) => pid));
  for (const { pid, session } of all) if (sessions.has(session) && !own.has(pid)) found.add(pid);
  // A Set visits what is added while it is walked: this reaches every generation.
  for (const pid of found) for (const child of all) if (child.parent === pid) found.add(child.pid);
  return all.filter(({ pid }) => found.has(pid)).map(({ pid }) => ({ pid, command: readCommand(pid) }));
}

function readProcess(pid) {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (stat === '' || fields[0] === 'Z' || fields[0] === 'X') return [];
  return [{ pid: Number(pid), parent: Number(fields[1]), session: Number(fields[3]) }];
}

function ancestorsOf(pid, all) {
  const parents = new Map(all.map((one) => [one.pid, one.parent]));
  const line = new Set();
  for (let at = pid; at > 0 && !line.has(at); at = parents.get(at) ?? 0) line.add(at);
  return line;
}

function hasMarks(pid, marks) {
  const environment = read(`/proc/${pid}/environ`).split('\0');
  return Object.entries(marks).every(([name, value]) =>
    environment.some((entry) => (value === undefined ? entry.startsWith(`${name}=`) : entry === `${name}=${value}`)),
  );
}

function readCommand(pid) {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim().slice(0, 120);
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // It has just ended, or is another user's.
  }
}

export function isPortFree(port) {
  return new Promise((settle) => {
    const trial = createServer().on('error', () => settle(false));
    trial.listen(port, '127.0.0.1', () => trial.close(() => settle(true)));
  });
}

/** Resolves with the seconds until `look` gives true; with undefined when the limit passes first. */
export async function secondsUntil(look, limitS) {
  const startedMs = performance.now();
  for (;;) {
    const seconds = (performance.now() - startedMs) / 1000;
    if (await look()) return seconds;
    if (seconds > limitS) return undefined;
    await new Promise((settle) => setTimeout(settle, 50));
  }
}
