/** The kernel's side of the prober: ask for one thing at a time, get its trace back. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CalibrationRow } from '../archive/tables.js';
import type { ExchangePlan } from './exchange.js';
import type { ProberJob, ProberReply, ProberRequest } from './protocol.js';
import type { RequestLabel, Trace } from './trace.js';

export interface Prober {
  /** Requests to the stream of known truth; the first `warmups` only warm the client. */
  calibrate(warmups: number, measured: number): Promise<{ readonly rows: readonly CalibrationRow[]; readonly mode: string }>;
  /** One request. Aborting `signal` ends it; what was seen of it is still written and returned. */
  probe(label: RequestLabel, plan: ExchangePlan, signal?: AbortSignal): Promise<Trace>;
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
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  child.stdin.on('error', () => undefined);
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`the prober ended (${signal ?? `exit code ${code}`}); start the notebook again, what it measured is saved`));
    waiting.clear();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const reply = JSON.parse(line) as ProberReply;
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('failed' in reply) asked?.reject(new Error(`the prober could not do it: ${reply.failed}`));
    else asked?.resolve(reply);
  });
  const send = (line: ProberJob | ProberRequest) => child.stdin.write(`${JSON.stringify(line)}\n`);
  send(job);

  let next = 0;
  const ask = (request: (id: number) => ProberRequest) =>
    new Promise<ProberReply>((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve, reject });
      send(request(id));
    });
  return {
    calibrate: async (warmups, measured) => {
      const reply = await ask((id) => ({ ask: 'calibrate', id, warmups, measured }));
      if (!('calibration' in reply)) throw new Error('the prober answered another question');
      return { rows: reply.calibration, mode: reply.mode };
    },
    probe: async (label, plan, signal) => {
      const abort = () => send({ ask: 'abort' });
      signal?.addEventListener('abort', abort, { once: true });
      try {
        const reply = await ask((id) => ({ ask: 'probe', id, label, plan }));
        if (!('trace' in reply)) throw new Error('the prober answered another question');
        return reply.trace;
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    },
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
