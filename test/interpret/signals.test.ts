import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clearLead, verdicts } from '../../lib/interpret/decision.js';
import {
  absent,
  seen,
  type Evidence,
  type LaunchEvidence,
  type Observed,
  type RequestEvidence,
} from '../../lib/interpret/evidence.js';
import type { Cause, SignalFinding, Window } from '../../lib/interpret/findings.js';
import { signalFindings, signalThresholds as t } from '../../lib/interpret/signals.js';

const unread = absent('not read');
const emptyLaunch: LaunchEvidence = {
  storageShare: unread,
  warmUpStorageTime: unread,
  pageCacheShare: unread,
  hbmShare: unread,
  loadingUtilizationPercent: unread,
  pcieMBPerS: unread,
  kvStepMiB: unread,
  kvStepsOfLaunchesMiB: unread,
  timeShare: { A: unread, B: unread, C: unread, D: unread },
};
const emptyRequest: RequestEvidence = {
  storageBytes: unread,
  pageCacheMiB: unread,
  utilizationPercent: unread,
  hbmShare: unread,
  hbmStepMiB: unread,
  hbmStepsOfLaunchesMiB: unread,
  pcieMBPerS: unread,
  coldFactor: unread,
  warm1Factor: unread,
  jitLines: unread,
  settling: unread,
};
const value = (number: number): Observed => seen([number], `reads ${number}`);
const launch = (given: Partial<LaunchEvidence>): Evidence => ({
  launch: { ...emptyLaunch, ...given },
  request: emptyRequest,
});
const request = (given: Partial<RequestEvidence>): Evidence => ({
  launch: emptyLaunch,
  request: { ...emptyRequest, ...given },
});
const timeShare = (given: Partial<Record<Cause, Observed>>) =>
  launch({ timeShare: { ...emptyLaunch.timeShare, ...given } });

function outcome(
  evidence: Evidence,
  cause: Cause,
  window: Window,
  signal: string,
): SignalFinding['outcome'] | undefined {
  return signalFindings(evidence).find(
    (found) => found.cause === cause && found.window === window && found.signal.startsWith(signal),
  )?.outcome;
}

/** Every rule: whose evidence, which side of the threshold holds, and the threshold. */
const atLeast: readonly (readonly [Cause, Window, string, (value: Observed) => Evidence, number])[] = [
  ['A', 'launch -> ready', 'Disk reads spike', (v) => launch({ storageShare: v }), t.storageShare],
  ['A', 'launch -> ready', 'Page cache grows', (v) => launch({ pageCacheShare: v }), t.pageCacheShare],
  ['B', 'launch -> ready', 'GPU memory jumps by the weights', (v) => launch({ hbmShare: v }), t.hbmShare],
  ['B', 'launch -> ready', 'PCIe throughput high', (v) => launch({ pcieMBPerS: v }), t.pcieMBPerS],
  ['D', 'launch -> ready', 'GPU memory jumps', (v) => launch({ kvStepMiB: v }), t.hbmStepMiB],
  ['D', 'launch -> ready', 'Restarts reproduce the jump', (v) => launch({ kvStepsOfLaunchesMiB: v }), t.hbmStepMiB],
  ['A', 'launch -> ready', 'Its phases fill', (v) => timeShare({ A: v }), t.timeShare],
  ['B', 'launch -> ready', 'Its phases fill', (v) => timeShare({ B: v }), t.timeShare],
  ['C', 'launch -> ready', 'Its phases fill', (v) => timeShare({ C: v }), t.timeShare],
  ['D', 'launch -> ready', 'Its phases fill', (v) => timeShare({ D: v }), t.timeShare],
  ['A', 'request 1', 'Disk reads spike', (v) => request({ storageBytes: v }), t.requestStorageBytes],
  ['A', 'request 1', 'Page cache grows', (v) => request({ pageCacheMiB: v }), t.requestPageCacheMiB],
  ['B', 'request 1', 'GPU memory jumps by the weights', (v) => request({ hbmShare: v }), t.hbmShare],
  ['B', 'request 1', 'PCIe throughput high', (v) => request({ pcieMBPerS: v }), t.pcieMBPerS],
  ['C', 'request 1', 'First-run overhead', (v) => request({ coldFactor: v }), t.firstRunFactor],
  ['C', 'request 1', 'Kernels compiled', (v) => request({ jitLines: v }), t.jitLines],
  ['C', 'request 1', 'Steadier after', (v) => request({ settling: v }), t.settlingFactor],
  ['D', 'request 1', 'GPU memory jumps', (v) => request({ hbmStepMiB: v }), t.hbmStepMiB],
  ['D', 'request 1', 'warm_1 dramatically faster', (v) => request({ warm1Factor: v }), t.dramaticFactor],
  ['D', 'request 1', 'Restarts reproduce the jump', (v) => request({ hbmStepsOfLaunchesMiB: v }), t.hbmStepMiB],
];
const below: typeof atLeast = [
  [
    'A',
    'launch -> ready',
    'GPU utilisation low early',
    (v) => launch({ loadingUtilizationPercent: v }),
    t.lowUtilizationPercent,
  ],
  ['B', 'launch -> ready', 'Disk quiet', (v) => launch({ storageShare: v }), t.quietStorageShare],
  ['C', 'launch -> ready', 'Disk quiet', (v) => launch({ warmUpStorageTime: v }), t.quietTimeShare],
  ['A', 'request 1', 'GPU utilisation low early', (v) => request({ utilizationPercent: v }), t.lowUtilizationPercent],
  ['B', 'request 1', 'Disk quiet', (v) => request({ storageBytes: v }), t.requestStorageBytes],
  ['C', 'request 1', 'Disk quiet', (v) => request({ storageBytes: v }), t.requestStorageBytes],
];

describe('signals', () => {
  it.each(atLeast)(
    '%s, %s, "%s" holds at its threshold and not just under it',
    (cause, window, signal, evidence, limit) => {
      expect(outcome(evidence(value(limit)), cause, window, signal)).toBe('holds');
      expect(outcome(evidence(value(limit * 0.999)), cause, window, signal)).toBe('does not hold');
      expect(outcome(evidence(unread), cause, window, signal)).toBe('not observable');
    },
  );

  it.each(below)(
    '%s, %s, "%s" holds just under its threshold and not at it',
    (cause, window, signal, evidence, limit) => {
      expect(outcome(evidence(value(limit * 0.999)), cause, window, signal)).toBe('holds');
      expect(outcome(evidence(value(limit)), cause, window, signal)).toBe('does not hold');
      expect(outcome(evidence(unread), cause, window, signal)).toBe('not observable');
    },
  );

  it('are tested here for each rule that can be observed', () => {
    const observable = signalFindings({ launch: emptyLaunch, request: emptyRequest }).filter(
      ({ threshold }) => threshold !== '–',
    );
    expect(observable).toHaveLength(atLeast.length + below.length);
  });

  it('list every signal of the seed in both windows', () => {
    const listed = signalFindings({ launch: emptyLaunch, request: emptyRequest });
    for (const window of ['launch -> ready', 'request 1'] as const) {
      const counts = (['A', 'B', 'C', 'D'] as const).map(
        (cause) =>
          listed.filter((found) => found.window === window && found.cause === cause && !found.signal.includes('(ours)'))
            .length,
      );
      expect(counts).toEqual([3, 3, 3, 3]);
    }
  });

  it('hold only when every launch that shows them agrees', () => {
    const twice = seen([t.hbmStepMiB, t.hbmStepMiB - 1], 'two launches');
    expect(outcome(request({ hbmStepMiB: twice }), 'D', 'request 1', 'GPU memory jumps')).toBe('does not hold');
  });

  it('never turn from holding to not holding when the evidence gets worse', () => {
    const worse = fc.double({ min: 1, max: 1000, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...atLeast),
        worse,
        worse,
        ([cause, window, signal, evidence, limit], factor, more) => {
          expect(outcome(evidence(value(limit * factor)), cause, window, signal)).toBe('holds');
          expect(outcome(evidence(value(limit * factor * more)), cause, window, signal)).toBe('holds');
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...below),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        ([cause, window, signal, evidence, limit], share, less) => {
          expect(outcome(evidence(value(limit * share * less)), cause, window, signal)).toBe('holds');
        },
      ),
    );
  });
});

describe('verdicts', () => {
  const verdictOf = (evidence: Evidence, cause: Cause, window: Window) =>
    verdicts(signalFindings(evidence), evidence).find((found) => found.cause === cause && found.window === window);
  const jit = { storageBytes: value(0), coldFactor: value(3), jitLines: value(2), settling: value(5) };
  const jump = { hbmStepMiB: value(64), hbmStepsOfLaunchesMiB: seen([64, 64], 'twice'), warm1Factor: value(3) };

  it('hold when all observable signals hold and a distinguishing one is among them', () => {
    expect(verdictOf(request(jit), 'C', 'request 1')?.verdict).toBe('holds');
    expect(verdictOf(request(jump), 'D', 'request 1')?.verdict).toBe('holds');
  });

  it('fall with any observable signal that does not hold, and say which', () => {
    const found = verdictOf(request({ ...jit, coldFactor: value(1.2) }), 'C', 'request 1');
    expect(found?.verdict).toBe('does not hold');
    expect(found?.because).toContain('First-run overhead');
  });

  it('cannot be told without a distinguishing signal, however well the others fit', () => {
    const found = verdictOf(request({ ...jit, jitLines: absent('no JIT monitor') }), 'C', 'request 1');
    expect(found?.verdict).toBe('cannot tell');
    expect(found?.because).toContain('no JIT monitor');
  });

  it('cannot be told for anything when nothing was read', () => {
    expect(
      new Set(verdicts(signalFindings({ launch: emptyLaunch, request: emptyRequest })).map(({ verdict }) => verdict)),
    ).toEqual(new Set(['cannot tell']));
  });

  it('cannot be told when two causes of request 1 hold with equal claim', () => {
    const both = request({ ...jit, ...jump });
    expect(verdictOf(both, 'C', 'request 1')).toMatchObject({
      verdict: 'cannot tell',
      because: expect.stringContaining('contradictory') as unknown,
    });
    expect(verdictOf(both, 'D', 'request 1')?.verdict).toBe('cannot tell');
  });

  it('go to the cause that clearly leads in launch -> ready, and to none just under that lead', () => {
    const rivals = (c: number) =>
      launch({
        kvStepMiB: value(20_000),
        warmUpStorageTime: value(0),
        timeShare: { ...emptyLaunch.timeShare, C: value(c), D: value(0.3) },
      });
    expect(verdictOf(rivals(0.3 * clearLead), 'C', 'launch -> ready')?.verdict).toBe('holds');
    expect(verdictOf(rivals(0.3 * clearLead), 'D', 'launch -> ready')?.verdict).toBe('does not hold');
    expect(verdictOf(rivals(0.3 * clearLead - 0.001), 'C', 'launch -> ready')?.verdict).toBe('cannot tell');
    expect(verdictOf(rivals(0.3 * clearLead - 0.001), 'D', 'launch -> ready')?.verdict).toBe('cannot tell');
  });

  it('are not vetoed by the optional PCIe reading', () => {
    const copy = { storageShare: value(0), hbmShare: value(1), timeShare: { ...emptyLaunch.timeShare, B: value(0.5) } };
    expect(verdictOf(launch({ ...copy, pcieMBPerS: value(0) }), 'B', 'launch -> ready')?.verdict).toBe('holds');
  });

  it('are four in each window, whatever was read', () => {
    expect(verdicts([])).toHaveLength(8);
  });
});
