/**
 * What a run showed: data, not prose. Computed from a run folder alone; tables, charts, the report and
 * findings.json are all drawn from it.
 */
import type { Interval } from '../statistics/intervals.js';
import type { Summary } from '../statistics/summary.js';
import type { EngineKind } from '../archive/record.js';
import type { StartupTimeline, Term } from '../launch/timeline.js';

/** In which state a launch found the machine, with what proves each word. "as found" where nothing does. */
export interface LaunchState {
  readonly pages: string;
  readonly compileCache: string;
  readonly process: string;
  readonly prefixCache: string;
  readonly proof: readonly string[];
}

export interface LaunchFinding {
  readonly launch: number;
  readonly outcome: string;
  readonly state: LaunchState;
  readonly readyMs?: number | undefined;
  readonly timeline?: StartupTimeline | undefined;
  /** Covered fraction of launch -> ready, 0-1. */
  readonly coveredFraction?: number | undefined;
  /** Length of the union of the phases of each term; overlaps between terms stay in both. */
  readonly termMs: readonly { readonly term: Term; readonly ms: number }[];
  readonly readBytes?: number | undefined;
  readonly majorFaults?: number | undefined;
  /** Of readBytes, what was read while the weights loaded: at most, ticks rarely fall on a phase's edges. */
  readonly loadingReadBytes?: number | undefined;
  /** What ran during the longest gaps, from processes.csv: "EngineCore 1.9 CPU s". Same order as timeline.gaps, three at most. */
  readonly gapActivity: readonly string[];
  readonly stoppedHow?: string | undefined;
  readonly stopMs?: number | undefined;
  readonly leftoverProcesses?: number | undefined;
  /** What its stop left on the GPU; absent when the launch was not stopped by this run. */
  readonly gpuAfterStop?: GpuAfterStop | undefined;
}

/** GPU memory and processes after a stop, against what was there before the first launch. */
export type GpuAfterStop =
  | {
      readonly kind: 'read';
      /** Summed over the GPUs. */
      readonly aboveBaselineMiB: number;
      /** From the end of the last process until it was back, or until the wait was given up. Absent: not timed. */
      readonly waitedMs?: number | undefined;
      readonly back: boolean;
      /** Compute processes on the GPUs; absent where the driver does not list them. */
      readonly processes?: number | undefined;
      readonly processesBefore?: number | undefined;
    }
  | { readonly kind: 'absent'; readonly because: string };

/** Which request count as what. All times of one request, computed from its stamps; units in the names. */
export interface RequestTiming {
  readonly requestId: string;
  readonly launch: number;
  readonly name: string;
  readonly index: number;
  readonly streamed: boolean;
  /** The seed's wall_s, in seconds: from the call to the whole answer, connection included. */
  readonly wallS?: number | undefined;
  /** Headline: from sending to the first event with generated text. */
  readonly ttftMs?: number | undefined;
  readonly connectMs?: number | undefined;
  readonly e2eMs?: number | undefined;
  readonly tpotMs?: number | undefined;
  readonly medianItlMs?: number | undefined;
  readonly maxItlMs?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  readonly totalTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly serverFirstTokenMs?: number | undefined;
  readonly serverQueueMs?: number | undefined;
  readonly jitLines?: number | undefined;
  readonly idleBeforeMs?: number | undefined;
  readonly outcome: string;
  /** The other definitions of a first token, all from sending; `fromStartMs` alone includes the connection. */
  readonly firstByteMs?: number | undefined;
  readonly firstEventMs?: number | undefined;
  readonly firstChoiceMs?: number | undefined;
  readonly firstVisibleMs?: number | undefined;
  readonly fromStartMs?: number | undefined;
  /** Time inside TTFT that the server's own figures do not name: TTFT - queue - server first token. */
  readonly frontEndMs?: number | undefined;
  readonly serverGenerationMs?: number | undefined;
  /** The server's generation time minus the time the client saw between first and last token: how much later the
   * client saw the first token than the last one. Far above 0, the client was starved and TTFT is too long. */
  readonly firstTokenLateMs?: number | undefined;
  /** JIT lines up to the first token; jitLines counts those of the whole request. */
  readonly jitLinesToFirstToken?: number | undefined;
  /** Token events that shared a read with the one before: their ITL of 0 is the network's doing, not the server's. */
  readonly coalescedTokens?: number | undefined;
}

/** One cell of a ledger: a value with its source, or the reason there is none. */
export type LedgerCell =
  | { readonly kind: 'value'; readonly ms: number; readonly source: string; readonly note?: string | undefined }
  | { readonly kind: 'not-separable'; readonly note: string }
  | { readonly kind: 'not-observable'; readonly note: string }
  | { readonly kind: 'none'; readonly note: string };

/** A row of "the equation": the seed's six terms, G and the remainder, in both windows. */
export interface SixTermRow {
  readonly term: 'A' | 'B' | 'C' | 'D' | 'E' | 'F' | 'G' | 'remainder';
  readonly name: string;
  readonly launchToReady: LedgerCell;
  readonly request1: LedgerCell;
}

/** Request 1 against the warm median of the same launch and workload, part by part. */
export interface ExcessLedger {
  readonly requestId: string;
  readonly launch: number;
  readonly coldMs: number;
  readonly warmMedianMs: number;
  readonly excessMs: number;
  /** Parts and a remainder that add up to excessMs. Negative parts stay negative. */
  readonly parts: readonly {
    readonly name: string;
    readonly term: string;
    readonly ms: number;
    readonly source: string;
  }[];
  readonly remainderMs: number;
  /** What coldMs is. TTFT starts at sending; wall_s (in ms here) at the call, connection included. */
  readonly by: 'TTFT' | 'wall_s';
  /** The requests the warm median is taken over, in words; they are another launch's where this one has none. */
  readonly warmOf: string;
  /** By TTFT: the connection's excess, reported apart because TTFT does not contain it. */
  readonly connectionMs?: number | undefined;
}

export type SignalOutcome = 'holds' | 'does not hold' | 'not observable';
export type Window = 'launch -> ready' | 'request 1';
export type Cause = 'A' | 'B' | 'C' | 'D';

export interface SignalFinding {
  readonly cause: Cause;
  readonly window: Window;
  readonly signal: string;
  readonly reading: string;
  readonly threshold: string;
  readonly outcome: SignalOutcome;
  /** 'distinguishing': without it no verdict. 'optional': the seed's optional signal, it never vetoes. */
  readonly role: 'distinguishing' | 'supporting' | 'optional';
}

export interface Verdict {
  readonly cause: Cause;
  readonly window: Window;
  readonly verdict: 'holds' | 'does not hold' | 'cannot tell';
  readonly because: string;
}

export interface Dominant {
  readonly window: Window;
  /** Absent: nothing dominates, or it cannot be told; `because` says which. */
  readonly term?: string | undefined;
  readonly name?: string | undefined;
  readonly ms?: number | undefined;
  /** Share of the window, 0-1. */
  readonly share?: number | undefined;
  readonly because: string;
}

export interface KnobFinding {
  readonly rule: string;
  readonly fired: boolean | undefined;
  readonly reading: string;
  readonly threshold: string;
  readonly knob: string;
  readonly expectedEffect: string;
  readonly howToCheck: string;
}

export interface BandFinding {
  readonly quantity: string;
  readonly unit: string;
  readonly n?: number | undefined;
  readonly low?: number | undefined;
  readonly median?: number | undefined;
  readonly high?: number | undefined;
  readonly distinctPerS?: number | undefined;
  /** Why there is no band. */
  readonly absentBecause?: string | undefined;
  /** What limits the band: a short window, a coarse clock. */
  readonly note?: string | undefined;
}

/** What a sampler delivered over the whole run. */
export interface SamplingFinding {
  readonly source: string;
  readonly n: number;
  readonly plannedPerS: number;
  readonly perS: number;
  readonly longestPauseMs: number;
  /** Planned readings that are not there. */
  readonly missing: number;
  /** CPU time of the sampler as a fraction of one core; absent where another entry holds it. */
  readonly cpuFraction?: number | undefined;
}

export interface InterferenceFinding {
  readonly kind: string;
  readonly outcome: 'seen' | 'not seen' | 'not observable';
  readonly evidence: string;
}

/** The probe's own error, from the known-truth stream before the first launch. Milliseconds. */
export interface StopwatchFinding {
  readonly n: number;
  readonly medianErrorMs: number;
  /** Absent below 100 requests: the maximum stands for it. */
  readonly p99ErrorMs?: number | undefined;
  readonly maxErrorMs: number;
  readonly mode: string;
}

/** How two sets of runs of the same request compare: paired by launch order or as two samples. */
export interface Findings {
  readonly format: 1;
  readonly runId: string;
  readonly engineKind: EngineKind;
  readonly launches: readonly LaunchFinding[];
  readonly timings: readonly RequestTiming[];
  readonly stopwatch?: StopwatchFinding | undefined;
  /** Streamed warm requests with the seed's payload: TTFT in ms. */
  readonly warmTtftMs?: Summary | undefined;
  /** All warm requests with the seed's payload: wall_s in seconds. */
  readonly warmWallS?: Summary | undefined;
  /** The first five warm requests (the seed's table). */
  readonly firstFiveWallS?: Summary | undefined;
  readonly warmTpotMs?: Summary | undefined;
  readonly warmUniqueTtftMs?: Summary | undefined;
  readonly warmCachedTtftMs?: Summary | undefined;
  /** cold_1 / warm median: by TTFT where cold_1 was streamed, by wall_s for every launch. */
  readonly penalties: readonly {
    readonly launch: number;
    readonly by: 'TTFT' | 'wall_s';
    readonly cold: number;
    readonly warmMedian: number;
    readonly factor: number;
    /** The factor's range when the warm median moves over its interval. */
    readonly lower?: number | undefined;
    readonly upper?: number | undefined;
    /** The requests the warm median is taken over, in words. */
    readonly warmOf: string;
  }[];
  readonly sixTerms: readonly SixTermRow[];
  readonly excess: readonly ExcessLedger[];
  readonly signals: readonly SignalFinding[];
  readonly verdicts: readonly Verdict[];
  readonly dominantLaunch: Dominant;
  readonly dominantRequest: Dominant;
  readonly bands: readonly BandFinding[];
  readonly interference: readonly InterferenceFinding[];
  readonly sampling: readonly SamplingFinding[];
  readonly knobs: readonly KnobFinding[];
  /** The SLO anchor by its stated rule; absent when there are too few warm requests for the rule. */
  readonly sloAnchor?: { readonly ttftMs: number; readonly rule: string } | undefined;
  /** Flags of the warm sample: drift, bimodality, outliers, each with threshold and reading. */
  readonly flags: readonly {
    readonly flag: string;
    readonly raised: boolean;
    readonly reading: string;
    readonly threshold: string;
  }[];
  /** The template's four questions, each answered in one to three computed sentences. */
  readonly answers: readonly { readonly question: string; readonly lines: readonly string[] }[];
  /** The launch that sixTerms, signals and dominant terms speak of. Others are in sixTermsByLaunch. */
  readonly ledgerLaunch?: number | undefined;
  readonly sixTermsByLaunch: readonly { readonly launch: number; readonly rows: readonly SixTermRow[] }[];
  /** The launch whose warm requests make the warm summaries: launches are never pooled. */
  readonly warmLaunch?: number | undefined;
  /** The steady window that the bands are read over. */
  readonly steadyWindow?: SteadyWindow | undefined;
  /** TTFT by every definition, over the streamed warm requests, and of the first request. */
  readonly ttftDefinitions: readonly TtftDefinition[];
  /** Prefix cache: warm-unique minus warm-cached, paired by index. Positive: the cache saves this much. */
  readonly prefixSavingMs?: PairedFinding | undefined;
  /** Warm requests needed on each side to see a change of the warm TTFT of this size. */
  readonly resolution: readonly { readonly changeFraction: number; readonly changeMs: number; readonly runs: number }[];
  readonly gpuEnergy: EnergyFinding;
  /** Client TTFT against the server's own, launch by launch. */
  readonly serverTtft: readonly ServerTtftFinding[];
  /** Absent when requests with and without samplers were not compared, with the reason. */
  readonly observer: { readonly finding: ObserverFinding } | { readonly absentBecause: string };
  /** What repeats from launch to launch; empty with a single launch. */
  readonly repeats: readonly LaunchRepeat[];
  readonly worstCoverage?: { readonly launch: number; readonly fraction: number } | undefined;
  /** The seed's section 6: what one can say after Tier 1. */
  readonly conclusions: readonly { readonly label: string; readonly text: string }[];
  /** Rehearsals only: the sentence that says so. */
  readonly rehearsal?: string | undefined;
  /** Rehearsals only: what the stand-in did, against what was seen of it. */
  readonly truth?: TruthFinding | undefined;
}

/** How far observations of one kind were from the truth: sizes in ms, whatever their sign. */
export interface TruthError {
  readonly quantity: string;
  readonly n: number;
  readonly medianMs: number;
  /** Absent below 100 observations: the maximum stands for it. */
  readonly p99Ms?: number | undefined;
  readonly maxMs: number;
  /** Absent: nothing is promised of this quantity. */
  readonly limitMs?: number | undefined;
  readonly holds?: boolean | undefined;
}

/** One phase that the stand-in played: seen minus true, in ms. An end that was not seen is absent. */
export interface PhaseTruth {
  readonly launch: number;
  readonly name: string;
  readonly startErrorMs?: number | undefined;
  readonly endErrorMs?: number | undefined;
}

export interface TruthFinding {
  readonly errors: readonly TruthError[];
  readonly phases: readonly PhaseTruth[];
  /** What could not be compared, one sentence each. */
  readonly unmatched: readonly string[];
}

/** A stretch of back-to-back warm requests. */
export interface SteadyWindow {
  readonly launch: number;
  readonly name: string;
  readonly requests: number;
  readonly startAtMs: number;
  readonly endAtMs: number;
}

/** One definition of TTFT, with who uses it; cold is the first streamed first request. */
export interface TtftDefinition {
  readonly definition: string;
  readonly usedBy: string;
  readonly coldMs?: number | undefined;
  readonly warmMs?: Summary | undefined;
}

/** The median of paired differences, in ms. */
export interface PairedFinding {
  readonly n: number;
  readonly medianDifference: number;
  readonly interval?: Interval | undefined;
}

/** How far the client's TTFT lies above what the server says of the same requests, in ms. */
export interface ServerTtftFinding {
  readonly launch: number;
  readonly block: string;
  /**
   * engine: queue_time_ms + time_to_first_token_ms of each request. front end: the histogram in /metrics over a block.
   * "engine, by the front end": the front end's mean takes the client's place.
   */
  readonly against: 'engine' | 'front end' | 'engine, by the front end';
  /** A histogram's sum and count give a mean only; with single values the median is taken. */
  readonly statistic: 'median' | 'mean';
  /** What happens in the difference. */
  readonly consistsOf: string;
  readonly n?: number | undefined;
  readonly clientMs?: number | undefined;
  readonly serverMs?: number | undefined;
  readonly differenceMs?: number | undefined;
  readonly minMs?: number | undefined;
  readonly lowerQuartileMs?: number | undefined;
  readonly upperQuartileMs?: number | undefined;
  readonly maxMs?: number | undefined;
  readonly interval?: Interval | undefined;
  readonly absentBecause?: string | undefined;
}

/** What the samplers cost a request: observed minus unobserved, and the CPU time of our own processes. */
export interface ObserverFinding {
  readonly launch: number;
  readonly observedTtftMs: Summary;
  readonly unobservedTtftMs: Summary;
  /** Pairs of neighbours, one of each kind. */
  readonly pairs: number;
  /** Hodges-Lehmann estimate of observed minus unobserved, in ms. */
  readonly differenceMs: number;
  readonly interval?: Interval | undefined;
  /** The difference and its interval over the median without samplers; fractions. */
  readonly differenceFraction: number;
  readonly lowerFraction?: number | undefined;
  readonly upperFraction?: number | undefined;
  readonly verdict: 'not resolved' | 'slower' | 'faster';
  /** The same by the engine's own figures (queued to first token): what is in the one and not in this happened to the client or on the way. */
  readonly engineDifferenceMs?: number | undefined;
  readonly engineInterval?: Interval | undefined;
  /** Observed requests during whose TTFT a sampler was reading, of those that could be looked up. */
  readonly struck: number;
  readonly observed: number;
  /** Requests meant to be unobserved during whose TTFT a sampler was reading all the same: must be 0. */
  readonly readingsWhileOff: number;
  readonly cpu: readonly {
    readonly role: string;
    readonly samplersOn: boolean;
    /** CPU time over wall time, as a fraction of one core. */
    readonly coreFraction: number;
    readonly wallMs: number;
  }[];
}

/** Energy of the GPUs over the steady window, by their counters. The window holds one request at a time. */
export type EnergyFinding =
  | {
      readonly kind: 'read';
      /** Those at work in the window; figures are summed over them. */
      readonly gpus: readonly number[];
      readonly meanW: number;
      readonly perRequestJ: number;
      readonly window: SteadyWindow;
    }
  | { readonly kind: 'absent'; readonly because: string };

/** One figure over the launches of a run: the first by itself, the further ones together. */
export interface LaunchRepeat {
  readonly quantity: string;
  readonly unit: string;
  readonly first?: number | undefined;
  /** Over launches that found the same state; never with launch 1. */
  readonly further?: Summary | undefined;
  readonly launches: readonly number[];
  /** Launches that were left out, with the reason; or why there is no figure. */
  readonly note?: string | undefined;
}
