/**
 * Small probes of the node and of the engine's interpreter: what a byte costs at best, and what a process costs that
 * does nothing yet. Each is one command that anybody can run again; its times go to probes.csv.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { appendRows, readRows } from '../archive/folder.js';
import { quoteWords } from '../freeze/shellwords.js';
import { readInterpreter } from '../freeze/packages.js';
import { evictFromPageCache } from '../freeze/pagecache.js';
import { weightFiles, type ExperimentRun } from './experiment.js';
import { probesTable, type ProbeRow } from '../archive/cold-start-tables.js';

export type ProbeName =
  | 'disk-read'
  | 'cache-read'
  | 'start'
  | 'import-front'
  | 'import-engine'
  | 'import-worker'
  | 'context'
  | 'h2d-pinned'
  | 'h2d-pageable'
  | 'hbm-fill';

/** One timing of a probe. */
interface Timing {
  readonly ms: number;
  readonly bytes?: number | undefined;
}

interface Probe {
  readonly name: ProbeName;
  readonly command: readonly string[];
  /** Runs of the command; a command may time itself several times. */
  readonly runs: number;
  readonly prepare?: (() => void) | undefined;
  readonly read: (output: string, saidMs: number) => readonly Timing[];
}

/** What a command printed, and when its last words came, after its start: an interpreter's end is not part of what it did. */
interface Said {
  readonly output: string;
  readonly saidMs: number;
}

/** The first number of repetitions whose centre gets a 95 % interval; those of several runs of an experiment add up. */
export const defaultProbeRuns = 6;
const gibibyte = 2 ** 30;
const copyBytes = gibibyte;
const fillBytes = 4 * gibibyte;

export interface ProbeProgress {
  readonly probe: ProbeName;
  readonly run: number;
  readonly of: number;
}

/**
 * Why there is no probe of the processes: told in the ledger. Undefined where one is on record, which the interpreter
 * that a saved run names need not be on this machine.
 */
export function absentProbes({ record }: Pick<ExperimentRun, 'record'>, rows: readonly ProbeRow[]): string | undefined {
  if (rows.some(({ probe }) => probe.startsWith('import-'))) return undefined;
  if (record.engine.kind === 'rehearsal')
    return 'the rehearsal engine is no Python program: its start and imports are played, not done';
  return interpreterOf(record.engine.command) === undefined
    ? `the interpreter of ${record.engine.command[0] ?? 'the engine'} could not be found`
    : undefined;
}

/**
 * Run every probe that has no rows yet. A probe that fails leaves none, and what it failed of is returned: an experiment
 * can do without a floor. Rejects when it is aborted.
 */
export async function runProbes(
  run: ExperimentRun,
  onProgress: ((progress: ProbeProgress) => void) | undefined,
  signal: AbortSignal,
  runs = defaultProbeRuns,
): Promise<readonly string[]> {
  const done = new Set(readRows(run.dir, probesTable).map(({ probe }) => probe));
  const failures: string[] = [];
  for (const probe of probesOf(run, runs)) {
    if (done.has(probe.name)) continue;
    try {
      appendRows(run.dir, probesTable, await repeat(run, probe, onProgress, signal));
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${probe.name}: ${(error as Error).message}`);
    }
  }
  return failures;
}

async function repeat(
  run: ExperimentRun,
  probe: Probe,
  onProgress: ((progress: ProbeProgress) => void) | undefined,
  signal: AbortSignal,
): Promise<ProbeRow[]> {
  const rows: ProbeRow[] = [];
  for (let index = 1; index <= probe.runs; index += 1) {
    onProgress?.({ probe: probe.name, run: index, of: probe.runs });
    rows.push(...(await runOnce(run, probe, rows.length, signal)));
  }
  return rows;
}

async function runOnce(run: ExperimentRun, probe: Probe, before: number, signal: AbortSignal): Promise<ProbeRow[]> {
  probe.prepare?.();
  const atMs = run.clock.nowMs();
  const { output, saidMs } = await execute(probe.command, run, signal);
  const timings = probe.read(output, saidMs);
  const command = quoteWords(probe.command);
  return timings.map((timing, at) => ({ probe: probe.name, index: before + at + 1, atMs, ...timing, command }));
}

function probesOf({ record }: ExperimentRun, runs: number): Probe[] {
  const largest = [...weightFiles(record)].sort((a, b) => statSync(b).size - statSync(a).size)[0];
  const python = record.engine.kind === 'rehearsal' ? undefined : interpreterOf(record.engine.command);
  return [
    ...(largest === undefined ? [] : readingProbes(largest, runs)),
    ...(python === undefined ? [] : processProbes(python, record.engine.device, runs)),
    ...(python !== undefined && record.engine.device === 'cuda' ? gpuProbes(python, runs) : []),
  ];
}

function interpreterOf(command: readonly string[]): string | undefined {
  try {
    return readInterpreter(command[0] ?? '', process.env);
  } catch {
    return undefined;
  }
}

/** The largest weights file, through the page cache: dropped from it first, then found in it. */
function readingProbes(file: string, runs: number): Probe[] {
  const command = ['dd', `if=${file}`, 'of=/dev/null', 'bs=16M'];
  const read = (output: string): Timing[] => [parseDd(output)];
  return [
    { name: 'disk-read', command, runs, prepare: () => void evictFromPageCache([file]), read },
    { name: 'cache-read', command, runs, read },
  ];
}

/** "988065536 bytes (988 MB, 942 MiB) copied, 3.93 s, 251 MB/s": GNU coreutils in the C locale. */
export function parseDd(output: string): Timing {
  const found = /^(\d+) bytes .*copied, ([\d.e+-]+) s/m.exec(output);
  if (!found) throw new Error(`dd said nothing that can be read: ${output.slice(-200)}`);
  return { bytes: Number(found[1]), ms: Number(found[2]) * 1000 };
}

/** An interpreter that does nothing, and ones that import what each of the server's processes imports. */
function processProbes(python: string, device: string, runs: number): Probe[] {
  const read = (_output: string, saidMs: number): Timing[] => [{ ms: saidMs }];
  const importing = (name: ProbeName, ...modules: readonly string[]): Probe => {
    const command = [python, '-c', `import ${modules.join(', ')}; print("imported", flush=True)`];
    return { name, command, runs, read };
  };
  const front = importing('import-front', 'vllm.entrypoints.cli.main', 'vllm.entrypoints.openai.api_server');
  const core = 'vllm.v1.engine.core';
  return [
    { name: 'start', command: [python, '-c', 'print("started", flush=True)'], runs, read },
    front,
    ...(device === 'cuda'
      ? [importing('import-engine', core, 'vllm.v1.worker.gpu_worker')]
      : [importing('import-engine', core), importing('import-worker', 'vllm.v1.worker.cpu_worker')]),
  ];
}

function gpuProbes(python: string, runs: number): Probe[] {
  return [
    {
      name: 'context',
      command: [
        python,
        '-c',
        'import time, torch; t = time.perf_counter(); torch.zeros(1, device="cuda"); torch.cuda.synchronize(); print([time.perf_counter() - t])',
      ],
      runs,
      read: (output) => parseSeconds(output, undefined),
    },
    copyProbe(python, 'h2d-pinned', 'torch.zeros(n, dtype=torch.uint8).pin_memory()'),
    copyProbe(python, 'h2d-pageable', 'torch.ones(n, dtype=torch.uint8)'),
    {
      name: 'hbm-fill',
      command: [
        python,
        '-c',
        timedScript(fillBytes, ['d = torch.empty(n, dtype=torch.uint8, device="cuda")'], 'd.fill_(1)'),
      ],
      runs: 1,
      read: (output) => parseSeconds(output, fillBytes),
    },
  ];
}

function copyProbe(python: string, name: ProbeName, source: string): Probe {
  const setUp = [`h = ${source}`, 'd = torch.empty(n, dtype=torch.uint8, device="cuda")'];
  return {
    name,
    command: [python, '-c', timedScript(copyBytes, setUp, 'd.copy_(h, non_blocking=True)')],
    runs: 1,
    read: (output) => parseSeconds(output, copyBytes),
  };
}

/** The first pass warms the device and is not printed. */
function timedScript(bytes: number, setUp: readonly string[], work: string): string {
  return [
    'import time, torch',
    `n = ${bytes}`,
    ...setUp,
    'seconds = []',
    `for _ in range(${defaultProbeRuns + 1}):`,
    '    torch.cuda.synchronize()',
    '    t = time.perf_counter()',
    `    ${work}`,
    '    torch.cuda.synchronize()',
    '    seconds.append(time.perf_counter() - t)',
    'print(seconds[1:])',
  ].join('\n');
}

/** The list of seconds that a script printed last. */
export function parseSeconds(output: string, bytes: number | undefined): Timing[] {
  const list = output
    .trim()
    .split('\n')
    .reverse()
    .find((line) => /^\[[\d.,e\s+-]+\]$/.test(line));
  if (list === undefined) throw new Error(`the probe printed no times: ${output.slice(-200)}`);
  return (JSON.parse(list) as number[]).map((seconds) => ({ ms: seconds * 1000, bytes }));
}

/** Standard output and error together; the last words are standard output's. Rejects when the command fails. */
function execute(
  [program = '', ...args]: readonly string[],
  { record, clock }: Pick<ExperimentRun, 'record' | 'clock'>,
  signal: AbortSignal,
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const startedAtMs = clock.nowMs();
    const child = spawn(program, args, {
      env: { ...process.env, ...record.engine.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    let output = '';
    let saidMs = NaN;
    for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding('utf8').on('data', (text) => (output += text));
    child.stdout.on('data', () => (saidMs = clock.nowMs() - startedAtMs));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve({ output, saidMs });
      else
        reject(
          new Error(
            `The probe ${quoteWords([program, ...args]).slice(0, 200)} failed (exit code ${code ?? 'none'}). Its last words: ${output.trim().slice(-400)}`,
          ),
        );
    });
  });
}

/** The fastest of a probe's runs, in bytes a second: what this node can do. */
export function bestBytesPerS(rows: readonly ProbeRow[], probe: ProbeName): number | undefined {
  const rates = rows.flatMap((row) =>
    row.probe === probe && row.bytes !== undefined && row.ms > 0 ? [(row.bytes / row.ms) * 1000] : [],
  );
  return rates.length === 0 ? undefined : Math.max(...rates);
}

export const timesOf = (rows: readonly ProbeRow[], probe: ProbeName): number[] =>
  rows.filter((row) => row.probe === probe).map(({ ms }) => ms);
