import { describe, expect, it } from 'vitest';
import { dominantLaunch, dominantRequest } from '../../lib/interpret/dominant.js';
import type { ExcessLedger, LaunchFinding, Verdict } from '../../lib/interpret/findings.js';

const launch = (termMs: LaunchFinding['termMs'], remainderMs: number, wholeMs = 1000): LaunchFinding => ({
  launch: 1,
  outcome: 'ready',
  state: { pages: '', compileCache: '', process: '', prefixCache: '', proof: [] },
  termMs,
  gapActivity: [],
  timeline: {
    launch: 1,
    spawnAtMs: 0,
    readyAtMs: wholeMs,
    phases: [],
    incomplete: [],
    coveredMs: wholeMs - remainderMs,
    remainderMs,
    gaps: [],
  },
});
const ledger = (excessMs: number, engineMs: number): ExcessLedger => ({
  requestId: 'r',
  launch: 1,
  coldMs: 50 + excessMs,
  warmMedianMs: 50,
  excessMs,
  by: 'TTFT',
  warmOf: 'warm',
  parts: [
    { name: 'engine', term: 'C+D+E', ms: engineMs, source: 's' },
    { name: 'front end', term: 'G', ms: 1, source: 's' },
  ],
  remainderMs: excessMs - engineMs - 1,
});
const warmMs = [48, 49, 50, 50, 51, 52];

describe('dominantLaunch', () => {
  it('names a term with a quarter of the window and a clear lead', () => {
    expect(
      dominantLaunch(
        launch(
          [
            { term: 'C', ms: 450 },
            { term: 'G', ms: 300 },
          ],
          250,
        ),
        '',
      ),
    ).toMatchObject({ term: 'C', ms: 450, share: 0.45 });
  });

  it('names none just below the lead of 1.5, and says which two', () => {
    const found = dominantLaunch(
      launch(
        [
          { term: 'C', ms: 449 },
          { term: 'G', ms: 300 },
        ],
        251,
      ),
      '',
    );
    expect(found.term).toBeUndefined();
    expect(found.because).toMatch(/C .* G /);
  });

  it('names none just below a quarter', () => {
    expect(
      dominantLaunch(
        launch(
          [
            { term: 'C', ms: 250 },
            { term: 'D', ms: 100 },
          ],
          100,
        ),
        '',
      ).term,
    ).toBe('C');
    expect(
      dominantLaunch(
        launch(
          [
            { term: 'C', ms: 249 },
            { term: 'D', ms: 100 },
          ],
          100,
        ),
        '',
      ).term,
    ).toBeUndefined();
  });

  it('lets the remainder dominate rather than hide it', () => {
    expect(dominantLaunch(launch([{ term: 'C', ms: 100 }], 900), '').term).toBe('remainder');
  });

  it("names the largest of the seed's own causes where G is larger", () => {
    expect(
      dominantLaunch(
        launch(
          [
            { term: 'G', ms: 500 },
            { term: 'C', ms: 400 },
            { term: 'D', ms: 50 },
          ],
          50,
        ),
        '',
      ).because,
    ).toContain('C with 400 ms, then D with 50.0 ms');
  });

  it('gives the reason where there is no timeline', () => {
    expect(dominantLaunch(undefined, 'attached').because).toBe('not observable: attached');
  });
});

describe('dominantRequest', () => {
  const context = { warmMs, verdicts: [] };

  it('names the part that makes at least half of the excess', () => {
    expect(dominantRequest(ledger(100, 50), context)).toMatchObject({ term: 'C+D+E', ms: 50, share: 50 / 150 });
    expect(dominantRequest(ledger(100, 49.9), context).term).toBeUndefined();
  });

  it('lets the decision table name C or D inside the engine, unless it names both', () => {
    const holds = (cause: 'C' | 'D'): Verdict => ({ cause, window: 'request 1', verdict: 'holds', because: '' });
    expect(dominantRequest(ledger(100, 90), { warmMs, verdicts: [holds('C')], jitLinesToFirstToken: 1 }).term).toBe(
      'C',
    );
    expect(dominantRequest(ledger(100, 90), { warmMs, verdicts: [holds('D')] }).term).toBe('D');
    expect(dominantRequest(ledger(100, 90), { warmMs, verdicts: [holds('C'), holds('D')] }).term).toBe('C+D+E');
  });

  it('does not blame the compiler for a first token that came before it ran', () => {
    expect(
      dominantRequest(ledger(100, 90), {
        warmMs,
        verdicts: [{ cause: 'C', window: 'request 1', verdict: 'holds', because: '' }],
        jitLinesToFirstToken: 0,
      }).term,
    ).toBe('C+D+E');
  });

  it('says when the request lost more after its first token', () => {
    expect(dominantRequest(ledger(100, 90), { ...context, afterFirstTokenMs: 100.1 }).because).toContain(
      '100 ms beyond a warm request',
    );
    expect(dominantRequest(ledger(100, 90), { ...context, afterFirstTokenMs: 100 }).because).not.toContain('beyond');
  });

  it('cannot tell an excess within the warm spread', () => {
    // Median 50, MAD 1: a score of 3.5 is passed at 5.19 above.
    expect(dominantRequest(ledger(5.1, 5), context).because).toContain('cannot tell');
    expect(dominantRequest(ledger(5.3, 5), context).term).toBe('C+D+E');
  });

  it('cannot tell an excess that the probe itself may have made', () => {
    const stopwatch = (maxErrorMs: number) => ({ n: 10, medianErrorMs: 1, maxErrorMs, mode: '' });
    expect(dominantRequest(ledger(10, 9), { ...context, stopwatch: stopwatch(10) }).because).toContain(
      "the probe's largest error",
    );
    expect(dominantRequest(ledger(10, 9), { ...context, stopwatch: stopwatch(9.9) }).term).toBe('C+D+E');
  });

  it('finds no penalty where cold_1 was not slower', () => {
    expect(dominantRequest(ledger(-3, 0), context).because).toContain('no penalty');
  });

  it('explains nothing where the server gives no parts', () => {
    expect(dominantRequest({ ...ledger(100, 90), parts: [], remainderMs: 100 }, context).because).toContain(
      'no figures of its own',
    );
    expect(dominantRequest(undefined, context).because).toContain('not observable');
  });
});
