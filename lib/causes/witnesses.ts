/** The same contrast asked of other witnesses: where they differ from the experiment, it is said. */
import type { CauseId, CellValue, Effect } from './contrasts.js';
import { effectOf } from './contrasts.js';
import { type CentreInterval, centreOf } from '../statistics/intervals.js';
import { formatMs } from '../interpret/format.js';
import type { LaunchMeasures } from './measures.js';

export type WitnessMeasure =
  | 'withoutImportsMs'
  | 'logLoadMs'
  | 'logCompileMs'
  | 'logKvMs'
  | 'readingMs'
  | 'gpuFillMs'
  | 'compilerCpuMs'
  | 'logInspectionMs'
  | 'logCacheMs';

interface WitnessRule {
  readonly cause: CauseId;
  readonly witness: string;
  readonly measure: WitnessMeasure;
  readonly isClock: boolean;
  /** Why it is shown and not held against the experiment. */
  readonly notCompared?: string | undefined;
}

const cpuTime = { isClock: false, notCompared: 'CPU time of several processes, not a stretch of the clock' } as const;
/** vLLM keeps what it found of the model's class below the same root as what it compiled. */
const inspection = {
  isClock: true,
  notCompared: 'a part of it: what is known of the model is kept with the compiled code, so an empty cache pays it too',
} as const;

const withoutImports = (cause: CauseId): WitnessRule => ({
  cause,
  witness: 'clock, without the processes’ own start and imports',
  measure: 'withoutImportsMs',
  isClock: true,
});

const rules: readonly WitnessRule[] = [
  withoutImports('A'),
  { cause: 'A', witness: 'log: phases of loading', measure: 'logLoadMs', isClock: true },
  { cause: 'A', witness: 'samples: time with reads from storage', measure: 'readingMs', isClock: true },
  withoutImports('B'),
  { cause: 'B', witness: 'log: phases of loading', measure: 'logLoadMs', isClock: true },
  { cause: 'B', witness: 'samples: time GPU memory grew while loading', measure: 'gpuFillMs', isClock: true },
  withoutImports('C'),
  { cause: 'C', witness: 'log: phases of compiling and capture', measure: 'logCompileMs', isClock: true },
  { cause: 'C', witness: 'log: these, and the model is inspected anew', measure: 'logCacheMs', isClock: true },
  { cause: 'C', witness: 'process tree: CPU of compilers', measure: 'compilerCpuMs', ...cpuTime },
  { cause: 'C', witness: 'log: the model is inspected anew', measure: 'logInspectionMs', ...inspection },
  withoutImports('C-cache'),
  { cause: 'C-cache', witness: 'log: phases of compiling and capture', measure: 'logCompileMs', isClock: true },
  { cause: 'C-cache', witness: 'log: these, and the model is inspected anew', measure: 'logCacheMs', isClock: true },
  withoutImports('D'),
  { cause: 'D', witness: 'log: phase of the KV cache', measure: 'logKvMs', isClock: true },
  withoutImports('D-size'),
  { cause: 'D-size', witness: 'log: phase of the KV cache', measure: 'logKvMs', isClock: true },
];

export interface Witness {
  readonly cause: CauseId | 'G';
  readonly witness: string;
  /** What the experiment, or the probe, says. */
  readonly main?: CentreInterval | undefined;
  readonly centre: CentreInterval;
  /** It is a stretch of the clock, as the experiment's own number is. */
  readonly isClock: boolean;
  readonly verdict: 'agrees' | 'disagrees' | 'not compared';
  /** What it disagrees about, or why it is not compared. */
  readonly because?: string | undefined;
}

/** One per block and cell: what the launch's measures are called by. */
export interface PlacedMeasures {
  readonly block: string;
  readonly cell: string;
  readonly measures: LaunchMeasures;
}

/** Differences below a tenth of the effect, or a tenth of a second, are within what two clocks of one start differ by. */
const tolerance = { fraction: 0.1, ms: 100 } as const;
/** A stretch seen by samples begins and ends between two ticks. */
const sampledMeasures: readonly WitnessMeasure[] = ['readingMs', 'gpuFillMs'];

/** `sampleIntervalMs`: between two ticks of the sampler. */
export function witnessesOf(
  effects: readonly Effect[],
  placed: readonly PlacedMeasures[],
  sampleIntervalMs = 100,
): Witness[] {
  return rules.flatMap(({ cause, witness, measure, isClock, notCompared }): Witness[] => {
    const main = effects.find((effect) => effect.cause === cause);
    if (!main) return [];
    const { centre } = effectOf(main, valuesOfMeasure(placed, measure));
    if (!centre) return [];
    const edgesMs = sampledMeasures.includes(measure) ? 2 * sampleIntervalMs : 0;
    const verdict =
      notCompared === undefined
        ? judge(main.centre, centre, edgesMs)
        : ({ verdict: 'not compared', because: notCompared } as const);
    return [{ cause, witness, main: main.centre, centre, isClock, ...verdict }];
  });
}

/** What the log says of the processes' start and imports, one number a block, beside the probes of G. */
export function processWitness(main: CentreInterval | undefined, placed: readonly PlacedMeasures[]): Witness[] {
  const blocks = [...new Set(placed.map(({ block }) => block))];
  const centre = centreOf(
    blocks.map((block) => {
      const own = placed.filter((one) => one.block === block);
      return own.reduce((sum, { measures }) => sum + measures.readyMs - measures.withoutImportsMs, 0) / own.length;
    }),
  );
  if (!centre || !main) return [];
  const witness = 'log and births: start and imports of the processes';
  return [{ cause: 'G', witness, main, centre, isClock: true, ...judge(main, centre, 0) }];
}

export function valuesOfMeasure(placed: readonly PlacedMeasures[], measure: WitnessMeasure | 'readyMs'): CellValue[] {
  return placed.flatMap(({ block, cell, measures }) => {
    const value = measures[measure];
    return value === undefined ? [] : [{ block, cell, value }];
  });
}

/** It disagrees when the experiment's interval, widened by the tolerance, does not reach that of the witness. */
function judge(
  main: CentreInterval | undefined,
  other: CentreInterval,
  edgesMs: number,
): Pick<Witness, 'verdict' | 'because'> {
  if (!main?.interval) return { verdict: 'not compared', because: 'the experiment has no interval yet' };
  const slackMs = Math.max(tolerance.ms, tolerance.fraction * Math.abs(main.centre)) + edgesMs;
  const { lower, upper } = other.interval ?? { lower: other.centre, upper: other.centre };
  if (upper >= main.interval.lower - slackMs && lower <= main.interval.upper + slackMs) return { verdict: 'agrees' };
  return {
    verdict: 'disagrees',
    because: `${formatMs(other.centre)} against ${formatMs(main.centre)} (${formatMs(main.interval.lower)} to ${formatMs(main.interval.upper)})`,
  };
}
