/**
 * One launch -> the same seconds from several witnesses: the health check, the log, the samples of disk and GPU, the
 * process tree. Each is a number of its own, so that they can disagree.
 */
import type { RunData } from '../archive/folder.js';
import type { GpuRow, ProcessRow, SampleRow } from '../archive/tables.js';
import { inOrder } from '../interpret/counters.js';
import type { LaunchFinding } from '../interpret/findings.js';
import { launchFindings, unionMs } from '../interpret/launches.js';
import { requestTimings } from '../interpret/timing.js';
import type { StartupTimeline, Term } from '../launch/timeline.js';
import { groupByLaunch } from './rows.js';

export interface LaunchMeasures {
  readonly launch: number;
  readonly finding: LaunchFinding;
  /** From spawn to HTTP 200. */
  readonly readyMs: number;
  /** The same without the start and the imports of the engine's processes, which no cell changes. */
  readonly withoutImportsMs: number;
  /** Log: weights built, read and copied. */
  readonly logLoadMs: number;
  /** Log: compile, autotune, capture, kernels on first use. */
  readonly logCompileMs: number;
  /** Log: KV cache. */
  readonly logKvMs: number;
  /** Log and process births: process start, imports, configuration, front end. */
  readonly logProcessMs: number;
  /** Of these: configuration and inspection of the model. */
  readonly logInspectionMs: number;
  /** Log: what an empty cache root is paid with, compiling and inspection. */
  readonly logCacheMs: number;
  /** Not covered by any phase. */
  readonly remainderMs: number;
  /** Samples: how long the server's tree was reading from storage. */
  readonly readingMs?: number | undefined;
  /** Samples: from the first to the last twentieth of the GPU memory that loading took. */
  readonly gpuFillMs?: number | undefined;
  /** Process tree: CPU time of compilers. */
  readonly compilerCpuMs?: number | undefined;
  /** Engine processes that start and import for themselves. */
  readonly engineProcesses: number;
}

/** Every launch of the run that became ready, in order. */
export function launchMeasures(data: RunData): LaunchMeasures[] {
  const timings = requestTimings(data.requests, data.chunks, data.startup);
  const byLaunch = {
    samples: groupByLaunch(data.samples),
    processes: groupByLaunch(data.processes),
    gpu: groupByLaunch(data.gpu),
  };
  return launchFindings(data, timings).flatMap((finding) => {
    const { timeline, readyMs, launch } = finding;
    if (!timeline || readyMs === undefined) return [];
    const inspection = timeline.phases.filter(({ name }) => name === 'Configuration and model inspection');
    return [
      {
        launch,
        finding,
        readyMs,
        withoutImportsMs: readyMs - unionMs(timeline.phases.filter(({ name }) => / start and imports$/.test(name))),
        logLoadMs: termMs(timeline, ['A', 'B', 'A+B']),
        logCompileMs: termMs(timeline, ['C']),
        logKvMs: termMs(timeline, ['D']),
        logProcessMs: termMs(timeline, ['G']),
        logInspectionMs: unionMs(inspection),
        logCacheMs: unionMs([...timeline.phases.filter(({ term }) => term === 'C'), ...inspection]),
        remainderMs: timeline.remainderMs,
        readingMs: readingMs(byLaunch.samples.get(launch) ?? [], timeline),
        gpuFillMs: gpuFillMs(byLaunch.gpu.get(launch) ?? [], timeline),
        compilerCpuMs: compilerCpuMs(byLaunch.processes.get(launch) ?? [], timeline),
        engineProcesses: timeline.phases.filter(({ name }) => / start and imports$/.test(name)).length,
      },
    ];
  });
}

const termMs = ({ phases }: StartupTimeline, terms: readonly Term[]): number =>
  unionMs(phases.filter(({ term }) => terms.includes(term)));

/** 10 MB/s: a tenth of the slowest storage in use (cloud block volumes), which no stray read of a log or a module reaches. */
const leastReadingBytesPerS = 1e7;

function readingMs(samples: readonly SampleRow[], { spawnAtMs, readyAtMs }: StartupTimeline): number | undefined {
  const ticks = inOrder(samples).filter(
    ({ atMs, serverReadBytes }) => atMs >= spawnAtMs && atMs <= readyAtMs && serverReadBytes !== undefined,
  );
  if (ticks.length < 2) return undefined;
  return ticks.slice(1).reduce((sum, tick, index) => {
    const before = ticks[index] ?? tick;
    const tookMs = tick.atMs - before.atMs;
    const bytesPerS = (((tick.serverReadBytes ?? 0) - (before.serverReadBytes ?? 0)) / Math.max(tookMs, 1)) * 1000;
    return bytesPerS >= leastReadingBytesPerS ? sum + tookMs : sum;
  }, 0);
}

function gpuFillMs(gpu: readonly GpuRow[], { phases }: StartupTimeline): number | undefined {
  const loading = phases.filter(({ term }) => ['A', 'B', 'A+B'].includes(term));
  const startAtMs = Math.min(...loading.map((phase) => phase.startAtMs));
  const endAtMs = Math.max(...loading.map((phase) => phase.endAtMs));
  const ticks = inOrder(gpu).filter(({ atMs }) => atMs >= startAtMs && atMs <= endAtMs);
  const first = ticks[0]?.memoryUsedMiB;
  const last = ticks.at(-1)?.memoryUsedMiB;
  if (first === undefined || last === undefined || last <= first) return undefined;
  const reached = (share: number) =>
    ticks.find(({ memoryUsedMiB }) => (memoryUsedMiB ?? -Infinity) >= first + share * (last - first))?.atMs;
  const [from, to] = [reached(0.05), reached(0.95)];
  return from === undefined || to === undefined ? undefined : to - from;
}

/** Programs that turn source into machine code, by the names /proc shows (15 characters at most). */
const compilers =
  /^(?:cc1|cc1plus|gcc|g\+\+|clang|clang\+\+|cicc|nvcc|ptxas|ptxas-\w+|fatbinary|cudafe\+\+|as|ld|collect2|ninja)(?:-|$)/;

export const isCompiler = (name: string): boolean => compilers.test(name);

function compilerCpuMs(rows: readonly ProcessRow[], { spawnAtMs, readyAtMs }: StartupTimeline): number | undefined {
  const inside = rows.filter(({ atMs }) => atMs >= spawnAtMs && atMs <= readyAtMs);
  if (inside.length === 0) return undefined;
  const last = new Map<number, number>();
  for (const { pid, name, cpuMs } of inside) if (isCompiler(name)) last.set(pid, cpuMs);
  return [...last.values()].reduce((sum, cpuMs) => sum + cpuMs, 0);
}
