/** Bytes of a pipe -> lines, each with the stamp of the read that completed it. Carriage returns (progress bars) end a line too. */

export interface StampedLine {
  readonly atMs: number;
  readonly text: string;
}

/**
 * A splitter for one pipe. `push` returns the lines completed by the bytes read at `atMs`;
 * `flush` returns what was left without an end. Characters split between two reads are put together.
 */
export function createLineSplitter(): {
  push(bytes: Uint8Array, atMs: number): StampedLine[];
  flush(atMs: number): StampedLine[];
} {
  const decoder = new TextDecoder();
  let rest = '';
  const take = (text: string, atMs: number): StampedLine[] => {
    const parts = (rest + text).split(/\r\n|\n|\r/);
    rest = parts.pop() ?? '';
    return parts.filter((part) => part !== '').map((part) => ({ atMs, text: part }));
  };
  return {
    push: (bytes, atMs) => take(decoder.decode(bytes, { stream: true }), atMs),
    flush: (atMs) => take(`${decoder.decode()}\n`, atMs),
  };
}
