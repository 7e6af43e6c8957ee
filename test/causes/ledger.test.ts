/** Seconds per cause: adding up, floors, and what is not measured. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { probesTable } from '../../lib/archive/cold-start-tables.js';
import type { ExperimentRun } from '../../lib/causes/experiment.js';
import { effectsOf, type CellValue } from '../../lib/causes/contrasts.js';
import { dominantOf } from '../../lib/causes/judged.js';
import { causeLedger, type LedgerInput } from '../../lib/causes/ledger.js';
import { bestBytesPerS, parseDd, parseSeconds, runProbes } from '../../lib/causes/probes.js';
import type { ProbeRow } from '../../lib/archive/cold-start-tables.js';
import { clock, temporaryFolder } from '../launch/place.js';

const cells: Readonly<Record<string, number>> = {
  'both-cold': 130_000,
  'pages-cold': 84_000,
  'compile-cold': 123_000,
  'both-warm': 77_000,
  eager: 65_000,
  dummy: 75_500,
  'kv-small': 76_500,
  'kv-large': 77_000,
};
const values: CellValue[] = Array.from({ length: 6 }, (_, block) =>
  Object.entries(cells).map(([cell, value]) => ({ block: `b${block}`, cell, value: value + block * 500 })),
).flat();
const probe = (name: string, ms: number, bytes?: number): ProbeRow => ({
  probe: name,
  index: 1,
  atMs: 0,
  ms,
  bytes,
  command: 'true',
});
const probes = [
  ...Array.from({ length: 6 }, () => probe('import-front', 20_000)),
  ...Array.from({ length: 6 }, () => probe('import-engine', 24_000)),
  ...Array.from({ length: 6 }, () => probe('import-worker', 7000)),
  ...Array.from({ length: 6 }, () => probe('context', 1000)),
  probe('disk-read', 1000, 1e9),
  probe('disk-read', 2000, 1e9),
  probe('h2d-pinned', 20, 1e9),
];
const input: LedgerInput = {
  effects: effectsOf(values),
  values,
  rows: [],
  probes: [probes],
  weightsBytes: 7e9,
  kvDifferenceBytes: 47 * 2 ** 30,
  device: 'cuda',
  engineProcesses: 2,
};
const rowOf = (cause: string, from: LedgerInput = input) => causeLedger(from).rows.find((row) => row.cause === cause);

describe('the ledger', () => {
  it('adds up: causes, G and remainder are the all-cold start', () => {
    const sum = ['A', 'B', 'C', 'D', 'G', 'remainder'].reduce(
      (total, cause) => total + (rowOf(cause)?.centre?.centre ?? NaN),
      0,
    );
    // Levels of blocks fall out of the causes and stay in the remainder, whose centre is that of the middle blocks.
    expect(sum).toBeCloseTo(causeLedger(input).wall?.centre ?? NaN, 6);
    expect(rowOf('G')?.centre?.centre).toBe(20_000 + 24_000 + 1000);
    expect(rowOf('G', { ...input, engineProcesses: 4, device: 'cpu' })?.centre?.centre).toBe(
      20_000 + 24_000 + 2 * 7000,
    );
    expect(rowOf('C')?.centre?.centre).toBe(46_000 + 12_000);
  });

  it('sets each cause beside the least this node could do it in', () => {
    expect(rowOf('A')?.floorMs).toBeCloseTo(7000);
    expect(rowOf('B')?.floorMs).toBeCloseTo(140);
    expect(rowOf('C')?.floorMs).toBeUndefined();
    expect(rowOf('D-size')?.floor).toMatch(/^not measured here/);
    expect(bestBytesPerS(probes, 'disk-read')).toBe(1e9);
  });

  it('takes the price of a large KV cache from no start, and both intervals at their worst into the remainder', () => {
    expect(rowOf('D')?.centre?.centre).toBe(500);
    expect(rowOf('D-size')?.share).toBeUndefined();
    const spread = { ...input, probes: [probes.map((one, at) => (at < 6 ? { ...one, ms: one.ms + at * 1000 } : one))] };
    const [g, before, after] = [rowOf('G', spread), rowOf('remainder'), rowOf('remainder', spread)].map(
      (row) => row?.centre?.interval,
    );
    const steady = (rowOf('G')?.centre?.centre ?? NaN) + (before?.lower ?? NaN);
    expect(after?.lower).toBeCloseTo(steady - (g?.upper ?? NaN));
    expect(after?.level).toBeCloseTo(2 * 0.96875 - 1);
  });

  it('takes a cause that only other blocks hold off the middle of the all-cold ones', () => {
    const isKv = ({ cell }: CellValue) => cell.startsWith('kv-');
    const apart = values
      .filter((one) => isKv(one) || one.cell === 'both-warm')
      .map((one) => ({ ...one, block: `kv ${one.block}`, value: one.value * 0.9 }));
    const both = [...values.filter((one) => !isKv(one)), ...apart];
    const split = { ...input, values: both, effects: effectsOf(both) };
    const [d, without, remainder] = [
      rowOf('D', split),
      rowOf('remainder', { ...split, effects: split.effects.filter(({ cause }) => cause !== 'D') }),
      rowOf('remainder', split),
    ];
    expect(d?.centre?.centre).toBeCloseTo(450);
    expect(remainder?.how).toContain('A + B + C + D + G');
    expect(remainder?.centre?.n).toBe(6);
    expect(remainder?.centre?.centre).toBeCloseTo((without?.centre?.centre ?? NaN) - 450);
    expect(remainder?.centre?.interval?.level).toBeCloseTo((without?.centre?.interval?.level ?? NaN) - 2 ** -5);
  });

  it('adds the probes of each run by itself, and says which are missing', () => {
    const context = (one: ProbeRow) => one.probe !== 'context';
    const half = { ...input, probes: [probes, probes.filter(context)] };
    expect(rowOf('G', half)?.centre).toEqual(rowOf('G')?.centre);
    expect(rowOf('G', { ...input, probes: [probes.filter(context)] })?.absent).toMatch(/needs: context$/);
  });

  it('does not ask for D where the small KV cache is its own', () => {
    const noOwnKv = 'its own is the small one';
    const effects = input.effects.filter(({ cause }) => cause !== 'D');
    const { rows } = causeLedger({ ...input, effects, noOwnKv });
    const at = rows.findIndex(({ cause }) => cause === 'D');
    expect(rows[at]).toMatchObject({ absent: noOwnKv });
    expect(rows[at]?.centre).toBeUndefined();
    expect(rows[at + 1]?.cause).toBe('D-size');
    expect(rows.find(({ cause }) => cause === 'remainder')?.how).toContain('D is in it');
  });

  it('calls no remainder resolved whose interval reaches less than the others', () => {
    const spread = { ...input, probes: [probes.map((one, at) => ({ ...one, ms: one.ms + at }))] };
    const remainder = rowOf('remainder', spread);
    expect(remainder?.centre?.interval?.level).toBeLessThan(0.95);
    expect(remainder?.resolved).toBeUndefined();
  });

  it('says why a cause has no number, and leaves G in the remainder then', () => {
    const without = { ...input, probes: [], noProcessProbe: 'no Python here' };
    expect(rowOf('G', without)?.absent).toBe('no Python here');
    expect(rowOf('remainder', without)?.how).toContain('G is in it');
    expect(rowOf('E')?.absent).toContain('no times of its own');
  });
});

describe('what dominates a cell by the experiment', () => {
  it('is the largest cause that such a start pays, if it fills a quarter of it', () => {
    expect(dominantOf('both-cold', 130_000, input.effects)).toEqual({ cause: 'C', ms: 58_000 });
    expect(dominantOf('both-warm', 77_000, input.effects)).toBeUndefined();
    expect(dominantOf('both-warm', 48_000, input.effects)?.cause).toBe('C');
    expect(dominantOf('both-warm', 48_001, input.effects)).toBeUndefined();
  });
});

describe('probes of a node', () => {
  it('leave rows once, and a probe that fails costs the experiment nothing but its floor', async () => {
    const dir = temporaryFolder();
    const weights = join(dir, 'model.safetensors');
    writeFileSync(weights, Buffer.alloc(3 * 2 ** 20));
    // A "Python" that is none: every probe of the processes fails.
    const python = join(dir, 'python3');
    writeFileSync(python, '#!/bin/sh\necho no such module >&2\nexit 3\n', { mode: 0o755 });
    const run = {
      dir,
      clock,
      record: {
        engine: { kind: 'vllm', device: 'cpu', command: [python], env: {} },
        model: { location: dir, files: [{ path: 'model.safetensors' }] },
      },
    } as unknown as ExperimentRun;
    const { signal } = new AbortController();
    const failures = await runProbes(run, undefined, signal);
    expect(failures.map((text) => text.split(':')[0])).toEqual([
      'start',
      'import-front',
      'import-engine',
      'import-worker',
    ]);
    expect(failures[0]).toContain('exit code 3');
    expect(failures[0]).toContain('no such module');
    const rows = readRows(dir, probesTable);
    expect(rows.map(({ probe }) => probe)).toEqual([...Array(6).fill('disk-read'), ...Array(6).fill('cache-read')]);
    expect(rows.every(({ bytes, command }) => bytes === 3 * 2 ** 20 && command.startsWith('dd if='))).toBe(true);
    await runProbes(run, undefined, signal);
    expect(readRows(dir, probesTable)).toHaveLength(12);
    const elsewhere = temporaryFolder();
    await runProbes({ ...run, dir: elsewhere }, undefined, signal, 2);
    expect(readRows(elsewhere, probesTable).map(({ probe }) => probe)).toEqual([
      ...Array(2).fill('disk-read'),
      ...Array(2).fill('cache-read'),
    ]);
  });
});

describe('the output of a probe', () => {
  it('of dd is its bytes and seconds', () => {
    const text = '58+1 records in\n58+1 records out\n988065536 bytes (988 MB, 942 MiB) copied, 3.93 s, 251 MB/s\n';
    expect(parseDd(text)).toEqual({ bytes: 988065536, ms: 3930 });
    expect(() => parseDd('dd: failed to open')).toThrow('nothing that can be read');
  });

  it('of a script is the list it printed last', () => {
    expect(parseSeconds('a warning\n[0.5, 2.5e-1]\n', 8)).toEqual([
      { ms: 500, bytes: 8 },
      { ms: 250, bytes: 8 },
    ]);
    expect(() => parseSeconds('Traceback', 8)).toThrow('printed no times');
  });
});
