/** The probe against the stream of known truth: how late are its own stamps? */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { CalibrationRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { exchange, type Exchange } from './exchange.js';
import { parseEvents } from './sse.js';

/**
 * Send `warmups` + `measured` streamed requests to a loopback stream and compare each stamp with the instant the
 * server gives for its write. The server's own cost of writing is inside the difference. Throws when the stream
 * cannot be started, an answer lacks its instants, or `signal` is aborted.
 */
export async function calibrate(
  warmups: number,
  measured: number,
  clock: Clock,
  projectRoot: string,
  signal?: AbortSignal,
): Promise<CalibrationRow[]> {
  const program = join(projectRoot, 'lib/rehearsal/known-truth.ts');
  const server = spawn(process.execPath, ['--import', 'tsx', program, String(clock.originNs)], {
    cwd: projectRoot,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [port] = (await Promise.race([
      once(server.stdout, 'data'),
      once(server, 'exit').then(() => Promise.reject(new Error('the known-truth stream ended before it listened'))),
    ])) as [Buffer];
    const origin = `http://127.0.0.1:${port.toString().trim()}`;
    const rows: CalibrationRow[] = [];
    for (let index = 1; index <= warmups + measured; index += 1) {
      const seen = await exchange({ origin, path: '/v1/completions', body: '{}', timeoutMs: 10_000 }, clock, signal);
      rows.push(calibrationRow(seen, index, index <= warmups));
    }
    return rows;
  } finally {
    server.stdin.end();
  }
}

/** The errors of one calibration exchange. Throws when the exchange broke or carries no instants. */
export function calibrationRow(seen: Exchange, index: number, warmup: boolean): CalibrationRow {
  if (seen.failure || seen.connectedAtMs === undefined)
    throw new Error(`calibration request ${index} broke: ${seen.failure?.message ?? 'no connection'}`);
  const errors = parseEvents(seen.reads)
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data, atMs }) => atMs - (JSON.parse(data) as { writtenAtMs: number }).writtenAtMs);
  const first = errors[0];
  if (first === undefined || errors.some((error) => !Number.isFinite(error)))
    throw new Error(`calibration request ${index} carried no instants`);
  return {
    index,
    warmup,
    firstTokenErrorMs: first,
    worstChunkErrorMs: Math.max(...errors),
    connectMs: seen.connectedAtMs - seen.startAtMs,
  };
}
