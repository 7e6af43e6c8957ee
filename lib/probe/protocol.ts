/** What the notebook kernel and the prober say to each other: JSON lines over the prober's pipes. */
import type { CalibrationRow } from '../archive/tables.js';
import type { ExchangePlan } from './exchange.js';
import type { RequestLabel, Trace } from './trace.js';

/** The prober's circumstances: the first line on its standard input. `runDir` absent: nothing is written. */
export interface ProberJob {
  readonly runDir?: string | undefined;
  readonly clockOriginNs: string;
  readonly projectRoot: string;
}

/** One request of an open loop. */
export interface PlannedProbe {
  readonly label: RequestLabel;
  readonly plan: ExchangePlan;
  readonly offsetMs: number;
}

export type ProberRequest =
  | { readonly ask: 'calibrate'; readonly id: number; readonly warmups: number; readonly measured: number }
  | { readonly ask: 'probe'; readonly id: number; readonly label: RequestLabel; readonly plan: ExchangePlan }
  /** Each is sent at its `offsetMs` after the asking is taken up, whatever is outstanding; rising. */
  | { readonly ask: 'open-loop'; readonly id: number; readonly requests: readonly PlannedProbe[] }
  /** `id`: of the request to give up, in flight or still waiting. */
  | { readonly ask: 'abort'; readonly id: number };

export type ProberReply =
  | { readonly id: number; readonly calibration: readonly CalibrationRow[]; readonly mode: string }
  | { readonly id: number; readonly trace: Trace }
  /** In the order of the plan; those that were not sent are missing. */
  | { readonly id: number; readonly traces: readonly Trace[] }
  | { readonly id: number; readonly failed: string };
