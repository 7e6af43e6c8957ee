/** TTFT by every definition in use, from the same stamps, so that a result can be held against anyone's. */
import type { ChunkRow, RequestRow } from '../archive/tables.js';
import type { RequestTiming, TtftDefinition } from './findings.js';
import { valuesOf } from './series.js';
import { summarize } from '../statistics/summary.js';

type Field = 'firstByteMs' | 'firstEventMs' | 'firstChoiceMs' | 'ttftMs' | 'firstVisibleMs' | 'fromStartMs';

const definitions: readonly { readonly definition: string; readonly usedBy: string; readonly field: Field }[] = [
  { definition: 'first byte of the body', usedBy: 'HTTP tools (time to first byte)', field: 'firstByteMs' },
  {
    definition: 'first server-sent event',
    usedBy: "probes that take any line; llama-benchy's TTFR",
    field: 'firstEventMs',
  },
  {
    definition: 'first event with a choice, text or not',
    usedBy: 'vllm bench serve, evalscope',
    field: 'firstChoiceMs',
  },
  {
    definition: 'first generated token, reasoning counted (headline)',
    usedBy: 'this project; AIPerf, guidellm, genai-bench',
    field: 'ttftMs',
  },
  {
    definition: 'first visible token, reasoning not counted',
    usedBy: "AIPerf's TTFO, guidellm's TTFOT, inference-perf",
    field: 'firstVisibleMs',
  },
  {
    definition: 'first generated token, from before the connection',
    usedBy: 'clients that connect for each request (SGLang, vllm bench serve on a new connection)',
    field: 'fromStartMs',
  },
];

/** `cold` is the first streamed cold_1; `warm` streamed warm requests of one launch. */
export function ttftDefinitions(cold: RequestTiming | undefined, warm: readonly RequestTiming[]): TtftDefinition[] {
  return definitions.map(({ definition, usedBy, field }) => ({
    definition,
    usedBy,
    coldMs: cold?.[field],
    warmMs: summarize(valuesOf(warm, field)),
  }));
}

/** Where a clock starts: at the call, connection included, or when the request is written. */
type Begin = 'call' | 'sent';
type End = 'event' | 'choice' | 'token' | 'visible';

interface Peer {
  readonly peer: string;
  /** The copy that was read. */
  readonly version: string;
  readonly source: string;
  readonly begin: Begin;
  readonly end: End;
  /** What its figure holds besides, or needs, that these stamps do not have. */
  readonly remark?: string | undefined;
}

/** As read in their sources in 2026; none of them was run. */
const peers: readonly Peer[] = [
  {
    peer: 'vllm bench serve',
    version: 'main, 2026-09',
    source: 'vllm/benchmarks/lib/endpoint_request_func.py',
    begin: 'call',
    end: 'choice',
    remark: 'stamped after json.loads, and the encoding of the body is inside: at least',
  },
  {
    peer: 'guidellm, TTFT',
    version: '0.7.3',
    source: 'src/guidellm/backends/openai/http.py',
    begin: 'call',
    end: 'token',
    remark: 'by the wall clock',
  },
  {
    peer: 'guidellm, TTFOT',
    version: '0.7.3',
    source: 'src/guidellm/schemas/request_stats.py',
    begin: 'call',
    end: 'visible',
    remark: 'by the wall clock',
  },
  {
    peer: 'AIPerf, TTFT',
    version: '0.12.0',
    source: 'docs/metrics-reference.md',
    begin: 'call',
    end: 'token',
    remark: 'stamped at the first byte of the event',
  },
  { peer: 'AIPerf, TTFO', version: '0.12.0', source: 'docs/metrics-reference.md', begin: 'call', end: 'visible' },
  {
    peer: 'inference-perf',
    version: '0.6.1',
    source: 'apis/streaming_parser.py',
    begin: 'call',
    end: 'visible',
    remark: 'given for two token events or more',
  },
  {
    peer: 'SGLang benchmark.serving',
    version: 'main, 2026-09',
    source: 'benchmark/serving.py',
    begin: 'call',
    end: 'token',
    remark: 'a new connection for each request',
  },
  {
    peer: 'SGLang one_batch_server',
    version: 'main, 2026-09',
    source: 'python/sglang',
    begin: 'call',
    end: 'token',
    remark: 'of the last request of a batch to start; here the batch is one',
  },
  {
    peer: 'MLPerf LoadGen',
    version: '6.0.0pre',
    source: 'loadgen/loadgen.cc',
    begin: 'call',
    end: 'token',
    remark: 'from the scheduled instant, which is the call where requests follow each other',
  },
  {
    peer: 'MLPerf endpoints',
    version: '0.5',
    source: 'docs/load_generator/DESIGN.md',
    begin: 'call',
    end: 'token',
    remark: 'with the way between its processes: at least',
  },
  {
    peer: 'llmperf',
    version: '2.0',
    source: 'openai_chat_completions_client.py',
    begin: 'call',
    end: 'choice',
    remark: 'a role chunk counts as a token',
  },
  {
    peer: 'HF inference-benchmarker',
    version: '2026-04-24',
    source: 'src/requests.rs',
    begin: 'call',
    end: 'visible',
    remark: 'stamped after the chunk is tokenized: at least',
  },
  { peer: 'genai-bench', version: '2026-07-22', source: 'genai-bench', begin: 'call', end: 'token' },
  { peer: 'evalscope perf', version: '2026-08-22', source: 'default_api.py', begin: 'call', end: 'choice' },
  { peer: 'llama-benchy, TTFR', version: '2026-02-07', source: 'llama-benchy', begin: 'call', end: 'event' },
  { peer: 'llama-benchy, e2e TTFT', version: '2026-02-07', source: 'llama-benchy', begin: 'call', end: 'visible' },
  {
    peer: 'inference-journal, Day 007',
    version: '2025-12-25',
    source: 'ttft_probe.py',
    begin: 'call',
    end: 'event',
    remark: 'by the wall clock',
  },
  {
    peer: 'this project (headline)',
    version: 'this copy',
    source: 'lib/interpret/timing.ts',
    begin: 'sent',
    end: 'token',
  },
];

/** Peers that time a model without an HTTP stream, or a start without a request: nothing of this stream is theirs. */
export const peersWithoutStream =
  'vllm bench latency and startup, optimum-benchmark, trtllm-bench (in the process of the engine), TGI benchmark (gRPC), llm-d nop, Modal stopwatch (no request of their own)';

/** One recorded stream scored as one peer would. */
export interface PeerTtft extends Peer {
  /** "2 (token)": the event it stops at, by its number in the stream. Absent when the stream has none, or was not kept. */
  readonly event?: string | undefined;
  readonly ms?: number | undefined;
}

/** One row a definition, in the order above. `chunks` are the events of this request, in any order. */
export function peerTtfts(row: RequestRow, chunks: readonly ChunkRow[]): PeerTtft[] {
  const events = [...chunks].sort((a, b) => a.sequence - b.sequence);
  const generated = events.filter(({ kind }) => kind === 'token' || kind === 'reasoning').length;
  return peers.map((peer) => {
    const beginAtMs = peer.begin === 'call' ? row.startAtMs : row.sentAtMs;
    const endAtMs = endOf(row, peer.end);
    const tooFew = peer.peer === 'inference-perf' && generated < 2;
    return {
      ...peer,
      event: eventAt(events, peer.end, endAtMs),
      ms: beginAtMs === undefined || endAtMs === undefined || tooFew ? undefined : endAtMs - beginAtMs,
    };
  });
}

function endOf(row: RequestRow, end: End): number | undefined {
  return {
    event: row.firstEventAtMs,
    choice: row.firstChoiceAtMs,
    token: row.firstTokenAtMs,
    visible: row.firstVisibleAtMs,
  }[end];
}

/** Several events may share a read and its stamp, so the kind decides among them. */
const kindsOf: Readonly<Record<End, readonly string[]>> = {
  event: ['role', 'token', 'reasoning', 'empty', 'usage', 'error', 'done'],
  choice: ['role', 'token', 'reasoning', 'empty'],
  token: ['token', 'reasoning'],
  visible: ['token'],
};

function eventAt(events: readonly ChunkRow[], end: End, atMs: number | undefined): string | undefined {
  const found = events.find((event) => event.atMs === atMs && kindsOf[end].includes(event.kind));
  return found && `${found.sequence} (${found.kind})`;
}
