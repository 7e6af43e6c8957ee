/**
 * Config cell + environment + what the engine forces + defaults -> one resolved configuration,
 * with the origin of every value. Reads the environment and looks for the engine; starts nothing.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { readRunRecord } from '../archive/folder.js';
import type { ConfigEntry, RunRecord } from '../archive/record.js';
import { readWallClock } from '../clock.js';
import { findEngine, type EngineHost, type EngineWish, type FoundEngine } from './engine.js';
import { ConfigError, type ConfigProblem } from './errors.js';
import { collectGiven, readGiven, type Given } from './given.js';
import { findInHubCache } from './hubcache.js';
import { parseSettings } from './parse.js';
import { forcedValues, notOwnedText, type ForcedValues } from './forced.js';
import { quoteWords } from './shellwords.js';
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
  if (replay !== undefined) return resolveReplay(resolve(options.projectRoot, replay), given.get('replay')?.origin ?? '', options.projectRoot);

  refuse(checkWishes(parsed.values, given));
  const wish: EngineWish = { engine: parsed.values.engine ?? 'auto', url: parsed.values.url, vllm: parsed.values.vllm };
  const found = (options.findEngine ?? findEngine)(wish, { env, projectRoot: options.projectRoot });
  const hasHubCopy = options.hasHubCopy ?? ((hubId, revision) => findInHubCache(hubId, revision, env) !== undefined);
  const forced = forcedValues(found, { revision: parsed.values.revision, hasHubCopy });
  const values = mergeValues(parsed.values, forced, found, options);
  refuse(checkTogether(values, parsed.values, found, given));
  const entries = settingFields.flatMap((field) => describeField(field, values, given, forced, found));
  return { ...values, projectRoot: options.projectRoot, foundEngine: found, entries };
}

function refuse(problems: readonly ConfigProblem[]): void {
  if (problems.length > 0) throw new ConfigError(problems);
}

function problem(given: ReadonlyMap<ConfigField, Given>, field: ConfigField, allowed: string): ConfigProblem {
  const source = given.get(field);
  return { field, given: source ? readGiven(source.value) : 'nothing', allowed, origin: source?.origin ?? `the default (${settings[field].env[0] ?? ''} is not set)` };
}

function checkWishes(values: Partial<ConfigValues>, given: ReadonlyMap<ConfigField, Given>): ConfigProblem[] {
  const attach = values.engine === 'attach' || (values.engine !== 'vllm' && values.url !== undefined);
  if (!attach) return values.url === undefined ? [] : [problem(given, 'url', 'nothing: a URL is for engine "attach", and the engine is set to "vllm"')];
  const problems: ConfigProblem[] = [];
  if (values.url === undefined) problems.push(problem(given, 'url', `the base URL of the server to attach to: ${settings.url.allowed}`));
  if (values.model === undefined) problems.push(problem(given, 'model', `the name the attached server serves (curl ${values.url ?? '<url>'}/v1/models shows it)`));
  return problems;
}

function checkTogether(values: ConfigValues, explicit: Partial<ConfigValues>, found: FoundEngine, given: ReadonlyMap<ConfigField, Given>): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const longTokens = values.longPromptTokens + values.longMaxTokens;
  if (found.kind !== 'attach' && longTokens > values.maxModelLen) {
    const blamed = (['longPromptTokens', 'longMaxTokens'] as const).find((field) => given.has(field)) ?? 'maxModelLen';
    problems.push(problem(given, blamed, `a long workload of ${longTokens} tokens (longPromptTokens + longMaxTokens) that fits into maxModelLen ${values.maxModelLen}`));
  }
  if (explicit.kvCacheGiB !== undefined && found.device === 'cuda') {
    problems.push(problem(given, 'kvCacheGiB', 'nothing on a GPU: vLLM sizes the KV cache from gpuMemoryUtilization there'));
  }
  return problems;
}

/** When attached, what only the owner of a server can choose is not taken from anybody. */
function mergeValues(explicit: Partial<ConfigValues>, forced: ForcedValues, found: FoundEngine, options: ResolveOptions): ConfigValues {
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
  const stamp = readWallClock().replace(/\.\d+Z$/, 'Z').replaceAll(':', '');
  return `${stamp}-${randomBytes(2).toString('hex')}`;
}

/** A value as the configuration table shows it; absent when there is none. */
export function formatValue(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? quoteWords(value as string[]) || undefined : String(value);
}

function describeField(field: ConfigField, values: ConfigValues, given: ReadonlyMap<ConfigField, Given>, forced: ForcedValues, found: FoundEngine): ConfigEntry[] {
  const setting = settings[field];
  if (found.kind === 'attach' && setting.ownership === true) {
    return [{ field, value: notOwnedText, source: 'engine', seedValue: setting.seed, why: 'the server was started by somebody else' }];
  }
  const source = given.get(field);
  const force = source ? undefined : forced[field];
  if (field === 'engine') return [{ field, value: values.engine, source: source?.source ?? 'default', why: found.chosenBecause }];
  const value = formatValue(values[field]) ?? force?.text ?? setting.absentText;
  if (value === undefined) return [];
  const differs = setting.seed !== undefined && setting.seed !== value;
  if (source) return [{ field, value, source: source.source, seedValue: setting.seed, why: differs ? `set by ${source.origin}` : undefined }];
  if (force) return [{ field, value, source: 'engine', seedValue: setting.seed, why: force.why }];
  return [{ field, value, source: setting.seed === undefined || differs ? 'default' : 'seed', seedValue: setting.seed, why: setting.why }];
}

function resolveReplay(folder: string, origin: string, projectRoot: string): RunConfig {
  const record = readRunRecord(folder);
  const entry: ConfigEntry = { field: 'replay', value: record.runId, source: origin.startsWith('DAY007_') ? 'environment' : 'cell', why: 'a saved run is shown again: every other value is that of the saved run' };
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
  const fallbacks = Object.fromEntries(settingFields.filter((field) => field !== 'gpuMemoryUtilization').map((field) => [field, settings[field].fallback]));
  return { ...fallbacks, cacheDir: '', ...definedOnly(values), runId: record.runId } as unknown as ConfigValues;
}

function definedOnly(values: Partial<ConfigValues>): Partial<ConfigValues> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
