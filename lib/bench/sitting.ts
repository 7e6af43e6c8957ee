/**
 * One sitting of the bench: fresh clients and a fresh server, some rounds, and what was measured on standard output.
 * Run as `node --import tsx lib/bench/sitting.ts`; the job comes as JSON on standard input (sittings.ts).
 */
import { text } from 'node:stream/consumers';
import { createClock } from '../clock.js';
import { startTruthStream } from '../probe/truth.js';
import { randomFrom } from '../statistics/random.js';
import { clients } from './clients.js';
import { runSitting } from './setting.js';
import type { SittingJob } from './sittings.js';

void main();

async function main(): Promise<void> {
  const { plan, names, mode, seed, clockOriginNs, projectRoot } = JSON.parse(await text(process.stdin)) as SittingJob;
  const clock = createClock(BigInt(clockOriginNs));
  const truth = await startTruthStream(projectRoot, clock);
  try {
    const named = names.map((name) => clients[name]);
    process.stdout.write(JSON.stringify(await runSitting(named, plan, truth, mode, clock, randomFrom(seed))));
  } finally {
    truth.stop();
  }
}
