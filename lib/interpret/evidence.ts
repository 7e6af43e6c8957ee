/** What the decision rules look at: numbers with a sentence that says what was read, or the reason there is none. */
import type { RunData } from '../archive/folder.js';
import { noGpuInRehearsal } from '../freeze/rehearsal.js';
import type { Cause } from './findings.js';
import { readTogether } from './launchgroups.js';

/** One quantity. `values` holds one number a launch: a rule must hold for each of them. */
export type Observed =
  | { readonly kind: 'seen'; readonly values: readonly number[]; readonly reading: string }
  | { readonly kind: 'absent'; readonly because: string };

/** Launch -> ready of one launch. Shares are fractions of the weight bytes, or of the time where the name says so. */
export interface LaunchEvidence {
  readonly storageShare: Observed;
  /** Share of the warm-up phase that reading from storage can have taken, at the fastest rate of the launch. */
  readonly warmUpStorageTime: Observed;
  readonly pageCacheShare: Observed;
  readonly hbmShare: Observed;
  readonly loadingUtilizationPercent: Observed;
  readonly pcieMBPerS: Observed;
  readonly kvStepMiB: Observed;
  readonly kvStepsOfLaunchesMiB: Observed;
  /** Share of launch -> ready, 0-1, that the phases of a cause took; of A and B, at most. */
  readonly timeShare: Readonly<Record<Cause, Observed>>;
}

/** Request 1 of every launch. */
export interface RequestEvidence {
  readonly storageBytes: Observed;
  readonly pageCacheMiB: Observed;
  readonly utilizationPercent: Observed;
  readonly hbmShare: Observed;
  readonly hbmStepMiB: Observed;
  readonly hbmStepsOfLaunchesMiB: Observed;
  readonly pcieMBPerS: Observed;
  /** cold_1 / warm median. */
  readonly coldFactor: Observed;
  /** cold_1 / warm_1. */
  readonly warm1Factor: Observed;
  readonly jitLines: Observed;
  /** Range of {cold_1, warm_1} / range of the later warm requests. */
  readonly settling: Observed;
}

export interface Evidence {
  readonly launch: LaunchEvidence;
  readonly request: RequestEvidence;
}

export const seen = (values: readonly number[], reading: string): Observed => ({ kind: 'seen', values, reading });
export const absent = (because: string): Observed => ({ kind: 'absent', because });

/** Readings of several launches put together; absent, with the first reason, when none has one. */
export function acrossLaunches(
  each: readonly { readonly launch: number; readonly observed: Observed }[],
  ifNone: string,
): Observed {
  const present = each.flatMap(({ launch, observed }) => (observed.kind === 'seen' ? [{ launch, observed }] : []));
  const reason = each.map(({ observed }) => observed).find((observed) => observed.kind === 'absent');
  if (present.length === 0) return reason ?? absent(ifNone);
  const values = present.flatMap(({ observed }) => observed.values);
  const [only] = present;
  if (each.length === 1 && only) return seen(values, only.observed.reading);
  return seen(
    values,
    readTogether(
      present.map(
        ({
          launch,
          observed: {
            reading,
            values: [value = NaN],
          },
        }) => ({ launch, text: reading, value }),
      ),
    ),
  );
}

/** Why nothing about a GPU can be observed in this run; undefined when it can. */
export function noGpuBecause(data: Pick<RunData, 'record' | 'gpu'>): string | undefined {
  if (data.record.engine.kind === 'rehearsal') return noGpuInRehearsal;
  if (data.record.engine.device === 'cpu')
    return data.record.environment.gpus.length > 0 ? 'the engine runs on the CPU' : 'no GPU';
  if (data.gpu.some((row) => row.memoryUsedMiB !== undefined || row.utilizationPercent !== undefined)) return undefined;
  return data.record.environment.gpus.length > 0 ? 'the GPU was not sampled' : 'no GPU';
}
