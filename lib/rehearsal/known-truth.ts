/**
 * A stream of known truth, to warm the probe and to measure its error: a program of its own that answers every
 * POST with events in the shape of a completions stream, each carrying the instant just before it was written.
 * It is no model of a server; it has nothing to say but the time.
 *
 * Run as `node --import tsx lib/rehearsal/known-truth.ts <clockOriginNs>`; prints its port; ends with its standard
 * input. The body may hold {"max_tokens": 4, "firstDelayMs": 6, "chunkDelayMs": 3} (the defaults).
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { createClock } from '../clock.js';
import { readBody } from './body.js';
import { writePlan, type PlannedWrite } from './stream.js';

const planSchema = z.object({
  max_tokens: z.int().min(1).max(100_000).default(4),
  firstDelayMs: z.number().min(0).default(6),
  chunkDelayMs: z.number().min(0).default(3),
});

const clock = createClock(BigInt(process.argv[2] ?? '0'));

const server = createServer((request, response) => {
  void readBody(request).then(async (text) => {
    const asked = planSchema.safeParse(jsonOf(text));
    if (!asked.success) {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(`${z.prettifyError(asked.error)}\n`);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    await writePlan(response, eventsOf(asked.data), clock.nowMs);
    response.end('data: [DONE]\n\n');
  });
});
// Many streams at once arrive as one burst of connections.
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () =>
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`),
);
process.on('SIGINT', () => undefined);
process.stdin.resume().on('end', () => process.exit(0));

function* eventsOf({ max_tokens, firstDelayMs, chunkDelayMs }: z.infer<typeof planSchema>): Iterable<PlannedWrite> {
  for (let index = 0; index < max_tokens; index += 1) {
    const finish = index === max_tokens - 1 ? '"length"' : 'null';
    yield {
      delayMs: index === 0 ? firstDelayMs : chunkDelayMs,
      bytes: (atMs) => `data: {"choices":[{"index":0,"text":"x","finish_reason":${finish}}],"writtenAtMs":${atMs}}\n\n`,
    };
  }
}

function jsonOf(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
