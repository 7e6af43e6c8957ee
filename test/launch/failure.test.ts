import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { launchError, type FailedLaunch } from '../../lib/launch/failure.js';
import type { StoppedEvent } from '../../lib/launch/protocol.js';

const died: StoppedEvent = {
  event: 'stopped',
  reason: 'died',
  how: 'exit',
  askedAtMs: 4200,
  goneAtMs: 4210,
  exitCode: 1,
  leftoverProcesses: 0,
};
const asked: StoppedEvent = { ...died, reason: 'asked', how: 'sigterm', exitCode: undefined, signal: 'SIGTERM' };
const failed = (lines: readonly string[], more: Partial<FailedLaunch> = {}): FailedLaunch => ({
  launch: 1,
  afterMs: 4200,
  lines,
  ended: died,
  logFile: 'server-1.log',
  ...more,
});
const recorded = (name: string) =>
  readFileSync(`test/fixtures/startup/vllm-0.32.0-cpu-${name}.txt`, 'utf8')
    .split(/[\r\n]/)
    .filter((line) => line !== '');

const cases = [
  [
    'missing',
    'model-missing',
    "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/nonexistent/model'.",
    'DAY007_MODEL',
  ],
  [
    'truncated',
    'model-broken',
    'safetensors._safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered',
    'Fetch it again',
  ],
  [
    'toolong',
    'context-too-long',
    'Value error, User-specified max_model_len (99999) is greater than the derived max_model_len',
    'DAY007_MAX_MODEL_LEN',
  ],
  ['porttaken', 'port-taken', 'OSError: [Errno 98] Address already in use', 'DAY007_PORT'],
  [
    'kvtoobig',
    'out-of-memory',
    'ValueError: Available memory on node 0 (9.47/11.71 GiB) on kv cache allocation is less than requested memory for kv (400.0 GiB).',
    'DAY007_KV_CACHE_GIB',
  ],
] as const;

describe.each(cases)('the recorded failed start "%s"', (name, reason, cause, advice) => {
  const error = launchError('died', failed(recorded(name)));
  const [what, says, tryThis, log] = error.message.split('\n');

  it(`is known as ${reason}`, () => expect(error.reason).toBe(reason));
  it('says what happened, the evidence in the words of the server, and what to try', () => {
    expect(what).toBe('The server died 4.2 s after launch (exit code 1), before it answered.');
    expect(says?.startsWith(`It says: ${cause}`)).toBe(true);
    expect(tryThis).toMatch(/^What to try: /);
    expect(tryThis).toContain(advice);
    expect(log).toBe('The whole log: server-1.log');
  });
  it('carries the last twelve lines', () => {
    expect(error.details.logTail).toEqual(recorded(name).slice(-12));
    expect(error.message.endsWith(error.details.logTail.map((line) => `  ${line}`).join('\n'))).toBe(true);
  });
});

it('names a traceback that no diagnosis knows as death, by its last specific error', () => {
  const lines = [
    'Traceback (most recent call last):',
    '  File "x.py", line 1',
    'KeyError: 3',
    'RuntimeError: Engine core initialization failed. See root cause above.',
  ];
  const error = launchError('died', failed(lines));
  expect(error.reason).toBe('died');
  expect(error.message).toContain('It says: KeyError: 3');
  expect(error.details.exitCode).toBe(1);
});

it('says so when the server named no error', () => {
  expect(launchError('died', failed([])).message).toContain('It named no error.');
});

it('takes no word of an INFO or WARNING line for the cause', () => {
  const lines = [
    '(Worker pid=1) WARNING 01-02 03:04:05 [a.py:1] lower this if you run out of memory',
    'INFO 01-02 03:04:05 [a.py:1] retrying: address already in use',
  ];
  expect(launchError('never-ready', failed(lines, { ended: asked })).reason).toBe('never-ready');
});

it('tells a server that never answered, one that gave up and one that died apart', () => {
  const what = (error: Error) => error.message.split('\n')[0];
  expect(what(launchError('never-ready', failed(['loading'], { ended: asked })))).toBe(
    'The server had not answered on /health 4.2 s after launch, and was stopped.',
  );
  expect(what(launchError('died', failed(['EngineCore failed to start.'], { ended: asked })))).toBe(
    'The server reported a fatal error 4.2 s after launch, and was stopped.',
  );
  expect(what(launchError('died', failed([], { ended: { ...died, exitCode: undefined, signal: 'SIGSEGV' } })))).toBe(
    'The server died 4.2 s after launch (signal SIGSEGV), before it answered.',
  );
  expect(
    what(launchError('died', failed([], { ended: { ...asked, reason: 'keeper-failed', problem: 'ENOSPC' } }))),
  ).toBe("The server's keeper failed 4.2 s after launch (ENOSPC), and the server was stopped.");
});

it('gives no exit code for a server that we stopped ourselves', () => {
  const { details } = launchError('never-ready', failed([], { ended: asked }));
  expect([details.exitCode, details.signal]).toEqual([undefined, undefined]);
});

it('points to the kernel when a server was killed and said nothing', () => {
  const error = launchError(
    'died',
    failed(['Loading weights'], { ended: { ...died, exitCode: undefined, signal: 'SIGKILL' } }),
  );
  expect(error.reason).toBe('died');
  expect(error.message).toContain('lack of memory');
});
