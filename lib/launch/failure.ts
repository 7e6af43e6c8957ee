/** Why a launch failed: a typed error from what was seen, with the server's own words and what to try. */
import { parseLogLine } from './milestones.js';

export type LaunchFailure =
  | 'port-taken'
  | 'executable-missing'
  | 'model-missing'
  | 'model-broken'
  | 'out-of-memory'
  | 'context-too-long'
  | 'died'
  | 'never-ready'
  | 'interrupted';

/** A server that was to be launched did not become ready. Branch on `reason`; `logTail` holds its last lines. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
  constructor(
    readonly reason: LaunchFailure,
    message: string,
    readonly details: {
      readonly launch: number;
      readonly afterMs?: number | undefined;
      readonly exitCode?: number | undefined;
      readonly signal?: string | undefined;
      readonly logTail: readonly string[];
      readonly logFile?: string | undefined;
    },
  ) {
    super(message);
  }
}

interface Diagnosis {
  readonly reason: LaunchFailure;
  readonly pattern: RegExp;
  readonly advice: string;
}

/** What the last words of a dying server mean. Recorded from vLLM 0.32.0 (test/fixtures/startup); first match wins. */
const diagnoses: readonly Diagnosis[] = [
  {
    reason: 'port-taken',
    pattern: /address already in use/i,
    advice: 'Another program listens there. Stop it, or set DAY007_PORT to a free port.',
  },
  {
    reason: 'context-too-long',
    pattern: /max_model_len \(\d+\) is greater than/i,
    advice: 'Set DAY007_MAX_MODEL_LEN to what the model allows.',
  },
  {
    reason: 'model-broken',
    pattern: /SafetensorError|incomplete metadata|not fully covered|InvalidHeader/,
    advice: 'A weights file is damaged or was cut off. Fetch it again; a synthetic model is written anew when its folder is deleted.',
  },
  {
    reason: 'model-missing',
    pattern: /HFValidationError|does not appear to have a file named|LocalEntryNotFoundError|RepositoryNotFoundError|Invalid repository ID or local directory|OfflineModeIsEnabled/,
    advice: 'Set DAY007_MODEL to a folder that holds config.json and safetensors, to a hub id that is in the local cache, or to synthetic:qwen2.5-0.5b.',
  },
  {
    reason: 'out-of-memory',
    pattern:
      /out of memory|OutOfMemoryError|Free memory on device|No available memory for the cache blocks|is less than desired|larger than the available KV cache memory|Not enough available memory|Cannot allocate memory|std::bad_alloc|KV cache space/i,
    advice:
      'Give it less to hold (DAY007_MAX_MODEL_LEN=2048, or a smaller model) or more room (a higher DAY007_GPU_MEMORY_UTILIZATION on a GPU, DAY007_KV_CACHE_GIB on a CPU), and look for other programs that hold the memory.',
  },
];

const tailLines = 12;

/** Build the error for a server that ended, or never answered, from what it last said. */
export function launchError(
  fallback: 'died' | 'never-ready',
  seen: { readonly launch: number; readonly afterMs: number; readonly lines: readonly string[]; readonly exitCode?: number | undefined; readonly signal?: string | undefined; readonly logFile: string },
): LaunchError {
  const found = diagnoses.find(({ pattern }) => seen.lines.some((line) => pattern.test(line)));
  const reason = found?.reason ?? fallback;
  const cause = lastErrorLine(seen.lines);
  const after = `${(seen.afterMs / 1000).toFixed(1)} s after launch`;
  const ended =
    seen.exitCode !== undefined ? ` (exit code ${seen.exitCode})` : seen.signal !== undefined ? ` (signal ${seen.signal})` : '';
  const what =
    fallback === 'died'
      ? `The server died ${after}${ended}, before it answered.`
      : `The server did not answer on /health within ${after}.`;
  const logTail = seen.lines.slice(-tailLines);
  const message = [
    what,
    cause === undefined ? 'It named no error.' : `It says: ${cause}`,
    `What to try: ${found?.advice ?? 'read the log; the lines above its first Traceback name the cause.'}`,
    `The whole log: ${seen.logFile}`,
    `Its last lines:\n${logTail.map((line) => `  ${line}`).join('\n')}`,
  ].join('\n');
  return new LaunchError(reason, message, { launch: seen.launch, afterMs: seen.afterMs, exitCode: seen.exitCode, signal: seen.signal, logTail, logFile: seen.logFile });
}

/** The last line that names an exception, without log prefix. The engine's own error comes before its parents' echoes of it. */
function lastErrorLine(lines: readonly string[]): string | undefined {
  const named = lines.map((line) => parseLogLine(line).message.trim()).filter((message) => /^[\w.]*(?:Error|Exception)\b.{0,4000}/.test(message));
  const specific = named.filter((message) => !/^RuntimeError: (?:Engine core initialization failed|Worker failed|WorkerProc)/.test(message) && !/See root cause above/.test(message));
  return specific.at(-1) ?? named.at(-1);
}
