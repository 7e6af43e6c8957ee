/** Recorded bodies of vLLM (test/fixtures/streams), and ways to cut them into reads. */
import { readFileSync } from 'node:fs';
import type { BodyRead } from '../../lib/probe/sse.js';

/** A name without a version is one of vLLM 0.32.0 on a CPU. */
export const recorded = (name: string): Buffer =>
  readFileSync(`test/fixtures/streams/${name.startsWith('vllm-') ? '' : 'vllm-0.32.0-cpu-'}${name}`);

/** The recorded streams whose end was not disturbed. */
export const wholeStreams = [
  'completions.sse',
  'completions-running-usage.sse',
  'completions-without-usage.sse',
  'chat.sse',
  'vllm-0.26.0-cuda-completions.sse',
  'vllm-0.26.0-cuda-chat.sse',
] as const;

/** `bytes` in reads that end at each cut; a read is stamped with the position of its end, so stamps can be computed by hand. */
export function readsOf(bytes: Uint8Array, cuts: readonly number[] = []): BodyRead[] {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  return ends.map((end, index) => ({ atMs: end, bytes: bytes.subarray(ends[index - 1] ?? 0, end) }));
}

export const readsOfText = (text: string, cuts?: readonly number[]): BodyRead[] => readsOf(Buffer.from(text), cuts);
