/** The probe against the stream of known truth: how late are its own stamps? */
import type { CalibrationRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { exchange, type Exchange } from './exchange.js';
import { calibrationAsked, judgeStamps, startTruthStream, type TruthAsked } from './truth.js';

/**
 * Requests sent before all others, as fast as they come back, and not recorded: they take a fraction of a second, and
 * after about so many the hot code of client and stream is compiled (docs/instrument.md). At the pace of a real stream
 * that would take many seconds.
 */
const quickRequests = 500;

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
  const truth = await startTruthStream(projectRoot, clock);
  const send = async (asked: TruthAsked, index: number, isWarmup: boolean): Promise<CalibrationRow> => {
    const body = JSON.stringify(asked);
    const plan = { origin: truth.origin, path: '/v1/completions', body, timeoutMs: 10_000 };
    return calibrationRow(await exchange(plan, clock, signal), index, isWarmup);
  };
  try {
    const quick = { ...calibrationAsked, firstDelayMs: 0, chunkDelayMs: 0 };
    for (let index = 1; index <= quickRequests; index += 1) await send(quick, index, true);
    const rows: CalibrationRow[] = [];
    for (let index = 1; index <= warmups + measured; index += 1)
      rows.push(await send(calibrationAsked, index, index <= warmups));
    return rows;
  } finally {
    truth.stop();
  }
}

/** The errors of one calibration exchange. Throws when the exchange broke or carries no instants. */
export function calibrationRow(seen: Exchange, index: number, warmup: boolean): CalibrationRow {
  if (seen.failure || seen.connectedAtMs === undefined)
    throw new Error(`calibration request ${index} broke: ${seen.failure?.message ?? 'no connection'}`);
  const errors = judgeStamps(seen).map(({ errorMs }) => errorMs);
  return {
    index,
    warmup,
    firstTokenErrorMs: errors[0] ?? NaN,
    worstChunkErrorMs: Math.max(...errors),
    connectMs: seen.connectedAtMs - seen.startAtMs,
  };
}
