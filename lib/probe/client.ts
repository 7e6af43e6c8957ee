/** The kernel's side of the prober: ask for one thing at a time, get its trace back. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { CalibrationRow } from '../archive/tables.js';
import { readJsonLines } from '../launch/jsonlines.js';
import type { ExchangePlan } from './exchange.js';
import type { PlannedProbe, ProberJob, ProberReply, ProberRequest } from './protocol.js';
import type { RequestLabel, Trace } from './trace.js';

export interface Prober {
  /** -1 when it could not be started. */
  readonly pid: number;
  /** Requests to the stream of known truth; the first `warmups` only warm the client. */
  calibrate(
    warmups: number,
    measured: number,
  ): Promise<{ readonly rows: readonly CalibrationRow[]; readonly mode: string }>;
  /** One request. Aborting `signal` ends it; what was seen of it is still written and returned. */
  probe(label: RequestLabel, plan: ExchangePlan, signal?: AbortSignal): Promise<Trace>;
  /**
   * Many requests, each at its planned instant after the prober takes them up, whatever is outstanding. Resolves
   * with the traces of those that were sent, in the order of the plan. Aborting `signal` ends all of them.
   */
  openLoop(requests: readonly PlannedProbe[], signal?: AbortSignal): Promise<readonly Trace[]>;
  stop(): Promise<void>;
}

type Asked = { readonly resolve: (reply: ProberReply) => void; readonly reject: (error: Error) => void };

/** Start the prober's process. It ends by itself when this process does. */
export function startProber(job: ProberJob, runId: string): Prober {
  const child = spawn(process.execPath, ['--import', 'tsx', join(job.projectRoot, 'lib/probe/prober.ts')], {
    cwd: job.projectRoot,
    detached: true,
    env: { ...process.env, DAY007_RUN_ID: runId },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = new Map<number, Asked>();
  let ended: Error | undefined;
  const fail = (how: string) => {
    ended ??= new Error(`the prober ended (${how}); start the notebook again, what it measured is saved`);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  child.stdin.on('error', () => undefined);
  child.on('error', (error) => fail(error.message));
  // 'close' comes after the last of its replies.
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  child.on('close', (code, signal) => fail(signal ?? `exit code ${code}`));
  readJsonLines<ProberReply>(child.stdout, (reply) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('failed' in reply) asked?.reject(new Error(`the prober could not do it: ${reply.failed}`));
    else asked?.resolve(reply);
  });
  const send = (line: ProberJob | ProberRequest) => child.stdin.write(`${JSON.stringify(line)}\n`);
  send(job);

  let next = 0;
  const ask = (id: number, request: ProberRequest) =>
    new Promise<ProberReply>((resolve, reject) => {
      if (ended) return reject(ended);
      waiting.set(id, { resolve, reject });
      send(request);
    });
  const abortable = async (id: number, request: ProberRequest, signal: AbortSignal | undefined) => {
    const abort = () => send({ ask: 'abort', id });
    const asked = ask(id, request);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    try {
      return await asked;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
  return {
    pid: child.pid ?? -1,
    calibrate: async (warmups, measured) => {
      const id = next++;
      const reply = await ask(id, { ask: 'calibrate', id, warmups, measured });
      if (!('calibration' in reply)) throw new Error('the prober answered another question');
      return { rows: reply.calibration, mode: reply.mode };
    },
    probe: async (label, plan, signal) => {
      const id = next++;
      const reply = await abortable(id, { ask: 'probe', id, label, plan }, signal);
      if (!('trace' in reply)) throw new Error('the prober answered another question');
      return reply.trace;
    },
    openLoop: async (requests, signal) => {
      const id = next++;
      const reply = await abortable(id, { ask: 'open-loop', id, requests }, signal);
      if (!('traces' in reply)) throw new Error('the prober answered another question');
      return reply.traces;
    },
    stop: async () => {
      child.stdin.end();
      await closed;
    },
  };
}
