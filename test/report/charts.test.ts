import { describe, expect, it } from 'vitest';
import { meaningColours, wrapLine, type Chart, type NoChart } from '../../lib/report/chart.js';
import { coldWarmPoints } from '../../lib/report/cold-warm-points.js';
import { startupWaterfall } from '../../lib/report/startup-waterfall.js';
import type { InterpretedRun } from '../../lib/report/subject.js';
import { timelineChart } from '../../lib/report/timeline-chart.js';
import { tokenTimes } from '../../lib/report/token-times.js';
import { fullRun, gpuRun, partialRun, rehearsalRun } from './sample.js';

const charts = {
  'startup-waterfall': startupWaterfall,
  'cold-warm-points': coldWarmPoints,
  timeline: timelineChart,
  'token-times': tokenTimes,
} as const;
const largestSpecBytes = 150_000;

function drawn(chart: Chart | NoChart): Chart {
  if (chart.kind === 'no-chart') throw new Error(chart.why);
  return chart;
}

/** Every object inside a specification. */
function* nodes(value: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(value)) for (const item of value) yield* nodes(item);
  else if (value !== null && typeof value === 'object') {
    yield value as Record<string, unknown>;
    for (const inner of Object.values(value)) yield* nodes(inner);
  }
}

describe.each(Object.entries(charts))('%s', (name, chart) => {
  it('draws what it drew before', async () => {
    const { spec, table } = drawn(chart(fullRun()));
    const short = (_key: string, value: unknown): unknown =>
      Array.isArray(value) && value.length > 24 && typeof value[0] === 'object'
        ? [...value.slice(0, 8), `and ${value.length - 8} more`]
        : value;
    await expect(`${JSON.stringify(spec, short, 2)}\n`).toMatchFileSnapshot(`__golden__/${name}.spec.snap`);
    await expect(`${table}\n`).toMatchFileSnapshot(`__golden__/${name}.md`);
  });
  it('is stamped REHEARSAL in title and table when no real engine ran', () => {
    const { title, table } = drawn(chart(rehearsalRun()));
    expect(title).toMatch(/^REHEARSAL: /);
    expect(table).toMatch(/^\*\*REHEARSAL: /);
  });
  it('says n below its title and a unit on each axis that counts', () => {
    const { spec, subtitle } = drawn(chart(fullRun()));
    expect(subtitle).toMatch(/n = \d+|\d+ launch/);
    const titles = [...nodes(spec)].flatMap((node) => (typeof node['title'] === 'string' ? [node['title']] : []));
    expect(titles.join()).toMatch(/seconds|milliseconds|ms/);
  });
  it.each([
    ['full', fullRun],
    ['GPU', gpuRun],
  ] as const)('stays small for a %s run', (_kind, makeRun) => {
    expect(JSON.stringify(drawn(chart(makeRun())).spec).length).toBeLessThan(largestSpecBytes);
  });
  it('uses only the colours that have a meaning, and greys', () => {
    const colours = new Set(JSON.stringify(drawn(chart(gpuRun())).spec).match(/#[0-9a-f]{6}/gi));
    const meanings: string[] = Object.values(meaningColours);
    for (const colour of colours) expect(meanings.includes(colour) || /^#(..)\1\1$/.test(colour)).toBe(true);
  });
});

describe('startupWaterfall', () => {
  it('claims the longest phase and its share', () => {
    expect(drawn(startupWaterfall(fullRun())).title).toBe('"Compile and warm-up" took 38 % of the 40.0 s to ready');
  });
  it('has a panel for each launch on one scale', () => {
    const panels = drawn(startupWaterfall(fullRun())).spec['vconcat'] as {
      layer: { encoding: { x: { scale: { domain: number[] } } } }[];
    }[];
    expect(panels.map((panel) => panel.layer[0]?.encoding.x.scale.domain)).toEqual([
      [0, 48.8],
      [0, 48.8],
    ]);
  });
  it('says why when no launch became ready', () => {
    expect(startupWaterfall(partialRun())).toEqual({
      kind: 'no-chart',
      why: 'No launch became ready, so there is no launch -> ready to draw.',
    });
  });
});

describe('coldWarmPoints', () => {
  it('has every request with the payload of the seed as a point', () => {
    const rows = drawn(coldWarmPoints(fullRun()))
      .table.split('\n')
      .filter((line) => /^\| (?:TTFT|wall_s) /.test(line));
    // 2 launches x 12 requests by wall_s, and by TTFT all but the cold_1 that was not streamed.
    expect(rows).toHaveLength(24 + 23);
  });
  it('turns logarithmic just above a ratio of five, and not at it', () => {
    const withCold = (ttftMs: number): InterpretedRun => {
      const { data, findings } = fullRun();
      const timings = findings.timings
        .filter((timing) => timing.launch === 1)
        .map((timing) => ({ ...timing, wallS: undefined, ttftMs: timing.name === 'cold_1' ? ttftMs : 40 }));
      return {
        data,
        findings: { ...findings, timings, warmTtftMs: { n: 10, min: 40, median: 40, max: 40, mad: 0, spread: 0 } },
      };
    };
    expect(drawn(coldWarmPoints(withCold(201))).subtitle).toContain('logarithmic');
    expect(drawn(coldWarmPoints(withCold(200))).subtitle).not.toContain('logarithmic');
  });
  it('draws the warm median of each launch by itself: launches are never pooled', () => {
    const run = fullRun();
    const timings = run.findings.timings.map((timing) =>
      timing.launch === 2 && timing.name === 'warm' ? { ...timing, ttftMs: 70 } : timing,
    );
    const text = JSON.stringify(drawn(coldWarmPoints({ ...run, findings: { ...run.findings, timings } })).spec);
    expect(text).toContain('42.3 ms, launch 1');
    expect(text).toContain('70.0 ms, launch 2');
  });
  it('shows many launches as three series, and names no more first requests and medians than can be read', () => {
    const run = fullRun();
    const { timings } = run.findings;
    const again = [3, 4, 5, 6].flatMap((launch) =>
      timings
        .filter((timing) => timing.launch === 1)
        .map((timing) => ({ ...timing, launch, ttftMs: (timing.ttftMs ?? NaN) + launch })),
    );
    const findings = { ...run.findings, timings: [...timings, ...again], warmLaunch: 6 };
    const { spec, subtitle } = drawn(coldWarmPoints({ ...run, findings }));
    const found = [...nodes(spec)];
    const series = new Set(found.flatMap((node) => (typeof node['series'] === 'string' ? [node['series']] : [])));
    expect([...series]).toEqual(['launch 1', 'launches 2 to 5', 'launch 6']);
    const labelled = found.filter(
      ({ label, measure }) => measure === 'TTFT' && typeof label === 'string' && label !== '',
    );
    expect(new Set(labelled.map(({ label }) => label))).toEqual(
      new Set(['cold_1, launch 1', 'cold_1, launch 5', 'cold_1, launch 6']),
    );
    const medians = found.flatMap(({ text }) => (typeof text === 'string' ? [text.replace(/^[^,]*, /, '')] : []));
    expect(new Set(medians)).toEqual(new Set(['launch 1', 'launch 6']));
    expect(subtitle).toContain('in 6 launches');
  });
  it('has nothing to compare in a run without requests', () => {
    expect(coldWarmPoints(partialRun()).kind).toBe('no-chart');
  });
});

describe('timelineChart', () => {
  it('leaves out rows without data and names them', () => {
    expect(drawn(timelineChart(fullRun())).subtitle).toContain(
      'not observed, so no row: GPU memory, GPU utilisation, GPU power',
    );
    expect(drawn(timelineChart(gpuRun())).subtitle).not.toContain('not observed');
  });
  it('ends at the last token of its launch', () => {
    expect(drawn(timelineChart(fullRun())).title).toBe(
      '76 % of the 52.7 s from spawn to last token went by before ready',
    );
  });
  it('draws another launch on request', () => {
    expect(drawn(timelineChart(fullRun(), 2)).subtitle).toMatch(/^launch 2/);
  });
  it('still shows the samples of a launch that died', () => {
    expect(drawn(timelineChart(partialRun())).title).toBe('Launch 1 never became ready (died)');
  });
});

describe('tokenTimes', () => {
  it('says by how much the cold stream began and ended later', () => {
    expect(drawn(tokenTimes(fullRun())).title).toBe(
      'The cold stream began 758 ms later than the warm median of launch 1, and ended 758 ms later',
    );
  });
  it('calls chunks tokens only where each held one', () => {
    const run = fullRun();
    const requests = run.data.requests.map((row) => ({ ...row, completionTokens: 65 }));
    expect(JSON.stringify(drawn(tokenTimes({ ...run, data: { ...run.data, requests } })).spec)).toContain(
      'chunks of text (one may hold several tokens)',
    );
    expect(JSON.stringify(drawn(tokenTimes(run)).spec)).toContain('tokens (each chunk held one)');
  });
  it('stays small for a long run of many streams', () => {
    const run = fullRun();
    const requests = Array.from({ length: 60 }, (_, i) => ({
      ...run.data.requests[0]!,
      requestId: `1-warm-${i}`,
      name: 'warm',
      index: i,
    }));
    const chunks = requests.flatMap(({ requestId }) =>
      Array.from({ length: 512 }, (_, i) => ({
        requestId,
        sequence: i,
        read: i,
        atMs: 42_000 + i * 10,
        kind: 'token',
        characters: 4,
        bytes: 200,
      })),
    );
    const { spec, subtitle } = drawn(tokenTimes({ ...run, data: { ...run.data, requests, chunks } }));
    expect(JSON.stringify(spec).length).toBeLessThan(largestSpecBytes);
    // Whole streams, of which each second chunk left out would look like a burst; some streams are left out instead.
    const points = [...nodes(spec)].filter(({ count }) => typeof count === 'number');
    const drawnRequests = [...new Set(points.map(({ request }) => request))];
    expect(drawnRequests.map((id) => points.filter(({ request }) => request === id).length)).toEqual([512, 512, 512]);
    expect(subtitle).toContain('; drawn: 0 and 3 of them, evenly from the earliest first token to the latest');
  });
});

describe('wrapLine', () => {
  it('breaks at spaces and keeps a number with its unit', () => {
    expect(wrapLine('it took 18.9 ms here', 12)).toEqual(['it took', '18.9\u00a0ms here']);
  });
});
