/**
 * A prediction of launch -> ready that can be wrong: bytes / bandwidth + a constant. The bandwidth belongs to the state
 * of the pages, the constant to that of the compile cache; both come from launches of one shape, and the test is
 * another shape. Nothing is adjusted to the launches it is tested on.
 */
import { medianOf } from '../statistics/samples.js';
import type { RecordedLaunch, Temperature } from './recorded.js';

export interface StartModel {
  readonly fittedOn: readonly RecordedLaunch[];
  /** Bytes of weights a second while they load. Absent: no launch in that state. */
  readonly bytesPerS: Readonly<Partial<Record<Temperature, number>>>;
  /** Everything but the loading of the weights, in ms. */
  readonly constantMs: Readonly<Partial<Record<Temperature, number>>>;
}

export interface StartState {
  readonly weightsBytes: number;
  readonly pages?: Temperature | undefined;
  readonly compileCache?: Temperature | undefined;
}

/** Medians over the launches in each state; with one launch in a state, that launch. */
export function fitStarts(launches: readonly RecordedLaunch[]): StartModel {
  const byState = (pick: (launch: RecordedLaunch) => Temperature | undefined, of: (launch: RecordedLaunch) => number) =>
    Object.fromEntries(
      (['cold', 'warm'] as const).flatMap((state) => {
        const value = medianOf(launches.filter((launch) => pick(launch) === state).map(of));
        return value === undefined ? [] : [[state, value]];
      }),
    );
  return {
    fittedOn: launches,
    bytesPerS: byState(
      ({ pages }) => pages,
      ({ weightsBytes, weightsMs }) => (weightsBytes / Math.max(weightsMs, 1)) * 1000,
    ),
    constantMs: byState(
      ({ compileCache }) => compileCache,
      ({ readyMs, weightsMs }) => readyMs - weightsMs,
    ),
  };
}

/** Launch -> ready in ms. Undefined where the model saw no launch in one of the two states. */
export function predictReadyMs(model: StartModel, state: StartState): number | undefined {
  const bytesPerS = state.pages && model.bytesPerS[state.pages];
  const constantMs = state.compileCache && model.constantMs[state.compileCache];
  if (bytesPerS === undefined || constantMs === undefined) return undefined;
  return constantMs + (state.weightsBytes / bytesPerS) * 1000;
}

export interface PredictionTest {
  readonly launch: RecordedLaunch;
  readonly predictedMs?: number | undefined;
  /** (predicted - measured) / measured; a fraction, with its sign. */
  readonly errorFraction?: number | undefined;
}

export function testPrediction(model: StartModel, heldOut: readonly RecordedLaunch[]): PredictionTest[] {
  return heldOut.map((launch) => {
    const predictedMs = predictReadyMs(model, launch);
    return {
      launch,
      predictedMs,
      errorFraction: predictedMs === undefined ? undefined : (predictedMs - launch.readyMs) / launch.readyMs,
    };
  });
}
