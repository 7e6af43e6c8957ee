/**
 * Which knob next: the seed's three rules with named thresholds, and one of ours for the time before ready. A rule
 * fires, does not fire, or stays undecided where a reading it needs is not observable.
 */
import type { RunData } from '../archive/folder.js';
import { isFatalLine, parseLogLine } from '../launch/milestones.js';
import type { Penalty } from './penalties.js';
import type { BandFinding, Dominant, Findings, KnobFinding, LaunchFinding } from './findings.js';
import type { Summary } from '../statistics/summary.js';
import { formatCount, formatFactor, formatMs, formatNumber, formatPercent, formatQuantity } from './format.js';
import { milestonesOf } from './startuplog.js';

export const knobThresholds = {
  /** First-token limit of MLPerf Inference's interactive scenario for Llama 2 70B (v5.0): 450 ms. */
  warmTtftMs: 450,
  /** Kernels in less than half of the driver's window: room for more work in each step. Ours. */
  gpuUtilizationPercent: 50,
  /** Fewer full-length requests at once than this leave nothing to batch. Ours. */
  concurrentFullLength: 4,
  /** cold_1 takes twice a warm request: a user notices the first request after a restart. Ours. */
  coldFactor: 2,
} as const;

export interface KnobContext {
  readonly data: RunData;
  readonly launches: readonly LaunchFinding[];
  readonly ledgerLaunch?: number | undefined;
  readonly warmTtftMs?: Summary | undefined;
  readonly bands: readonly BandFinding[];
  readonly penalties: readonly Penalty[];
  readonly dominantLaunch: Dominant;
  readonly resolution: Findings['resolution'];
}

export function knobFindings(context: KnobContext): KnobFinding[] {
  return [batchingRule(context), headroomRule(context), prewarmRule(context), launchRule(context)];
}

/** false as soon as one condition is; else undefined as soon as one is unknown. */
function all(...conditions: readonly (boolean | undefined)[]): boolean | undefined {
  if (conditions.includes(false)) return false;
  return conditions.includes(undefined) ? undefined : true;
}

/** true as soon as one condition is; else undefined as soon as one is unknown. */
function any(...conditions: readonly (boolean | undefined)[]): boolean | undefined {
  if (conditions.includes(true)) return true;
  return conditions.includes(undefined) ? undefined : false;
}

function repeats({ resolution }: KnobContext): string {
  const tenth = resolution[0];
  return tenth
    ? `, with at least ${formatCount(tenth.runs)} warm requests a side to see a change of ${formatMs(tenth.changeMs)}`
    : '';
}

function batchingRule(context: KnobContext): KnobFinding {
  const { warmTtftMs, bands } = context;
  const gpu = bands.find(({ quantity }) => quantity.startsWith('GPU utilisation'));
  const high = warmTtftMs && warmTtftMs.median > knobThresholds.warmTtftMs;
  const idle = gpu?.median === undefined ? undefined : gpu.median < knobThresholds.gpuUtilizationPercent;
  return {
    rule: 'warm TTFT high while the GPU is underused',
    fired: all(high, idle),
    reading: `warm median TTFT ${formatMs(warmTtftMs?.median)}; GPU utilisation ${gpu?.median === undefined ? `not observable: ${gpu?.absentBecause ?? 'no band'}` : formatQuantity(gpu.median, '%')}`,
    threshold: `TTFT > ${formatMs(knobThresholds.warmTtftMs)} and utilisation < ${knobThresholds.gpuUtilizationPercent} %`,
    knob: '--max-num-batched-tokens, client-side concurrency, --max-num-seqs',
    expectedEffect:
      'larger steps keep the GPU busier: prefill of a long prompt needs fewer of them; under load throughput rises, and TTFT with it',
    howToCheck: `double --max-num-batched-tokens and repeat the warm block${repeats(context)}; TTFT falls or the knob was not the limit`,
  };
}

function headroomRule(context: KnobContext): KnobFinding {
  const { data, launches, ledgerLaunch } = context;
  const memoryDeath = diedOfMemory(data, launches);
  const concurrent = concurrentFullLength(data, ledgerLaunch);
  const preemptions = highest(data, 'vllm:num_preemptions_total');
  const tight = concurrent === undefined ? undefined : concurrent < knobThresholds.concurrentFullLength;
  return {
    rule: 'out of memory, or little room for concurrent requests',
    fired: any(memoryDeath, tight, preemptions === undefined ? undefined : preemptions > 0),
    reading: [
      memoryDeath ? 'a launch died for memory' : 'no launch died for memory',
      `the KV pool holds ${concurrent === undefined ? 'an unknown number of' : formatNumber(concurrent)} full-length requests`,
      preemptions === undefined ? 'preemptions not observable' : `${formatCount(preemptions)} preemptions`,
    ].join('; '),
    threshold: `any such death, fewer than ${knobThresholds.concurrentFullLength} full-length requests, or any preemption`,
    knob: '--max-model-len, then --gpu-memory-utilization (GPU) or the KV cache size (CPU)',
    expectedEffect:
      'half the longest sequence doubles the number of full-length requests the same pool holds; TTFT of a single request does not change',
    howToCheck: 'restart with half --max-model-len: the log line "KV cache size ... Maximum concurrency" must double',
  };
}

function prewarmRule({ penalties }: KnobContext): KnobFinding {
  const worst = [...penalties].sort((a, b) => b.factor - a.factor)[0];
  const unit = worst?.by === 'TTFT' ? 1 : 1000;
  return {
    rule: 'cold penalty not acceptable',
    fired: worst && worst.factor >= knobThresholds.coldFactor,
    reading: worst
      ? `largest cold penalty ${formatFactor(worst.factor)} by ${worst.by} (launch ${worst.launch})`
      : 'not observable: no first request with warm ones to compare',
    threshold: `cold_1 >= ${formatFactor(knobThresholds.coldFactor, 1)} the warm median`,
    knob: 'a pre-warm request before the server takes traffic (after /health, before it is announced)',
    expectedEffect: worst
      ? `the first user request falls from ${formatMs(worst.cold * unit)} to about ${formatMs(worst.warmMedian * unit)}; launch -> ready does not change`
      : 'the first user request is a warm one; launch -> ready does not change',
    howToCheck:
      'restart, send one request of the same shape, then measure: the second request must lie in the warm band',
  };
}

/** What to turn for each dominant term before ready. */
const launchKnobs: Readonly<Record<string, readonly [knob: string, effect: string]>> = {
  A: ['weights in the page cache or on faster storage', 'the share that was read from storage goes'],
  'A+B': [
    'a faster weight path (resident pages, parallel loading, another --load-format)',
    'loading comes nearer to the speed of memory',
  ],
  B: ['--load-format, fewer bytes (quantised weights)', 'allocation and copy shrink with the bytes'],
  C: [
    'a compile cache kept between launches (VLLM_CACHE_ROOT), or --enforce-eager',
    'a cache hit skips the compiler; eager skips it and gives up speed per token',
  ],
  D: ['--kv-cache-memory-bytes', 'memory is not measured first, and a smaller pool is allocated faster'],
  G: [
    'fewer processes and imports: a server kept alive or restored instead of started anew',
    'imports and process starts are paid once',
  ],
  remainder: ['none yet: find out first what runs in the largest gap', 'nothing to expect before the gap is named'],
};

/** Keeping a cache helps only an engine that accepts it. */
const eagerOnly = [
  '--enforce-eager (this engine rejected its own filled compile cache, so keeping one does not help)',
  'no compiler runs before ready, at the price of slower tokens',
] as const;

function launchRule({ dominantLaunch, launches, ledgerLaunch }: KnobContext): KnobFinding {
  const refused = launches.some(({ state }) => state.compileCache.includes('rejected'));
  const [knob, expectedEffect] = (dominantLaunch.term === 'C' && refused ? eagerOnly : undefined) ??
    launchKnobs[dominantLaunch.term ?? ''] ?? ['the largest term of the launch ledger', 'as that term'];
  const readyMs = launches.find(({ launch }) => launch === ledgerLaunch)?.readyMs;
  const known = readyMs !== undefined && !dominantLaunch.because.startsWith('not observable');
  return {
    rule: 'one term dominates launch -> ready (ours)',
    fired: known ? dominantLaunch.term !== undefined : undefined,
    reading: dominantLaunch.because,
    threshold: 'a quarter of the window and half as long again as the next term',
    knob,
    expectedEffect:
      dominantLaunch.ms === undefined
        ? expectedEffect
        : `${expectedEffect}: at most ${formatMs(dominantLaunch.ms)} of ${formatMs(readyMs)} (${formatPercent(dominantLaunch.share)})`,
    howToCheck:
      'change it alone, restart in the same state of pages and caches, and compare launch -> ready over at least six launches a side',
  };
}

const memoryWords =
  /out of memory|OutOfMemory|No available memory for the cache blocks|larger than the available KV cache memory|Not enough available memory/i;

function diedOfMemory(data: RunData, launches: readonly LaunchFinding[]): boolean | undefined {
  if (launches.length === 0) return undefined;
  if (launches.some(({ outcome }) => outcome === 'out-of-memory')) return true;
  const failed = launches
    .filter(({ outcome }) => outcome === 'died' || outcome === 'never-ready')
    .map(({ launch }) => launch);
  return data.startup.some(
    (row) =>
      failed.includes(row.launch) &&
      row.source === 'log' &&
      (memoryWords.test(row.text) || (isFatalLine(parseLogLine(row.text).message) && /memory/i.test(row.text))),
  );
}

/** KV pool in tokens over the longest sequence, both as the log says; absent when either is. */
function concurrentFullLength(data: RunData, launch: number | undefined): number | undefined {
  const milestones = launch === undefined ? [] : milestonesOf(data.startup, launch);
  const tokens = milestones.find(({ event }) => event === 'kv-size')?.value;
  const longest = milestones.find(({ event }) => event === 'config-resolved')?.value;
  return tokens === undefined || longest === undefined || longest <= 0 ? undefined : tokens / longest;
}

function highest(data: RunData, metric: string): number | undefined {
  const values = data.metrics.filter((row) => row.metric === metric).map(({ value }) => value);
  return values.length > 0 ? Math.max(...values) : undefined;
}
