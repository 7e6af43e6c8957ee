import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Findings, LedgerCell, RequestTiming, SixTermRow } from '../../lib/interpret/findings.js';
import { afterFirstTokenMs, excessLedger, excessLedgers } from '../../lib/interpret/excess.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { penalties } from '../../lib/interpret/penalties.js';
import { requestTimings } from '../../lib/interpret/timing.js';
import { buildRun, type RunOptions } from './run-builder.js';

const mebibyte = 1024 * 1024;
const cells = (findings: Findings, window: 'launchToReady' | 'request1') =>
  Object.fromEntries(findings.sixTerms.map((row) => [row.term, row[window]])) as Record<SixTermRow['term'], LedgerCell>;
const interpreted = (options: RunOptions = {}) => interpret(buildRun(options));
const ms = (cell: LedgerCell) => (cell.kind === 'value' ? cell.ms : undefined);

describe('the equation, launch -> ready', () => {
  it('takes A as 0 and gives B the loader where nothing came from storage', () => {
    const row = cells(interpreted({ gpu: true }), 'launchToReady');
    expect(ms(row.A)).toBe(0);
    expect(ms(row.B)).toBe(1200);
    expect([ms(row.C), ms(row.D), ms(row.G), ms(row.remainder)]).toEqual([5000, 300, 5800, 900]);
    expect([row.E.kind, row.F.kind]).toEqual(['none', 'none']);
  });

  it('does not part A from B as soon as a byte came from storage', () => {
    const row = cells(interpreted({ loadingReadMiB: 1 }), 'launchToReady');
    expect([row.A.kind, row.B.kind]).toEqual(['not-separable', 'not-separable']);
    expect(row.A).toMatchObject({ note: expect.stringContaining('1.00 s') as unknown });
  });

  it('says that there is no HBM on a CPU', () => {
    expect(cells(interpreted(), 'launchToReady').B).toMatchObject({
      note: expect.stringContaining('no HBM') as unknown,
    });
  });

  it('is not observable for an attached server', () => {
    for (const row of interpreted({ engineKind: 'attach' }).sixTerms)
      expect(row.launchToReady).toEqual({ kind: 'not-observable', note: 'attached' });
  });

  it('is given for every launch', () => {
    expect(interpreted({ launches: 3 }).sixTermsByLaunch.map(({ launch }) => launch)).toEqual([1, 2, 3]);
  });
});

describe('the equation, request 1', () => {
  it('adds up to the TTFT of cold_1 where the JIT monitor tells C', () => {
    const findings = interpreted({ gpu: true, jitLines: 2 });
    const row = cells(findings, 'request1');
    // TTFT 200 = engine 189 (39 warm + 150 more) + queue 1 + front end 10.
    expect([ms(row.A), ms(row.C), ms(row.E), ms(row.F), ms(row.G), ms(row.remainder)]).toEqual([0, 150, 39, 1, 10, 0]);
    expect([row.B.kind, row.D.kind]).toEqual(['none', 'none']);
    expect(findings.sixTerms.reduce((sum, { request1 }) => sum + (ms(request1) ?? 0), 0)).toBe(200);
  });

  it('gives the excess to D where memory stepped and the JIT monitor was silent', () => {
    const row = cells(interpreted({ gpu: true, jitLines: 0, coldStepMiB: 64 }), 'request1');
    expect(ms(row.D)).toBe(150);
    expect(row.C.kind).toBe('none');
  });

  it('parts C and D neither where both spoke nor where none can', () => {
    for (const options of [{ gpu: true, jitLines: 1, coldStepMiB: 64 }, {}, { gpu: true, jitLines: 0 }]) {
      const row = cells(interpreted(options), 'request1');
      expect([row.C.kind, row.D.kind]).toEqual(['not-separable', 'not-separable']);
      expect(row.C).toMatchObject({ note: expect.stringContaining('150 ms') as unknown });
    }
  });

  it('has only a remainder where the server gives no figures of its own', () => {
    const row = cells(interpreted({ serverMetrics: false }), 'request1');
    expect(ms(row.remainder)).toBe(150);
    expect([row.C.kind, row.E.kind, row.F.kind, row.G.kind]).toEqual([
      'not-observable',
      'not-separable',
      'not-observable',
      'not-observable',
    ]);
  });

  it('does not call storage 0 when pages were read', () => {
    expect(cells(interpreted({ coldReadBytes: mebibyte }), 'request1').A.kind).toBe('not-separable');
  });

  it('cannot be seen in a cold_1 that was not streamed', () => {
    const second = interpreted().sixTermsByLaunch.find(({ launch }) => launch === 2);
    expect(second?.rows.every(({ request1 }) => request1.kind === 'not-observable')).toBe(true);
  });
});

describe('excess ledgers', () => {
  const timing = (more: Partial<RequestTiming>): RequestTiming => ({
    requestId: 'r',
    launch: 1,
    name: 'warm',
    index: 1,
    streamed: true,
    outcome: 'completed',
    ...more,
  });
  const maybe = fc.option(fc.double({ min: 0, max: 5000, noNaN: true }), { nil: undefined });
  const request = fc.record({
    ttftMs: fc.double({ min: 0, max: 5000, noNaN: true }),
    wallS: fc.double({ min: 0, max: 50, noNaN: true }),
    connectMs: maybe,
    serverQueueMs: maybe,
    serverFirstTokenMs: maybe,
    frontEndMs: maybe,
    serverGenerationMs: maybe,
  });

  it('have parts and a remainder that add up to the excess, whatever is missing', () => {
    fc.assert(
      fc.property(
        request,
        fc.array(request, { minLength: 1, maxLength: 12 }),
        fc.constantFrom('TTFT' as const, 'wall_s' as const),
        (cold, warm, by) => {
          const ledger = excessLedger(
            timing({ name: 'cold_1', ...cold }),
            { launch: 1, label: 'warm', timings: warm.map(timing) },
            by,
          );
          const sum = (ledger?.parts ?? []).reduce((total, part) => total + part.ms, 0) + (ledger?.remainderMs ?? NaN);
          expect(sum).toBeCloseTo(ledger?.excessMs ?? NaN, 6);
          expect(ledger?.excessMs).toBeCloseTo((ledger?.coldMs ?? NaN) - (ledger?.warmMedianMs ?? NaN), 9);
        },
      ),
    );
  });

  it('keep negative parts negative', () => {
    const ledger = excessLedger(
      timing({ ttftMs: 10, serverQueueMs: 1 }),
      { launch: 1, label: 'warm', timings: [timing({ ttftMs: 8, serverQueueMs: 4 })] },
      'TTFT',
    );
    expect(ledger?.parts).toMatchObject([{ name: 'queue', ms: -3 }]);
    expect(ledger?.remainderMs).toBe(5);
  });

  it('report the connection beside TTFT and inside wall_s', () => {
    const data = buildRun();
    const [byTtft, alsoByWall, byWall, long] = excessLedgers(requestTimings(data.requests, data.chunks, data.startup));
    expect(byTtft).toMatchObject({
      requestId: '1-cold_1-1',
      by: 'TTFT',
      coldMs: 200,
      warmMedianMs: 50,
      excessMs: 150,
      connectionMs: 0,
    });
    expect(byTtft?.parts.map(({ name, ms: part }) => [name.split(' ')[0], part])).toEqual([
      ['queue', 0],
      ['engine,', 150],
      ['front', 0],
    ]);
    expect(alsoByWall).toMatchObject({ requestId: '1-cold_1-1', by: 'wall_s', connectionMs: undefined });
    expect(byWall).toMatchObject({
      requestId: '2-cold_1-1',
      by: 'wall_s',
      warmOf: '5 not streamed warm of launch 1 (launch 2 has none)',
    });
    expect(byWall?.parts.map(({ name }) => name)[0]).toBe('connection');
    expect(long).toMatchObject({ requestId: '1-cold-long-1', coldMs: 300, warmMedianMs: 253.5 });
  });
});

describe('afterFirstTokenMs', () => {
  const slowAfter = (options: RunOptions) => {
    const data = buildRun(options);
    const requests = data.requests.map((row) =>
      row.requestId === '1-cold_1-1'
        ? {
            ...row,
            lastTokenAtMs: (row.lastTokenAtMs ?? 0) + 700,
            endAtMs: (row.endAtMs ?? 0) + 700,
            ...(row.serverGenerationMs === undefined ? {} : { serverGenerationMs: row.serverGenerationMs + 650 }),
          }
        : row,
    );
    return afterFirstTokenMs(excessLedgers(requestTimings(requests, data.chunks)), 1);
  };

  it("is the server's word where it gives one, else what the client saw", () => {
    expect(slowAfter({})).toBeCloseTo(650, 9);
    expect(slowAfter({ serverMetrics: false })).toBeCloseTo(700, 9);
    expect(afterFirstTokenMs([], 1)).toBeUndefined();
  });
});

describe('penalties', () => {
  it('divide cold_1 by the warm median, and by the ends of its interval', () => {
    const data = buildRun();
    const [byTtft, byWall, second] = penalties(requestTimings(data.requests, data.chunks));
    expect(byTtft).toMatchObject({
      launch: 1,
      by: 'TTFT',
      cold: 200,
      warmMedian: 50,
      factor: 4,
      lower: 200 / 51,
      upper: 200 / 49,
    });
    expect(byWall).toMatchObject({ launch: 1, by: 'wall_s', warmOf: '10 streamed warm of launch 1' });
    expect(byWall?.cold).toBeCloseTo(1.464, 12);
    expect(second).toMatchObject({ launch: 2, by: 'wall_s' });
    expect(second?.lower).toBeUndefined();
  });

  it("use a launch's own warm requests where it has any, even one", () => {
    const data = buildRun();
    const own = {
      ...data.requests.filter(({ name, streamed }) => name === 'warm' && !streamed).slice(0, 1)[0],
      launch: 2,
      requestId: '2-warm-1',
    } as (typeof data.requests)[number];
    const second = penalties(requestTimings([...data.requests, own], [])).find(({ launch }) => launch === 2);
    expect(second?.warmOf).toBe('1 not streamed warm of launch 2');
  });

  it('are none without warm requests', () => {
    const data = buildRun();
    expect(
      penalties(
        requestTimings(
          data.requests.filter(({ name }) => name !== 'warm'),
          [],
        ),
      ),
    ).toEqual([]);
  });

  it('do not count a request that did not complete', () => {
    const data = buildRun();
    const broken = data.requests.map((row) => (row.name === 'cold_1' ? { ...row, outcome: 'cut-off' } : row));
    expect(penalties(requestTimings(broken, []))).toEqual([]);
  });
});
