/** The tables of a designed experiment: what was planned, what each launch proved, and what our own probes took. */
import { defineTable, maybeNumber, maybeText, number, text, type RowOf } from './columns.js';

/** Written once, before the first launch. */
export const planTable = defineTable('plan.csv', 'one planned launch of an experiment on cold starts', {
  block: number('count', 'Block, from 1. 0: launches that fill the caches and are not counted.'),
  position: number('count', 'Place in its block, from 1, in a seeded random order.'),
  cell: text('State and variant of the server: both-cold, pages-cold, compile-cold, both-warm, eager, dummy, ...'),
  role: text('measure, or prime (fills the caches).'),
  args: maybeText("Arguments added to the server's command, as a shell would read them."),
  variables: maybeText("Variables added to the server's environment, likewise."),
});

export const cellsTable = defineTable(
  'cells.csv',
  'one launch of an experiment on cold starts, with the proof of its state',
  {
    launch: number('count', 'Launch of the run, from 1: the key into the other tables.'),
    block: number('count', 'Block of the plan.'),
    cell: text('Cell of the plan.'),
    role: text('measure, prime (fills the caches) or watch (an extra launch, to name silences).'),
    attempt: number('count', 'Try of this cell in this block, from 1: a void launch is repeated.'),
    machine: text('Which machine, as eight hex digits of a hash. A block lies on one machine.'),
    boot: text('Which boot of it, likewise: the instants of a run are those of one boot.'),
    outcome: text('counted, void (its state has no proof), failed (it never became ready) or watched (not measured).'),
    because: maybeText('Why it does not count.'),
    startedAtMs: number('ms', 'The setting of the state began.'),
    endedAtMs: number('ms', 'The server was gone and the row written.'),
    readyMs: maybeNumber('ms', 'From spawn to the first HTTP 200 on /health.'),
    weightsBytes: maybeNumber('bytes', 'Bytes of the weight files.'),
    residentBeforeFraction: maybeNumber('fraction 0-1', 'Weight bytes in the page cache just before spawn.'),
    residentAfterFraction: maybeNumber('fraction 0-1', 'Weight bytes in the page cache just after ready.'),
    readBytes: maybeNumber('bytes', "read_bytes of the server's tree from spawn to ready, libraries included."),
    loadingReadBytes: maybeNumber('bytes', 'Of these, read while the weights loaded, between the ticks around it.'),
    majorFaults: maybeNumber('count', "Major faults of the server's tree from spawn to ready."),
    cacheFilesBefore: maybeNumber('count', 'Files below the cache root before spawn.'),
    cacheFilesAfter: maybeNumber('count', 'Files below the cache root after ready.'),
    jitFilesBefore: maybeNumber('count', 'Of these before spawn, autotuned and JIT-compiled kernels.'),
    driverFilesBefore: maybeNumber('count', "Of these before spawn, the driver's JIT cache."),
    cacheSaid: maybeText('What the log says of the compile cache: hit, compiled, rejected or silent.'),
    processesBefore: maybeNumber(
      'count',
      'Processes of earlier launches still alive before spawn: 0 proves a new one.',
    ),
    cachedTokens: maybeNumber('tokens', 'cached_tokens of cold_1: 0 proves an empty prefix cache.'),
    coldTtftMs: maybeNumber('ms', 'TTFT of the first request.'),
    warmTtftMs: maybeNumber('ms', 'Median TTFT of the requests after it.'),
    serverFirstTokenMs: maybeNumber('ms', "Their median of the server's own time from scheduling to first token."),
    serverQueueMs: maybeNumber('ms', "Their median of the server's own queueing time."),
  },
);

export const probesTable = defineTable('probes.csv', 'one run of a small probe of this node or of the interpreter', {
  probe: text(
    'What was timed: disk-read, cache-read, start, import-front, import-engine, import-worker, context, h2d-pinned, h2d-pageable, hbm-fill.',
  ),
  index: number('count', 'Repetition, from 1.'),
  atMs: number('ms', 'When it began.'),
  ms: number('ms', 'What it took, as the probe itself counts.'),
  bytes: maybeNumber('bytes', 'Bytes moved. Absent: it moves none.'),
  command: text('The command, as it can be run again.'),
});

export const stacksTable = defineTable(
  'stacks.csv',
  'one stretch of a start in which a process was seen at one place of its Python code',
  {
    launch: number('count', 'Launch of the run, from 1. It was watched, and is not measured.'),
    pid: number('pid', 'The process.'),
    process: text('Its name, as the kernel has it.'),
    fromAtMs: number('ms', 'The first look that found it there.'),
    toAtMs: number('ms', 'The last one in a row.'),
    looks: number('count', 'Looks from the first to the last.'),
    state: text('active (the thread was running) or waiting.'),
    stack: text('Functions with their files, outermost first, with semicolons between.'),
  },
);

export const besideTable = defineTable('beside.csv', 'one run of the same experiment that is put beside this one', {
  runId: text('Its run id: it is looked for among the published runs and the local ones.'),
});

export type PlanRow = RowOf<typeof planTable>;
export type CellRow = RowOf<typeof cellsTable>;
export type ProbeRow = RowOf<typeof probesTable>;
export type StackRow = RowOf<typeof stacksTable>;
