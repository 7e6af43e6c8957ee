/**
 * One line of a server's log -> what it says about the start-up. The patterns were written against
 * recorded logs (test/fixtures/startup); a line that no pattern knows is kept, unnamed.
 */

/** The `(Worker pid=12) INFO 11-24 23:09:49 [file.py:82]` prefix vLLM puts before a message, taken apart. */
export interface LogLine {
  readonly process?: string | undefined;
  readonly pid?: number | undefined;
  readonly level?: string | undefined;
  readonly source?: string | undefined;
  readonly message: string;
}

export interface Milestone {
  readonly event: string;
  /** The figure in the line, in the unit that the milestone's declaration names. */
  readonly value?: number | undefined;
}

// A config line runs to many kilobytes; patterns only ever look at its beginning.
const longestLineRead = 4096;
const prefix =
  /^(?:\((?<process>[\w.=-]+)(?: pid=(?<pid>\d+))?\)\s+)?(?:(?<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\s+\[(?<source>[^\]]+?:\d+)\]\s?)?(?<message>.*)$/s;

/** Take the log prefix apart. Lines of libraries and uvicorn have none; the whole text is then the message. */
export function parseLogLine(text: string): LogLine {
  const groups = prefix.exec(text.slice(0, longestLineRead))?.groups ?? {};
  return {
    process: groups['process'],
    pid: groups['pid'] === undefined ? undefined : Number(groups['pid']),
    level: groups['level'],
    source: groups['source'],
    message: groups['message'] ?? text,
  };
}

/** Each milestone with the text it is recognised by; a captured group is its figure. First match wins. */
const milestones: readonly (readonly [event: string, pattern: RegExp])[] = [
  ['api-server-speaks', /^non-default args: /],
  ['architecture-resolved', /^Resolved architecture: /],
  ['config-resolved', /^Using max model len (\d+)/],
  ['engine-initializing', /^Initializing a V1 LLM engine \(v/],
  ['distributed-init', /^world_size=\d+ rank=\d+ local_rank=\d+ distributed_init_method=/],
  ['distributed-ready', /^rank \d+ in world size \d+ is assigned as /],
  ['model-load-start', /^(?:Starting to load model |Loading model from scratch)/],
  ['model-init-done', /^Initializing model took ([\d.]+) seconds/],
  ['checkpoint-found', /^Filesystem type for checkpoints: /],
  ['weights-download-done', /^Time spent downloading weights for .+: ([\d.]+) seconds/],
  ['weights-load-done', /^Loading weights took ([\d.]+) seconds/],
  ['weights-load-start', /^(?:Loading safetensors checkpoint shards|Multi-thread loading shards):\s+0% /],
  ['model-load-done', /^Model loading took [\d.]+ GiB(?: memory)? and ([\d.]+) seconds/],
  ['warmup-start', /^Warming up model for the compilation/],
  ['warmup-done', /^Warming up done/],
  ['compile-start', /(?:^|\] )Using cache directory: \S+ for vLLM's torch\.compile/],
  ['dynamo-done', /Dynamo bytecode transform time: ([\d.]+) s/],
  ['compile-cache-stale', /Compiling model again due to a load failure from /],
  ['compile-cache-hit', /Directly load (?:AOT compilation|the compiled graph)/],
  ['graph-compiled', /(?:Compiling a graph for .+ takes|Compiling a graph .+ took) ([\d.]+) s/],
  ['compile-saved', /saved AOT compiled function to /],
  ['compile-done', /torch\.compile (?:takes|took|and initial profiling\/warmup run together took) ([\d.]+) s/],
  ['profile-run-done', /Initial profiling\/warmup run took ([\d.]+) s/],
  ['graph-memory-estimated', /^Estimated CUDA graph memory: ([\d.]+) GiB/],
  ['kv-budget', /^Available KV cache memory: (-?[\d.]+) GiB/],
  ['kv-reserved', /^(?:Auto|Explicitly) set \(([\d.]+)\/[\d.]+\) GiB for KV cache/],
  ['kv-size', /^(?:GPU|CPU) KV cache size: ([\d,]+) tokens/],
  ['graph-capture-start', /^Capturing CUDA graphs.*:\s+0%/],
  ['graph-capture-done', /^Graph capturing finished in (\d+) secs/],
  ['memory-summary', /^Free memory on device \(.+\) on startup\./],
  [
    'kernel-warmup-start',
    /^(?:cuteDSL .+ not available|Skipping CuTeDSL warmup|Warming up FlashInfer|Using FlashInfer autotune)/,
  ],
  ['jit-monitor-on', /^Kernel JIT monitor activated/],
  ['jit-in-request', /^(?:Triton|CuTeDSL|TileLang) .+ during inference: /],
  ['engine-ready', /^init engine \(profile, create kv cache, warmup model\) took ([\d.]+) s/],
  ['front-end-start', /^Supported tasks: /],
  ['front-end-bound', /^Starting vLLM (?:API )?server(?: \d+)? on /],
  ['http-start', /^(?:INFO:\s+)?Started server process \[\d+\]/],
  ['http-ready', /^(?:INFO:\s+)?Application startup complete/],
];

/** A line that ends the wait for readiness at once, with the reason it gives. */
const fatal: readonly RegExp[] = [
  /EngineCore failed to start/,
  /Engine core initialization failed/,
  /^(?:torch\.)?(?:\w+\.)*OutOfMemoryError/,
  /CUDA out of memory/,
  /error while attempting to bind on address .+ address already in use/,
];

export function recognizeMilestone(message: string): Milestone | undefined {
  for (const [event, pattern] of milestones) {
    const match = pattern.exec(message);
    if (!match) continue;
    const figure = match[1] === undefined ? NaN : Number(match[1].replaceAll(',', ''));
    return { event, value: Number.isFinite(figure) ? figure : undefined };
  }
  return undefined;
}

export function isFatalLine(message: string): boolean {
  return fatal.some((pattern) => pattern.test(message));
}
