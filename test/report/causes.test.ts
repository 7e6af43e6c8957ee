/** Tables and charts of an experiment on cold starts, from a made-up design on launches of a real vLLM. */
import { describe, expect, it } from 'vitest';
import { readRun } from '../../lib/archive/folder.js';
import type { CellRow, ProbeRow, StackRow } from '../../lib/archive/cold-start-tables.js';
import { designs } from '../../lib/causes/cells.js';
import { planDesign } from '../../lib/causes/design.js';
import { causeFindings, type ExperimentData } from '../../lib/causes/findings.js';
import { causeBars, cellPoints, witnessChart } from '../../lib/report/cause-charts.js';
import {
  causeAnswerTable,
  causeTable,
  firstRequestTable,
  judgedTable,
  planTableOf,
  probeTable,
  proofTable,
  watchedTable,
  witnessTable,
} from '../../lib/report/cause-tables.js';
import type { Chart } from '../../lib/report/chart.js';
import { chartFontsOf, renderPng } from '../../lib/report/picture.js';

const data = readRun('data/published/h100-phi-3-mini-2026-11-26');
const readyS: Readonly<Record<string, number>> = {
  'both-cold': 139,
  'pages-cold': 84,
  'compile-cold': 132,
  'both-warm': 77,
  eager: 65,
  dummy: 75.5,
  'kv-small': 76.9,
  'kv-large': 77,
};
const plan = planDesign({ cells: designs.full, blocks: 6, seed: 7 });

/** Launch 1 compiled, launch 2 did not: each cell borrows the rows of the one that is like it. */
const rowOf = (block: number, cell: string, jitterMs: number): CellRow => ({
  launch: cell === 'both-cold' || cell === 'compile-cold' ? 1 : 2,
  block,
  cell,
  role: 'measure',
  attempt: 1,
  machine: 'aaaaaaaa',
  boot: 'bbbbbbbb',
  outcome: 'counted',
  startedAtMs: 0,
  endedAtMs: 1,
  readyMs: (readyS[cell] ?? NaN) * 1000 + jitterMs,
  residentBeforeFraction: 0,
  coldTtftMs: 50 + jitterMs / 100,
  warmTtftMs: 20,
  serverFirstTokenMs: 12,
});
const rows = plan
  .filter(({ role }) => role === 'measure')
  .map(({ block, cell, position }) => rowOf(block, cell, ((block * 7 + position * 5) % 11) * 100));
const voided: CellRow = {
  ...rowOf(1, 'eager', 0),
  launch: 3,
  attempt: 2,
  outcome: 'void',
  because: 'pages: 12.0 % resident before spawn; warm needs 99.0 %',
};
const probe = (name: string, ms: number, bytes?: number): ProbeRow => ({
  probe: name,
  index: 1,
  atMs: 0,
  ms,
  bytes,
  command: `dd if=/somewhere/model.safetensors # ${name}`,
});
const probes = [
  probe('disk-read', 7000, 7.6e9),
  ...Array.from({ length: 6 }, (_, at) => probe('import-front', 22_000 + at)),
  ...Array.from({ length: 6 }, (_, at) => probe('import-engine', 22_000 + at)),
  ...Array.from({ length: 6 }, () => probe('context', 500)),
];
const experiment: ExperimentData = { data, plan, rows: [...rows, voided], probes, stacks: [] };
const findings = causeFindings([experiment]);

/** Up in one block and down in the next, so that a difference inside blocks has no sign. */
const rowNoiseMs = ({ block, cell }: CellRow): number => (cell === 'both-cold' ? (-1) ** block * 500 : 0);

describe('the tables', () => {
  it('answer first: causes, what is not resolved, the remainder', () => {
    const answer = causeAnswerTable(findings);
    expect(answer).toContain('48 counted, 1 void or failed; 6 blocks on 1 machine');
    expect(answer).toMatch(/largest cause \| C compile, autotune, capture: /);
    expect(answer).toMatch(/second cause \| G process, imports, context: /);
    expect(answer).toMatch(/not resolved \| .*D/);
    expect(answer).toMatch(/remainder \| .* of the all-cold start/);
  });

  it('show every launch, the void one with its reason', () => {
    const table = proofTable(experiment);
    expect(table.split('\n').filter((line) => /^\| +\d/.test(line) || /^\| \d/.test(line))).toHaveLength(49);
    expect(table).toContain('pages: 12.0 % resident before spawn');
    expect(planTableOf(experiment)).toContain('| eager | nothing | 6 | 6 | 1 | 0 |');
  });

  it('set a cause beside its floor, and name the command of each probe', () => {
    expect(causeTable(findings)).toMatch(/\| A \| storage -> RAM .* the best cold read of this disk \|/);
    expect(probeTable(experiment, undefined)).toContain('dd if=');
  });

  it('say where witnesses disagree, what ran in silence, and how the runbook’s table did', () => {
    expect(witnessTable(findings)).toMatch(/disagrees: .* against /);
    expect(witnessTable(findings)).toContain('Kernels warmed up, compiled on first use');
    expect(judgedTable(findings)).toMatch(/\| both-cold \| 6 \| C: /);
    expect(firstRequestTable(findings)).toContain('pages cold - warm');
  });

  it('hold no number that is none, and no folder of the machine', () => {
    const all = [causeAnswerTable, causeTable, witnessTable, judgedTable, firstRequestTable].map((of) => of(findings));
    for (const text of [...all, proofTable(experiment), probeTable(experiment, undefined)]) {
      expect(text).not.toMatch(/NaN|undefined|Infinity/);
      expect(text).not.toContain('/somewhere');
    }
  });

  it('of an experiment that has not begun say so', () => {
    const nothing = causeFindings([{ data, plan, rows: [], probes: [], stacks: [] }]);
    expect(causeAnswerTable(nothing)).toContain('0 counted');
    expect(causeBars(nothing).kind).toBe('no-chart');
    expect(cellPoints(nothing).kind).toBe('no-chart');
    expect(witnessChart(nothing).kind).toBe('no-chart');
  });
});

describe('a watched start', () => {
  const [silence] = findings.silences.filter(({ launch }) => launch === 1);
  const spawnAtMs = data.launches.find(({ launch }) => launch === 1)?.spawnAtMs ?? NaN;
  const fromAtMs = spawnAtMs + (silence?.startMs ?? NaN);
  const watched: CellRow = { ...rowOf(0, 'both-cold', 0), role: 'watch', outcome: 'watched' };
  const stack: StackRow = {
    launch: 1,
    pid: 12,
    process: 'VLLM::EngineCor',
    fromAtMs: fromAtMs + 100,
    toAtMs: fromAtMs + (silence?.lengthMs ?? NaN) - 100,
    looks: 40,
    state: 'active',
    stack: 'main (vllm/core.py); run (/somewhere/engine.py); build (triton/jit.py)',
  };
  const withWatched = (row: CellRow, stacks: readonly StackRow[]): ExperimentData => ({
    ...experiment,
    rows: [...experiment.rows, row],
    stacks,
  });

  it('says where the processes were in the silence, and counts nowhere', () => {
    const one = withWatched(watched, [stack, { ...stack, launch: 2, stack: 'another launch' }]);
    const seen = causeFindings([one]);
    const table = watchedTable(seen);
    expect(table).toMatch(/VLLM::EngineCor \(12\) \| 100 \| main \(vllm\/core\.py\) > run \(.*engine\.py\) > build/);
    expect(table).toMatch(/No phase names .* of it; in \d/);
    expect(table).not.toMatch(/somewhere|another launch|NaN/);
    expect(causeAnswerTable(seen)).toBe(causeAnswerTable(findings));
    expect(proofTable(one)).toMatch(/both-cold \(watched\) \| watched \|/);
  });

  it('says so when nothing could be looked at, or nobody looked', () => {
    const blind = causeFindings([withWatched({ ...watched, because: '9 looks failed: Permission denied' }, [])]);
    expect(watchedTable(blind)).toContain('no process could be looked at (9 looks failed: Permission denied)');
    expect(watchedTable(findings, 'the design is not done')).toContain('Not looked at: the design is not done.');
  });
});

describe('the charts', () => {
  it('do not say of causes without an interval that it holds 0', () => {
    const pair = ['both-cold', 'compile-cold'];
    const short = rows
      .filter(({ block, cell }) => block < 6 || pair.includes(cell))
      .map((row) => (pair.includes(row.cell) ? { ...row, readyMs: 130_000 + rowNoiseMs(row) } : row));
    const found = causeFindings([{ ...experiment, rows: short, probes: [] }]);
    expect(found.ledger.rows.find(({ cause }) => cause === 'A')?.resolved).toBe(false);
    expect((causeBars(found) as Chart).title).toMatch(/is resolved yet: some have no interval/);
    expect((cellPoints(found) as Chart).subtitle).toContain('6 blocks, 5 of them with every cell, in random order');
    expect((cellPoints(findings) as Chart).subtitle).toContain('6 blocks, each with every cell once, in random order');
  });

  it('count a block as whole by the plan of its own run, where two designs are put together', () => {
    const isKv = ({ cell }: { readonly cell: string }) => cell.startsWith('kv-');
    const part = (runId: string, holds: (row: { readonly cell: string }) => boolean): ExperimentData => ({
      ...experiment,
      data: { ...experiment.data, record: { ...experiment.data.record, runId } },
      plan: experiment.plan.filter(holds),
      rows: experiment.rows.filter(holds),
    });
    const found = causeFindings([part('one', (row) => !isKv(row)), part('two', isKv)]);
    expect((cellPoints(found) as Chart).subtitle).toContain('12 blocks, each with every cell once, in random order');
  });

  it.each([
    ['causes', causeBars, /^compile, autotune, capture: .*; then process, imports, context: /],
    ['launches', cellPoints, /^both-cold takes .* to ready, eager /],
    ['witnesses', witnessChart, /agree$/],
  ] as const)('%s: a finding as title, a table beside it, and a picture', async (_name, draw, title) => {
    const chart = draw(findings);
    expect(chart.kind).toBe('chart');
    expect((chart as Chart).title).toMatch(title);
    expect((chart as Chart).table).toContain('|');
    const png = await renderPng((chart as Chart).spec, chartFontsOf('.'));
    expect(png.length).toBeGreaterThan(5000);
  });
});
