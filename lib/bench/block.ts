/** One block of the bench: some requests by one client, some at a time, and what the block cost that client. */
import type { Clock } from '../clock.js';
import type { Exchange, ExchangePlan } from '../probe/exchange.js';

export interface BenchClient {
  readonly name: string;
  readonly exchange: (plan: ExchangePlan, clock: Clock) => Promise<Exchange>;
  /** What the client left undone while bytes came in; called after the block. */
  readonly decode?: (seen: Exchange) => Exchange;
}

/** How a block is sent. */
export interface BlockPlan {
  readonly origin: string;
  /** Requests in flight at any time. */
  readonly streams: number;
  readonly requests: number;
  /** The request's place among those of the block, from 0 -> its body. */
  readonly bodyOf: (index: number) => string;
}

export interface Block {
  readonly exchanges: readonly Exchange[];
  readonly startAtMs: number;
  readonly wallMs: number;
  /** User and system time of this process over the block; where it spins, its spinning is inside. */
  readonly cpuMs: number;
}

/**
 * `streams` workers send `requests` requests, each worker one after the other. Nothing but sending and stamping
 * happens inside. Throws when a request breaks: the server on the other side is ours.
 */
export async function runBlock(client: BenchClient, plan: BlockPlan, clock: Clock): Promise<Block> {
  const exchanges: Exchange[] = [];
  let begun = 0;
  const work = async () => {
    while (begun < plan.requests) {
      const body = plan.bodyOf(begun);
      begun += 1;
      exchanges.push(
        await client.exchange({ origin: plan.origin, path: '/v1/completions', body, timeoutMs: 60_000 }, clock),
      );
    }
  };
  const before = process.cpuUsage();
  const startAtMs = clock.nowMs();
  await Promise.all(Array.from({ length: plan.streams }, work));
  const wallMs = clock.nowMs() - startAtMs;
  const { user, system } = process.cpuUsage(before);
  return {
    exchanges: exchanges.map((seen) => client.decode?.(seen) ?? seen),
    startAtMs,
    wallMs,
    cpuMs: (user + system) / 1000,
  };
}
