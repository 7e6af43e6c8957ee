/** A found engine and a configuration -> the environment variables set for the server, each with the reason. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from './config.js';
import type { FoundEngine } from './engine.js';

export interface ServerContext {
  readonly runDir: string;
  /** The environment the server will inherit. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly cores?: number | undefined;
}

export interface ServerVariable {
  readonly name: string;
  readonly value: string;
  readonly why: string;
}

/** Every variable the run sets, in the order of serve.sh. What a person set for threads or the sampler is left alone. */
export function listVariables(found: FoundEngine, config: RunConfig, context: ServerContext): ServerVariable[] {
  const root = config.vllmCacheRoot ?? join(context.runDir, 'vllm-cache');
  if (found.kind === 'rehearsal') return rehearsalVariables(found, config, root);
  const cacheWhy =
    'inside the cache root of the run, so that a first launch compiles and a second one does not by chance';
  const keyed = context.inherited['VLLM_API_KEY'];
  return [
    runMark(config),
    {
      name: 'SPT_NOENV',
      value: '1',
      why: 'setproctitle else overwrites /proc/<pid>/environ, and the run id in it (seen on 0.32.0)',
    },
    cacheRoot(config, root),
    { name: 'TORCHINDUCTOR_CACHE_DIR', value: join(root, 'torchinductor'), why: cacheWhy },
    { name: 'TRITON_CACHE_DIR', value: join(root, 'triton'), why: cacheWhy },
    { name: 'CUDA_CACHE_PATH', value: join(root, 'cuda'), why: cacheWhy },
    { name: 'HF_HUB_OFFLINE', value: '1', why: 'the model is on disk; what was hashed is what is served' },
    { name: 'VLLM_NO_USAGE_STATS', value: '1', why: 'no request leaves the machine during a measurement' },
    { name: 'DO_NOT_TRACK', value: '1', why: 'no request leaves the machine during a measurement' },
    ...(keyed === undefined || keyed === ''
      ? []
      : [
          {
            name: 'VLLM_API_KEY',
            value: '',
            why: 'a key was set in the shell; a loopback server needs none, and a key can change the compile cache',
          },
        ]),
    ...(found.device === 'cpu' ? cpuVariables(config, context) : flashinferVariables(found, context, root)),
  ];
}

/** All that the stand-in reads, beside what the keeper tells every server it starts. */
function rehearsalVariables({ rehearsal }: FoundEngine, config: RunConfig, root: string): ServerVariable[] {
  return [
    runMark(config),
    ...(rehearsal ? [{ name: 'DAY007_REHEARSAL_PROFILE', value: rehearsal.given, why: rehearsal.says }] : []),
    cacheRoot(config, root),
  ];
}

function runMark({ runId }: RunConfig): ServerVariable {
  return { name: 'DAY007_RUN_ID', value: runId, why: 'processes of the run can be found by it in /proc' };
}

function cacheRoot({ vllmCacheRoot }: RunConfig, root: string): ServerVariable {
  const why =
    vllmCacheRoot === undefined
      ? 'private to the run: its compile cache is empty at the first launch'
      : 'as configured';
  return { name: 'VLLM_CACHE_ROOT', value: root, why };
}

function cpuVariables(config: RunConfig, context: ServerContext): ServerVariable[] {
  const cores = context.cores ?? availableParallelism();
  const size: ServerVariable[] =
    config.kvCacheGiB === undefined
      ? []
      : [{ name: 'VLLM_CPU_KVCACHE_SPACE', value: String(config.kvCacheGiB), why: 'size of the KV cache in GiB' }];
  if (cores > 2 || isSet(context, 'VLLM_CPU_OMP_THREADS_BIND')) return size;
  const why = `vLLM's own binding keeps a core free for its front end; of ${cores} too little would be left`;
  const threads: ServerVariable = {
    name: 'OMP_NUM_THREADS',
    value: String(cores),
    why: 'without binding, the number of threads is said here',
  };
  return [
    ...size,
    { name: 'VLLM_CPU_OMP_THREADS_BIND', value: 'nobind', why },
    ...(isSet(context, 'OMP_NUM_THREADS') ? [] : [threads]),
  ];
}

/** With flashinfer, its own cache is kept in the root too; without it, vLLM's default sampler would fail to import. */
function flashinferVariables(found: FoundEngine, context: ServerContext, root: string): ServerVariable[] {
  if (found.hasFlashinfer)
    return [
      {
        name: 'FLASHINFER_WORKSPACE_BASE',
        value: root,
        why: 'what flashinfer compiles belongs to the compile cache of the run',
      },
    ];
  if (isSet(context, 'VLLM_USE_FLASHINFER_SAMPLER')) return [];
  return [
    {
      name: 'VLLM_USE_FLASHINFER_SAMPLER',
      value: '0',
      why: 'flashinfer is not installed, and vLLM tries to import its sampler all the same',
    },
  ];
}

function isSet(context: ServerContext, name: string): boolean {
  return (context.inherited[name] ?? '') !== '';
}
