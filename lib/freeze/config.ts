/**
 * Config cell + environment + what the engine forces + defaults -> one resolved configuration,
 * with the origin of every value. Reads the environment and looks for the engine; starts nothing.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { readRunRecord } from '../archive/folder.js';
import type { ConfigEntry, RunRecord } from '../archive/record.js';
import { readWallClock } from '../clock.js';
import { checkTogether, checkWishes, problem } from './checks.js';
import { findEngine, type EngineHost, type EngineWish, type FoundEngine } from './engine.js';
import { describeField } from './entries.js';
import { ConfigError, type ConfigProblem } from './errors.js';
import { collectGiven, type Given } from './given.js';
import { findInHubCache } from './hubcache.js';
import { parseSettings } from './parse.js';
import { readProfile } from './rehearsal.js';
import { forcedValues, type ForcedValues } from './forced.js';
import { settingFields, settings, type ConfigField, type ConfigInput, type ConfigValues } from './settings.js';

/** A resolved configuration. `entries` says of each value where it came from. */
export interface RunConfig extends ConfigValues {
  readonly projectRoot: string;
  /** Absent in a replay: nothing is looked for and nothing launched. */
  readonly foundEngine?: FoundEngine | undefined;
  readonly entries: readonly ConfigEntry[];
}

export interface ResolveOptions {
  readonly projectRoot: string;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly findEngine?: ((wish: EngineWish, host: EngineHost) => FoundEngine) | undefined;
  /** Whether a local copy of a hub model is at hand. */
  readonly hasHubCopy?: ((hubId: string, revision: string | undefined) => boolean) | undefined;
  readonly newRunId?: (() => string) | undefined;
  /** For an experiment on cold starts: a rehearsal is then one that knows what its causes cost. */
  readonly forExperiment?: boolean | undefined;
}

/**
 * Resolve a configuration. A value of the cell wins over the environment, that over what the engine forces,
 * that over the default. Throws ConfigError listing every wrong value, EngineError when no engine is found.
 * With `replay`, all other values are those of the saved run and no engine is looked for.
 */
export function resolveConfig(cell: ConfigInput, options: ResolveOptions): RunConfig {
  const env = options.env ?? process.env;
  const { given, problems } = collectGiven(cell, env);
  const parsed = parseSettings(given);
  refuse([...problems, ...parsed.problems]);
  const replay = parsed.values.replay;
  if (replay !== undefined)
    return resolveReplay(resolve(options.projectRoot, replay), given.get('replay')?.origin ?? '', options.projectRoot);

  refuse(checkWishes(parsed.values, given));
  const wish: EngineWish = { engine: parsed.values.engine ?? 'auto', url: parsed.values.url, vllm: parsed.values.vllm };
  const engine = (options.findEngine ?? findEngine)(wish, { env, projectRoot: options.projectRoot });
  const hasHubCopy = options.hasHubCopy ?? ((hubId, revision) => findInHubCache(hubId, revision, env) !== undefined);
  const forced = forcedValues(engine, {
    revision: parsed.values.revision,
    hasHubCopy,
    forExperiment: options.forExperiment,
  });
  const values = mergeValues(parsed.values, forced, engine, options);
  refuse(checkTogether(values, parsed.values, engine, given));
  const found = withProfile(engine, values, given, options.projectRoot);
  const entries = settingFields.flatMap((field) => describeField(field, values, given, forced, found));
  return { ...values, projectRoot: options.projectRoot, foundEngine: found, entries };
}

/** A rehearsal knows what it rehearses before anything is frozen. */
function withProfile(
  engine: FoundEngine,
  { rehearsalProfile }: ConfigValues,
  given: ReadonlyMap<ConfigField, Given>,
  projectRoot: string,
): FoundEngine {
  if (engine.kind !== 'rehearsal' || rehearsalProfile === undefined) return engine;
  const rehearsal = readProfile(rehearsalProfile, projectRoot);
  if ('allowed' in rehearsal) throw new ConfigError([problem(given, 'rehearsalProfile', rehearsal.allowed)]);
  return { ...engine, rehearsal };
}

function refuse(problems: readonly ConfigProblem[]): void {
  if (problems.length > 0) throw new ConfigError(problems);
}

/** When attached, what only the owner of a server can choose is not taken from anybody. */
function mergeValues(
  explicit: Partial<ConfigValues>,
  forced: ForcedValues,
  found: FoundEngine,
  options: ResolveOptions,
): ConfigValues {
  const merged: Partial<Record<ConfigField, unknown>> = {};
  for (const field of settingFields) {
    const force = forced[field];
    const mayChoose = found.kind !== 'attach' || settings[field].ownership !== true;
    merged[field] = (mayChoose ? explicit[field] : undefined) ?? (force ? force.value : settings[field].fallback);
  }
  merged.runId ??= (options.newRunId ?? newRunId)();
  merged.cacheDir ??= '.cache/models';
  for (const field of ['cacheDir', 'vllmCacheRoot'] as const) {
    const folder = merged[field];
    if (typeof folder === 'string') merged[field] = resolve(options.projectRoot, folder);
  }
  return merged as unknown as ConfigValues;
}

/** Like `2026-11-24T231500Z-ab12`: sorts by time, and two runs of one second differ. */
function newRunId(): string {
  const stamp = readWallClock()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '');
  return `${stamp}-${randomBytes(2).toString('hex')}`;
}

function resolveReplay(folder: string, origin: string, projectRoot: string): RunConfig {
  const record = readRunRecord(folder);
  const entry: ConfigEntry = {
    field: 'replay',
    value: record.runId,
    source: origin.startsWith('DAY007_') ? 'environment' : 'cell',
    why: 'a saved run is shown again: every other value is that of the saved run',
  };
  return { ...savedValues(record), replay: folder, projectRoot, entries: [entry, ...record.configEntries] };
}

/** The configuration a saved run was made with. Throws ConfigError when this version cannot read it. */
export function savedValues(record: RunRecord): ConfigValues {
  const saved = new Map<ConfigField, Given>();
  for (const field of settingFields) {
    const value = record.config[field];
    if (value !== undefined) saved.set(field, { value, source: 'default', origin: 'run.json' });
  }
  const { values, problems } = parseSettings(saved);
  refuse(problems);
  // A share of memory that was not passed stays absent; the other defaults fill what an attached run left out.
  const fallbacks = Object.fromEntries(
    settingFields.filter((field) => field !== 'gpuMemoryUtilization').map((field) => [field, settings[field].fallback]),
  );
  return { ...fallbacks, cacheDir: '', ...definedOnly(values), runId: record.runId } as unknown as ConfigValues;
}

function definedOnly(values: Partial<ConfigValues>): Partial<ConfigValues> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
