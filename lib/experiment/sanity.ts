/** Does the server answer at all, and does it serve the model that was frozen? GET /v1/models, on record as a request. */
import { request } from 'undici';
import type { RunRecord } from '../archive/record.js';
import type { RequestRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { servedModelName } from '../freeze/command.js';

/** The server answers, but not as the frozen run needs it. */
export class SanityError extends Error {
  override readonly name = 'SanityError';
  constructor(
    message: string,
    readonly served: readonly string[],
  ) {
    super(message);
  }
}

/**
 * Ask for the served models. Throws SanityError when the frozen model is not among them. The request counts among
 * those that touched the server before cold_1.
 */
export async function checkModels(at: {
  readonly baseUrl: string;
  readonly record: RunRecord;
  readonly launch: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
}): Promise<RequestRow> {
  const startAtMs = at.clock.nowMs();
  const response = await request(`${at.baseUrl}/v1/models`, {
    headersTimeout: at.timeoutMs,
    bodyTimeout: at.timeoutMs,
  });
  const text = await response.body.text();
  const endAtMs = at.clock.nowMs();
  const row = {
    requestId: `${at.launch}-sanity-1`,
    launch: at.launch,
    name: 'sanity',
    index: 1,
    workload: 'models',
    streamed: false,
    httpStatus: response.statusCode,
    startAtMs,
    endAtMs,
  } as const;
  const served = servedIds(text);
  const wanted = servedModelName(at.record);
  if (response.statusCode !== 200 || !served.includes(wanted)) {
    const list = served.length > 0 ? served.join(', ') : `nothing (HTTP ${response.statusCode}: ${text.slice(0, 120)})`;
    throw new SanityError(
      `GET /v1/models lists ${list}, not ${wanted}. Set DAY007_MODEL to a name that it lists.`,
      served,
    );
  }
  return { ...row, outcome: 'completed', outputPreview: served.join(', ').slice(0, 80) };
}

function servedIds(text: string): string[] {
  try {
    const body = JSON.parse(text) as { data?: readonly { id?: unknown }[] };
    return (body.data ?? []).flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
  } catch {
    return [];
  }
}
