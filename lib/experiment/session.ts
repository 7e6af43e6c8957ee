/**
 * A live run: the instruments, the server of the moment, and what may be done next with them. Each step writes what
 * it saw into the run folder before it returns.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { appendRows } from '../archive/folder.js';
import { tables, type CalibrationRow, type LaunchRow, type RequestRow, type SnapshotRow } from '../archive/tables.js';
import { serverUrl } from '../freeze/command.js';
import { assertUnchanged, type FrozenRun } from '../freeze/freeze.js';
import { evictFromPageCache, readResidency } from '../freeze/pagecache.js';
import { launchServer, type LaunchProgress, type Server } from '../launch/server.js';
import { LaunchError } from '../launch/failure.js';
import type { StoppedEvent } from '../launch/protocol.js';
import { startProber } from '../probe/client.js';
import type { Trace } from '../probe/trace.js';
import { scrapeMetrics } from '../snapshot/metrics-scrape.js';
import { startSampler, type Sampler } from '../snapshot/sampler.js';
import { isColdStreamed, longBlock, seedRequest, type PlannedRequest, type RequestTarget } from './requests.js';
import { checkModels } from './sanity.js';

/** Requests to the stream of known truth: to warm the client, and to know its error (100 is the first n with a p99). */
const calibrationPlan = { warmups: 20, measured: 100 } as const;

export interface Session {
  readonly run: FrozenRun;
  readonly sampler: Sampler;
  /** Launches so far. */
  launches(): number;
  server(): Server | undefined;
  calibrate(): Promise<{ readonly rows: readonly CalibrationRow[]; readonly mode: string }>;
  snapshot(point: string): Promise<readonly SnapshotRow[]>;
  /** Start the server, or take the attached one as it is. Throws LaunchError; the failed launch is on record then. */
  launch(options?: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: LaunchProgress) => void;
  }): Promise<LaunchRow>;
  sanityCheck(): Promise<RequestRow>;
  cold(signal?: AbortSignal): Promise<Trace>;
  warmAtOnce(signal?: AbortSignal): Promise<Trace>;
  /** Warm requests one after the other: `whole` answered whole, then `streamed` streamed. */
  warm(
    plan: { readonly whole: number; readonly streamed: number },
    onTrace?: (trace: Trace) => void,
    signal?: AbortSignal,
  ): Promise<readonly Trace[]>;
  long(onTrace?: (trace: Trace) => void, signal?: AbortSignal): Promise<readonly Trace[]>;
  /** End the server and all its processes. Undefined when there is none of ours. */
  stop(): Promise<StoppedEvent | undefined>;
  /** Stop everything: server, prober, sampler. */
  close(): Promise<void>;
}

/** Start the instruments of a live run. The server comes later: they are warm before it is launched. */
export async function openSession(run: FrozenRun): Promise<Session> {
  if (run.mode === 'replay') throw new Error('a replay has no session: nothing is launched for it');
  const { config, clock, dir, record } = run;
  const { projectRoot } = config;
  const prober = startProber({ runDir: dir, clockOriginNs: String(clock.originNs), projectRoot }, record.runId);
  let sampler: Sampler;
  try {
    sampler = await startSampler({ dir, clock }, { projectDir: projectRoot, intervalMs: config.sampleIntervalMs });
  } catch (error) {
    await prober.stop();
    throw error;
  }
  let launches = 0;
  let server: Server | undefined;
  const attached = record.engine.kind === 'attach';
  const baseUrl = serverUrl(config);
  const target = (): RequestTarget => ({ record, baseUrl, launch: launches, timeoutMs: config.requestTimeoutS * 1000 });
  const scrape = (label: string) => scrapeMetrics(baseUrl, dir, launches, label, clock);

  const send = async ({ label, plan }: PlannedRequest, signal?: AbortSignal): Promise<Trace> => {
    assertAlive(server, attached, launches);
    return prober.probe(label, plan, signal);
  };
  const sendAll = async (
    requests: readonly PlannedRequest[],
    onTrace?: (trace: Trace) => void,
    signal?: AbortSignal,
  ) => {
    const traces: Trace[] = [];
    for (const request of requests) {
      signal?.throwIfAborted();
      const trace = await send(request, signal);
      traces.push(trace);
      onTrace?.(trace);
    }
    return traces;
  };

  const session: Session = {
    run,
    sampler,
    launches: () => launches,
    server: () => server,
    calibrate: () => prober.calibrate(calibrationPlan.warmups, calibrationPlan.measured),
    snapshot: (point) => sampler.readPoint(point, launches),
    launch: async (options = {}) => {
      assertUnchanged(run, config);
      if (server && !server.ended())
        throw new Error('a server of this run is still up: stop it before the next launch');
      launches += 1;
      const row = attached
        ? attachedRow(launches)
        : await launchOwn(run, launches, options, (started) => (server = started));
      await scrape('after-ready');
      await sampler.readPoint('after-ready', launches);
      return row;
    },
    sanityCheck: async () => {
      const row = await checkModels({
        baseUrl,
        record,
        launch: launches,
        clock,
        timeoutMs: config.requestTimeoutS * 1000,
      });
      appendRows(dir, tables.requests, [row]);
      return row;
    },
    cold: async (signal) => {
      if (config.pauseBeforeColdMs > 0) await sleep(config.pauseBeforeColdMs, undefined, signal ? { signal } : {});
      return send(seedRequest(target(), 'cold_1', 1, isColdStreamed(launches)), signal);
    },
    warmAtOnce: async (signal) => {
      // The seed wants the second request immediately: the reading goes on beside it, in another process.
      const reading = sampler.readPoint('after-cold_1', launches);
      const trace = await send(seedRequest(target(), 'warm_1', 1, isColdStreamed(launches)), signal);
      await reading;
      await scrape('after-warm_1');
      return trace;
    },
    warm: async (plan, onTrace, signal) => {
      const whole = Array.from({ length: plan.whole }, (_, at) => seedRequest(target(), 'warm', at + 1, false));
      const streamed = Array.from({ length: plan.streamed }, (_, at) =>
        seedRequest(target(), 'warm', plan.whole + at + 1, true),
      );
      const traces = await sendAll([...whole, ...streamed], onTrace, signal);
      await scrape('after-warm');
      await sampler.readPoint('after-warm', launches);
      return traces;
    },
    long: async (onTrace, signal) => {
      const traces = await sendAll(longBlock(target(), config.longRuns), onTrace, signal);
      await scrape('after-long');
      return traces;
    },
    stop: async () => {
      if (!server) return undefined;
      const stopped = await server.stop();
      server = undefined;
      await sampler.readPoint('after-stop', launches);
      return stopped;
    },
    close: async () => {
      try {
        await session.stop();
      } finally {
        await Promise.all([prober.stop(), sampler.stop()]);
      }
    },
  };
  return session;

  function attachedRow(launch: number): LaunchRow {
    const row: LaunchRow = { launch, outcome: 'attached' };
    appendRows(dir, tables.launches, [row]);
    return row;
  }
}

async function launchOwn(
  run: FrozenRun,
  launch: number,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: LaunchProgress) => void },
  started: (server: Server) => void,
): Promise<LaunchRow> {
  const { config, record, dir, clock } = run;
  const weights = record.model.files
    .map((file) => join(record.model.location, file.path))
    .filter((path) => path.endsWith('.safetensors'));
  if (config.pages === 'evict') evictFromPageCache(weights);
  const before = readResidency(weights);
  const cacheFiles = countFiles(record.engine.env['VLLM_CACHE_ROOT']);
  const row = {
    launch,
    weightsBytes: record.model.weightsBytes,
    residentBeforeFraction: 'fraction' in before ? before.fraction : undefined,
    compileCache: cacheFiles === undefined ? 'unknown' : cacheFiles === 0 ? 'empty' : 'filled',
    compileCacheFiles: cacheFiles,
  };
  const plan = {
    projectRoot: config.projectRoot,
    runDir: dir,
    runId: record.runId,
    launch,
    clockOriginNs: String(clock.originNs),
    command: record.engine.command,
    env: record.engine.env,
    port: config.port,
    healthUrl: `http://127.0.0.1:${config.port}/health`,
    healthIntervalMs: config.healthIntervalMs,
    readyTimeoutMs: config.readyTimeoutS * 1000,
    termGraceMs: 20_000,
  };
  try {
    const server = await launchServer(plan, clock, options);
    started(server);
    const after = readResidency(weights);
    const ready: LaunchRow = {
      ...row,
      outcome: 'ready',
      spawnAtMs: server.spawnAtMs,
      readyAtMs: server.readyAtMs,
      healthPolls: server.healthPolls,
      healthPollIntervalMs: server.longestPauseMs,
      residentAfterFraction: 'fraction' in after ? after.fraction : undefined,
    };
    appendRows(dir, tables.launches, [ready]);
    return ready;
  } catch (error) {
    const outcome = error instanceof LaunchError ? error.reason : 'failed';
    appendRows(dir, tables.launches, [{ ...row, outcome }]);
    throw error;
  }
}

/** Files below a folder; 0 when it does not exist, undefined when its place is not known. */
function countFiles(folder: string | undefined): number | undefined {
  if (folder === undefined) return undefined;
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

function assertAlive(server: Server | undefined, attached: boolean, launch: number): void {
  if (attached) return;
  const end = server?.ended();
  if (server && !end) return;
  const how = end ? `it ended by itself (${end.signal ?? `exit code ${end.exitCode ?? 'unknown'}`})` : 'none is up';
  throw new Error(
    `There is no server to ask: ${how}. Its log is server-${launch}.log in the run folder. Run the launch cell again.`,
  );
}
