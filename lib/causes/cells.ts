/**
 * The cells of the experiment: each is one way to start the same server, in a named state. Two cells differ in one
 * thing, so that the difference of their times is the price of that thing.
 */

export type CellName =
  | 'both-cold'
  | 'pages-cold'
  | 'compile-cold'
  | 'both-warm'
  | 'eager'
  | 'dummy'
  | 'kv-small'
  | 'kv-large'
  | 'eager-dummy'
  | 'eager-kv-small'
  | 'eager-kv-large';

export interface Cell {
  readonly name: CellName;
  /** 'none': the weights are not read at all. */
  readonly pages: 'cold' | 'warm' | 'none';
  /**
   * Everything the engine keeps between starts: compiled graphs, autotuned and JIT-compiled kernels, the driver's JIT
   * cache; all live below one root. 'unused': nothing is compiled, so nothing is asked of it.
   */
  readonly compileCache: 'cold' | 'warm' | 'unused';
  /** Added to the server's command. */
  readonly args: readonly string[];
  /** Added to the server's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly says: string;
}

/** How this engine is told the size of its KV cache, and the two sizes to compare. */
export interface KvSizes {
  readonly smallBytes: number;
  readonly largeBytes: number;
  /**
   * 'flag': --kv-cache-memory-bytes, on a GPU (it is in the arguments of vLLM 0.26.0 and 0.32.0). 'variable':
   * VLLM_CPU_KVCACHE_SPACE in whole GiB, on a CPU, where a set variable replaces the flag's value.
   */
  readonly by: 'flag' | 'variable';
}

const gibibyte = 2 ** 30;
const eager = ['--enforce-eager'] as const;
const dummy = ['--load-format', 'dummy'] as const;

/** Every cell this engine can be started in. */
export function allCells(kv: KvSizes): readonly Cell[] {
  const small = kvSetting(kv, kv.smallBytes);
  const large = kvSetting(kv, kv.largeBytes);
  const plain = { args: [], env: {} } as const;
  return [
    { name: 'both-cold', pages: 'cold', compileCache: 'cold', ...plain, says: 'pages and compile cache cold' },
    { name: 'pages-cold', pages: 'cold', compileCache: 'warm', ...plain, says: 'only the pages cold' },
    { name: 'compile-cold', pages: 'warm', compileCache: 'cold', ...plain, says: 'only the compile cache cold' },
    { name: 'both-warm', pages: 'warm', compileCache: 'warm', ...plain, says: 'pages and compile cache warm' },
    {
      name: 'eager',
      pages: 'warm',
      compileCache: 'unused',
      args: eager,
      env: {},
      says: 'warm pages, nothing compiled',
    },
    { name: 'dummy', pages: 'none', compileCache: 'warm', args: dummy, env: {}, says: 'no weights read, caches warm' },
    { name: 'kv-small', pages: 'warm', compileCache: 'warm', ...small, says: 'all warm, a small KV cache' },
    { name: 'kv-large', pages: 'warm', compileCache: 'warm', ...large, says: 'all warm, a large KV cache' },
    {
      name: 'eager-dummy',
      pages: 'none',
      compileCache: 'unused',
      args: [...eager, ...dummy],
      env: {},
      says: 'no weights read, nothing compiled',
    },
    {
      name: 'eager-kv-small',
      pages: 'warm',
      compileCache: 'unused',
      args: [...eager, ...small.args],
      env: small.env,
      says: 'nothing compiled, a small KV cache',
    },
    {
      name: 'eager-kv-large',
      pages: 'warm',
      compileCache: 'unused',
      args: [...eager, ...large.args],
      env: large.env,
      says: 'nothing compiled, a large KV cache',
    },
  ];
}

function kvSetting({ by }: KvSizes, bytes: number): Pick<Cell, 'args' | 'env'> {
  if (by === 'flag') return { args: ['--kv-cache-memory-bytes', String(bytes)], env: {} };
  return { args: [], env: { VLLM_CPU_KVCACHE_SPACE: String(Math.max(1, Math.round(bytes / gibibyte))) } };
}

/** Named selections of cells. */
export const designs = {
  /** For an engine that uses what it compiled before. */
  full: ['both-cold', 'pages-cold', 'compile-cold', 'both-warm', 'eager', 'dummy', 'kv-small', 'kv-large'],
  /** The same without the KV cache's size. */
  'without-kv': ['both-cold', 'pages-cold', 'compile-cold', 'both-warm', 'eager', 'dummy'],
  /** That size alone: for blocks of their own, to be put beside those of a run without it. */
  kv: ['both-warm', 'kv-small', 'kv-large'],
  /** For an engine that refuses its own compile cache (vLLM 0.32.0 on a CPU): what needs a warm one is asked of eager starts. */
  'no-cache': ['both-cold', 'compile-cold', 'eager', 'eager-dummy', 'eager-kv-small', 'eager-kv-large'],
} as const satisfies Readonly<Record<string, readonly CellName[]>>;

export type DesignName = keyof typeof designs;
