import { describe, expect, it } from 'vitest';
import { readRun, type RunData } from '../../lib/archive/folder.js';
import type { MetricRow } from '../../lib/archive/tables.js';
import { serverTtftFindings } from '../../lib/interpret/serverttft.js';
import { requestTimings } from '../../lib/interpret/timing.js';
import { publishedRuns } from '../published.js';
import { buildRun, defaultWarmTtftMs } from './run-builder.js';

const findingsOf = (data: RunData) => serverTtftFindings(data, requestTimings(data.requests, data.chunks));

/** One scrape: so many first tokens so far, taking so long together. */
function scrape(launch: number, name: string, atMs: number, count: number, sumS: number): MetricRow[] {
  const metric = 'vllm:time_to_first_token_seconds';
  return [
    { launch, scrape: name, atMs, metric: `${metric}_count`, value: count },
    { launch, scrape: name, atMs, metric: `${metric}_sum`, value: sumS },
  ];
}

/** Scrapes around the streamed warm requests of launch 1, which say that the front end took 45 ms for each. */
function withScrapes(data: RunData, counted = defaultWarmTtftMs.length): RunData {
  const streamed = data.requests.filter(({ name, streamed }) => name === 'warm' && streamed);
  const fromMs = (streamed[0]?.startAtMs ?? 0) - 1;
  const toMs = (streamed.at(-1)?.endAtMs ?? 0) + 1;
  return {
    ...data,
    metrics: [
      ...scrape(1, 'after-whole', fromMs, 7, 0.5),
      ...scrape(1, 'after-warm', toMs, 7 + counted, 0.5 + 0.045 * counted),
    ],
  };
}

describe('the client against the engine', () => {
  it('is one median a kind of request: queue and first token taken from TTFT leave the front end of the made-up run', () => {
    const warm = findingsOf(buildRun()).find(({ launch, block }) => launch === 1 && block === 'warm');
    // frontEndMs of the builder is 10 in every request.
    expect(warm).toMatchObject({ against: 'engine', statistic: 'median', n: 10, clientMs: 50, serverMs: 40 });
    expect(warm?.differenceMs).toBeCloseTo(10, 9);
    expect(
      [warm?.minMs, warm?.lowerQuartileMs, warm?.upperQuartileMs, warm?.maxMs].map((ms) => ms?.toFixed(6)),
    ).toEqual(Array(4).fill('10.000000'));
    expect(warm?.interval?.level).toBeGreaterThan(0.95);
  });

  it('says that it cannot be seen where the answers carry no figures of the server', () => {
    const found = findingsOf(buildRun({ serverMetrics: false })).filter(({ against }) => against === 'engine');
    expect(found.length).toBeGreaterThan(0);
    for (const { absentBecause, differenceMs } of found) {
      expect(absentBecause).toBe('the answers carry no figures of the server');
      expect(differenceMs).toBeUndefined();
    }
  });

  it('has no row for a launch whose requests were all answered whole', () => {
    expect(findingsOf(buildRun()).filter(({ launch, against }) => launch === 2 && against === 'engine')).toEqual([]);
  });
});

describe('the client against the front end', () => {
  it('compares the means of exactly the requests between two scrapes, and parts the rest from the engine', () => {
    const found = findingsOf(withScrapes(buildRun())).filter(({ against }) => against !== 'engine');
    expect(found.map(({ block }) => block)).toEqual(Array(2).fill('warm (after-whole to after-warm)'));
    const [frontEnd, between] = found;
    expect(frontEnd).toMatchObject({ against: 'front end', statistic: 'mean', n: 10 });
    expect(frontEnd?.clientMs).toBeCloseTo(50, 9);
    expect(frontEnd?.serverMs).toBeCloseTo(45, 9);
    expect(frontEnd?.differenceMs).toBeCloseTo(5, 9);
    // The engine says 40 ms of these ten.
    expect(between).toMatchObject({ against: 'engine, by the front end', n: 10 });
    expect(between?.differenceMs).toBeCloseTo(5, 9);
  });

  it('keeps two scrapes of one name apart: a cell can be run again', () => {
    const data = withScrapes(buildRun());
    const middle = data.requests.filter(({ name, streamed }) => name === 'warm' && streamed)[4]?.endAtMs ?? 0;
    const metrics = [...data.metrics, ...scrape(1, 'after-warm', middle + 1, 12, 0.5 + 5 * 0.045)];
    const found = findingsOf({ ...data, metrics }).filter(({ against }) => against === 'front end');
    expect(found.map(({ block, n }) => [block, n])).toEqual([
      ['warm (after-whole to after-warm)', 5],
      ['warm (after-warm to after-warm)', 5],
    ]);
    for (const { serverMs } of found) expect(serverMs).toBeCloseTo(45, 9);
  });

  it('says so when the server counted others besides, and when some answers were not streamed', () => {
    const crowded = findingsOf(withScrapes(buildRun(), 11)).find(({ against }) => against === 'front end');
    expect(crowded?.absentBecause).toBe('the server counted 11 first tokens, the block has 10 requests');
    const data = buildRun();
    const whole = data.requests.filter(({ name, streamed }) => name === 'warm' && !streamed);
    const edges: RunData = {
      ...data,
      metrics: [
        ...scrape(1, 'after-warm_1', (whole[0]?.startAtMs ?? 0) - 1, 2, 0.2),
        ...scrape(1, 'after-warm', (whole.at(-1)?.endAtMs ?? 0) + 1, 7, 0.4),
      ],
    };
    const [frontEnd, between] = findingsOf(edges).filter(({ against }) => against !== 'engine');
    expect(frontEnd?.absentBecause).toContain('5 of 5 requests of the block had no first token that the client saw');
    // TTFT 50 to 54 in the builder, 10 of them in the front end.
    expect(between).toMatchObject({ against: 'engine, by the front end', n: 5, serverMs: 42 });
  });

  it('says that it cannot be seen where /metrics lacks the histogram at one end', () => {
    const data = withScrapes(buildRun());
    const lacking = {
      ...data,
      metrics: data.metrics.filter(({ metric, scrape: name }) => name === 'after-warm' || metric.endsWith('_count')),
    };
    expect(findingsOf(lacking).find(({ against }) => against === 'front end')?.absentBecause).toContain(
      '/metrics has no vllm:time_to_first_token_seconds at both ends',
    );
  });
});

describe.each(publishedRuns)('in %s', (dir) => {
  it('no part is negative: the client sees a first token after the front end, and that after the engine', () => {
    const found = findingsOf(readRun(dir)).filter(({ differenceMs }) => differenceMs !== undefined);
    expect(found.length).toBeGreaterThan(5);
    for (const { differenceMs } of found) expect(differenceMs).toBeGreaterThan(0);
  });
});
