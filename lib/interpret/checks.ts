/** Promises every run must keep: equal work, proven prefix hits and misses, completed requests. A broken one is flagged. */
import type { RunData } from '../archive/folder.js';
import type { RequestTiming } from './findings.js';
import type { Flag } from './flags.js';
import { formatCounted, formatMs, formatPercent } from './format.js';
import { isCompleted, requestsNamed } from './series.js';

/** The flag that takes the certainty from every TTFT. */
export const lateFlag = 'the probe saw first tokens late';

/** Requests that are no part of the measurement. */
const untimed: readonly string[] = ['sanity', 'probe'];

export function checkFlags(data: Pick<RunData, 'requests'>, timings: readonly RequestTiming[]): Flag[] {
  const timed = timings.filter(({ name }) => !untimed.includes(name));
  return [
    failures(timed),
    lateTokens(timed),
    ...usageFlags(data, timed),
    prefixMisses(timed),
    prefixHits(timed),
    longColdIsCold(timed),
  ];
}

function failures(timings: readonly RequestTiming[]): Flag {
  const failed = timings.filter((timing) => !isCompleted(timing));
  return {
    flag: 'requests not completed',
    raised: failed.length > 0,
    reading:
      failed.length === 0
        ? `none of ${timings.length}`
        : failed.map(({ requestId, outcome }) => `${requestId} ${outcome}`).join(', '),
    threshold: 'any; they are left out of every statistic',
  };
}

export const checkThresholds = {
  /** Both: 5 ms, more than detokenising and sending a token takes on a busy core, and a tenth of the TTFT. Ours. */
  lateMs: 5,
  lateShare: 0.1,
} as const;

/** A client without CPU stamps tokens in one go, long after they were sent: its TTFT is then the fault of the probe. */
function lateTokens(timings: readonly RequestTiming[]): Flag {
  const { lateMs, lateShare } = checkThresholds;
  const judged = timings.filter((timing) => isCompleted(timing) && timing.firstTokenLateMs !== undefined);
  const late = judged.filter(
    ({ firstTokenLateMs = 0, ttftMs = 0 }) => firstTokenLateMs >= lateMs && firstTokenLateMs >= lateShare * ttftMs,
  );
  const worst = Math.max(...judged.map(({ firstTokenLateMs = 0 }) => firstTokenLateMs));
  return {
    flag: lateFlag,
    raised: late.length > 0,
    reading:
      judged.length === 0
        ? 'not tested: the server gives no generation time'
        : `${late.length} of ${judged.length} streamed requests, worst ${formatMs(worst)}`,
    threshold: `${formatMs(lateMs)} and ${formatPercent(lateShare, 2)} of the TTFT, by the server's generation time; TTFT of such a request is too long`,
  };
}

/** Different token counts mean different work, and times of different work do not compare. */
function usageFlags(data: Pick<RunData, 'requests'>, timings: readonly RequestTiming[]): Flag[] {
  const workloadOf = new Map(data.requests.map((row) => [row.requestId, row.workload]));
  const workloads = [...new Set(timings.map(({ requestId }) => workloadOf.get(requestId)))].filter(
    (workload) => workload !== undefined,
  );
  return workloads.map((workload) => {
    const own = timings.filter((timing) => isCompleted(timing) && workloadOf.get(timing.requestId) === workload);
    const counts = new Map<string, number>();
    for (const { promptTokens, completionTokens } of own) {
      if (promptTokens === undefined && completionTokens === undefined) continue;
      const work = `${promptTokens ?? '?'} prompt and ${completionTokens ?? '?'} completion tokens`;
      counts.set(work, (counts.get(work) ?? 0) + 1);
    }
    return {
      flag: `unequal work (${workload} workload)`,
      raised: counts.size > 1,
      reading:
        counts.size === 0
          ? 'the server gave no usage'
          : [...counts].map(([work, n]) => `${work} in ${formatCounted(n, 'request')}`).join('; '),
      threshold: 'any difference in usage between requests of one workload is an error',
    };
  });
}

function prefixMisses(timings: readonly RequestTiming[]): Flag {
  const rows = requestsNamed(timings, 'warm-unique');
  const hits = rows.filter(({ cachedTokens }) => (cachedTokens ?? 0) > 0);
  return proof('warm-unique hit the prefix cache', rows, hits, 'cached_tokens above 0');
}

function prefixHits(timings: readonly RequestTiming[]): Flag {
  const rows = requestsNamed(timings, 'warm-cached');
  const misses = rows.filter(({ cachedTokens }) => cachedTokens === 0);
  return proof('warm-cached missed the prefix cache', rows, misses, 'cached_tokens of 0');
}

function longColdIsCold(timings: readonly RequestTiming[]): Flag {
  const rows = requestsNamed(timings, 'cold-long');
  return proof(
    'cold-long hit the prefix cache',
    rows,
    rows.filter(({ cachedTokens }) => (cachedTokens ?? 0) > 0),
    'cached_tokens above 0',
  );
}

function proof(
  flag: string,
  rows: readonly RequestTiming[],
  broken: readonly RequestTiming[],
  threshold: string,
): Flag {
  const known = rows.filter(({ cachedTokens }) => cachedTokens !== undefined).length;
  const list = broken.map(({ requestId, cachedTokens }) => `${requestId}: ${cachedTokens} tokens`).join(', ');
  const reading =
    rows.length === 0
      ? 'no such request'
      : broken.length > 0
        ? list
        : `none of ${rows.length}${known < rows.length ? `; ${rows.length - known} give no cached_tokens, so unproven` : ''}`;
  return { flag, raised: broken.length > 0, reading, threshold };
}
