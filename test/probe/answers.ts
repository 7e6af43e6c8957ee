/** HTTP/1.1 answers as a server may frame them, each with what a client must take from it. */
import fc from 'fast-check';

export interface FramedAnswer {
  readonly wire: Buffer;
  readonly status: number;
  readonly body: Buffer;
  readonly framing: 'chunked' | 'length' | 'close' | 'none';
}

const statuses = [200, 201, 301, 302, 307, 404, 429, 500, 503];
const interim = ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n'];
const otherHeaders = [
  'server: x\r\n',
  'Date: Wed, 25 Nov 2026 00:00:00 GMT\r\n',
  'x-empty:\r\n',
  'set-cookie: a=b; c\r\n',
];

const chunkOf = (bytes: Buffer, extension: string, upper: boolean) => {
  const size = bytes.length.toString(16);
  return Buffer.concat([
    Buffer.from(`${upper ? size.toUpperCase() : size}${extension}\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ]);
};

/** Any answer: interim ones before it, headers around its framing, a body of any bytes. */
export const framedAnswer: fc.Arbitrary<FramedAnswer> = fc
  .record({
    status: fc.constantFrom(...statuses),
    before: fc.array(fc.constantFrom(...interim), { maxLength: 2 }),
    headers: fc.subarray(otherHeaders),
    framing: fc.constantFrom('chunked', 'length', 'close', 'none'),
    pieces: fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }),
    extension: fc.constantFrom('', ';name=value', ';quoted="x"'),
    upper: fc.boolean(),
    trailers: fc.boolean(),
    reason: fc.constantFrom(' Reason', ' ', ' Two words'),
  })
  .map(({ status, before, headers, framing, pieces, extension, upper, trailers, reason }) => {
    const bodies = pieces.map((piece) => Buffer.from(piece));
    const body = framing === 'none' ? Buffer.alloc(0) : Buffer.concat(bodies);
    const framingHeader = {
      chunked: 'Transfer-Encoding: Chunked\r\n',
      length: `Content-Length: ${body.length}\r\n`,
      close: '',
      none: '',
    }[framing];
    const shown = framing === 'none' ? 204 : status;
    const head = `${before.join('')}HTTP/1.1 ${shown}${reason}\r\n${headers.join('')}${framingHeader}\r\n`;
    const coded = Buffer.concat([
      ...bodies.map((piece) => chunkOf(piece, extension, upper)),
      Buffer.from(`0\r\n${trailers ? 'x-checksum: 1\r\n' : ''}\r\n`),
    ]);
    return {
      wire: Buffer.concat([Buffer.from(head), framing === 'chunked' ? coded : body]),
      status: shown,
      body,
      framing: framing,
    };
  });

/** Places to cut `wire` at, from fractions of its length. */
export function cutAt(wire: Buffer, fractions: readonly number[]): Buffer[] {
  const ends = [...new Set([...fractions.map((fraction) => Math.floor(fraction * wire.length)), wire.length])];
  ends.sort((a, b) => a - b);
  return ends.map((end, index) => wire.subarray(ends[index - 1] ?? 0, end)).filter((part) => part.length > 0);
}

export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

/** Bytes that are no HTTP/1.1 answer, or not one that can be followed. */
export const brokenAnswers: readonly (readonly [string, string])[] = [
  ['no status line', 'hello\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['a header without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
  ['a header name with a space', 'HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n'],
  [
    'two ways to frame',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
  ],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'],
  ['a length that is no number', 'HTTP/1.1 200 OK\r\ncontent-length: one\r\n\r\nx'],
  ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx'],
  ['a chunk size that is no number', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n'],
  ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n'],
  ['a chunk size beyond counting', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${'f'.repeat(20)}\r\nx`],
  ['headers beyond 16 KiB', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
  ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
];
