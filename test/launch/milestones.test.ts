import { expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { parseRows } from '../../lib/archive/csv.js';
import { startupTable } from '../../lib/archive/tables.js';
import { isFatalLine, parseLogLine, recognizeMilestone } from '../../lib/launch/milestones.js';

const rows = parseRows(startupTable, readFileSync('test/fixtures/startup/vllm-0.32.0-cpu-tiny.startup.csv', 'utf8'));
const logOf = (launch: number) => rows.filter((row) => row.launch === launch && row.source === 'log');
const milestonesOf = (launch: number) =>
  logOf(launch).flatMap(({ text }) => {
    const found = recognizeMilestone(parseLogLine(text).message);
    return found ? [[found.event, found.value]] : [];
  });

it('takes the prefix of a vLLM line apart', () => {
  expect(
    parseLogLine('(Worker pid=18764) INFO 11-24 23:34:02 [base_loader.py:82] Initializing model took 0.238493 seconds'),
  ).toEqual({
    process: 'Worker',
    pid: 18764,
    level: 'INFO',
    source: 'base_loader.py:82',
    message: 'Initializing model took 0.238493 seconds',
  });
});

it.each([
  [
    'a worker of a parallel group',
    '(Worker_TP0_EP0 pid=7) ERROR 01-02 03:04:05 [a.py:1] x',
    { process: 'Worker_TP0_EP0', pid: 7, level: 'ERROR', source: 'a.py:1', message: 'x' },
  ],
  ['a line without process', 'INFO 01-02 03:04:05 [a.py:1] x', { level: 'INFO', source: 'a.py:1', message: 'x' }],
  [
    'a time with milliseconds',
    'WARNING 01-02 03:04:05.678 [a/b.py:12] x',
    { level: 'WARNING', source: 'a/b.py:12', message: 'x' },
  ],
  [
    'an empty message',
    '(APIServer pid=1) INFO 01-02 03:04:05 [a.py:1] ',
    { process: 'APIServer', pid: 1, level: 'INFO', source: 'a.py:1', message: '' },
  ],
  [
    "uvicorn's own format",
    'INFO:     Application startup complete.',
    { message: 'INFO:     Application startup complete.' },
  ],
  [
    'a process that prints by itself',
    '(EngineCore pid=9) Process dump',
    { process: 'EngineCore', pid: 9, message: 'Process dump' },
  ],
  ['a parenthesis that is no prefix', '(see above) ok', { message: '(see above) ok' }],
  ['an empty line', '', { message: '' }],
])('reads %s', (_name, text, expected) => {
  expect(parseLogLine(text)).toEqual({
    process: undefined,
    pid: undefined,
    level: undefined,
    source: undefined,
    ...expected,
  });
});

it('recognises every milestone of a recorded first start, with the figures in the lines', () => {
  expect(milestonesOf(1)).toEqual([
    ['api-server-speaks', undefined],
    ['architecture-resolved', undefined],
    ['config-resolved', 4096],
    ['engine-initializing', undefined],
    ['distributed-init', undefined],
    ['distributed-ready', undefined],
    ['model-load-start', undefined],
    ['model-init-done', 0.313373],
    ['checkpoint-found', undefined],
    ['weights-load-start', undefined],
    ['weights-load-done', 0.01],
    ['warmup-start', undefined],
    ['compile-saved', undefined],
    ['profile-run-done', 0.15],
    ['warmup-done', undefined],
    ['kv-reserved', 1],
    ['kv-size', 1_048_576],
    ['engine-ready', 39.71],
    ['front-end-start', undefined],
    ['front-end-bound', undefined],
    ['http-start', undefined],
    ['http-ready', undefined],
  ]);
});

it('sees in the second start that the filled compile cache was refused', () => {
  const first = milestonesOf(1).map(([event]) => event);
  const second = milestonesOf(2).map(([event]) => event);
  expect(second.filter((event) => !first.includes(event))).toEqual(['compile-cache-stale']);
  expect(first.filter((event) => !second.includes(event))).toEqual([]);
  expect(logOf(2).find(({ event }) => event === 'compile-cache-stale')?.text).toContain(
    "reason: 'function' object has no attribute",
  );
});

it('keeps a line that no pattern knows unnamed', () => {
  expect(recognizeMilestone('Using LBHNC KV cache layout.')).toBeUndefined();
  expect(recognizeMilestone('the log says: Warming up done')).toBeUndefined();
});

it('leaves out a figure that is not a number', () => {
  expect(recognizeMilestone('Initializing model took 1.2.3 seconds')).toEqual({
    event: 'model-init-done',
    value: undefined,
  });
});

it('reads only the beginning of a line of a megabyte, at once', () => {
  const hostile = [
    '(',
    '(a pid=',
    'INFO 01-02 03:04:05 [',
    'Compiling a graph for ',
    'Time spent downloading weights for ',
    'a.',
    '=',
    '[',
  ].map((start) => start.repeat(1_000_000 / start.length));
  const began = process.cpuUsage();
  for (const text of hostile) {
    const { message } = parseLogLine(text);
    recognizeMilestone(message);
    isFatalLine(message);
    expect(message.length).toBeLessThanOrEqual(4096);
  }
  const { user, system } = process.cpuUsage(began);
  // Linear work on 8 x 4096 characters takes a few milliseconds; a backtracking pattern would take minutes.
  expect((user + system) / 1e6).toBeLessThan(5);
});

it('knows the lines after which waiting is useless', () => {
  expect(isFatalLine('EngineCore failed to start.')).toBe(true);
  expect(
    isFatalLine('RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}'),
  ).toBe(true);
  expect(isFatalLine('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.')).toBe(true);
  expect(
    isFatalLine("[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use"),
  ).toBe(true);
});

it('finds nothing fatal in two starts that became ready', () => {
  expect(rows.filter(({ text }) => isFatalLine(parseLogLine(text).message))).toEqual([]);
});
