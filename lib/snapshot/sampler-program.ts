/**
 * The sampler: a program of its own, because a notebook kernel's event loop stalls while somebody types or a chart
 * is drawn. It reads host and GPUs at fixed ticks and writes samples.csv, processes.csv and gpu.csv itself, so a
 * killed kernel loses at most a second of rows. It ends when its standard input closes.
 *
 * Run as `node --import tsx lib/snapshot/sampler-program.ts`; see sampler-protocol.ts for what goes over its pipes.
 */
import { createInterface } from 'node:readline';
import { appendRows } from '../archive/folder.js';
import { tables, type GpuRow, type ProcessRow, type SampleRow } from '../archive/tables.js';
import { createClock } from '../clock.js';
import { openGpuSampling } from './gpu-sampling.js';
import { openHostSampling } from './host-sampling.js';
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

const input = createInterface({ input: process.stdin });
input.once('line', (line) => sample(JSON.parse(line) as SamplerJob));

function reply(message: SamplerReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function sample(job: SamplerJob): void {
  const clock = createClock(BigInt(job.clockOriginNs));
  const host = openHostSampling(job.runDir, clock);
  const gpu = openGpuSampling(clock, job.nvmlLibrary);
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

  const end = () => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    void Promise.all([hostTicks, gpuTicks]).then(([hostCounts, gpuCounts]: [TickCounts, TickCounts | undefined]) => {
      clearInterval(flushing);
      rows.flush();
      host.close();
      gpu.close();
      reply({ stopped: true, host: hostCounts, gpu: gpuCounts });
      input.close();
      process.stdin.destroy();
    });
  };
  input.on('line', (line) => {
    const request = JSON.parse(line) as SamplerRequest;
    if ('stop' in request) end();
    else reply(readPoint(host.read, gpu.readPoint));
  });
  input.on('close', end);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  reply({ ready: true, gpus: gpu.gpus, driverVersion: gpu.driverVersion, noGpu: gpu.noGpu });
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
