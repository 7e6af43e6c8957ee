/**
 * The sampler: a program of its own, because a notebook kernel's event loop stalls while somebody types or a chart
 * is drawn. It reads host and GPUs at fixed ticks and writes samples.csv, processes.csv and gpu.csv itself, so a
 * killed kernel loses at most a second of rows. It ends when its standard input closes.
 *
 * Run as `node --import tsx lib/snapshot/sampler-program.ts`; see sampler-protocol.ts for what goes over its pipes.
 */
import { appendRows } from '../archive/folder.js';
import { tables, type GpuRow, type PauseRow, type ProcessRow, type SampleRow } from '../archive/tables.js';
import { createClock, type Clock } from '../clock.js';
import { readJsonLines } from '../launch/jsonlines.js';
import { noGpuSampling, openGpuSampling, type GpuSampling } from './gpu-sampling.js';
import { openHostSampling, type HostSampling } from './host-sampling.js';
import type { SamplerJob, SamplerReply, SamplerRequest } from './sampler-protocol.js';
import { pointReadings, processRows, sampleRow, type HostTick } from './samples.js';
import { runTicks, timerWait, type TickCounts } from './ticks.js';

/** How much a crash of the sampler may lose. */
const flushEveryMs = 1000;
/** Each process five times a second tells which one was busy in a gap; ten times a second would double the run folder. */
const processRowsEveryMs = 200;

// Jupyter interrupts a cell with SIGINT to the whole group; sampling goes on.
process.on('SIGINT', () => undefined);
// A dead kernel's closed pipe must not end the sampler before it has written its last rows.
process.stdout.on('error', () => undefined);

let sampling: ((request: SamplerRequest) => void) | undefined;
readJsonLines<SamplerJob | SamplerRequest>(process.stdin, (message) => {
  if (sampling) sampling(message as SamplerRequest);
  else sampling = sample(message as SamplerJob);
});

function reply(message: SamplerReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Begins, and gives back what takes the requests that follow. */
function sample(job: SamplerJob): (request: SamplerRequest) => void {
  const clock = createClock(BigInt(job.clockOriginNs));
  const host = openHostSampling(job.runDir, clock);
  const gpu =
    job.noGpuBecause === undefined ? openGpuSampling(clock, job.nvmlLibrary) : noGpuSampling(job.noGpuBecause);
  const counts = { host: noTicks, gpu: gpu.noGpu === undefined ? noTicks : undefined };
  let ticking: Sampling | undefined = startSampling(job, clock, host, gpu);
  let paused: PauseRow | undefined;

  const halt = async () => {
    const ended = await ticking?.stop();
    ticking = undefined;
    if (!ended) return;
    counts.host = sumOf(counts.host, ended.host);
    if (counts.gpu && ended.gpu) counts.gpu = sumOf(counts.gpu, ended.gpu);
  };
  const endPause = (atMs: number) => {
    if (paused) appendRows(job.runDir, tables.pauses, [{ ...paused, toAtMs: atMs }]);
    paused = undefined;
  };
  const answerTo = async (request: SamplerRequest): Promise<void> => {
    if ('read' in request) return reply(readPoint(host.read, gpu.readPoint));
    if ('launch' in request) return host.beginLaunch(request.launch);
    if ('stop' in request) return end();
    if ('pause' in request) {
      const launch = ticking?.launch() ?? 0;
      await halt();
      await gpu.settle();
      const atMs = clock.nowMs();
      paused ??= { launch, fromAtMs: atMs, toAtMs: atMs };
      return reply({ paused: true, atMs });
    }
    const atMs = clock.nowMs();
    endPause(atMs);
    ticking ??= startSampling(job, clock, host, gpu);
    reply({ paused: false, atMs });
  };
  let over = false;
  const end = async (): Promise<void> => {
    if (over) return;
    over = true;
    await halt();
    endPause(clock.nowMs());
    host.close();
    gpu.close();
    reply({ stopped: true, ...counts });
    process.stdin.destroy();
  };
  // One after the other: a request that comes while a pause begins is answered after it.
  let answered = Promise.resolve();
  process.stdin.on('close', () => void end());
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end());
  reply({ ready: true, gpus: gpu.gpus, driverVersion: gpu.driverVersion, noGpu: gpu.noGpu });
  return (request) => void (answered = answered.then(() => answerTo(request)));
}

interface Sampling {
  launch(): number;
  /** Resolves when the last rows are written and no timer is left. */
  stop(): Promise<{ readonly host: TickCounts; readonly gpu?: TickCounts | undefined }>;
}

/** Ticks of host and GPUs until they are stopped. The first row of a stretch has no rates: there is nothing before it. */
function startSampling(job: SamplerJob, clock: Clock, host: HostSampling, gpu: GpuSampling): Sampling {
  const rows = createRowBuffer(job.runDir);
  const flushing = setInterval(rows.flush, flushEveryMs);
  const stopping = new AbortController();
  const processTicks = Math.max(1, Math.round(processRowsEveryMs / job.intervalMs));
  let before: HostTick | undefined;
  const every = (intervalMs: number, read: (tick: number) => void) =>
    runTicks({ intervalMs, clock, waitUntil: timerWait(clock), read, signal: stopping.signal });
  const hostTicks = every(job.intervalMs, (tick) => {
    const reading = host.read();
    rows.samples.push(sampleRow(before, reading));
    if (tick % processTicks === 0) rows.processes.push(...processRows(reading));
    before = reading;
  });
  const gpuTicks =
    gpu.noGpu === undefined
      ? every(job.gpuIntervalMs, () => rows.gpu.push(...gpu.readRows(before?.launch ?? 0, pidsOf(before))))
      : Promise.resolve(undefined);
  return {
    launch: () => before?.launch ?? 0,
    stop: async () => {
      stopping.abort();
      const [hostCounts, gpuCounts] = await Promise.all([hostTicks, gpuTicks]);
      clearInterval(flushing);
      rows.flush();
      return { host: hostCounts, gpu: gpuCounts };
    },
  };
}

const noTicks: TickCounts = { read: 0, missed: 0, failed: 0 };

function sumOf(a: TickCounts, b: TickCounts): TickCounts {
  return {
    read: a.read + b.read,
    missed: a.missed + b.missed,
    failed: a.failed + b.failed,
    lastFailure: b.lastFailure ?? a.lastFailure,
  };
}

function readPoint(readHost: () => HostTick, readGpus: ReturnType<typeof openGpuSampling>['readPoint']): SamplerReply {
  try {
    const tick = readHost();
    return { reading: pointReadings(tick, readGpus(pidsOf(tick))) };
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

function pidsOf(tick: HostTick | undefined): ReadonlySet<number> {
  return new Set(tick?.tree?.processes.map(({ pid }) => pid));
}

function createRowBuffer(runDir: string) {
  const samples: SampleRow[] = [];
  const processes: ProcessRow[] = [];
  const gpu: GpuRow[] = [];
  return {
    samples,
    processes,
    gpu,
    flush: () => {
      appendRows(runDir, tables.samples, samples.splice(0));
      appendRows(runDir, tables.processes, processes.splice(0));
      appendRows(runDir, tables.gpu, gpu.splice(0));
    },
  };
}
