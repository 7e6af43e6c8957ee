/** The reads of a response body -> server-sent events, each with the read that completed it. */
import { createParser } from 'eventsource-parser';

/** One read of the socket's body bytes, stamped before anything else was done with it. */
export interface BodyRead {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

export interface StreamEvent {
  readonly data: string;
  /** Position of the completing read, from 1, and its stamp. */
  readonly read: number;
  readonly atMs: number;
}

/**
 * All complete events of a stream. Reads may cut anywhere, inside a character too; several events may share a
 * read and then share its stamp. Comments and fields other than `data` are dropped; an event without its final
 * blank line is not an event (WHATWG HTML, section 9.2.6).
 */
export function parseEvents(reads: readonly BodyRead[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  let read = 0;
  let atMs = 0;
  const parser = createParser({ onEvent: ({ data }) => events.push({ data, read, atMs }) });
  const decoder = new TextDecoder();
  for (const one of reads) {
    read += 1;
    atMs = one.atMs;
    parser.feed(decoder.decode(one.bytes, { stream: true }));
  }
  return events;
}
