/** The body of a request, as text. */
import type { IncomingMessage } from 'node:http';

/** Rejects when the connection breaks before its end. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
