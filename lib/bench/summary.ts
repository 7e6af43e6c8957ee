/** What a bench measured -> its summary: errors, cost and limit of each client, the ratios, and the verdict. */
import type { CalibrationRow } from '../archive/tables.js';
import { type Spread, spreadOf } from '../statistics/samples.js';
import { rampEnds, type RampEnd, type RampPoint } from './ramp.js';
import {
  decide,
  intervalMethod,
  p99Ratio,
  p99WithInterval,
  type Interval,
  type RoundErrors,
  type Verdict,
} from './ratio.js';
import { sittingsOf, type MeasuredBlock, type SettingRuns } from './setting.js';
import { chunkErrors, ttftErrors } from './tables.js';
import type { TruthAsked } from '../probe/truth.js';

/** The probe may be this much later than the bare socket, at the p99: the project's target, set before any measuring. */
export const ratioLimit = 1.5;

/** With fewer requests than this a p99 rests on less than ten of them, and nothing is decided. */
export const requestsForVerdict = 1000;

export interface ClientFigures {
  readonly client: string;
  readonly ttftErrorMs: Spread;
  readonly chunkErrorMs: Spread;
  /** CPU time of the client's process with its event loop asleep between events. */
  readonly cpuMsPer1000Events: number;
}

export interface RatioFigures extends Interval {
  readonly client: string;
  readonly error: 'ttft' | 'chunk';
  /** Against `ratioLimit`. */
  readonly verdict: Verdict;
}

export interface SettingFigures {
  readonly streams: number;
  readonly sittings: number;
  readonly rounds: number;
  readonly requestsPerBlock: number;
  readonly warmups: number;
  readonly asked: TruthAsked;
  readonly clients: readonly ClientFigures[];
  /** p99 of each client over p99 of the bare socket. */
  readonly ratios: readonly RatioFigures[];
}

/** The bench's one-stream requests beside the calibration of a run: the same code, asked for the same. */
export interface CalibrationLike {
  readonly bench: Spread;
  readonly calibration: Spread;
  /** median(bench) / median(calibration). */
  readonly medianRatio: number;
  /** Within a factor of `ratioLimit`, either way: what the target calls no difference between clients. */
  readonly agree: boolean;
}

/** The TTFT error's p99 at one stream against a limit in ms that was given. */
export interface AbsoluteFigures extends Interval {
  readonly limitMs: number;
  readonly verdict: Verdict;
}

export interface BenchFigures {
  readonly settings: readonly SettingFigures[];
  /** How the intervals were made. */
  readonly method: string;
  readonly calibrationLike: CalibrationLike;
  readonly absolute?: AbsoluteFigures | undefined;
  readonly ramp: readonly RampEnd[];
  /** The worst of the verdicts on the probe: both errors at every number of streams, and the absolute one if asked. */
  readonly verdict: Verdict;
}

export function summarizeBench(
  runs: readonly SettingRuns[],
  calibration: readonly CalibrationRow[],
  points: readonly RampPoint[],
  seed: number,
  targetMs?: number,
): BenchFigures {
  const settings = runs.map((run) => settingFigures(run, seed));
  const oneStream = blocksOf(runs.find(({ plan }) => plan.streams === 1) ?? runs[0], 'probe').map(roundOf(ttftErrors));
  const absolute = targetMs === undefined ? undefined : absoluteFigures(oneStream, seed, targetMs);
  const verdicts = settings.flatMap(({ ratios }) => ratios.filter(({ client }) => client === 'probe'));
  return {
    settings,
    method: intervalMethod,
    calibrationLike: calibrationLike(
      oneStream.flatMap(({ errors }) => errors),
      calibration,
    ),
    absolute,
    ramp: rampEnds(points),
    verdict: worst([...verdicts.map(({ verdict }) => verdict), ...(absolute ? [absolute.verdict] : [])]),
  };
}

/** 'not within' over 'not resolved' over 'within'. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('not within')) return 'not within';
  return verdicts.length === 0 || verdicts.includes('not resolved') ? 'not resolved' : 'within';
}

function settingFigures(run: SettingRuns, seed: number): SettingFigures {
  const { streams, rounds, requests, warmups, asked } = run.plan;
  const names = [...new Set(run.blocks.map(({ client }) => client))].sort();
  const ratio = (client: string, error: 'ttft' | 'chunk'): RatioFigures => {
    const errors = error === 'ttft' ? ttftErrors : chunkErrors;
    const [own, socket] = [client, 'socket'].map((name) => blocksOf(run, name).map(roundOf(errors)));
    const interval = p99Ratio(own ?? [], socket ?? [], seed);
    return { client, error, ...interval, verdict: decideFrom(rounds * requests, interval, ratioLimit) };
  };
  return {
    streams,
    sittings: sittingsOf(run.plan).length,
    rounds,
    requestsPerBlock: requests,
    warmups,
    asked,
    clients: names.map((client) => clientFigures(run, client)),
    ratios: names
      .filter((client) => client !== 'socket')
      .flatMap((client) => [ratio(client, 'ttft'), ratio(client, 'chunk')]),
  };
}

function clientFigures(run: SettingRuns, client: string): ClientFigures {
  const blocks = blocksOf(run, client);
  const cpu = run.cpuBlocks.filter((block) => block.client === client);
  const events = cpu.flatMap(chunkErrors).length;
  return {
    client,
    ttftErrorMs: spread(blocks.flatMap(ttftErrors)),
    chunkErrorMs: spread(blocks.flatMap(chunkErrors)),
    cpuMsPer1000Events: (1000 * cpu.reduce((sum, { cpuMs }) => sum + cpuMs, 0)) / events,
  };
}

/** The blocks of a client in the order of their rounds. */
function blocksOf(run: SettingRuns | undefined, client: string) {
  return (run?.blocks ?? []).filter((block) => block.client === client).sort((a, b) => a.round - b.round);
}

const roundOf =
  (errors: (block: MeasuredBlock) => number[]) =>
  (block: MeasuredBlock): RoundErrors => ({ sitting: block.sitting, errors: errors(block) });

function absoluteFigures(rounds: readonly RoundErrors[], seed: number, limitMs: number): AbsoluteFigures {
  const interval = p99WithInterval(rounds, seed);
  const requests = rounds.reduce((sum, { errors }) => sum + errors.length, 0);
  return { limitMs, ...interval, verdict: decideFrom(requests, interval, limitMs) };
}

function decideFrom(requests: number, interval: Interval, limit: number): Verdict {
  return requests < requestsForVerdict ? 'not resolved' : decide(interval, limit);
}

function calibrationLike(bench: readonly number[], rows: readonly CalibrationRow[]): CalibrationLike {
  const calibration = rows.filter(({ warmup }) => !warmup).map(({ firstTokenErrorMs }) => firstTokenErrorMs);
  const [ours, theirs] = [spread(bench), spread(calibration)];
  const medianRatio = ours.median / theirs.median;
  const agree = medianRatio <= ratioLimit && 1 / medianRatio <= ratioLimit;
  return { bench: ours, calibration: theirs, medianRatio, agree };
}

function spread(values: readonly number[]): Spread {
  const found = spreadOf(values);
  if (!found) throw new RangeError('the bench has no request of this client');
  return found;
}
