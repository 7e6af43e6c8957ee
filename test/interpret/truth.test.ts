import { describe, expect, it } from 'vitest';
import type { RunData } from '../../lib/archive/folder.js';
import type { TruthRow } from '../../lib/archive/tables.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { truthError, truthFinding, truthLimits } from '../../lib/interpret/truth.js';
import { launchFindings } from '../../lib/interpret/launches.js';
import { requestTimings } from '../../lib/interpret/timing.js';
import { buildRun, readyMs, spawnAtMs } from './run-builder.js';

interface Lateness {
  readonly readyMs?: number;
  readonly phaseMs?: number;
  readonly lineMs?: number;
  /** By event of the stream, from 0; the last one counts for all further ones. */
  readonly chunkMs?: readonly number[];
}

/** The truth of a run that saw everything later than it happened, by so much. */
function truthOf(data: RunData, late: Lateness): TruthRow[] {
  const chunkMs = late.chunkMs ?? [0.5];
  const launches = launchFindings(data, requestTimings(data.requests, data.chunks, data.startup));
  return launches.flatMap(({ launch, timeline }) => [
    { launch, event: 'listening', atMs: spawnAtMs(launch) + readyMs - (late.readyMs ?? 5) },
    { launch, event: 'first-health', atMs: spawnAtMs(launch) + readyMs - 1 },
    ...(timeline?.phases ?? []).flatMap(({ name, startAtMs, endAtMs }) => [
      { launch, event: 'phase-start', name, atMs: startAtMs - (late.phaseMs ?? 1) },
      { launch, event: 'phase-end', name, atMs: endAtMs - 2 * (late.phaseMs ?? 1) },
    ]),
    ...data.startup
      .filter((row) => row.launch === launch && row.source === 'log')
      .map(({ text, atMs }) => ({ launch, event: 'log-line', text, atMs: atMs - (late.lineMs ?? 2) })),
    ...data.requests
      .filter((row) => row.launch === launch)
      .flatMap(({ requestId, sentAtMs = 0 }, index) => [
        { launch, event: 'request-received', request: index + 1, name: '/v1/completions', atMs: sentAtMs + 0.2 },
        ...data.chunks
          .filter((chunk) => chunk.requestId === requestId)
          .map((chunk, at) => ({
            launch,
            event: 'chunk-written',
            request: index + 1,
            sequence: chunk.sequence,
            name: chunk.kind,
            atMs: chunk.atMs - (chunkMs[Math.min(at, chunkMs.length - 1)] ?? 0),
          })),
      ]),
  ]);
}

function compare(late: Lateness = {}, change: (truth: TruthRow[], data: RunData) => TruthRow[] = (truth) => truth) {
  const data = buildRun({ engineKind: 'rehearsal' });
  return interpret({ ...data, truth: change(truthOf(data, late), data) }).truth;
}

function errorNamed(name: RegExp, finding: ReturnType<typeof compare>) {
  return finding?.errors.find(({ quantity }) => name.test(quantity));
}

describe('truthFinding', () => {
  it('is absent for a run that left no truth', () => {
    expect(truthFinding(buildRun(), [])).toBeUndefined();
    expect(interpret(buildRun()).truth).toBeUndefined();
  });

  it('says how late readiness, phases, lines and tokens were seen, each with its n', () => {
    const finding = compare();
    expect(finding?.unmatched).toEqual([]);
    const rows = finding?.errors.map(({ quantity, n, medianMs, maxMs, limitMs, holds }) => [
      quantity,
      n,
      Number(medianMs.toFixed(6)),
      Number(maxMs.toFixed(6)),
      limitMs,
      holds,
    ]);
    const data = buildRun();
    const launches = 2;
    const phases = finding?.phases.length ?? 0;
    const streams = data.requests.filter(({ streamed }) => streamed).length;
    const lines = data.startup.filter(({ source }) => source === 'log').length;
    expect(phases).toBeGreaterThan(6);
    expect(rows).toEqual([
      ['ready: seen after it could answer', launches, 5, 5, 25, true],
      ['ready: seen after its first 200 was sent', launches, 1, 1, undefined, undefined],
      ['begin of a phase', phases, 1, 1, 50, true],
      ['end of a phase', phases, 2, 2, 50, true],
      ['log line: received after it was written', lines, 2, 2, undefined, undefined],
      ['first token: read after it was written', streams, 0.5, 0.5, 2, true],
      ['every event of a stream: read after it was written', data.chunks.length, 0.5, 0.5, undefined, undefined],
      ['gap between two tokens', data.chunks.length - streams, 0, 0, 2, true],
    ]);
  });

  it.each([
    [/^ready: seen after it could/, truthLimits.readyMs, (ms: number): Lateness => ({ readyMs: ms })],
    [/^begin of a phase/, truthLimits.phaseMs, (ms: number): Lateness => ({ phaseMs: ms })],
    [/^first token/, truthLimits.tokenMs, (ms: number): Lateness => ({ chunkMs: [ms] })],
    [/^gap between/, truthLimits.tokenMs, (ms: number): Lateness => ({ chunkMs: [0, ms] })],
  ])('%s holds up to its limit and not beyond', (name, limitMs, late) => {
    expect(errorNamed(name, compare(late(limitMs - 0.01)))?.holds).toBe(true);
    // Of many gaps only the first of each stream is long: the maximum is, the p99 is not.
    if (String(name).includes('gap'))
      expect(errorNamed(name, compare(late(limitMs + 0.01)))?.maxMs).toBeGreaterThan(limitMs);
    else expect(errorNamed(name, compare(late(limitMs + 0.01)))?.holds).toBe(false);
  });

  it('counts a first token from the first token event, not from a role or an empty one before it', () => {
    const data = buildRun({ engineKind: 'rehearsal' });
    const shifted = data.chunks.map((chunk) => (chunk.sequence === 1 ? { ...chunk, kind: 'role' } : chunk));
    const run = { ...data, chunks: shifted };
    const truth = truthOf(run, { chunkMs: [40, 1] });
    const first = errorNamed(/^first token/, interpret({ ...run, truth }).truth);
    expect(first?.maxMs).toBeCloseTo(1);
  });

  it('leaves comments out, which are no events to a client', () => {
    const withComments = (truth: TruthRow[]) =>
      truth.flatMap((row) =>
        row.event === 'chunk-written' && row.sequence === 1 ? [{ ...row, name: 'comment', sequence: 0 }, row] : [row],
      );
    expect(compare({}, withComments)?.unmatched).toEqual([]);
  });

  it('says what it could not compare: streams of other events, requests that went missing, phases not seen', () => {
    const otherKind = compare({}, (truth) =>
      truth.map((row) =>
        row.request === 1 && row.launch === 1 && row.sequence === 2 ? { ...row, name: 'usage' } : row,
      ),
    );
    expect(otherKind?.unmatched.join()).toMatch(/^1 of \d+ streams do not hold the events that were written$/);
    const unheard = compare({}, (truth) =>
      truth.filter((row) => !(row.event === 'request-received' && row.request === 3)),
    );
    expect(unheard?.unmatched.join()).toMatch(/requests were sent, \d+ received/);
    const unseen = compare({}, (truth) => [
      ...truth,
      { launch: 1, event: 'phase-start', name: 'Tea made', atMs: 1 },
      { launch: 1, event: 'phase-end', name: 'Tea made', atMs: 2 },
    ]);
    expect(unseen?.unmatched).toEqual(['launch 1: the phase "Tea made" was played and not seen whole']);
  });

  it('matches requests by their order within a launch, not by their times', () => {
    const late = compare({}, (truth) => truth.map((row) => ({ ...row, atMs: row.atMs - 1 })));
    expect(errorNamed(/^first token/, late)?.medianMs).toBeCloseTo(1.5);
  });
});

describe('truthError', () => {
  it('is about sizes, and absent for nothing', () => {
    expect(truthError('q', [])).toBeUndefined();
    expect(truthError('q', [-3, 1, 2], 3)).toMatchObject({
      n: 3,
      medianMs: 2,
      maxMs: 3,
      p99Ms: undefined,
      holds: true,
    });
  });

  it('is judged by the p99 from a hundred on, by the maximum below', () => {
    const errors = Array.from({ length: 200 }, (_, index) => (index === 0 ? 9 : 1));
    expect(truthError('q', errors, 2)).toMatchObject({ maxMs: 9, p99Ms: 1, holds: true });
    expect(truthError('q', errors.slice(0, 99), 2)).toMatchObject({ maxMs: 9, holds: false });
  });
});
