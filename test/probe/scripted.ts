/** Loopback servers that do exactly what a test says, byte by byte, and know what became of each connection. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Connection {
  readonly socket: Socket;
  /** The request as it came: head, blank line, body. */
  readonly request: string;
  readonly body: string;
}

export interface Scripted {
  readonly origin: string;
  /** Bodies of the requests so far. */
  readonly bodies: string[];
  /** Connections that are still open on this side. */
  open(): number;
  /** Resolves when `count` connections have come and all of them are closed. */
  allClosed(count: number): Promise<void>;
}

/** Listen on a free loopback port and give each complete request to `answer`. Everything is closed when the test ends. */
export async function scripted(answer: (connection: Connection) => void): Promise<Scripted> {
  const sockets = new Set<Socket>();
  const bodies: string[] = [];
  let connections = 0;
  let changed = () => undefined as void;
  const server = createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      changed();
    });
    let came = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      came = Buffer.concat([came, bytes]);
      const request = came.toString();
      const head = came.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(request)?.[1] ?? 0);
      if (head < 0 || came.length < head + 4 + length) return;
      const body = came.subarray(head + 4).toString();
      came = Buffer.alloc(0);
      bodies.push(body);
      answer({ socket, request, body });
    });
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    open: () => sockets.size,
    allClosed: (count) =>
      new Promise((resolve) => {
        changed = () => (connections >= count && sockets.size === 0 ? resolve() : undefined);
        changed();
      }),
  };
}

/** A whole answer as it goes over the wire. */
export function httpAnswer(status: string, body: string | Buffer, type = 'application/json'): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body.toString()}`;
}

/** The head of a stream, and one piece of it in HTTP's chunked coding. */
export const streamHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n';
export const piece = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
export const streamEnd = '0\r\n\r\n';
