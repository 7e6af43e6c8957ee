/** A configuration -> the run of an experiment: frozen now, opened again where it stopped, or a saved one to show. */
import { runFolder, freezeRun, type FreezePorts } from '../freeze/freeze.js';
import type { RunConfig } from '../freeze/config.js';
import { flattenConfig } from '../freeze/identity.js';
import { resolveModel } from '../freeze/model.js';
import { readRunRecord } from '../archive/folder.js';
import { createClock } from '../clock.js';
import { ExperimentError, type ExperimentRun } from './experiment.js';
import { isExperiment } from './findings.js';

export interface OpenedRun extends ExperimentRun {
  readonly how: 'new' | 'resumed' | 'replay';
}

/**
 * Open the run that the configuration names. A run folder that holds a plan is gone on with, if engine, configuration
 * and model are still those it was begun with. Throws ExperimentError naming what changed, and what freezeRun throws.
 */
export async function openRun(config: RunConfig, ports: FreezePorts = {}): Promise<OpenedRun> {
  const dir = runFolder(config);
  if (config.replay !== undefined || !isExperiment(dir)) {
    const frozen = await freezeRun(config, ports);
    return { ...frozen, how: frozen.mode === 'replay' ? 'replay' : 'new' };
  }
  const record = readRunRecord(dir);
  const kind = config.foundEngine?.kind ?? record.engine.kind;
  const now = flattenConfig(config, kind);
  const names = [...new Set([...Object.keys(record.config), ...Object.keys(now)])];
  for (const name of names) refuseChange(name, record.config[name], now[name]);
  refuseChange('engine', record.engine.kind, kind);
  refuseChange('vLLM version', record.engine.vllmVersion, config.foundEngine?.vllmVersion);
  const model = await resolveModel(config, {
    env: ports.env ?? process.env,
    onProgress: ports.onProgress,
    signal: ports.signal,
  });
  refuseChange('model', record.model.fingerprint, model.record.fingerprint);
  return { dir, record, config, clock: createClock(BigInt(record.clockOriginNs)), how: 'resumed' };
}

type Value = string | number | boolean | undefined;

function refuseChange(name: string, before: Value, now: Value): void {
  if (before === now) return;
  throw new ExperimentError(
    `${name} was ${String(before ?? 'not set')} when this run was begun and is ${String(now ?? 'not set')} now. Blocks of one run are starts of one server: put it back, or leave DAY007_RUN_ID out to begin a new run.`,
  );
}
