/** Why a launch failed: a typed error from what was seen, with the server's own words and what to try. */
import { parseLogLine } from './milestones.js';
import type { StoppedEvent } from './protocol.js';

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
    advice:
      'A weights file is damaged or was cut off. Fetch it again; a synthetic model is written anew when its folder is deleted.',
  },
  {
    reason: 'model-missing',
    pattern:
      /HFValidationError|does not appear to have a file named|LocalEntryNotFoundError|RepositoryNotFoundError|Invalid repository ID or local directory|OfflineModeIsEnabled/,
    advice:
      'Set DAY007_MODEL to a folder that holds config.json and safetensors, to a hub id that is in the local cache, or to synthetic:qwen2.5-0.5b.',
  },
  {
    reason: 'out-of-memory',
    pattern:
      /out of memory|OutOfMemoryError|Free memory on device|No available memory for the cache blocks|is less than desired|is less than requested memory for kv|larger than the available KV cache memory|Not enough available memory|Cannot allocate memory|std::bad_alloc/i,
    advice:
      'Give it less to hold (DAY007_MAX_MODEL_LEN=2048, or a smaller model) or more room (a higher DAY007_GPU_MEMORY_UTILIZATION on a GPU, DAY007_KV_CACHE_GIB on a CPU), and look for other programs that hold the memory.',
  },
];

const tailLines = 12;

/** What was seen of a launch that did not become ready. */
export interface FailedLaunch {
  readonly launch: number;
  /** From spawn to the failure; to the exit where the server died. */
  readonly afterMs: number;
  /** The last lines of its log, oldest first. */
  readonly lines: readonly string[];
  readonly ended?: StoppedEvent | undefined;
  readonly logFile: string;
}

/** Build the error for a server that ended, said something fatal, or never answered, from what it last said. */
export function launchError(fallback: 'died' | 'never-ready', seen: FailedLaunch): LaunchError {
  const spoken = seen.lines
    .map(parseLogLine)
    .filter(({ level }) => level === undefined || !['DEBUG', 'INFO', 'WARNING'].includes(level));
  const messages = spoken.map(({ message }) => message.trim());
  const found = diagnoses.find(({ pattern }) => messages.some((message) => pattern.test(message)));
  const cause = causeOf(messages, found?.pattern);
  const logTail = seen.lines.slice(-tailLines);
  const text = [
    whatHappened(fallback, seen),
    cause === undefined ? 'It named no error.' : `It says: ${cause}`,
    `What to try: ${found?.advice ?? adviceWithoutCause(seen)}`,
    `The whole log: ${seen.logFile}`,
    `Its last lines:\n${logTail.map((line) => `  ${line}`).join('\n')}`,
  ].join('\n');
  const own = seen.ended?.reason === 'died' ? seen.ended : undefined;
  return new LaunchError(found?.reason ?? fallback, text, {
    launch: seen.launch,
    afterMs: seen.afterMs,
    exitCode: own?.exitCode,
    signal: own?.signal,
    logTail,
    logFile: seen.logFile,
  });
}

function whatHappened(fallback: 'died' | 'never-ready', { afterMs, ended }: FailedLaunch): string {
  const after = `${(afterMs / 1000).toFixed(1)} s after launch`;
  if (fallback === 'never-ready') return `The server had not answered on /health ${after}, and was stopped.`;
  if (ended?.reason === 'died')
    return `The server died ${after} (${ended.signal === undefined ? `exit code ${ended.exitCode ?? 'unknown'}` : `signal ${ended.signal}`}), before it answered.`;
  if (ended?.reason === 'keeper-failed')
    return `The server's keeper failed ${after} (${ended.problem ?? 'it was killed'}), and the server was stopped.`;
  return `The server reported a fatal error ${after}, and was stopped.`;
}

function adviceWithoutCause({ ended }: FailedLaunch): string {
  if (ended?.reason === 'died' && ended.signal === 'SIGKILL') {
    return 'if nobody killed it, the kernel did for lack of memory (its journal says so: journalctl -k); give it less to hold, such as DAY007_MAX_MODEL_LEN=2048 or a smaller model.';
  }
  return 'read the log; the lines above its first Traceback name the cause.';
}

/** Parents repeat the error of their child in their own words; the sentence that a diagnosis knows, else the last specific one, is the cause. */
function causeOf(messages: readonly string[], known: RegExp | undefined): string | undefined {
  const named = messages.filter((message) => /^[\w.]*(?:Error|Exception)\b/.test(message));
  if (known) return named.find((message) => known.test(message)) ?? messages.find((message) => known.test(message));
  const specific = named.filter(
    (message) =>
      !/^RuntimeError: (?:Engine core initialization failed|Worker failed|WorkerProc)|^Exception: WorkerProc/.test(
        message,
      ),
  );
  return specific.at(-1) ?? named.at(-1);
}
