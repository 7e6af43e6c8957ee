/**
 * The seed's decision table, signal by signal, in both windows. Thresholds are fixed here, with their reasons, before
 * the runs they judge. Rows marked "ours" are additions: in the launch window the clock itself can tell what dominated.
 */
import type { Evidence, Observed } from './evidence.js';
import type { Cause, SignalFinding, Window } from './findings.js';
import { formatBytes, formatFactor, formatMiB, formatPercent } from './format.js';

export const signalThresholds = {
  /** Storage dominated only if most of the weights came from it. */
  storageShare: 0.5,
  /** "Quiet" leaves a wide grey zone to "spikes", in which neither signal holds. */
  quietStorageShare: 0.1,
  /** Libraries are paged in while the engine warms up; below a tenth of the phase that explains little of it. Ours. */
  quietTimeShare: 0.1,
  /** 1 MiB takes 10 ms from the slowest storage in use (cloud block volumes, 0.1 GB/s): the least that can delay a token. */
  requestStorageBytes: 1024 * 1024,
  pageCacheShare: 0.5,
  /** Logs and other programs move the page cache by a few MiB a second; a fault-in of weights moves it by more. */
  requestPageCacheMiB: 16,
  /** Kernels ran in less than a fifth of the driver's window: the GPU was waiting. Ours. */
  lowUtilizationPercent: 20,
  /** Most of the weights moved into HBM inside the window. */
  hbmShare: 0.5,
  /** A tenth of PCIe 3.0 x16 (15.8 GB/s raw), the slowest bus such a GPU sits on. */
  pcieMBPerS: 1580,
  /** One large segment of PyTorch's caching allocator is at least 20 MiB (kLargeBuffer in CUDACachingAllocator). */
  hbmStepMiB: 20,
  /** A cause cannot dominate with less than a quarter of the window. Ours. */
  timeShare: 0.25,
  /** Half as long again as a usual request: more than the warm spread of a quiet node. Ours. */
  firstRunFactor: 1.5,
  /** "Dramatically faster": twice. Ours. */
  dramaticFactor: 2,
  /** The first two requests range twice as wide as all later ones. Ours. */
  settlingFactor: 2,
  jitLines: 1,
} as const;

interface Test {
  readonly of: (evidence: Evidence) => Observed;
  readonly threshold: string;
  readonly holds: (value: number) => boolean;
}

interface Rule {
  readonly cause: Cause;
  readonly signal: string;
  readonly role: SignalFinding['role'];
  /** A row of the seed has a test in both windows; one of ours where it makes sense. */
  readonly launch?: Test;
  readonly request?: Test;
}

const t = signalThresholds;
const never = (because: string): Test => ({
  of: () => ({ kind: 'absent', because }),
  threshold: '–',
  holds: () => false,
});
const beforeRequests = never('no request runs before ready');
const atLeast = (of: Test['of'], limit: number, text: string): Test => ({
  of,
  threshold: `>= ${text}`,
  holds: (value) => value >= limit,
});
const below = (of: Test['of'], limit: number, text: string): Test => ({
  of,
  threshold: `< ${text}`,
  holds: (value) => value < limit,
});

const ofWeights = (share: number) => `${formatPercent(share, 2)} of the weight bytes`;
const quiet = {
  launch: below((e) => e.launch.storageShare, t.quietStorageShare, ofWeights(t.quietStorageShare)),
  request: below((e) => e.request.storageBytes, t.requestStorageBytes, formatBytes(t.requestStorageBytes)),
};
const timeShare = (cause: Cause): Pick<Rule, 'signal' | 'launch'> => ({
  signal: 'Its phases fill the window (ours)',
  launch: atLeast((e) => e.launch.timeShare[cause], t.timeShare, `${formatPercent(t.timeShare, 2)} of launch -> ready`),
});

const rules: readonly Rule[] = [
  {
    cause: 'A',
    signal: 'Disk reads spike',
    role: 'distinguishing',
    launch: atLeast((e) => e.launch.storageShare, t.storageShare, ofWeights(t.storageShare)),
    request: atLeast((e) => e.request.storageBytes, t.requestStorageBytes, formatBytes(t.requestStorageBytes)),
  },
  {
    cause: 'A',
    signal: 'Page cache grows',
    role: 'supporting',
    launch: atLeast((e) => e.launch.pageCacheShare, t.pageCacheShare, ofWeights(t.pageCacheShare)),
    request: atLeast((e) => e.request.pageCacheMiB, t.requestPageCacheMiB, formatMiB(t.requestPageCacheMiB)),
  },
  {
    cause: 'A',
    signal: 'GPU utilisation low early',
    role: 'supporting',
    launch: below((e) => e.launch.loadingUtilizationPercent, t.lowUtilizationPercent, `${t.lowUtilizationPercent} %`),
    request: below((e) => e.request.utilizationPercent, t.lowUtilizationPercent, `${t.lowUtilizationPercent} %`),
  },
  { cause: 'A', role: 'supporting', ...timeShare('A') },
  { cause: 'B', signal: 'Disk quiet', role: 'supporting', ...quiet },
  {
    cause: 'B',
    signal: 'GPU memory jumps by the weights',
    role: 'distinguishing',
    launch: atLeast((e) => e.launch.hbmShare, t.hbmShare, ofWeights(t.hbmShare)),
    request: atLeast((e) => e.request.hbmShare, t.hbmShare, ofWeights(t.hbmShare)),
  },
  {
    cause: 'B',
    signal: 'PCIe throughput high',
    role: 'optional',
    launch: atLeast((e) => e.launch.pcieMBPerS, t.pcieMBPerS, `${t.pcieMBPerS} MB/s`),
    request: atLeast((e) => e.request.pcieMBPerS, t.pcieMBPerS, `${t.pcieMBPerS} MB/s`),
  },
  { cause: 'B', role: 'supporting', ...timeShare('B') },
  {
    // Judged while it warmed up: weights that came from storage before that say nothing about this phase.
    cause: 'C',
    signal: 'Disk quiet',
    role: 'supporting',
    launch: below(
      (e) => e.launch.warmUpStorageTime,
      t.quietTimeShare,
      `${formatPercent(t.quietTimeShare, 2)} of that time`,
    ),
    request: quiet.request,
  },
  {
    cause: 'C',
    signal: 'First-run overhead: cold_1 slower than warm',
    role: 'supporting',
    launch: beforeRequests,
    request: atLeast(
      (e) => e.request.coldFactor,
      t.firstRunFactor,
      `${formatFactor(t.firstRunFactor, 2)} the warm median`,
    ),
  },
  {
    cause: 'C',
    signal: 'Kernels compiled in the request: JIT lines (ours)',
    role: 'distinguishing',
    request: atLeast((e) => e.request.jitLines, t.jitLines, `${t.jitLines} line`),
  },
  {
    cause: 'C',
    signal: 'Steadier after one or two requests',
    role: 'supporting',
    launch: beforeRequests,
    request: atLeast(
      (e) => e.request.settling,
      t.settlingFactor,
      `${formatFactor(t.settlingFactor, 1)} the later range`,
    ),
  },
  { cause: 'C', role: 'distinguishing', ...timeShare('C') },
  {
    cause: 'D',
    signal: 'GPU memory jumps',
    role: 'distinguishing',
    launch: atLeast((e) => e.launch.kvStepMiB, t.hbmStepMiB, formatMiB(t.hbmStepMiB)),
    request: atLeast((e) => e.request.hbmStepMiB, t.hbmStepMiB, formatMiB(t.hbmStepMiB)),
  },
  {
    cause: 'D',
    signal: 'warm_1 dramatically faster',
    role: 'supporting',
    launch: beforeRequests,
    request: atLeast((e) => e.request.warm1Factor, t.dramaticFactor, formatFactor(t.dramaticFactor, 1)),
  },
  {
    cause: 'D',
    signal: 'Restarts reproduce the jump',
    role: 'supporting',
    launch: atLeast((e) => e.launch.kvStepsOfLaunchesMiB, t.hbmStepMiB, `${formatMiB(t.hbmStepMiB)} in every launch`),
    request: atLeast(
      (e) => e.request.hbmStepsOfLaunchesMiB,
      t.hbmStepMiB,
      `${formatMiB(t.hbmStepMiB)} in every launch`,
    ),
  },
  { cause: 'D', role: 'distinguishing', ...timeShare('D') },
];

/** Every signal in both windows, in the order of the table. A signal holds when it holds in each launch that shows it. */
export function signalFindings(evidence: Evidence): SignalFinding[] {
  return (['launch', 'request'] as const).flatMap((window) =>
    rules.flatMap((rule) => {
      const test = rule[window];
      return test ? [signalFinding(rule, test, window === 'launch' ? 'launch -> ready' : 'request 1', evidence)] : [];
    }),
  );
}

function signalFinding({ cause, signal, role }: Rule, test: Test, window: Window, evidence: Evidence): SignalFinding {
  const observed = test.of(evidence);
  const found = { cause, window, signal, role, threshold: test.threshold };
  if (observed.kind === 'absent') return { ...found, reading: observed.because, outcome: 'not observable' };
  return {
    ...found,
    reading: observed.reading,
    outcome: observed.values.every(test.holds) ? 'holds' : 'does not hold',
  };
}
