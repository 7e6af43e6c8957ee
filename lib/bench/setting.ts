/** One setting of the bench, so many streams at once: every client in interleaved blocks, and what came of each. */
import type { Clock } from '../clock.js';
import { asleepAsAsked, awake, type ProbeMode } from '../probe/mode.js';
import { shuffled } from '../statistics/random.js';
import { judgeStamps, type TruthAsked, type TruthStream } from '../probe/truth.js';
import { runBlock, type BenchClient, type Block } from './block.js';

export interface SettingPlan {
  readonly streams: number;
  /**
   * Fresh processes of the clients and of the server, one pair after the other: what a process happens to be like (its
   * compiled code, its heap) stays with all its rounds, so rounds of one process alone do not show how far it matters.
   */
  readonly sittings: number;
  /** Over all sittings; each round has one block of every client, in an order drawn anew. */
  readonly rounds: number;
  /** Requests of a block. */
  readonly requests: number;
  /** Requests of each client before the first round of a sitting; they count nowhere. */
  readonly warmups: number;
  readonly asked: TruthAsked;
}

/** A block with its place in the bench, its errors in ms, a request in each row. */
export interface MeasuredBlock {
  readonly streams: number;
  readonly client: string;
  /** From 1. */
  readonly sitting: number;
  /** From 1, over all sittings. */
  readonly round: number;
  /** Position in its round, from 1. */
  readonly position: number;
  readonly startAtMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly requests: readonly MeasuredRequest[];
}

export interface MeasuredRequest {
  /** One for each event; the first is the TTFT error. */
  readonly errorsMs: readonly number[];
  readonly connectMs?: number | undefined;
}

export interface SettingRuns {
  readonly plan: SettingPlan;
  readonly blocks: readonly MeasuredBlock[];
  /** Blocks with the event loop asleep, for the clients' CPU time only. The same as `blocks` where it always sleeps. */
  readonly cpuBlocks: readonly MeasuredBlock[];
}

/** Rounds of a sitting for the CPU time, where the others spin: a mean over some blocks is enough. */
const cpuRounds = 1;

/** What one sitting brings. */
export type SittingRuns = Pick<SettingRuns, 'blocks' | 'cpuBlocks'>;

/** What one sitting does. */
export interface Sitting extends Omit<SettingPlan, 'sittings'> {
  readonly sitting: number;
  /** Rounds of the sittings before it. */
  readonly roundsBefore: number;
}

/** The rounds spread over the sittings as evenly as they go; no more sittings than rounds. */
export function sittingsOf({ sittings, rounds, ...rest }: SettingPlan): Sitting[] {
  const count = Math.min(sittings, rounds);
  const edge = (at: number) => Math.floor((at * rounds) / count);
  return Array.from({ length: count }, (_, at) => ({
    ...rest,
    sitting: at + 1,
    roundsBefore: edge(at),
    rounds: edge(at + 1) - edge(at),
  }));
}

export async function runSitting(
  names: readonly BenchClient[],
  plan: Sitting,
  truth: TruthStream,
  mode: ProbeMode,
  clock: Clock,
  random: () => number,
): Promise<SittingRuns> {
  const { sitting, roundsBefore } = plan;
  const body = JSON.stringify(plan.asked);
  const blockPlan = { origin: truth.origin, streams: plan.streams, bodyOf: () => body };
  const inRounds = async (rounds: number, how: ProbeMode) => {
    const blocks: MeasuredBlock[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      for (const [at, client] of shuffled(names, random).entries()) {
        const block = await awake(how, () => runBlock(client, { ...blockPlan, requests: plan.requests }, clock));
        blocks.push(
          measured(block, {
            streams: plan.streams,
            client: client.name,
            sitting,
            round: roundsBefore + round,
            position: at + 1,
          }),
        );
      }
    }
    return blocks;
  };
  for (const client of names)
    await awake(mode, () => runBlock(client, { ...blockPlan, requests: plan.warmups }, clock));
  const blocks = await inRounds(plan.rounds, mode);
  return { blocks, cpuBlocks: mode.busyCores === 0 ? blocks : await inRounds(cpuRounds, asleepAsAsked) };
}

function measured(
  { exchanges, startAtMs, wallMs, cpuMs }: Block,
  place: Pick<MeasuredBlock, 'streams' | 'client' | 'sitting' | 'round' | 'position'>,
): MeasuredBlock {
  const requests = exchanges.map((seen) => ({
    errorsMs: judgeStamps(seen).map(({ errorMs }) => errorMs),
    connectMs: seen.connectedAtMs === undefined ? undefined : seen.connectedAtMs - seen.startAtMs,
  }));
  return { ...place, startAtMs, wallMs, cpuMs, requests };
}
