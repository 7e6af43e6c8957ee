/**
 * A found engine and a configuration -> the exact command and environment of the server, a table row for
 * everything beyond the seed's command. Nothing is started here.
 */
import type { ConfigEntry, EngineRecord, RunRecord } from '../archive/record.js';
import type { RunConfig } from './config.js';
import type { FoundEngine } from './engine.js';
import { describeInherited } from './inherited.js';
import { listVariables, type ServerContext, type ServerVariable } from './servervariables.js';

export interface CommandContext extends ServerContext {
  /** Directory of the checkpoint. */
  readonly modelLocation: string;
  /** Name the requests use. */
  readonly servedName: string;
}

interface Word {
  readonly words: readonly string[];
  /** Absent: the seed's own. */
  readonly entry?:
    { readonly field?: string; readonly value: string; readonly seed?: string; readonly why: string } | undefined;
}
/** The engine as it will be started, and why each part that the seed does not have is there. */
export function buildEngine(
  found: FoundEngine,
  config: RunConfig,
  context: CommandContext,
): { engine: EngineRecord; entries: ConfigEntry[] } {
  const { kind, device, vllmVersion, torchVersion, transformersVersion, chosenBecause } = found;
  const replays = found.rehearsal?.replays;
  const base = { kind, device, vllmVersion, torchVersion, transformersVersion, chosenBecause, replays };
  if (kind === 'attach') return { engine: { ...base, command: [], env: {} }, entries: [] };
  const words = listWords(found, config, context);
  const variables = listVariables(found, config, context);
  const env = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  const entries = [
    ...words.flatMap(describeWord),
    ...variables.map(describeVariable),
    // The stand-in reads nothing of what vLLM, torch or CUDA would.
    ...(kind === 'rehearsal' ? [] : describeInherited(context.inherited, env)),
  ];
  return { engine: { ...base, command: words.flatMap((word) => word.words), env }, entries };
}

/** The seed's flags first, in its order, then ours. */
function listWords(found: FoundEngine, config: RunConfig, context: CommandContext): Word[] {
  const { gpuMemoryUtilization, enforceEager, extraArgs } = config;
  const optional = (flag: string, words: readonly string[], why: string): Word[] =>
    found.flags.includes(flag) ? [{ words: [flag, ...words], entry: { value: words.join(' ') || 'on', why } }] : [];
  return [
    startWord(found),
    { words: [context.modelLocation] },
    { words: ['--dtype', config.dtype] },
    { words: ['--max-model-len', String(config.maxModelLen)] },
    ...(gpuMemoryUtilization === undefined
      ? []
      : [{ words: ['--gpu-memory-utilization', String(gpuMemoryUtilization)] }]),
    { words: ['--port', String(config.port)] },
    {
      words: ['--host', '127.0.0.1'],
      entry: {
        value: '127.0.0.1',
        seed: 'all interfaces',
        why: 'nobody but this machine should reach an unprotected server',
      },
    },
    ...optional('--served-model-name', [context.servedName], 'requests name the model, not the folder it lies in'),
    ...optional(
      '--enable-prompt-tokens-details',
      [],
      'usage then says how many prompt tokens came from the prefix cache',
    ),
    ...optional('--enable-per-request-metrics', [], "each answer then carries the server's own times"),
    ...(enforceEager ? [{ words: ['--enforce-eager'] }] : []),
    ...(extraArgs.length > 0 ? [{ words: extraArgs }] : []),
  ];
}

function startWord(found: FoundEngine): Word {
  if (found.start.includes('-m')) return { words: found.start };
  const seed = 'python -m vllm.entrypoints.openai.api_server';
  if (found.kind === 'rehearsal')
    return {
      words: found.start,
      entry: { field: 'launcher', value: 'the rehearsal engine', seed, why: found.chosenBecause },
    };
  const why = 'vLLM 0.32 warns that the module is deprecated; both start the same server';
  return {
    words: found.start,
    entry: { field: 'launcher', value: 'vllm serve', seed, why },
  };
}

function describeWord({ words, entry }: Word): ConfigEntry[] {
  if (!entry) return [];
  return [
    {
      field: entry.field ?? words[0] ?? '',
      value: entry.value,
      source: 'default',
      seedValue: entry.seed ?? 'not passed',
      why: entry.why,
    },
  ];
}

function describeVariable({ name, value, why }: ServerVariable): ConfigEntry {
  return { field: name, value: value === '' ? '(blank)' : value, source: 'default', seedValue: 'not set', why };
}

/** The model name that requests must use. */
export function servedModelName({ engine, model }: Pick<RunRecord, 'engine' | 'model'>): string {
  const at = engine.command.indexOf('--served-model-name');
  return (at < 0 ? undefined : engine.command[at + 1]) ?? (engine.kind === 'attach' ? model.name : model.location);
}

/** Base URL of the server: the attached one, or the port on the loopback address. */
export function serverUrl(config: Pick<RunConfig, 'url' | 'port'>): string {
  return config.url ?? `http://127.0.0.1:${config.port}`;
}
