import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { RunData } from '../../lib/archive/folder.js';
import type { SampleRow, StartupRow } from '../../lib/archive/tables.js';
import type { Verdict } from '../../lib/interpret/findings.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { readWholeProfile } from '../../lib/rehearsal/profile.js';
import { fillPlaces, readRecording } from '../../lib/rehearsal/recording.js';
import { createWarp } from '../../lib/rehearsal/warp.js';
import { buildRun, spawnAtMs, weightsMiB } from '../interpret/run-builder.js';

/**
 * A profile's start as planned, on a quiet machine whose only traffic is the reading of the weights: what the decision
 * table must make of it. No process runs here, and the figures of the samples are those of an ideal storage.
 */
function plannedRun(name: string, pages: 'evicted' | 'resident'): RunData {
  const { startup } = readWholeProfile(resolve('.'), name);
  const { lines, phases, processes, readyAtMs } = readRecording(
    resolve('lib/rehearsal/recordings'),
    startup.recording.empty,
  );
  const warp = createWarp(phases, startup);
  const at = (recordedAtMs: number) => spawnAtMs(1) + warp(recordedAtMs);
  const fill = (text: string, atMs: number) =>
    fillPlaces(text, (place, figure) => {
      if (place === 'clock') return '11-25 01:14:56';
      if (figure === undefined) return '7';
      return ((warp(atMs) - warp(atMs - Number(figure) * 1000)) / 1000).toFixed(3);
    });
  const row = (atMs: number, source: string, text: string, event?: string): StartupRow => ({
    launch: 1,
    atMs: at(atMs),
    source,
    event,
    text,
  });
  const loading = phases.find((phase) => phase.name === 'Weights loaded');
  const readFraction = (atMs: number) => {
    if (pages === 'resident') return 0;
    const [fromMs, toMs] = [at(loading?.startAtMs ?? NaN), at(loading?.endAtMs ?? NaN)];
    return Math.min(1, Math.max(0, (atMs - fromMs) / (toMs - fromMs)));
  };
  const sample = (index: number): SampleRow => {
    const atMs = spawnAtMs(1) - 200 + index * 100;
    const readMiB = weightsMiB * readFraction(atMs);
    return {
      launch: 1,
      atMs,
      tookMs: 1,
      serverProcesses: 3,
      samplerCpuMs: 1,
      serverReadBytes: readMiB * 1024 * 1024,
      pageCacheMiB: 4000 + readMiB,
    };
  };
  return {
    ...buildRun({ engineKind: 'rehearsal', launches: 1 }),
    startup: [
      row(0, 'spawn', 'the server process was started', 'spawned'),
      ...processes.flatMap(({ role, name: called, bornAtMs, speaksAtMs }) => [
        row(bornAtMs, 'process', `process ${called} was started`, `${role}-process-born`),
        row(speaksAtMs, 'process', `process ${called} logged its first line`, `${role}-speaks`),
      ]),
      ...lines.map(({ atMs, text }) => row(atMs, 'log', fill(text, atMs))),
      row(readyAtMs, 'health', 'GET /health answered 200', 'ready'),
    ],
    samples: Array.from({ length: Math.ceil(warp(readyAtMs) / 100) + 5 }, (_, index) => sample(index)),
  };
}

function launchVerdicts(name: string, pages: 'evicted' | 'resident'): Record<string, Verdict['verdict']> {
  const { verdicts } = interpret(plannedRun(name, pages));
  return Object.fromEntries(
    verdicts
      .filter(({ window, cause }) => window === 'launch -> ready' && ['A', 'C'].includes(cause))
      .map(({ cause, verdict }) => [cause, verdict]),
  );
}

it('slow pages: reading the weights dominates when they come from storage, and not when they lie in memory', () => {
  expect(launchVerdicts('slow-pages', 'evicted')).toEqual({ A: 'holds', C: 'does not hold' });
  expect(launchVerdicts('slow-pages', 'resident')).toMatchObject({ A: 'does not hold' });
});

it('slow compile: compiling dominates', () => {
  expect(launchVerdicts('slow-compile', 'evicted')).toEqual({ A: 'does not hold', C: 'holds' });
});

it('contradictory: two causes have an equal claim, so we cannot tell', () => {
  expect(launchVerdicts('contradictory', 'evicted')).toEqual({ A: 'cannot tell', C: 'cannot tell' });
  const { verdicts } = interpret(plannedRun('contradictory', 'evicted'));
  expect(verdicts.filter(({ because }) => because.startsWith('contradictory evidence')).length).toBe(2);
});
