/**
 * A child of the rehearsal engine: EngineCore or Worker. It does what the API process tells it over IPC - write a
 * line, read the weight files - and answers with the instant at which it did. It leaves when its parent does.
 *
 * Run as `engine-core.ts <name for ps>` with an IPC channel. It imports little: its start is part of what is replayed.
 */
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClock } from '../clock.js';

export type Order =
  | { readonly id: number; readonly order: 'write'; readonly stream: 'out' | 'err'; readonly text: string }
  | {
      readonly id: number;
      readonly order: 'read';
      readonly files: readonly string[];
      readonly bytesPerS?: number | undefined;
    };

/** `id` is the order's; 0 says that the child is up. `error`: why a file could not be read. */
export interface Answer {
  readonly id: number;
  readonly atMs: number;
  readonly bytes: number;
  readonly error?: string | undefined;
}

const largestChunkBytes = 1024 * 1024;
/** A slow reading goes in small steps, so that it is slow everywhere and not only at its end. */
const chunksPerS = 20;

const clock = createClock(BigInt(process.env['DAY007_CLOCK_ORIGIN_NS'] ?? 0));
process.title = process.argv[2] ?? process.title;
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (order: Order) => {
  if (order.order === 'write') answer({ id: order.id, atMs: write(order.stream, order.text), bytes: 0 });
  else void readAll(order.files, order.bytesPerS).then((read) => answer({ id: order.id, ...read }));
});
answer({ id: 0, atMs: clock.nowMs(), bytes: 0 });

function answer(said: Answer): void {
  process.send?.(said);
}

function write(stream: 'out' | 'err', text: string): number {
  const atMs = clock.nowMs();
  (stream === 'out' ? process.stdout : process.stderr).write(`${text}\n`);
  return atMs;
}

async function readAll(files: readonly string[], bytesPerS = Infinity): Promise<Omit<Answer, 'id'>> {
  const startAtMs = clock.nowMs();
  const chunk = Buffer.allocUnsafe(Math.max(1024, Math.min(largestChunkBytes, bytesPerS / chunksPerS)));
  let bytes = 0;
  try {
    for (const name of files) {
      const file = await open(name);
      try {
        for (;;) {
          const { bytesRead } = await file.read(chunk, 0, chunk.length);
          if (bytesRead === 0) break;
          bytes += bytesRead;
          const dueInMs = startAtMs + (bytes / bytesPerS) * 1000 - clock.nowMs();
          if (dueInMs > 0) await sleep(dueInMs);
        }
      } finally {
        await file.close();
      }
    }
    return { atMs: clock.nowMs(), bytes };
  } catch (error) {
    return { atMs: clock.nowMs(), bytes, error: (error as Error).message };
  }
}
