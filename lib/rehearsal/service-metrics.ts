/**
 * What the engine counts of itself -> the text of /metrics, under vLLM's names and with its bucket bounds. A figure
 * that this engine has no truth for is left out.
 */
import type { GenerationTimes } from './answers.js';

export interface CountedRequest {
  /** When it came, and when its last bytes were written, on the clock of `times`. */
  readonly arrivedAtMs: number;
  readonly endedAtMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly maxTokens: number;
  /** When each of its tokens was there; fewer than `maxTokens` where it was ended early. */
  readonly tokenAtMs: readonly number[];
  readonly times: GenerationTimes | undefined;
  readonly end: 'length' | 'abort' | 'error';
}

/** What is the case now, read at each scrape. */
export interface EngineState {
  readonly running: number;
  readonly waiting: number;
  /** Fraction, 0 to 1. */
  readonly kvCacheUsage: number;
  readonly blockTokens: number;
  readonly blocks: number;
}

export interface ServiceMetrics {
  /** The prefix cache was asked for a prompt. */
  countPrefix(queriedTokens: number, hitTokens: number): void;
  countRequest(request: CountedRequest): void;
  countHttp(method: string, handler: string, status: number): void;
  text(state: EngineState): string;
}

/** Bounds as vLLM 0.32 lists them, in seconds and tokens. */
const stepS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const firstTokenS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const requestS = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
const iterationTokens = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];

const reasons = ['stop', 'length', 'abort', 'error', 'repetition'] as const;

export function createServiceMetrics(servedName: string, maxModelLen: number): ServiceMetrics {
  const histograms = {
    request_prompt_tokens: histogram('prompt tokens of a request', tokenBounds(maxModelLen)),
    request_generation_tokens: histogram('generated tokens of a request', tokenBounds(maxModelLen)),
    iteration_tokens_total: histogram('tokens of an engine step', iterationTokens),
    request_params_max_tokens: histogram('max_tokens of a request', tokenBounds(maxModelLen)),
    time_to_first_token_seconds: histogram('from arrival to the first token', firstTokenS),
    inter_token_latency_seconds: histogram('between two tokens', stepS),
    request_time_per_output_token_seconds: histogram('mean time per token after the first', stepS),
    e2e_request_latency_seconds: histogram('from arrival to the end', requestS),
    request_queue_time_seconds: histogram('waiting to be scheduled', requestS),
    request_inference_time_seconds: histogram('from scheduling to the last token', requestS),
    request_prefill_time_seconds: histogram('from scheduling to the first token', requestS),
    request_decode_time_seconds: histogram('from the first token to the last', requestS),
    request_prefill_kv_computed_tokens: histogram('prompt tokens that were not cached', tokenBounds(maxModelLen)),
  };
  const counts = { queries: 0, hits: 0, prompt: 0, cached: 0, generated: 0 };
  const ended = new Map<string, number>();
  const http = new Map<string, number>();
  const labels = `engine="0",model_name="${escapeLabel(servedName)}"`;

  return {
    countPrefix: (queriedTokens, hitTokens) => {
      counts.queries += queriedTokens;
      counts.hits += hitTokens;
    },
    countRequest: (one) => {
      ended.set(one.end, (ended.get(one.end) ?? 0) + 1);
      counts.generated += one.tokenAtMs.length;
      histograms.e2e_request_latency_seconds.observe((one.endedAtMs - one.arrivedAtMs) / 1000);
      histograms.request_params_max_tokens.observe(one.maxTokens);
      histograms.request_prompt_tokens.observe(one.promptTokens);
      histograms.request_generation_tokens.observe(one.tokenAtMs.length);
      // Ended before its first token: nothing was computed that could be counted.
      const { times } = one;
      if (!times) return;
      counts.prompt += one.promptTokens;
      counts.cached += one.cachedTokens;
      const decodeS = (times.lastTokenAtMs - times.firstTokenAtMs) / 1000;
      histograms.time_to_first_token_seconds.observe((times.firstTokenAtMs - one.arrivedAtMs) / 1000);
      histograms.request_queue_time_seconds.observe((times.scheduledAtMs - times.queuedAtMs) / 1000);
      histograms.request_prefill_time_seconds.observe((times.firstTokenAtMs - times.scheduledAtMs) / 1000);
      histograms.request_decode_time_seconds.observe(decodeS);
      histograms.request_inference_time_seconds.observe((times.lastTokenAtMs - times.scheduledAtMs) / 1000);
      histograms.request_time_per_output_token_seconds.observe(times.tokens > 1 ? decodeS / (times.tokens - 1) : 0);
      histograms.request_prefill_kv_computed_tokens.observe(one.promptTokens - one.cachedTokens);
      histograms.iteration_tokens_total.observe(one.promptTokens - one.cachedTokens + 1);
      one.tokenAtMs.slice(1).forEach((atMs, index) => {
        histograms.inter_token_latency_seconds.observe((atMs - (one.tokenAtMs[index] ?? NaN)) / 1000);
        histograms.iteration_tokens_total.observe(1);
      });
    },
    countHttp: (method, handler, status) => {
      const key = `handler="${handler}",method="${method}",status="${Math.floor(status / 100)}xx"`;
      http.set(key, (http.get(key) ?? 0) + 1);
    },
    text: (state) => {
      const gauge = (name: string, value: number) => family(name, 'gauge', [[labels, value]]);
      const counter = (name: string, value: number) => family(`${name}_total`, 'counter', [[labels, value]]);
      return [
        family('process_resident_memory_bytes', 'gauge', [['', process.memoryUsage().rss]]),
        family('process_cpu_seconds_total', 'counter', [['', cpuS()]]),
        gauge('vllm:num_requests_running', state.running),
        gauge('vllm:num_requests_waiting', state.waiting),
        gauge('vllm:kv_cache_usage_perc', state.kvCacheUsage),
        counter('vllm:prefix_cache_queries', counts.queries),
        counter('vllm:prefix_cache_hits', counts.hits),
        counter('vllm:num_preemptions', 0),
        counter('vllm:prompt_tokens', counts.prompt),
        counter('vllm:prompt_tokens_cached', counts.cached),
        counter('vllm:generation_tokens', counts.generated),
        family(
          'vllm:request_success_total',
          'counter',
          reasons.map((reason) => [`finished_reason="${reason}",${labels}`, ended.get(reason) ?? 0]),
        ),
        ...Object.entries(histograms).map(([name, one]) => one.text(`vllm:${name}`, labels)),
        family('vllm:cache_config_info', 'gauge', [
          [`block_size="${state.blockTokens}",num_gpu_blocks="${state.blocks}",${labels}`, 1],
        ]),
        family('http_requests_total', 'counter', [...http]),
      ].join('');
    },
  };
}

interface Histogram {
  observe(value: number): void;
  text(name: string, labels: string): string;
}

function histogram(help: string, bounds: readonly number[]): Histogram {
  const counts = [...bounds.map(() => 0), 0];
  let sum = 0;
  return {
    observe: (value) => {
      const at = bounds.findIndex((bound) => value <= bound);
      const index = at < 0 ? bounds.length : at;
      counts[index] = (counts[index] ?? 0) + 1;
      sum += value;
    },
    text: (name, labels) => {
      let below = 0;
      const buckets = counts.map((count, index) => {
        below += count;
        return `${name}_bucket{${labels},le="${boundText(bounds[index])}"} ${below}\n`;
      });
      return `# HELP ${name} Histogram of seconds or tokens: ${help}.\n# TYPE ${name} histogram\n${buckets.join('')}${name}_count{${labels}} ${below}\n${name}_sum{${labels}} ${sum}\n`;
    },
  };
}

function family(
  name: string,
  type: 'gauge' | 'counter',
  figures: readonly (readonly [labels: string, value: number])[],
): string {
  const lines = figures.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`);
  return `# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** As Python writes a float. */
function boundText(bound: number | undefined): string {
  if (bound === undefined) return '+Inf';
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

/** 1, 2, 5, 10, 20, 50, ... up to what a request can hold. */
function tokenBounds(maxTokens: number): number[] {
  const bounds: number[] = [];
  for (let power = 1; power <= maxTokens; power *= 10)
    for (const step of [1, 2, 5]) if (step * power <= maxTokens) bounds.push(step * power);
  return bounds;
}

function cpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
