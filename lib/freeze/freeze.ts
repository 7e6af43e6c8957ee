/** A resolved configuration -> a run that may not change any more, written to its folder before anything is launched. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRunRecord, writeRunRecord } from '../archive/folder.js';
import type { EnvironmentRecord, GpuRecord, RunRecord } from '../archive/record.js';
import { createClock, readWallClock, type Clock } from '../clock.js';
import { buildEngine } from './command.js';
import type { RunConfig } from './config.js';
import { readEnvironment, type EnvironmentPorts } from './environment.js';
import { FreezeError } from './errors.js';
import { assertSameConfig, assertSameFiles, flattenConfig, runFingerprint } from './identity.js';
import { resolveModel, type FreezeProgress, type ModelPorts, type ResolvedModel } from './model.js';
import type { FileStamp } from './modelfiles.js';
import { formatServeScript } from './servescript.js';
import { planWorkloads } from './workload.js';

declare const frozen: unique symbol;

/** A run whose configuration, model and machine are on record. Only `freezeRun` makes one. */
export interface FrozenRun {
  readonly [frozen]: true;
  /** "replay": a saved run; nothing may be launched or written for it. */
  readonly mode: 'live' | 'replay';
  /** The run's folder. */
  readonly dir: string;
  readonly record: RunRecord;
  readonly config: RunConfig;
  /** The clock of the run. In a replay its origin is that of the saved run, perhaps of another boot: good for no new instant. */
  readonly clock: Clock;
  /** The model's files as they were hashed. Empty in a replay and when attached. */
  readonly modelStamps: readonly FileStamp[];
}

export interface FreezePorts {
  /** The environment the server will inherit. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly clock?: Clock | undefined;
  readonly readWallClock?: (() => string) | undefined;
  readonly readGpus?: (() => Promise<readonly GpuRecord[]>) | undefined;
  readonly resolveModel?: ((config: RunConfig, ports: ModelPorts) => Promise<ResolvedModel>) | undefined;
  readonly readEnvironment?: ((ports: EnvironmentPorts) => Promise<EnvironmentRecord>) | undefined;
  readonly onProgress?: ((progress: FreezeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Freeze a run: resolve the model, read the machine, fix the requests and the command, and write run.json and serve.sh.
 * In a replay, only read the saved run. Throws FreezeError when a run of that id exists already (measured data is never
 * overwritten) or the model has no local copy, ModelError when its folder cannot be used.
 */
export async function freezeRun(config: RunConfig, ports: FreezePorts = {}): Promise<FrozenRun> {
  if (config.replay !== undefined) return openSaved(config, config.replay);
  const clock = ports.clock ?? createClock();
  const startedAtUtc = (ports.readWallClock ?? readWallClock)();
  const dir = runFolder(config);
  refuseExisting(dir, config.runId);
  const { model, record } = await describeRun(config, dir, ports, {
    startedAtUtc,
    clockOriginNs: String(clock.originNs),
  });
  refuseExisting(dir, config.runId);
  writeRunRecord(dir, record);
  if (record.engine.command.length > 0)
    writeFileSync(join(dir, 'serve.sh'), formatServeScript(record.engine), { mode: 0o700, flag: 'wx' });
  return brand({ mode: 'live', dir, record, config, clock, modelStamps: model.stamps });
}

/** Folder of a run: data/runs/<run id> in the project. */
export function runFolder({ projectRoot, runId }: Pick<RunConfig, 'projectRoot' | 'runId'>): string {
  return join(projectRoot, 'data', 'runs', runId);
}

/** Throws FreezeError when the configuration, or a file of the model, is no longer what was frozen. Reads no model file. A replay always passes. */
export function assertUnchanged(run: FrozenRun, current: RunConfig): void {
  if (run.mode === 'replay') return;
  assertSameConfig(run.config, current);
  if (run.record.model.kind !== 'remote') assertSameFiles(run.record.model.location, run.modelStamps);
}

function openSaved(config: RunConfig, dir: string): FrozenRun {
  const record = readRunRecord(dir);
  return brand({
    mode: 'replay',
    dir,
    record,
    config,
    clock: createClock(BigInt(record.clockOriginNs)),
    modelStamps: [],
  });
}

function brand(run: Omit<FrozenRun, typeof frozen>): FrozenRun {
  return Object.freeze(run) as FrozenRun;
}

function refuseExisting(dir: string, runId: string): void {
  if (!existsSync(dir) || !readdirSync(dir).some((name) => isRunFile(name))) return;
  throw new FreezeError(
    `A run ${runId} exists already in ${dir}; measured data is never overwritten. Choose another run id (DAY007_RUN_ID), leave it out to get a fresh one, or show that run again with DAY007_REPLAY=${dir}.`,
    'runId',
    undefined,
    runId,
  );
}

/** What only a run writes; a rendered notebook may lie in the folder before. */
function isRunFile(name: string): boolean {
  return /\.csv$|^run\.json$|^serve\.sh$|^server\.log|^findings\.json$|^first_token_latency\.md$/.test(name);
}

type Origin = Pick<RunRecord, 'startedAtUtc' | 'clockOriginNs'>;

async function describeRun(
  config: RunConfig,
  dir: string,
  ports: FreezePorts,
  origin: Origin,
): Promise<{ model: ResolvedModel; record: RunRecord }> {
  const { foundEngine } = config;
  if (!foundEngine)
    throw new FreezeError('The configuration names no engine. Make it with resolveConfig, without a replay.', 'engine');
  const env = ports.env ?? process.env;
  const model = await (ports.resolveModel ?? resolveModel)(config, {
    env,
    onProgress: ports.onProgress,
    signal: ports.signal,
  });
  const { location, kind, fingerprint } = model.record;
  const { engine, entries } = buildEngine(foundEngine, config, {
    runDir: dir,
    modelLocation: location,
    servedName: model.servedName,
    inherited: env,
  });
  const flat = flattenConfig(config, engine.kind);
  const record: RunRecord = {
    format: 1,
    runId: config.runId,
    ...origin,
    config: flat,
    configEntries: [...config.entries, ...model.entries, ...entries],
    engine,
    environment: await (ports.readEnvironment ?? readEnvironment)({
      projectRoot: config.projectRoot,
      weightsDir: kind === 'remote' ? undefined : location,
      // A rehearsal asks no GPU: nothing of it could be this run's doing.
      readGpus: engine.kind === 'rehearsal' ? () => Promise.resolve([]) : ports.readGpus,
    }),
    model: model.record,
    workloads: planWorkloads({ ...config, ...model, device: foundEngine.device }),
    fingerprint: runFingerprint(flat, engine, fingerprint),
  };
  return { model, record };
}
