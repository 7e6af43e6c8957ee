import { describe, expect, it } from 'vitest';
import { samplingFindings } from '../../lib/interpret/sampling.js';
import { buildRun } from './run-builder.js';

/** Host rows at these instants; the sampler used 2 ms of CPU for each. */
function sampledAt(instants: readonly number[]) {
  const run = buildRun();
  return {
    ...run,
    record: { ...run.record, config: { ...run.record.config, sampleIntervalMs: 100 } },
    gpu: [],
    samples: instants.map((atMs, index) => ({
      launch: 0,
      atMs,
      tookMs: 1,
      serverProcesses: 0,
      samplerCpuMs: 2 * index,
    })),
  };
}

describe('what the samplers delivered', () => {
  it('counts readings, pauses and gaps against the plan, and the cost of reading', () => {
    // Planned at 0, 100, 200, 300, 400; the one at 200 is missing.
    const [host] = samplingFindings(sampledAt([0, 100, 300, 400]));
    expect(host).toEqual({
      source: 'host',
      n: 4,
      plannedPerS: 10,
      perS: 7.5,
      longestPauseMs: 200,
      missing: 1,
      cpuFraction: 6 / 400,
    });
  });

  it('leaves a planned pause out of rate, gaps and cost', () => {
    const run = { ...sampledAt([0, 100, 200, 1250, 1350]), pauses: [{ launch: 1, fromAtMs: 210, toAtMs: 1150 }] };
    expect(samplingFindings(run)[0]).toEqual({
      source: 'host',
      n: 5,
      plannedPerS: 10,
      perS: 10,
      longestPauseMs: 100,
      missing: 0,
      cpuFraction: 8 / (1350 - 940),
    });
  });

  it('does not depend on the order of the rows', () => {
    expect(samplingFindings(sampledAt([300, 0, 400, 100]))[0]).toMatchObject({ perS: 7.5, longestPauseMs: 200 });
  });

  it('says nothing of a run that was not sampled, or once only', () => {
    expect(samplingFindings(sampledAt([]))).toEqual([]);
    expect(samplingFindings(sampledAt([5]))).toEqual([]);
  });
});
