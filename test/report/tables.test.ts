import { describe, expect, it } from 'vitest';
import {
  answerTable,
  conclusionsTable,
  decisionTable,
  excessTable,
  knobTable,
  signalsTable,
  sixTermsTable,
  statisticsTable,
} from '../../lib/report/finding-tables.js';
import {
  settingsTable,
  environmentTable,
  modelTable,
  seedDifferencesTable,
  workloadTable,
} from '../../lib/report/frozen-tables.js';
import {
  coldWarmTable,
  definitionsTable,
  prefixTable,
  serverTtftTable,
  warmTable,
} from '../../lib/report/request-tables.js';
import {
  bandsTable,
  interferenceTable,
  observerTable,
  snapshotTable,
  stopwatchTable,
} from '../../lib/report/snapshot-tables.js';
import { launchesTable, phasesTable, repeatsTable, termsTable } from '../../lib/report/startup-tables.js';
import type { LaunchFinding } from '../../lib/interpret/findings.js';
import type { InterpretedRun } from '../../lib/report/subject.js';
import { fullRun, gpuRun, partialRun, rehearsalRun, sampleRecord } from './sample.js';

const ofRun: Readonly<Record<string, (run: InterpretedRun) => string>> = {
  answerTable,
  conclusionsTable,
  decisionTable,
  excessTable,
  knobTable,
  signalsTable,
  sixTermsTable,
  statisticsTable,
  coldWarmTable,
  definitionsTable,
  prefixTable,
  warmTable,
  serverTtftTable,
  bandsTable,
  interferenceTable,
  observerTable,
  stopwatchTable,
  launchesTable,
  repeatsTable,
  phasesTable,
  termsTable,
  snapshotTable: (run) => snapshotTable(run.data),
  settingsTable: (run) => settingsTable(run.data.record),
  environmentTable: (run) => environmentTable(run.data.record),
  modelTable: (run) => modelTable(run.data.record),
  workloadTable: (run) => workloadTable(run.data.record),
};

/** The cells of the row whose first cells are these. */
function rowOf(table: string, ...first: string[]): string[] {
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const row = rows.find((cells) => first.every((text, index) => cells[index] === text));
  if (!row) throw new Error(`no row ${first.join(', ')} in\n${table}`);
  return row;
}

describe.each(Object.entries(ofRun))('%s', (_name, table) => {
  it.each([
    ['full', fullRun],
    ['GPU', gpuRun],
    ['partial', partialRun],
  ] as const)('has no NaN, undefined or object in it for a %s run', (_kind, makeRun) => {
    const markdown = table(makeRun());
    expect(markdown).not.toBe('');
    expect(markdown).not.toMatch(/\bNaN\b|\bundefined\b|\[object|Infinity/);
  });
  it('gives every row of a table as many cells as its header', () => {
    for (const block of table(fullRun())
      .split('\n\n')
      .filter((part) => part.startsWith('|'))) {
      const widths = new Set(block.split('\n').map((line) => line.split(/(?<!\\)\|/).length));
      expect(widths.size).toBe(1);
    }
  });
  it('carries REHEARSAL in each title of a rehearsal and nowhere else', () => {
    const titles = table(rehearsalRun())
      .split('\n')
      .filter((line) => line.startsWith('**'));
    expect(titles.length).toBeGreaterThan(0);
    for (const title of titles) expect(title).toMatch(/^\*\*REHEARSAL: /);
    expect(table(fullRun())).not.toContain('REHEARSAL');
  });
});

describe('the tables of a run', () => {
  it('answer first: engine, ready, cold, warm, penalty, dominant terms, knob, stopwatch', () => {
    const table = answerTable(fullRun());
    expect(rowOf(table, 'engine')[1]).toBe('REAL (vLLM 0.32.0, cpu)');
    expect(rowOf(table, 'launch 1 -> ready')[1]).toBe('40.0 s (pages not resident, compile cache empty)');
    expect(rowOf(table, 'cold_1 of launch 1')[1]).toBe('TTFT 800 ms, wall_s 1.43 s');
    expect(rowOf(table, 'cold_1 of launch 2')[1]).toBe('wall_s 1.23 s (not streamed)');
    expect(rowOf(table, 'cold penalty X of launch 1, by TTFT')[1]).toBe(
      '18.9 × (18.6 × to 19.3 ×), against launch 1, 10 warm',
    );
    expect(rowOf(table, 'next knob')[1]).toBe('pre-warm with one request (cold penalty unacceptable)');
    expect(rowOf(table, 'error of the stopwatch')[1]).toBe('± 0.320 ms median, max 0.340 ms (n = 40)');
  });
  it('say of a dead launch that it never was ready', () => {
    expect(rowOf(answerTable(partialRun()), 'launch 1 -> ready')[1]).toBe('never ready (died)');
    expect(phasesTable(partialRun())).toContain('Launch 1 never became ready (died)');
  });
  it('say of each launch what its stop left on the GPU', () => {
    const run = fullRun();
    const read = { kind: 'read', aboveBaselineMiB: 0, waitedMs: 120, back: true, processes: 0 } as const;
    const withGpu = (gpuAfterStop: LaunchFinding['gpuAfterStop']) => {
      const launches = run.findings.launches.map((launch) => ({ ...launch, gpuAfterStop }));
      return rowOf(launchesTable({ ...run, findings: { ...run.findings, launches } }), '1').slice(-2);
    };
    expect(withGpu(read)).toEqual(['+0 MiB, after 120 ms', '0']);
    expect(withGpu({ ...read, aboveBaselineMiB: 900, waitedMs: 10_000, back: false, processes: 3 })).toEqual([
      'no: +900 MiB, still after 10.0 s',
      '3',
    ]);
    expect(withGpu({ ...read, waitedMs: undefined, processes: undefined })).toEqual([
      '+0 MiB, not timed',
      'not listed by the driver',
    ]);
    expect(withGpu({ ...read, processes: 1, processesBefore: 1 })[1]).toBe('1 (1 before the first launch)');
    expect(withGpu({ kind: 'absent', because: 'no GPU' })).toEqual(['no GPU', '–']);
  });
  it('keep launch 1 apart from the others', () => {
    const table = repeatsTable(fullRun());
    expect(rowOf(table, 'launch -> ready').slice(2, 5)).toEqual(['40.00', '1', '20.00']);
    expect(rowOf(table, 'TTFT of cold_1').slice(2, 5)).toEqual(['800.00', '0', '–']);
    expect(table).toContain('Lowest coverage by named phases: 96.0 % (launch 1).');
    expect(repeatsTable(partialRun())).toContain('One launch repeats nothing');
  });
  it('say what watching costs, or why nothing was compared', () => {
    expect(observerTable(fullRun())).toContain(
      'On minus off: 1.00 ms (5.00 % of the median without), 95.8 % interval -1.00 ms to 3.00 ms (-5.00 % to 15.0 %), 12 pairs; not resolved',
    );
    expect(observerTable(partialRun())).toBe(
      'Not compared: no requests with and without samplers were sent in this run.',
    );
  });
  it("hold the client's TTFT against the server's, and say what cannot be seen", () => {
    const table = serverTtftTable(fullRun());
    expect(rowOf(table, '1', 'warm').slice(2, 8)).toEqual(['engine', '10', 'median', '42.25', '40.00', '2.25']);
    expect(table).toContain('not observable: nobody asked');
    expect(table).toContain('0.320 ms median, 0.340 ms at most');
    expect(warmTable(fullRun())).toContain('half of them 2.10 ms to 2.40 ms, all 2.00 ms to 3.00 ms (n = 10)');
    expect(warmTable(partialRun())).toContain("TTFT against the server's own: no streamed warm request.");
  });
  it('give phases with evidence, the remainder and the three largest gaps with what ran meanwhile', () => {
    const table = phasesTable(fullRun());
    expect(rowOf(table, 'Compile and warm-up').slice(1, 6)).toEqual(['C', '21.80', '36.80', '15.00', '37.5']);
    // Hand-added: 0.2+0.01+0.01+0.6+0.01+0.05+0.02 s of the 40 s lie between phases.
    expect(rowOf(table, 'not explained').slice(4, 6)).toEqual(['0.90', '2.3']);
    expect(rowOf(table, '21.20').slice(0, 3)).toEqual(['21.20', '0.60', 'Worker 0.6 CPU s']);
    expect(table).toContain('4 shorter gaps not listed.');
  });
  it('take no path out of a log line into a table', () => {
    const run = fullRun();
    const timeline = run.findings.launches[0]?.timeline;
    const launch = {
      ...run.findings.launches[0]!,
      timeline: {
        ...timeline!,
        phases: timeline!.phases.map((phase) => ({ ...phase, endEvidence: 'Loading /home/carol/models/qwen' })),
      },
    };
    expect(phasesTable({ ...run, findings: { ...run.findings, launches: [launch] } })).not.toContain('carol');
  });
  it("say no GPU in the seed's snapshot points, and the memory where there is one", () => {
    expect(rowOf(snapshotTable(fullRun().data), '1', 'after-cold_1').slice(2, 5)).toEqual(['no GPU', '–', '–']);
    expect(rowOf(snapshotTable(gpuRun().data), '1', 'after-cold_1').slice(2, 5)).toEqual([
      '0: Example GPU 80GB',
      '74100',
      '81559',
    ]);
  });
  it('show only settings that differ from the seed, each with its reason', () => {
    const table = seedDifferencesTable(sampleRecord);
    expect(rowOf(table, 'gpu-memory-utilization')).toEqual([
      'gpu-memory-utilization',
      '0.92',
      'not given',
      'the CPU engine sizes its KV cache in GiB: VLLM_CPU_KVCACHE_SPACE=1',
    ]);
    expect(table).not.toContain('dtype');
  });
  it('say so when nothing differs from the seed', () => {
    expect(seedDifferencesTable({ ...sampleRecord, configEntries: [] })).toContain(
      "every setting has the seed's value",
    );
  });
  it('fill the five warm rows from one launch only and summarise all', () => {
    const table = warmTable(fullRun());
    expect(rowOf(table, '1').slice(0, 3)).toEqual(['1', '0.672', '40.0']);
    expect(rowOf(table, '5').slice(0, 3)).toEqual(['5', '0.676', '44.0']);
    expect(rowOf(table, 'TTFT, all')[2]).toBe('20');
  });
  it('give every definition of a first token with its distance from the headline', () => {
    const table = definitionsTable(fullRun());
    expect(rowOf(table, 'request written', 'first body byte (TTFB)').slice(2)).toEqual(['799.800', '-0.200']);
    expect(rowOf(table, 'before the connection', 'first event with generated text').slice(2)).toEqual([
      '801.000',
      '1.000',
    ]);
  });
  it('prove the prefix cache by cached_tokens', () => {
    expect(rowOf(prefixTable(fullRun()), 'warm-cached').slice(1, 6)).toEqual(['2', '1040', '1024', '60.0', '60.0']);
  });
  it('name the reason in a cell of the equation that has no value', () => {
    expect(rowOf(sixTermsTable(fullRun()), 'A').slice(2)).toEqual([
      'not separable here',
      'the log times A and B together',
      'none',
      'no bytes read',
    ]);
  });
  it('keep the parts of the excess adding up', () => {
    const table = excessTable(fullRun());
    const ms = (part: string) => Number(rowOf(table, part)[2]);
    expect(ms('of it: queue') + ms('of it: remainder')).toBeCloseTo(ms('excess'), 6);
  });
});
