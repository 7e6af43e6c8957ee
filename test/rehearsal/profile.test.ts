import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { defaultProfile, listProfiles } from '../../lib/freeze/rehearsal.js';
import { parseLogLine, recognizeMilestone } from '../../lib/launch/milestones.js';
import { fillPlaces, readRecording } from '../../lib/rehearsal/recording.js';
import { readWholeProfile } from '../../lib/rehearsal/profile.js';
import { createWarp } from '../../lib/rehearsal/warp.js';
import { temporaryFolder } from '../launch/place.js';

const root = resolve('.');
const recordings = resolve('lib/rehearsal/recordings');
const names = ['cold-start', 'contradictory', 'cpu', 'h100', 'jit-in-request', 'slow-compile', 'slow-pages'];

/** Planned length of the start of a profile, and of its phases of a term, in ms. */
function plan(name: string, cache: 'empty' | 'filled') {
  const { startup } = readWholeProfile(root, name);
  const recording = readRecording(recordings, startup.recording[cache]);
  const warp = createWarp(recording.phases, startup);
  const phaseMs = (wanted: string) => {
    const phase = recording.phases.find((each) => each.name === wanted);
    return warp(phase?.endAtMs ?? NaN) - warp(phase?.startAtMs ?? NaN);
  };
  return { totalMs: warp(recording.readyAtMs), phaseMs };
}

it('has its profiles, and the default among them', () => {
  expect(listProfiles(root)).toEqual(names);
  expect(names).toContain(defaultProfile);
});

it.each(names)('%s is whole: it bears its name, and both of its recordings have the phases it changes', (name) => {
  expect(readWholeProfile(root, name).name).toBe(name);
  for (const cache of ['empty', 'filled'] as const) expect(plan(name, cache).totalMs).toBeGreaterThan(2000);
});

it.each([
  ['cpu', 4000, 5000],
  ['h100', 6000, 7000],
])('%s plans a start of %i to %i ms, and a shorter one with a filled cache', (name, fromMs, toMs) => {
  expect(plan(name, 'empty').totalMs).toBeGreaterThan(fromMs);
  expect(plan(name, 'empty').totalMs).toBeLessThan(toMs);
  expect(plan(name, 'filled').totalMs).toBeLessThan(plan(name, 'empty').totalMs);
});

it('plans what each profile is for', () => {
  const share = (name: string, phase: string) => plan(name, 'empty').phaseMs(phase) / plan(name, 'empty').totalMs;
  expect(share('slow-pages', 'Weights loaded')).toBeGreaterThan(0.5);
  expect(share('slow-compile', 'Compile and warm-up')).toBeGreaterThan(0.5);
  expect(share('contradictory', 'Weights loaded')).toBeCloseTo(share('contradictory', 'Compile and warm-up'), 6);
});

it("writes JIT lines that the project recognises in a vLLM's log", () => {
  const { serving } = readWholeProfile(root, 'jit-in-request');
  expect(serving.firstRequest.jitLines.length).toBeGreaterThan(0);
  for (const template of serving.firstRequest.jitLines) {
    const text = fillPlaces(template, (place) => (place === 'clock' ? '11-25 01:14:56' : '7'));
    const line = parseLogLine(text);
    expect(line).toMatchObject({ process: 'EngineCore', pid: 7, level: 'WARNING' });
    expect(recognizeMilestone(line.message)?.event).toBe('jit-in-request');
  }
});

it('reads a profile from a path, and says what is wrong with one', () => {
  const file = join(temporaryFolder(), 'own.json');
  writeFileSync(file, '{"name": "own"}');
  expect(() => readWholeProfile(root, file)).toThrow(/own\.json cannot be used: .*startup: .*serving: /);
  writeFileSync(file, '{');
  expect(() => readWholeProfile(root, file)).toThrow(/own\.json cannot be used/);
  expect(() => readWholeProfile(root, 'nope')).toThrow(/no rehearsal profile nope .*slow-pages/);
});
