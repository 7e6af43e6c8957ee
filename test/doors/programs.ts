/** Runs the doors as a person does: as programs, with an environment that a test can fake. */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const projectRoot = process.cwd();
export const notebooks = join(projectRoot, 'test', 'fixtures', 'notebooks');

export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A started program and what it has printed so far. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  stdout(): string;
}

interface StartOptions {
  /** Node when absent. */
  readonly command?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function start(args: readonly string[], options: StartOptions = {}): Running {
  const child = spawn(options.command ?? process.execPath, args, {
    cwd: options.cwd ?? projectRoot,
    env: { ...process.env, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  return { child, ended, stdout: () => stdout };
}

export function run(args: readonly string[], options: StartOptions = {}): Promise<Outcome> {
  return start(args, options).ended;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'day-007-doors-'));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** A copy of what the doors need of the project, with nothing installed. */
export function freshClone(): string {
  const clone = temporaryFolder();
  for (const name of [
    'scripts',
    'package.json',
    'package-lock.json',
    'requirements.txt',
    'requirements-vllm-cpu.txt',
  ]) {
    cpSync(join(projectRoot, name), join(clone, name), { recursive: true });
  }
  return clone;
}

/** A PATH of its own: a folder with small shell scripts under the given names, and nothing else but a shell. */
export function fakePath(folder: string, programs: Readonly<Record<string, string>>): string {
  const bin = join(folder, 'fake-bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  for (const tool of ['mkdir', 'cat', 'touch', 'ln']) {
    const real = ['/usr/bin', '/bin'].map((dir) => join(dir, tool)).find(existsSync);
    if (real && !existsSync(join(bin, tool))) symlinkSync(real, join(bin, tool));
  }
  return bin;
}

/** Resolves with what `look` finds, looking every 50 ms; rejects when the program ends or the limit passes first. */
export async function waitFor<T>(running: Running, look: () => T | undefined, limitMs = 40_000): Promise<T> {
  const deadlineMs = Date.now() + limitMs;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (running.child.exitCode !== null || Date.now() > deadlineMs) {
      throw new Error(`not seen; the program printed:\n${running.stdout()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A process counts as alive until it is gone or a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
