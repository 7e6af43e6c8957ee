/**
 * The bytes of one HTTP/1.1 answer -> status and body, read by read, as RFC 9112 frames them: chunked, by length, or
 * until the connection closes. As strict as undici's parser; knows nothing of sockets and of time.
 */

/** Bytes that are not an HTTP/1.1 answer. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
  readonly code = 'malformed';
}

/** How far an answer has been followed. Only `followAnswer` and `closeAnswer` change it. */
export interface Answer {
  phase: 'status' | 'header' | 'size' | 'chunk' | 'chunk-end' | 'trailer' | 'length' | 'until-close' | 'done';
  /** Status of the final answer, once its headers are complete; interim answers (1xx) are passed over. */
  status?: number | undefined;
  /** Status and headers that are being read; names in lower case. */
  head: { readonly status: number; readonly headers: { name: string; value: string }[] };
  /** Bytes of the head, of the size line or of the trailers so far. */
  textBytes: number;
  /** Body bytes still to come of this chunk, or of this length. */
  left: number;
  /** The beginning of a line that goes on in the next read. */
  partial: string;
}

/** What node:http and undici allow for all headers of an answer, in bytes. */
const textLimit = 16_384;
const lineFeed = 0x0a;

export function newAnswer(): Answer {
  return { phase: 'status', head: { status: 0, headers: [] }, textBytes: 0, left: 0, partial: '' };
}

/** Take the next read; returns the body bytes in it, views of it. Bytes after the end are ignored. Throws FramingError. */
export function followAnswer(answer: Answer, bytes: Buffer): readonly Uint8Array[] {
  const body: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && answer.phase !== 'done') {
    if (answer.phase === 'until-close') {
      body.push(bytes.subarray(at));
      break;
    }
    if (answer.phase === 'chunk' || answer.phase === 'length') {
      const end = Math.min(bytes.length, at + answer.left);
      body.push(bytes.subarray(at, end));
      answer.left -= end - at;
      at = end;
      if (answer.left === 0) answer.phase = answer.phase === 'chunk' ? 'chunk-end' : 'done';
    } else {
      const end = bytes.indexOf(lineFeed, at);
      const next = end < 0 ? bytes.length : end + 1;
      answer.textBytes += next - at;
      if (answer.textBytes > textLimit) throw new FramingError(`headers go on beyond ${textLimit} bytes`);
      const line = answer.partial + bytes.toString('latin1', at, next);
      answer.partial = end < 0 ? line : '';
      if (end >= 0) takeLine(answer, line);
      at = next;
    }
  }
  return body;
}

/** The connection ended: true when that is how this answer ends, or it was complete before. */
export function closeAnswer(answer: Answer): boolean {
  if (answer.phase === 'until-close') answer.phase = 'done';
  return answer.phase === 'done';
}

function takeLine(answer: Answer, line: string): void {
  if (!line.endsWith('\r\n')) throw new FramingError(`a line does not end in CRLF: ${quote(line)}`);
  const text = line.slice(0, -2);
  switch (answer.phase) {
    case 'status':
      answer.head = { status: parseStatus(text), headers: [] };
      answer.phase = 'header';
      return;
    case 'header':
      return text === '' ? endHead(answer) : addHeader(answer, text);
    case 'size':
      answer.textBytes = 0;
      answer.left = parseSize(text);
      answer.phase = answer.left > 0 ? 'chunk' : 'trailer';
      return;
    case 'chunk-end':
      if (text !== '') throw new FramingError('a chunk is longer than its size');
      answer.phase = 'size';
      return;
    default:
      // Trailers are passed over.
      if (text === '') answer.phase = 'done';
  }
}

function parseStatus(text: string): number {
  const status = /^HTTP\/1\.[01] ([1-9]\d\d)(?: |$)/.exec(text)?.[1];
  if (status === undefined) throw new FramingError(`the answer begins with no HTTP/1 status line: ${quote(text)}`);
  return Number(status);
}

function addHeader({ head }: Answer, text: string): void {
  const last = head.headers.at(-1);
  // A line that begins with white space goes on with the one before (RFC 9112, section 5.2).
  if (/^[ \t]/.test(text) && last) {
    last.value = `${last.value} ${text.trim()}`.trim();
    return;
  }
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(colon, 0)).toLowerCase();
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) throw new FramingError(`not a header: ${quote(text)}`);
  head.headers.push({ name, value: text.slice(colon + 1).trim() });
}

/** The empty line after the headers: an interim answer is forgotten, a final one says how its body is framed (section 6.3). */
function endHead(answer: Answer): void {
  const { status, headers } = answer.head;
  answer.textBytes = 0;
  if (status === 101) throw new FramingError('the server switched protocols');
  if (status < 200) {
    answer.phase = 'status';
    return;
  }
  answer.status = status;
  const codings = headers.filter(({ name }) => name === 'transfer-encoding').map(({ value }) => value);
  const lengths = headers.filter(({ name }) => name === 'content-length').map(({ value }) => value);
  if (codings.length > 0 && lengths.length > 0)
    throw new FramingError('the answer has both Transfer-Encoding and Content-Length');
  if (status === 204 || status === 304) answer.phase = 'done';
  else if (codings.length > 0) answer.phase = /(?:^|,)[ \t]*chunked$/i.test(codings.join(',')) ? 'size' : 'until-close';
  else if (lengths[0] === undefined) answer.phase = 'until-close';
  else {
    answer.left = parseLength(lengths);
    answer.phase = answer.left > 0 ? 'length' : 'done';
  }
}

function parseLength(given: readonly string[]): number {
  const [only = ''] = given;
  const length = /^\d+$/.test(only) ? Number(only) : NaN;
  if (given.length > 1 || !Number.isSafeInteger(length))
    throw new FramingError(`Content-Length reads ${quote(given.join(', '))}`);
  return length;
}

function parseSize(text: string): number {
  const digits = /^([0-9a-f]+)[ \t]*(?:;|$)/i.exec(text)?.[1];
  const size = digits === undefined ? NaN : parseInt(digits, 16);
  if (!Number.isSafeInteger(size)) throw new FramingError(`the size of a chunk reads ${quote(text)}`);
  return size;
}

const quote = (text: string) => JSON.stringify(text.slice(0, 40));
