/**
 * A recording, told again: its processes are born, its lines written and the weight files read, each when it is due.
 * Instants are absolute, so that lateness does not add up; what has to be waited for moves everything after it.
 */
import { statSync } from 'node:fs';
import type { Cast } from './cast.js';
import { weightFilesOf } from './model-folder.js';
import {
  fillPlaces,
  type RecordedLine,
  type RecordedPhase,
  type RecordedProcess,
  type Recording,
} from './recording.js';
import type { StartupProfile } from './startup-profile.js';
import { waitUntil } from './stream.js';
import type { TruthSink } from './truth.js';
import { createWarp } from './warp.js';

export interface Stage {
  readonly recording: Recording;
  readonly startup: StartupProfile;
  readonly cast: Cast;
  readonly truth: TruthSink;
  /** When this start began, on the run's clock. */
  readonly spawnedAtMs: number;
  readonly modelLocation: string;
  /** What stands in the places of a line; durations are the replay's own. */
  readonly value: (place: string) => string | undefined;
  readonly signal: AbortSignal;
}

/** The profile wants this start to die here. */
export class WantedFailure extends Error {
  override readonly name = 'WantedFailure';
}

type Step =
  | { readonly kind: 'birth'; readonly atMs: number; readonly process: RecordedProcess }
  | { readonly kind: 'line'; readonly atMs: number; readonly index: number; readonly line: RecordedLine };

/** Ends when the last line is written, or `signal` is aborted. Throws when a child dies or a weights file cannot be read. */
export async function replayStartup(stage: Stage): Promise<void> {
  const { recording, cast, truth, signal } = stage;
  const time = createTime(stage);
  const weights = createWeights(stage, time);
  const phases = createPhases(recording, truth, time, stage.spawnedAtMs);
  for (const step of stepsOf(recording)) {
    await waitUntil(time.instantOf(step.atMs), truth.nowMs, signal);
    if (signal.aborted) return;
    if (step.kind === 'birth') {
      const atMs = cast.bear(step.process);
      truth.write({ event: 'process-born', name: step.process.name, atMs });
      phases.born(step, atMs);
      continue;
    }
    const { line, index } = step;
    await time.hold(step.atMs, () => Promise.all([cast.up(line.writer), weights.readBefore(index)]));
    if (signal.aborted) return;
    const text = fillPlaces(line.text, (place, figure) =>
      place === 'seconds' && figure !== undefined ? time.secondsUpTo(line.atMs, figure) : stage.value(place),
    );
    const atMs = await cast.write(line.writer, line.stream, text);
    truth.write({ event: 'log-line', name: line.process, atMs, text });
    phases.said(index, atMs);
    weights.beginAfter(index);
    await dieIfWanted(stage, index);
  }
}

/** Births come before lines of the same instant. */
function stepsOf({ processes, lines }: Recording): Step[] {
  const births = processes.map((process): Step => ({ kind: 'birth', atMs: process.bornAtMs, process }));
  const said = lines.map((line, index): Step => ({ kind: 'line', atMs: line.atMs, index, line }));
  return [...births, ...said].sort((a, b) => a.atMs - b.atMs);
}

interface Time {
  /** When what was recorded at an instant is due, or was, on the run's clock. */
  instantOf(recordedAtMs: number): number;
  /** Do what must be done before a step; the time it takes moves the step and all later ones. */
  hold(recordedAtMs: number, work: () => Promise<unknown>): Promise<void>;
  /** The duration that a line states, as it came out here, with the recorded number of decimals. */
  secondsUpTo(recordedAtMs: number, figure: string): string;
  /** Length of a recorded stretch as planned, in ms. */
  plannedMs(fromRecordedMs: number, toRecordedMs: number): number;
}

/** Waiting for what is there already takes a turn of the event loop, and is no delay. */
const turnMs = 1;

function createTime({ recording, startup, truth, spawnedAtMs }: Stage): Time {
  const warp = createWarp(recording.phases, startup);
  const moves: { readonly fromMs: number; readonly byMs: number }[] = [];
  const instantOf = (recordedAtMs: number) =>
    moves.reduce(
      (sum, { fromMs, byMs }) => (recordedAtMs >= fromMs ? sum + byMs : sum),
      spawnedAtMs + warp(recordedAtMs),
    );
  const first = stepsOf(recording)[0]?.atMs ?? 0;
  // This program, too, has to start before it can say its first line.
  moves.push({ fromMs: first, byMs: Math.max(0, truth.nowMs() - instantOf(first)) });
  return {
    instantOf,
    hold: async (recordedAtMs, work) => {
      const fromMs = truth.nowMs();
      await work();
      const byMs = truth.nowMs() - fromMs;
      if (byMs > turnMs) moves.push({ fromMs: recordedAtMs, byMs });
    },
    secondsUpTo: (recordedAtMs, figure) => {
      const startAtMs = instantOf(recordedAtMs - Number(figure) * 1000);
      return ((truth.nowMs() - startAtMs) / 1000).toFixed(figure.split('.')[1]?.length ?? 0);
    },
    plannedMs: (fromMs, toMs) => warp(toMs) - warp(fromMs),
  };
}

/** Tells the truth about phases: each edge is the instant of the line or the birth that makes it. */
function createPhases({ phases }: Recording, truth: TruthSink, time: Time, spawnedAtMs: number) {
  const edge = (event: 'phase-start' | 'phase-end', { name }: RecordedPhase, atMs: number) =>
    truth.write({ event, name, atMs });
  const opened = new Set<RecordedPhase>();
  const open = (phase: RecordedPhase, atMs: number) => {
    opened.add(phase);
    edge('phase-start', phase, atMs);
  };
  for (const phase of phases) if (phase.startAtMs === 0) open(phase, spawnedAtMs);
  return {
    born: (step: { readonly atMs: number }, atMs: number) => {
      for (const phase of phases) {
        if (phase.endLine === undefined && phase.endAtMs === step.atMs) edge('phase-end', phase, atMs);
        if (phase.startLine === undefined && phase.startAtMs === step.atMs) open(phase, atMs);
      }
    },
    said: (index: number, atMs: number) => {
      for (const phase of phases) {
        if (phase.startLine === index) open(phase, atMs);
        if (phase.endLine !== index) continue;
        // Nothing was written when it began: the line at its end states how long it took.
        if (!opened.has(phase)) open(phase, time.instantOf(phase.startAtMs));
        edge('phase-end', phase, atMs);
      }
    },
  };
}

/** The reading of the weight files: begun with the phase, done before the log says so. */
function createWeights({ recording, startup, cast, truth, modelLocation }: Stage, time: Time) {
  const { phases, lines } = recording;
  const phase = phases
    .filter(({ term }) => term.includes('A'))
    .sort((a, b) => a.endAtMs - a.startAtMs - (b.endAtMs - b.startAtMs))[0];
  const end = phase?.endLine === undefined ? undefined : lines[phase.endLine];
  if (!phase || !end) return { beginAfter: () => undefined, readBefore: () => Promise.resolve() };
  const doneAt = lines.findIndex(
    ({ text }, at) => at > (phase.startLine ?? -1) && (at === phase.endLine || / 100% Completed/.test(text)),
  );
  let reading: Promise<void> | undefined;
  return {
    beginAfter: (index: number) => {
      if (index !== phase.startLine) return;
      const files = startup.weights === 'none' ? [] : weightFilesOf(modelLocation);
      const plannedS = time.plannedMs(phase.startAtMs, lines[doneAt]?.atMs ?? phase.endAtMs) / 1000;
      reading = cast.read(end.writer, files, rateOf(startup.weights, files, plannedS)).then(({ atMs, bytes }) => {
        truth.write({ event: 'weights-read', atMs, value: bytes });
      });
      // Who waits for it hears of its failure.
      reading.catch(() => undefined);
    },
    readBefore: async (index: number) => (index >= doneAt ? reading : undefined),
  };
}

function rateOf(pace: StartupProfile['weights'], files: readonly string[], plannedS: number): number | undefined {
  if (pace === 'at once' || pace === 'none') return undefined;
  if (typeof pace === 'object') return pace.bytesPerS;
  return files.reduce((sum, file) => sum + statSync(file).size, 0) / Math.max(plannedS, 0.001);
}

async function dieIfWanted({ startup, recording, cast, truth }: Stage, index: number): Promise<void> {
  const { fails } = startup;
  if (!fails || !recording.phases.some(({ name, endLine }) => name === fails.after && endLine === index)) return;
  const atMs = await cast.write('server', 'err', fails.line);
  truth.write({ event: 'log-line', atMs, text: fails.line });
  throw new WantedFailure(fails.line);
}
