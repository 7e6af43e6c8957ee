/** More and more events a second, until a client's stamps come too late: where its limit is. */
import type { Clock } from '../clock.js';
import { awake, type ProbeMode } from '../probe/mode.js';
import { shuffled } from '../statistics/random.js';
import { medianOf, spreadOf } from '../statistics/samples.js';
import { judgeStamps, type JudgedStamp, type TruthStream } from '../probe/truth.js';
import { runBlock, type BenchClient } from './block.js';

/** Above this a stamp no longer tells two tokens of a fast server apart. */
export const rampLimitMs = 5;

export interface RampStep {
  readonly streams: number;
  readonly chunkDelayMs: number;
}

/** What a client did at one step. */
export interface RampPoint extends RampStep {
  readonly client: string;
  /** Which of the tries at this step, from 1. */
  readonly attempt: number;
  readonly events: number;
  /** Events a second that the server was asked for, and those that it wrote while all streams ran. */
  readonly askedPerS: number;
  readonly writtenPerS: number;
  readonly medianErrorMs: number;
  readonly p99ErrorMs: number;
}

export interface RampEnd {
  readonly client: string;
  /**
   * Events a second, as written, of the first step where most attempts had a p99 above the limit: one late turn of a
   * busy machine is no limit of a client. Absent: not reached.
   */
  readonly reachedAtPerS?: number | undefined;
  /** Events a second of the fastest step that was still below. Absent: there was none. */
  readonly heldUpToPerS?: number | undefined;
}

/** Doubling rates, from what one answer brings to more than a Node server can write. */
export const rampSteps: readonly RampStep[] = [16, 32, 64, 128, 256, 512].map((streams) => ({
  streams,
  chunkDelayMs: 5,
}));
/** Time for all connections before the first event of any. */
const firstDelayMs = 300;

/** Attempts of each client at each step: odd, so that most of them say one thing. */
export const rampAttempts = 3;

/** Every client at every step, in an order drawn anew each time, until all of them are above the limit. */
export async function runRamp(
  names: readonly BenchClient[],
  steps: readonly RampStep[],
  eventsPerStream: number,
  truth: TruthStream,
  mode: ProbeMode,
  clock: Clock,
  random: () => number,
): Promise<RampPoint[]> {
  const points: RampPoint[] = [];
  for (const step of steps) {
    const attempts = Array.from({ length: rampAttempts }, (_, at) => at + 1);
    for (const { client, attempt } of attempts.flatMap((attempt) =>
      shuffled(names, random).map((client) => ({ client, attempt })),
    )) {
      // The streams' events are spread over the gap: all of them in one instant would be a burst, not a rate.
      const bodyOf = (index: number) =>
        JSON.stringify({
          max_tokens: eventsPerStream,
          firstDelayMs: firstDelayMs + (index * step.chunkDelayMs) / step.streams,
          chunkDelayMs: step.chunkDelayMs,
        });
      const plan = { origin: truth.origin, streams: step.streams, requests: step.streams, bodyOf };
      const { exchanges } = await awake(mode, () => runBlock(client, plan, clock));
      points.push(pointOf(client.name, attempt, step, exchanges.map(judgeStamps)));
    }
    if (rampEnds(points).every(({ reachedAtPerS }) => reachedAtPerS !== undefined)) break;
  }
  return points;
}

/** Per client, where the limit was passed for the first time and what was held before. */
export function rampEnds(points: readonly RampPoint[]): RampEnd[] {
  return [...new Set(points.map(({ client }) => client))].sort().map((client) => {
    const own = points.filter((point) => point.client === client);
    const steps = [...new Set(own.map(({ askedPerS }) => askedPerS))].map((askedPerS) => {
      const attempts = own.filter((point) => point.askedPerS === askedPerS);
      return {
        writtenPerS: middle(attempts.map(({ writtenPerS }) => writtenPerS)),
        p99ErrorMs: middle(attempts.map(({ p99ErrorMs }) => p99ErrorMs)),
      };
    });
    const passed = steps.findIndex(({ p99ErrorMs }) => p99ErrorMs > rampLimitMs);
    const held = (passed < 0 ? steps : steps.slice(0, passed)).map(({ writtenPerS }) => writtenPerS);
    return {
      client,
      reachedAtPerS: steps[passed]?.writtenPerS,
      heldUpToPerS: held.length > 0 ? Math.max(...held) : undefined,
    };
  });
}

const middle = (values: readonly number[]) => medianOf(values) ?? NaN;

function pointOf(
  client: string,
  attempt: number,
  { streams, chunkDelayMs }: RampStep,
  answers: readonly (readonly JudgedStamp[])[],
): RampPoint {
  const stamps = answers.flat();
  const written = Float64Array.from(stamps, ({ writtenAtMs }) => writtenAtMs).sort();
  const spanMs = (written[written.length - 1] ?? NaN) - (written[0] ?? NaN);
  const spread = spreadOf(stamps.map(({ errorMs }) => errorMs));
  if (!spread) throw new Error('a step of the ramp brought no event');
  return {
    client,
    attempt,
    streams,
    chunkDelayMs,
    events: stamps.length,
    askedPerS: (streams * 1000) / chunkDelayMs,
    writtenPerS: ((stamps.length - 1) * 1000) / spanMs,
    medianErrorMs: spread.median,
    p99ErrorMs: spread.p99 ?? spread.max,
  };
}
