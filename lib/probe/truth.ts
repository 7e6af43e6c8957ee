/** The stream of known truth, running in a process of its own, and what a client's stamps are worth beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Exchange } from './exchange.js';
import { parseEvents } from './sse.js';

export interface TruthStream {
  readonly origin: string;
  stop(): void;
}

/** What a request may ask of the stream, in its body. */
export interface TruthAsked {
  readonly max_tokens: number;
  readonly firstDelayMs: number;
  readonly chunkDelayMs: number;
}

/** What calibration asks for: the gaps of a fast small model, few events. */
export const calibrationAsked: TruthAsked = { max_tokens: 4, firstDelayMs: 6, chunkDelayMs: 3 };

/** Start it. Rejects when it ends before it listens. */
export async function startTruthStream(projectRoot: string, clock: Clock): Promise<TruthStream> {
  const program = join(projectRoot, 'lib/rehearsal/known-truth.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, String(clock.originNs)], {
    cwd: projectRoot,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [port] = (await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the known-truth stream ended before it listened'))),
  ])) as [Buffer];
  return { origin: `http://127.0.0.1:${port.toString().trim()}`, stop: () => void child.stdin.end() };
}

/** A client's stamp of one event beside the truth, both in ms on the one clock. */
export interface JudgedStamp {
  readonly writtenAtMs: number;
  /** The stamp minus the instant just before the server's write: the server's cost of writing is inside. */
  readonly errorMs: number;
}

/**
 * The stamps of one exchange in the order of the stream; the error of the first is the TTFT error. Throws when the
 * exchange broke, or brought no event or one without its instant.
 */
export function judgeStamps({ failure, reads }: Pick<Exchange, 'failure' | 'reads'>): readonly JudgedStamp[] {
  if (failure) throw new Error(`a request to the known-truth stream broke: ${failure.code}: ${failure.message}`);
  const stamps = parseEvents(reads)
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data, atMs }) => {
      const { writtenAtMs } = JSON.parse(data) as { writtenAtMs: number };
      return { writtenAtMs, errorMs: atMs - writtenAtMs };
    });
  if (stamps.length === 0 || stamps.some(({ errorMs }) => !Number.isFinite(errorMs)))
    throw new Error('an answer of the known-truth stream carried no instants');
  return stamps;
}
