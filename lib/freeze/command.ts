/**
 * A found engine and a configuration -> the exact command and environment of the server, a table row for
 * everything beyond the seed's command, and serve.sh. Nothing is started here.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ConfigEntry, EngineRecord, RunRecord } from '../archive/record.js';
import type { RunConfig } from './config.js';
import type { FoundEngine } from './engine.js';
import { describeInherited } from './inherited.js';
import { quoteWord, quoteWords } from './shellwords.js';

export interface CommandContext {
  readonly runDir: string;
  /** Directory of the checkpoint. */
  readonly modelLocation: string;
  /** Name the requests use. */
  readonly servedName: string;
  /** The environment the server will inherit. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly cores?: number | undefined;
}

interface Word {
  readonly words: readonly string[];
  /** Absent: the seed's own. */
  readonly entry?: { readonly value: string; readonly seed?: string; readonly why: string } | undefined;
}
interface Variable {
  readonly name: string;
  readonly value: string;
  readonly why: string;
}

/** The engine as it will be started, and why each part that the seed does not have is there. */
export function buildEngine(found: FoundEngine, config: RunConfig, context: CommandContext): { engine: EngineRecord; entries: ConfigEntry[] } {
  const { kind, device, vllmVersion, torchVersion, transformersVersion, chosenBecause } = found;
  const base = { kind, device, vllmVersion, torchVersion, transformersVersion, chosenBecause };
  if (kind === 'attach') return { engine: { ...base, command: [], env: {} }, entries: [] };
  const words = listWords(found, config, context);
  const variables = listVariables(found, config, context);
  const env = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  const entries = [...words.flatMap(describeWord), ...variables.map(describeVariable), ...describeInherited(context.inherited, env)];
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
    ...(gpuMemoryUtilization === undefined ? [] : [{ words: ['--gpu-memory-utilization', String(gpuMemoryUtilization)] }]),
    { words: ['--port', String(config.port)] },
    { words: ['--host', '127.0.0.1'], entry: { value: '127.0.0.1', seed: 'all interfaces', why: 'nobody but this machine should reach an unprotected server' } },
    ...optional('--served-model-name', [context.servedName], 'requests name the model, not the folder it lies in'),
    ...optional('--enable-prompt-tokens-details', [], 'usage then says how many prompt tokens came from the prefix cache'),
    ...optional('--enable-per-request-metrics', [], "each answer then carries the server's own times"),
    ...(enforceEager ? [{ words: ['--enforce-eager'] }] : []),
    ...(extraArgs.length > 0 ? [{ words: extraArgs }] : []),
  ];
}

function startWord(found: FoundEngine): Word {
  if (found.start.includes('-m')) return { words: found.start };
  const why = 'vLLM 0.32 warns that the module is deprecated; both start the same server';
  return { words: found.start, entry: { value: 'vllm serve', seed: 'python -m vllm.entrypoints.openai.api_server', why } };
}

function listVariables(found: FoundEngine, config: RunConfig, context: CommandContext): Variable[] {
  const root = config.vllmCacheRoot ?? join(context.runDir, 'vllm-cache');
  const cacheWhy = 'inside the cache root of the run, so that a first launch compiles and a second one does not by chance';
  const keyed = context.inherited['VLLM_API_KEY'];
  return [
    { name: 'DAY007_RUN_ID', value: config.runId, why: 'processes of the run can be found by it in /proc' },
    { name: 'SPT_NOENV', value: '1', why: 'setproctitle else overwrites /proc/<pid>/environ, and the run id in it (seen on 0.32.0)' },
    { name: 'VLLM_CACHE_ROOT', value: root, why: config.vllmCacheRoot === undefined ? 'private to the run: its compile cache is empty at the first launch' : 'as configured' },
    { name: 'TORCHINDUCTOR_CACHE_DIR', value: join(root, 'torchinductor'), why: cacheWhy },
    { name: 'TRITON_CACHE_DIR', value: join(root, 'triton'), why: cacheWhy },
    { name: 'CUDA_CACHE_PATH', value: join(root, 'cuda'), why: cacheWhy },
    { name: 'HF_HUB_OFFLINE', value: '1', why: 'the model is on disk; what was hashed is what is served' },
    { name: 'VLLM_NO_USAGE_STATS', value: '1', why: 'no request leaves the machine during a measurement' },
    { name: 'DO_NOT_TRACK', value: '1', why: 'no request leaves the machine during a measurement' },
    ...(keyed === undefined || keyed === '' ? [] : [{ name: 'VLLM_API_KEY', value: '', why: 'a key was set in the shell; a loopback server needs none, and a key can change the compile cache' }]),
    ...(found.device === 'cpu' ? cpuVariables(config, context) : flashinferVariables(found, context, root)),
  ];
}

function cpuVariables(config: RunConfig, context: CommandContext): Variable[] {
  const cores = context.cores ?? availableParallelism();
  const size: Variable[] = config.kvCacheGiB === undefined ? [] : [{ name: 'VLLM_CPU_KVCACHE_SPACE', value: String(config.kvCacheGiB), why: 'size of the KV cache in GiB' }];
  if (cores > 2 || isSet(context, 'VLLM_CPU_OMP_THREADS_BIND')) return size;
  const why = `vLLM's own binding keeps a core free for its front end; of ${cores} too little would be left`;
  const threads: Variable = { name: 'OMP_NUM_THREADS', value: String(cores), why: 'without binding, the number of threads is said here' };
  return [...size, { name: 'VLLM_CPU_OMP_THREADS_BIND', value: 'nobind', why }, ...(isSet(context, 'OMP_NUM_THREADS') ? [] : [threads])];
}

/** With flashinfer, its own cache is kept in the root too; without it, vLLM's default sampler would fail to import. */
function flashinferVariables(found: FoundEngine, context: CommandContext, root: string): Variable[] {
  if (found.hasFlashinfer) return [{ name: 'FLASHINFER_WORKSPACE_BASE', value: root, why: 'what flashinfer compiles belongs to the compile cache of the run' }];
  if (isSet(context, 'VLLM_USE_FLASHINFER_SAMPLER')) return [];
  return [{ name: 'VLLM_USE_FLASHINFER_SAMPLER', value: '0', why: 'flashinfer is not installed, and vLLM tries to import its sampler all the same' }];
}

function isSet(context: CommandContext, name: string): boolean {
  return (context.inherited[name] ?? '') !== '';
}

function describeWord({ words, entry }: Word): ConfigEntry[] {
  if (!entry) return [];
  const field = entry.value === 'vllm serve' ? 'launcher' : (words[0] ?? '');
  return [{ field, value: entry.value, source: 'default', seedValue: entry.seed ?? 'not passed', why: entry.why }];
}

function describeVariable({ name, value, why }: Variable): ConfigEntry {
  return { field: name, value: value === '' ? '(blank)' : value, source: 'default', seedValue: 'not set', why };
}

/** serve.sh: starts the server exactly as the run does. Only for an engine with a command. */
export function formatServeScript(engine: EngineRecord): string {
  const exports = Object.entries(engine.env).map(([name, value]) => `export ${name}=${quoteWord(value)}`);
  return ['#!/usr/bin/env bash', '# The command of this run, word for word.', 'set -euo pipefail', '', ...exports, '', `exec ${quoteWords(engine.command)}`, ''].join('\n');
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
