import { describe, expect, it } from 'vitest';
import type { RunData } from '../../lib/archive/folder.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { buildRun, readyMs, spawnAtMs } from './run-builder.js';

/** A run of eight launches in which each has six warm requests of its own, streamed in all but launch 2; launch k is k x 100 ms slower to start. */
function eightLaunches(change: (data: RunData) => RunData = (data) => data): RunData {
  const data = buildRun({ launches: 8 });
  const model = data.requests.find(({ name, streamed }) => name === 'warm' && streamed);
  const coldModel = data.requests.find(({ name }) => name === 'cold_1');
  if (!model || !coldModel) throw new Error('no model row');
  const requests = data.launches.flatMap(({ launch }) => {
    const startMs = spawnAtMs(launch) + readyMs + 1000;
    const row = (name: string, index: number, ttftMs: number, at: number) => {
      const streamed = launch !== 2;
      const startAtMs = startMs + 2000 * at;
      const times = { startAtMs, sentAtMs: startAtMs + 2, endAtMs: startAtMs + 1000 + ttftMs };
      const first = streamed ? startAtMs + 2 + ttftMs : undefined;
      return {
        ...model,
        ...times,
        requestId: `${launch}-${name}-${index}`,
        launch,
        name,
        index,
        streamed,
        firstTokenAtMs: first,
        firstVisibleAtMs: first,
        lastTokenAtMs: streamed ? startAtMs + 900 + ttftMs : undefined,
      };
    };
    return [
      row('cold_1', 1, 200 + launch, 0),
      ...Array.from({ length: 6 }, (_, at) => row('warm', at + 1, 100, at + 1)),
    ];
  });
  const launches = data.launches.map((row) => ({ ...row, readyAtMs: (row.readyAtMs ?? 0) + 100 * row.launch }));
  return change({ ...data, requests, launches });
}

const repeatOf = (data: RunData, quantity: string) => {
  const repeat = interpret(data).repeats.find((one) => one.quantity === quantity);
  if (!repeat) throw new Error(`no ${quantity}`);
  return repeat;
};

describe('from launch to launch', () => {
  it('launch 1 stands by itself and the others have a median with an interval', () => {
    const ready = repeatOf(eightLaunches(), 'launch -> ready');
    expect(ready.first).toBeCloseTo(13.3, 9);
    expect(ready.launches).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(ready.further?.median).toBeCloseTo(13.7, 9);
    expect(ready.further?.interval).toMatchObject({ lower: 13.4, upper: 14 });
    expect(ready.note).toContain('compile cache');
  });

  it('a TTFT of cold_1 and what is drawn from it leave out the launch that was answered whole', () => {
    const ttft = repeatOf(eightLaunches(), 'TTFT of cold_1');
    expect(ttft).toMatchObject({ first: 201, launches: [3, 4, 5, 6, 7, 8] });
    expect(ttft.further?.interval?.level).toBeCloseTo(0.96875, 9);
    const excess = repeatOf(eightLaunches(), 'excess of cold_1, by TTFT');
    expect([excess.first, excess.further?.median]).toEqual([101, 105.5]);
    expect(repeatOf(eightLaunches(), 'cold penalty X, by TTFT').further?.median).toBeCloseTo(2.055, 9);
    expect(repeatOf(eightLaunches(), 'cold penalty X, by wall_s').launches).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });

  it('a launch without warm requests of its own gives no excess, though it could borrow those of another', () => {
    const data = eightLaunches((run) => ({
      ...run,
      requests: run.requests.filter(({ launch, name }) => launch !== 5 || name !== 'warm'),
    }));
    expect(repeatOf(data, 'excess of cold_1, by TTFT').launches).toEqual([3, 4, 6, 7, 8]);
    expect(repeatOf(data, 'cold penalty X, by TTFT').launches).toEqual([3, 4, 6, 7, 8]);
  });

  it('launches that found another state are left out and named', () => {
    const data = eightLaunches((run) => ({
      ...run,
      launches: run.launches.map((row) => (row.launch === 4 ? { ...row, residentBeforeFraction: 0.5 } : row)),
    }));
    const ready = repeatOf(data, 'launch -> ready');
    expect(ready.launches).toEqual([2, 3, 5, 6, 7, 8]);
    expect(ready.note).toMatch(/left out, as they found another state: launch 4 \(pages partly resident/);
  });

  it('one launch repeats nothing, and a failed one is not counted', () => {
    expect(interpret(buildRun({ launches: 1 })).repeats).toEqual([]);
    const failed = eightLaunches((run) => ({
      ...run,
      launches: run.launches.map((row) => (row.launch === 8 ? { launch: 8, outcome: 'died' } : row)),
    }));
    expect(repeatOf(failed, 'launch -> ready').launches).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('names the launch that its phases explain least', () => {
    const findings = interpret(eightLaunches());
    const lowest = Math.min(...findings.launches.map(({ coveredFraction }) => coveredFraction ?? 1));
    expect(findings.worstCoverage?.fraction).toBe(lowest);
  });
});
