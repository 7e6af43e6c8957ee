/**
 * What the seed's appendices claim, each held against this run: confirmed, contradicted, or not measured here.
 * A claim is judged by observations alone; where a run has none, the reason stands in its place.
 */
import type { RunData } from '../archive/folder.js';
import type { Findings, LaunchFinding, SignalFinding } from './findings.js';
import type { Summary } from '../statistics/summary.js';
import { formatBytes, formatCounted, formatFactor, formatMs, formatPercent } from './format.js';
import { namedLaunches, readTogether } from './launchgroups.js';
import { rehearsedJudgement } from './rehearsed.js';
import { milestonesOf } from './startuplog.js';

export type Appendix = 'A' | 'B' | 'C' | 'D' | 'E';

export interface Judgement {
  readonly appendix: Appendix;
  readonly claim: string;
  readonly verdict: 'confirmed' | 'contradicted' | 'not measured here';
  readonly because: string;
}

/** Fractions of the weight bytes. Between the two, a launch says nothing about where its pages came from. */
export const appendixThresholds = {
  /** Pages counted as out of the cache, and as in it, before a launch. */
  coldResidency: 0.1,
  warmResidency: 0.9,
  /** A load that read this share from storage did fetch its weights there; one that read less than the other did not. */
  fetchedShare: 0.5,
  untouchedShare: 0.1,
} as const;

/** Every judged claim, in the order of the appendices. Claims about GPU memory say so when there is none. */
export function judgeAppendices(data: RunData, findings: Findings): Judgement[] {
  const judged = judge(data, findings);
  return data.record.engine.kind === 'rehearsal' ? judged.map(rehearsedJudgement) : judged;
}

function judge(data: RunData, findings: Findings): Judgement[] {
  return [
    firstLoadFills(data, findings),
    secondLoadSpares(data, findings),
    paidByRequest(findings),
    warmUpInRequest(data, findings),
    graphsCaptured(data),
    poolOnDemand(data),
    scratchInRequest(findings),
    streamsIsolated(),
    prefixReuse(findings),
  ];
}

/** What each knob of the seed's appendix E acts on, and whether this run turned it. */
export const knobTerms: readonly { readonly knob: string; readonly terms: string; readonly effect: string }[] = [
  {
    knob: '--max-model-len',
    terms: 'D',
    effect:
      'how long one sequence may grow; the pool is cut from the memory that is left, so it decides how many such sequences fit',
  },
  {
    knob: '--gpu-memory-utilization',
    terms: 'D',
    effect: 'size of the KV pool: more is allocated and cleared before ready',
  },
  {
    knob: 'client concurrency',
    terms: 'F',
    effect: 'requests in flight; this run sends one at a time, so its queue is empty',
  },
  {
    knob: '--max-num-seqs',
    terms: 'F, C',
    effect: 'sequences in one step; also how many batch sizes get a CUDA graph',
  },
  {
    knob: '--max-num-batched-tokens',
    terms: 'E, F, C',
    effect: 'tokens in one step, and the size of the profiling run before ready',
  },
  {
    knob: '--enable-chunked-prefill',
    terms: 'F, E',
    effect: 'a long prompt is computed in pieces, so that others get their turn',
  },
  {
    knob: 'prefix caching',
    terms: 'E',
    effect: 'a repeated beginning is not computed again; measured here with the long workload',
  },
  {
    knob: '--enforce-eager',
    terms: 'C',
    effect: 'no compile and no graph capture before ready; slower steps afterwards',
  },
  {
    knob: 'compile cache kept (VLLM_CACHE_ROOT)',
    terms: 'C',
    effect: 'a second launch loads what the first one compiled, when the cache is accepted',
  },
];

type Draft = Omit<Judgement, 'appendix' | 'claim'>;
const confirmed = (because: string): Draft => ({ verdict: 'confirmed', because });
const contradicted = (because: string): Draft => ({ verdict: 'contradicted', because });
const notMeasured = (because: string): Draft => ({ verdict: 'not measured here', because });

function firstLoadFills(data: RunData, findings: Findings): Judgement {
  const claim = 'With its pages out of the cache, a load reads the weights from storage.';
  const launch = findings.launches.find((one) => (residencyBefore(data, one) ?? 1) <= appendixThresholds.coldResidency);
  return {
    appendix: 'A',
    claim,
    ...loadJudgement(
      data,
      launch,
      'no launch found the pages out of the cache',
      (share) => share >= appendixThresholds.fetchedShare,
    ),
  };
}

function secondLoadSpares(data: RunData, findings: Findings): Judgement {
  const claim = 'With its pages in the cache, a load leaves the storage alone.';
  const launch = findings.launches.find((one) => (residencyBefore(data, one) ?? 0) >= appendixThresholds.warmResidency);
  return {
    appendix: 'A',
    claim,
    ...loadJudgement(
      data,
      launch,
      'no launch found the pages in the cache',
      (share) => share <= appendixThresholds.untouchedShare,
    ),
  };
}

function loadJudgement(
  data: RunData,
  launch: LaunchFinding | undefined,
  ifNone: string,
  holds: (share: number) => boolean,
): Draft {
  if (!launch) return notMeasured(ifNone);
  const row = data.launches.find((one) => one.launch === launch.launch);
  const { loadingReadBytes } = launch;
  if (loadingReadBytes === undefined || !row?.weightsBytes)
    return notMeasured(`launch ${launch.launch} has no reading of read_bytes around the loading`);
  const share = loadingReadBytes / row.weightsBytes;
  const reading = `launch ${launch.launch}: ${formatPercent(row.residentBeforeFraction)} resident before; while loading, the server's processes read ${formatBytes(loadingReadBytes)} for ${formatBytes(row.weightsBytes)} of weights`;
  return holds(share) ? confirmed(reading) : contradicted(reading);
}

function residencyBefore(data: RunData, launch: LaunchFinding): number | undefined {
  return data.launches.find((row) => row.launch === launch.launch)?.residentBeforeFraction;
}

function paidByRequest(findings: Findings): Judgement {
  const claim = 'The first request pays for fetching the weights.';
  const signal = signalOf(findings, 'A', 'request 1');
  return { appendix: 'A', claim, ...signalJudgement(signal) };
}

function warmUpInRequest(data: RunData, findings: Findings): Judgement {
  const claim = 'The runtime warm-up (compilation, kernel selection) is paid by the first request.';
  const compiled = findings.launches.flatMap((launch) => {
    const ms = launch.termMs.find(({ term }) => term === 'C')?.ms;
    return ms === undefined ? [] : [`launch ${launch.launch}: ${formatMs(ms)}`];
  });
  const jit = findings.timings.filter((timing) => timing.name === 'cold_1').map((timing) => timing.jitLines);
  const monitored = data.launches.some(({ launch }) =>
    milestonesOf(data.startup, launch).some(({ event }) => event === 'jit-monitor-on'),
  );
  if (jit.some((lines) => (lines ?? 0) > 0)) {
    return {
      appendix: 'B',
      claim,
      ...confirmed(
        `in part: kernels were compiled while request 1 was in flight (${formatCounted(
          jit.reduce<number>((sum, lines) => sum + (lines ?? 0), 0),
          'log line',
        )})`,
      ),
    };
  }
  if (compiled.length === 0)
    return { appendix: 'B', claim, ...notMeasured('no compile or warm-up phase was seen in the log') };
  const after = monitored
    ? ', and the JIT monitor saw nothing in request 1'
    : '; this engine has no JIT monitor that would show a rest of it in request 1';
  return {
    appendix: 'B',
    claim,
    ...contradicted(`it was paid before the server listened (${compiled.join(', ')})${after}`),
  };
}

function graphsCaptured(data: RunData): Judgement {
  const claim = 'CUDA graphs are captured once in the life of a process, during warm-up.';
  const captured = data.launches.flatMap(({ launch }) =>
    milestonesOf(data.startup, launch)
      .filter(({ event }) => event === 'graph-capture-done')
      .map(() => launch),
  );
  if (captured.length === 0)
    return {
      appendix: 'B',
      claim,
      ...notMeasured(
        data.record.engine.device === 'cpu' ? 'a CPU has no CUDA graphs' : 'the log shows no graph capture',
      ),
    };
  return { appendix: 'B', claim, ...confirmed(`captured before ready in ${namedLaunches(captured)}`) };
}

function poolOnDemand(data: RunData): Judgement {
  const claim = 'KV pages are allocated when sequences are admitted, so the first request triggers them.';
  const pools = data.launches.flatMap(({ launch, readyAtMs }) => {
    const size = milestonesOf(data.startup, launch).find(({ event }) => event === 'kv-size');
    return size?.value === undefined || readyAtMs === undefined || size.atMs > readyAtMs
      ? []
      : [
          {
            launch,
            text: `a pool for ${size.value.toLocaleString('en')} tokens ${formatMs(readyAtMs - size.atMs)} before ready`,
            value: readyAtMs - size.atMs,
          },
        ];
  });
  if (pools.length === 0) return { appendix: 'C', claim, ...notMeasured('the log names no KV pool') };
  return {
    appendix: 'C',
    claim,
    ...contradicted(
      `the whole pool stood before the server listened (${readTogether(pools)}); a request only takes blocks from it`,
    ),
  };
}

function scratchInRequest(findings: Findings): Judgement {
  const claim = 'The first request allocates scratch memory that later ones reuse.';
  return { appendix: 'C', claim, ...signalJudgement(signalOf(findings, 'D', 'request 1')) };
}

function streamsIsolated(): Judgement {
  return {
    appendix: 'D',
    claim: 'Streams do not mix contexts, but share the machine.',
    ...notMeasured('this run sends one request at a time'),
  };
}

function prefixReuse(findings: Findings): Judgement {
  const claim = 'A repeated prefix costs less prefill.';
  const { warmUniqueTtftMs: unique, warmCachedTtftMs: cached } = findings;
  if (!unique || !cached) return { appendix: 'E', claim, ...notMeasured('the long workload did not run') };
  const reading = `TTFT ${formatMs(unique.median)} unique, ${formatMs(cached.median)} cached (${formatFactor(unique.median / cached.median)}; n = ${unique.n} and ${cached.n})`;
  return { appendix: 'E', claim, ...compareJudgement(unique, cached, reading) };
}

/** Two medians differ when their intervals do not touch. */
function compareJudgement(larger: Summary, smaller: Summary, reading: string): Draft {
  if (!larger.interval || !smaller.interval) return notMeasured(`${reading}: too few for an interval`);
  if (larger.interval.lower > smaller.interval.upper) return confirmed(reading);
  return larger.interval.upper < smaller.interval.lower
    ? contradicted(reading)
    : notMeasured(`${reading}: the intervals overlap`);
}

function signalOf(
  findings: Findings,
  cause: SignalFinding['cause'],
  window: SignalFinding['window'],
): SignalFinding | undefined {
  return findings.signals.find((signal) => signal.cause === cause && signal.window === window);
}

function signalJudgement(signal: SignalFinding | undefined): Draft {
  if (!signal) return notMeasured('no first request was made');
  const reading = `${signal.signal}: ${signal.reading}`;
  if (signal.outcome === 'not observable') return notMeasured(reading);
  return signal.outcome === 'holds' ? confirmed(reading) : contradicted(`${reading} (threshold: ${signal.threshold})`);
}
