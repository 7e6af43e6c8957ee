import { describe, expect, it } from 'vitest';
import type { ChunkRow, RequestRow } from '../../lib/archive/tables.js';
import { peerTtfts } from '../../lib/interpret/definitions.js';
import { traceOf } from '../../lib/probe/trace.js';

/** One chat stream, an event a read, 10 ms apart: a comment-like role chunk, reasoning, text, text, usage, done. */
const delta = (content: Record<string, unknown>) =>
  JSON.stringify({ choices: [{ index: 0, delta: content, finish_reason: null }] });
const finish = JSON.stringify({ choices: [{ index: 0, delta: { content: '!' }, finish_reason: 'stop' }] });
const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 } });
const chat = [delta({ role: 'assistant', content: '' }), delta({ reasoning: 'hm' }), delta({ content: 'hi' }), finish];

function recorded(events: readonly string[]): { readonly row: RequestRow; readonly chunks: readonly ChunkRow[] } {
  const reads = [...events, '[DONE]'].map((event, at) => ({
    atMs: 105 + 10 * at,
    bytes: Buffer.from(`data: ${event}\n\n`),
  }));
  const { request, chunks } = traceOf(
    { requestId: 'r', launch: 1, name: 'cold_1', index: 1, workload: 'seed', streamed: true },
    { status: 200, startAtMs: 100, connectedAtMs: 101, sentAtMs: 102, headersAtMs: 104, endAtMs: 200, reads },
  );
  return { row: request, chunks };
}

const scored = ({ row, chunks }: ReturnType<typeof recorded>) =>
  new Map(peerTtfts(row, chunks).map(({ peer, event, ms }) => [peer, [event, ms] as const]));

describe('one stream as each peer scores it', () => {
  it('stops at the event that each of them takes, and starts where each of them does', () => {
    const by = scored(recorded([...chat, usage]));
    // From the call at 100 ms; events at 105 (role), 115 (reasoning), 125 (text).
    expect(by.get('inference-journal, Day 007')).toEqual(['1 (role)', 5]);
    expect(by.get('llama-benchy, TTFR')).toEqual(['1 (role)', 5]);
    expect(by.get('vllm bench serve')).toEqual(['1 (role)', 5]);
    expect(by.get('evalscope perf')).toEqual(['1 (role)', 5]);
    expect(by.get('llmperf')).toEqual(['1 (role)', 5]);
    expect(by.get('guidellm, TTFT')).toEqual(['2 (reasoning)', 15]);
    expect(by.get('AIPerf, TTFT')).toEqual(['2 (reasoning)', 15]);
    expect(by.get('MLPerf LoadGen')).toEqual(['2 (reasoning)', 15]);
    expect(by.get('guidellm, TTFOT')).toEqual(['3 (token)', 25]);
    expect(by.get('inference-perf')).toEqual(['3 (token)', 25]);
    expect(by.get('HF inference-benchmarker')).toEqual(['3 (token)', 25]);
    // From the writing at 102 ms.
    expect(by.get('this project (headline)')).toEqual(['2 (reasoning)', 13]);
  });

  it('gives inference-perf nothing for a stream of a single token', () => {
    const single = JSON.stringify({ choices: [{ index: 0, text: 'hi', finish_reason: 'length' }] });
    const by = scored(recorded([single, usage]));
    expect(by.get('inference-perf')).toEqual(['1 (token)', undefined]);
    expect(by.get('vllm bench serve')).toEqual(['1 (token)', 5]);
  });

  it('has nothing for a stream without a token, but for those who take any event', () => {
    const by = scored(recorded([usage]));
    expect(by.get('this project (headline)')).toEqual([undefined, undefined]);
    expect(by.get('vllm bench serve')).toEqual([undefined, undefined]);
    expect(by.get('llama-benchy, TTFR')).toEqual(['1 (usage)', 5]);
  });

  it('keeps its figures where the events themselves were not kept', () => {
    const { row } = recorded(chat);
    expect(scored({ row, chunks: [] }).get('AIPerf, TTFT')).toEqual([undefined, 15]);
  });

  it('names every peer once, with the version and file that were read', () => {
    const rows = peerTtfts(recorded(chat).row, []);
    expect(new Set(rows.map(({ peer }) => peer)).size).toBe(rows.length);
    for (const { version, source } of rows) {
      expect(version).not.toBe('');
      expect(source).not.toBe('');
    }
  });
});
