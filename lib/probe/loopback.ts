/**
 * A stream of known truth, to warm the probe and to measure its error: a program of its own that answers every
 * POST with events in the shape of a completions stream, each carrying the instant just before it was written.
 * It is no model of a server; it has nothing to say but the time.
 *
 * Run as `node --import tsx lib/probe/loopback.ts <clockOriginNs>`; prints its port; ends with its standard input.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClock } from '../clock.js';

const clock = createClock(BigInt(process.argv[2] ?? '0'));
const firstDelayMs = 6;
const chunkDelayMs = 3;
const chunkCount = 4;

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => void stream(response));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.on('SIGINT', () => undefined);
process.stdin.resume().on('end', () => process.exit(0));

async function stream(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.socket?.setNoDelay(true);
  for (let sent = 0; sent < chunkCount; sent += 1) {
    await sleep(sent === 0 ? firstDelayMs : chunkDelayMs);
    const finish = sent === chunkCount - 1 ? '"length"' : 'null';
    response.write(
      `data: {"choices":[{"index":0,"text":"x","finish_reason":${finish}}],"writtenAtMs":${clock.nowMs()}}\n\n`,
    );
  }
  response.end('data: [DONE]\n\n');
}
