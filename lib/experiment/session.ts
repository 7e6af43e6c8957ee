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
import { noGpuInRehearsal } from '../freeze/rehearsal.js';
import { evictFromPageCache, readResidency } from '../freeze/pagecache.js';
import { launchServer, type LaunchProgress, type Server } from '../launch/server.js';
import { LaunchError } from '../launch/failure.js';
import type { StoppedEvent } from '../launch/protocol.js';
import { readProcStat } from '../launch/processes.js';
import { startProber, type Prober } from '../probe/client.js';
import type { Trace } from '../probe/trace.js';
import { scrapeMetrics } from '../snapshot/metrics-scrape.js';
import { startSampler, type Sampler } from '../snapshot/sampler.js';
import { SessionError } from './errors.js';
import { awaitGpuMemoryBack } from './gpumemory.js';
import { compareObserver, type OwnProcesses } from './observer.js';
import {
  isColdStreamed,
  longBlock,
  observerRequest,
  observerRequests,
  seedRequest,
  type PlannedRequest,
  type RequestTarget,
} from './requests.js';
import { checkModels } from './sanity.js';

/** Requests to the stream of known truth: to warm the client, and to know its error (100 is the first n with a p99). */
const calibrationPlan = { warmups: 20, measured: 100 } as const;

export interface Session {
  readonly run: FrozenRun;
  readonly sampler: Sampler;
  /** Launches so far. */
  launches(): number;
  /** Those that became ready: a failed or interrupted one has nothing to measure. */
  readyLaunches(): number;
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
  /**
   * Warm requests one after the other: `whole` answered whole, then `streamed` streamed, and as many more streamed ones
   * as it takes for those to last `atLeastMs`.
   */
  warm(
    plan: { readonly whole: number; readonly streamed: number; readonly atLeastMs?: number | undefined },
    onTrace?: (trace: Trace) => void,
    signal?: AbortSignal,
  ): Promise<readonly Trace[]>;
  long(onTrace?: (trace: Trace) => void, signal?: AbortSignal): Promise<readonly Trace[]>;
  /** `runs` cached long prompts with the samplers on and as many with them off, in turns. 0: none is sent. */
  observer(
    plan: { readonly runs: number },
    onTrace?: (trace: Trace) => void,
    signal?: AbortSignal,
  ): Promise<readonly Trace[]>;
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
    sampler = await startSampler(
      { dir, clock },
      {
        projectDir: projectRoot,
        intervalMs: config.sampleIntervalMs,
        gpuIntervalMs: config.sampleIntervalMs,
        // A GPU of this machine has no part in a rehearsal, and nothing read from it may look as if it had.
        noGpuBecause: record.engine.kind === 'rehearsal' ? noGpuInRehearsal : undefined,
      },
    );
  } catch (error) {
    await prober.stop();
    throw error;
  }
  let launches = 0;
  let readyLaunches = 0;
  let server: Server | undefined;
  /** What the GPUs held before the first launch. */
  let baseline: readonly SnapshotRow[] | undefined;
  const attached = record.engine.kind === 'attach';
  const baseUrl = serverUrl(config);
  const target = (): RequestTarget => ({ record, baseUrl, launch: launches, timeoutMs: config.requestTimeoutS * 1000 });
  const scrape = (label: string) => scrapeMetrics(baseUrl, dir, launches, label, clock);

  /** How often each kind of request was sent to the launch of the moment: a cell that is run again goes on counting. */
  let sent = new Map<string, number>();
  const sentAlready = (name: string) => sent.get(name) ?? 0;
  const send = async ({ label, plan }: PlannedRequest, signal?: AbortSignal): Promise<Trace> => {
    assertAlive(server, attached, launches);
    sent.set(label.name, Math.max(sentAlready(label.name), label.index));
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
    readyLaunches: () => readyLaunches,
    server: () => server,
    calibrate: () => prober.calibrate(calibrationPlan.warmups, calibrationPlan.measured),
    snapshot: async (point) => {
      const rows = await sampler.readPoint(point, launches);
      if (launches === 0) baseline = rows;
      return rows;
    },
    launch: async (options = {}) => {
      assertUnchanged(run, config);
      if (server && !server.ended())
        throw new SessionError('A server of this run is still up: it has to be stopped before the next launch.');
      if (!attached) baseline ??= await sampler.readPoint('before-launch', launches);
      launches += 1;
      sent = new Map();
      const row = attached
        ? attachedRow(launches)
        : await launchOwn(run, launches, options, (started) => (server = started));
      readyLaunches += 1;
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
      if (sent.size > 0) throw notFirst(launches);
      if (config.pauseBeforeColdMs > 0) await sleep(config.pauseBeforeColdMs, undefined, signal ? { signal } : {});
      return send(seedRequest(target(), 'cold_1', 1, isColdStreamed(launches)), signal);
    },
    warmAtOnce: async (signal) => {
      // The seed wants the second request immediately: the reading goes on beside it, in another process.
      const reading = sampler.readPoint('after-cold_1', launches);
      const trace = await send(
        seedRequest(target(), 'warm_1', sentAlready('warm_1') + 1, isColdStreamed(launches)),
        signal,
      );
      await reading;
      await scrape('after-warm_1');
      return trace;
    },
    warm: async ({ whole, streamed, atLeastMs = 0 }, onTrace, signal) => {
      const before = sentAlready('warm');
      const request = (at: number) => seedRequest(target(), 'warm', before + at + 1, at >= whole);
      const requests = Array.from({ length: whole + streamed }, (_, at) => request(at));
      const traces = await sendAll(requests.slice(0, whole), onTrace, signal);
      // The server's figures then speak of streamed requests alone, whose first tokens were seen here.
      if (whole > 0 && streamed > 0) await scrape('after-whole');
      const fromAtMs = clock.nowMs();
      traces.push(...(await sendAll(requests.slice(whole), onTrace, signal)));
      while (clock.nowMs() - fromAtMs < atLeastMs && traces.at(-1)?.request.outcome === 'completed')
        traces.push(...(await sendAll([request(traces.length)], onTrace, signal)));
      await scrape('after-warm');
      await sampler.readPoint('after-warm', launches);
      return traces;
    },
    long: async (onTrace, signal) => {
      const traces = await sendAll(longBlock(target(), config.longRuns, sentAlready), onTrace, signal);
      await scrape('after-long');
      return traces;
    },
    observer: async ({ runs }, onTrace, signal) => {
      if (runs <= 0) return [];
      await send(observerRequest(target(), 'observer-warm', sentAlready('observer-warm') + 1), signal);
      const traces = await compareObserver(
        {
          requests: observerRequests(target(), runs, Math.max(sentAlready('observed'), sentAlready('unobserved'))),
          launch: launches,
          sampler,
          sampleIntervalMs: config.sampleIntervalMs,
          own: ownProcesses(sampler, prober, server),
          clock,
          send,
          write: (rows) => appendRows(dir, tables.observers, rows),
        },
        onTrace,
        signal,
      );
      await scrape('after-observer');
      return traces;
    },
    stop: async () => {
      if (!server) return undefined;
      const stopped = await server.stop();
      server = undefined;
      const waitedMs = await awaitGpuMemoryBack(sampler, baseline ?? [], stopped.goneAtMs, clock);
      await sampler.readPoint('after-stop', launches, { waitedMs });
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
    sampler.beginLaunch(launch);
    return row;
  }
}

/** The keeper is the server's parent; an attached server has none of ours. */
function ownProcesses(sampler: Sampler, prober: Prober, server: Server | undefined): OwnProcesses {
  const keeper = server && readProcStat(server.pid)?.parentPid;
  return [
    { role: 'sampler', pid: sampler.pid },
    { role: 'prober', pid: prober.pid },
    ...(keeper === undefined ? [] : [{ role: 'keeper', pid: keeper }]),
    { role: 'kernel', pid: process.pid },
  ];
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
  throw new SessionError(
    `There is no server to ask: ${how}. Its log is server-${launch}.log in the run folder. Run the launch cell again.`,
  );
}

function notFirst(launch: number): SessionError {
  return new SessionError(
    `Launch ${launch} has been sent its first request already (perhaps one that was interrupted), and another would not be cold. For a new first request run the launch cell again.`,
  );
}
