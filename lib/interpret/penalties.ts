/** cold_1 against the warm median: the cold penalty factor, with what the median's interval does to it. */
import type { Findings, RequestTiming } from './findings.js';
import { coldOf, launchesOf, measureMs, measuresMs, warmSet, type Measure } from './series.js';
import { summarize } from '../statistics/summary.js';

export type Penalty = Findings['penalties'][number];

/** By TTFT (ms) for every launch whose cold_1 was streamed, and by wall_s (s) for every launch. */
export function penalties(timings: readonly RequestTiming[]): Penalty[] {
  return launchesOf(timings).flatMap((launch) => {
    const cold = coldOf(timings, launch);
    if (!cold) return [];
    const measures: readonly Measure[] = cold.streamed ? ['TTFT', 'wall_s'] : ['wall_s'];
    return measures.map((by) => penalty(timings, cold, by)).filter((found): found is Penalty => found !== undefined);
  });
}

/** Like is compared with like: a streamed cold_1 with streamed warm requests, where there are any. */
function penalty(timings: readonly RequestTiming[], cold: RequestTiming, by: Measure): Penalty | undefined {
  const warm =
    warmSet(timings, cold.launch, cold.streamed) ??
    (by === 'wall_s' ? warmSet(timings, cold.launch, undefined) : undefined);
  const coldMs = measureMs(cold, by);
  const summary = summarize(warm ? measuresMs(warm.timings, by) : []);
  if (!warm || coldMs === undefined || !summary || summary.median <= 0) return undefined;
  const unit = by === 'TTFT' ? 1 : 1000;
  const { interval } = summary;
  return {
    launch: cold.launch,
    by,
    cold: coldMs / unit,
    warmMedian: summary.median / unit,
    factor: coldMs / summary.median,
    lower: interval && interval.upper > 0 ? coldMs / interval.upper : undefined,
    upper: interval && interval.lower > 0 ? coldMs / interval.lower : undefined,
    warmOf: warm.label,
  };
}
