/** The steady-state number to hold a service to, by one stated rule. */
import type { Findings } from './findings.js';
import type { Summary } from '../statistics/summary.js';
import { formatPercent } from './format.js';

/**
 * The upper end of the interval of the warm median TTFT: the largest value the true median has at that confidence.
 * Not the maximum, which one slow request sets and which grows with n; not the median, which half of all repeats
 * would exceed. Absent below six warm requests, where no interval reaches 95 %.
 */
export function sloAnchor(warmTtftMs: Summary | undefined): Findings['sloAnchor'] {
  if (!warmTtftMs?.interval) return undefined;
  const { upper, level } = warmTtftMs.interval;
  return {
    ttftMs: upper,
    rule: `upper end of the ${formatPercent(level)} interval of the warm median TTFT, n = ${warmTtftMs.n}`,
  };
}
