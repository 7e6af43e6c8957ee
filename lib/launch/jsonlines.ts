/**
 * A pipe that carries one JSON value a line. node:readline is not used: since Node 24 it also ends lines at
 * U+2028, which JSON leaves as it is, and generated text does hold it.
 */
import type { Readable } from 'node:stream';
import { createLineSplitter } from './lines.js';

/** Call `take` with each value; a last line without its newline (the writer was killed) is dropped. Returns nothing to close. */
export function readJsonLines<T>(pipe: Readable, take: (value: T) => void): void {
  const splitter = createLineSplitter();
  pipe.on('data', (bytes: Buffer) => {
    for (const { text } of splitter.push(bytes, 0)) take(JSON.parse(text) as T);
  });
}
