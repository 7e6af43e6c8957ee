import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables, type TruthRow } from '../../lib/archive/tables.js';
import { LaunchError } from '../../lib/launch/failure.js';
import { readBirthMs, readProcessTree } from '../../lib/launch/processes.js';
import { launchServer, type LaunchPlan } from '../../lib/launch/server.js';
import { startupTimeline, type StartupTimeline } from '../../lib/launch/timeline.js';
import { clock, left, nothing, until } from '../launch/place.js';
import { changedProfile, rehearsalPlan, smallModel, tsxLoader } from './place.js';

const readyWithinMs = 25;
const edgeWithinMs = 50;

const truthOf = ({ runDir, launch }: LaunchPlan) =>
  readRows(runDir, tables.truth).filter((row) => row.launch === launch);
const named = (truth: readonly TruthRow[], event: string) => truth.filter((row) => row.event === event);

function timelineOf({ runDir, launch }: LaunchPlan): StartupTimeline {
  const timeline = startupTimeline(readRows(runDir, tables.startup), launch);
  if (!timeline) throw new Error(`launch ${launch} has no timeline`);
  return timeline;
}

function phaseMs(plan: LaunchPlan, wanted: string): number {
  const phase = timelineOf(plan).phases.find(({ name }) => name === wanted);
  return (phase?.endAtMs ?? NaN) - (phase?.startAtMs ?? NaN);
}

/** What the timeline found against what the engine says it did: the largest difference, and the same list of phases. */
function expectPhasesOfTruth(plan: LaunchPlan): void {
  const { phases } = timelineOf(plan);
  const truth = truthOf(plan);
  const edge = (event: string, name: string) => named(truth, event).find((row) => row.name === name)?.atMs ?? NaN;
  const errors = phases.map(({ name, startAtMs, endAtMs }) => ({
    name,
    startErrorMs: startAtMs - edge('phase-start', name),
    endErrorMs: endAtMs - edge('phase-end', name),
  }));
  expect(errors.map(({ name }) => name).sort()).toEqual(
    named(truth, 'phase-end')
      .map(({ name }) => name)
      .sort(),
  );
  for (const { name, startErrorMs, endErrorMs } of errors) {
    expect(Math.abs(startErrorMs), `start of ${name}`).toBeLessThan(edgeWithinMs);
    expect(Math.abs(endErrorMs), `end of ${name}`).toBeLessThan(edgeWithinMs);
  }
}

async function failureOf(plan: LaunchPlan): Promise<LaunchError> {
  const failure = await launchServer(plan, clock).catch((error: unknown) => error);
  if (!(failure instanceof LaunchError)) throw new Error(`expected a LaunchError, got ${String(failure)}`);
  return failure;
}

it('starts as the recorded vLLM did, tells the truth about it, and finds its cache filled the second time', async () => {
  const model = smallModel();
  const plan = await rehearsalPlan(model.folder);
  const server = await launchServer(plan, clock);
  const truth = await until(
    () => truthOf(plan),
    (rows) => named(rows, 'first-health').length > 0,
  );
  const [listening] = named(truth, 'listening');
  const [health] = named(truth, 'first-health');
  expect(Math.abs(server.readyAtMs - (health?.atMs ?? NaN))).toBeLessThan(readyWithinMs);
  expect(server.readyAtMs - (listening?.atMs ?? NaN)).toBeLessThan(readyWithinMs);
  expect(named(truth, 'weights-read').map(({ value }) => value)).toEqual([model.bytes]);
  const rows = readRows(plan.runDir, tables.startup);
  for (const [kind, name] of [
    ['engine', 'EngineCore'],
    ['worker', 'VllmWorker-0'],
  ]) {
    const born = rows.find(({ event }) => event === `${kind}-process-born`);
    expect(born?.process).toBe(name);
    expect(readBirthMs(born?.pid ?? 0, clock)).toBeCloseTo(born?.atMs ?? NaN, 0);
    const truly = named(truth, 'process-born').find((row) => row.name === name);
    expect(Math.abs((born?.atMs ?? NaN) - (truly?.atMs ?? NaN))).toBeLessThan(edgeWithinMs);
  }
  expectPhasesOfTruth(plan);
  expect(timelineOf(plan).incomplete).toEqual([]);
  // Where the loader has not seen a file before, its compiler runs beside them.
  const running = readProcessTree(server.pid).map((process) => process.name);
  expect(running).toEqual(expect.arrayContaining(['rehearsal-api', 'rehearsal-core', 'rehearsal-work']));

  const stopped = await server.stop();
  expect(stopped).toMatchObject({ reason: 'asked', how: 'sigterm', exitCode: 0, leftoverProcesses: 0 });
  await until(() => left(plan.runId), nothing);
  const log = readFileSync(join(plan.runDir, 'server-1.log'), 'utf8');
  expect(log).toMatch(/\(EngineCore pid=\d+\) INFO .*exiting busy loop/);
  expect(log).toMatch(/INFO: {5}Application shutdown complete\.\n$/);
  expect(log).not.toMatch(/\{\{|Compiling model again/);

  const again = { ...plan, launch: 2 };
  const second = await launchServer(again, clock);
  await second.stop();
  expect(readFileSync(join(plan.runDir, 'server-2.log'), 'utf8')).toContain('Compiling model again');
  expectPhasesOfTruth(again);
  // Not the whole start: the processes' own part of it depends on what else this machine does.
  expect(phaseMs(again, 'Compile and warm-up')).toBeLessThan(phaseMs(plan, 'Compile and warm-up'));
  await until(() => left(plan.runId), nothing);
}, 60_000);

/**
 * No time for a process to start in, and little for the rest: everything takes what it needs. But a birth is exact to the
 * 10 ms of /proc, and a line comes through a pipe: what lies between the two needs some length to be seen.
 */
const hurried = { timeScale: 0.003, phasesMs: { 'API server: tokenizer, engine process asked for': 150 } };

it('moves everything after a process that starts late, and after weights that take longer than planned', async () => {
  const model = smallModel();
  const profile = changedProfile('cpu', { ...hurried, weights: { bytesPerS: 1_500_000 } });
  const plan = await rehearsalPlan(model.folder, { DAY007_REHEARSAL_PROFILE: profile });
  const server = await launchServer(plan, clock);
  await server.stop();
  expect(phaseMs(plan, 'Weights loaded')).toBeGreaterThan(900);
  // A process of its own takes longer to be there than the 22 ms planned for it.
  expect(phaseMs(plan, 'Engine process: start and imports')).toBeGreaterThan(40);
  const said = /Loading weights took ([\d.]+) seconds/.exec(readFileSync(join(plan.runDir, 'server-1.log'), 'utf8'));
  expect(Number(said?.[1])).toBeGreaterThan(0.9);
  expectPhasesOfTruth(plan);
}, 60_000);

it('replays an H100: its engine reads the weights, and phases come out of durations that lines state', async () => {
  const plan = await rehearsalPlan(smallModel().folder, { DAY007_REHEARSAL_PROFILE: 'h100' });
  const server = await launchServer(plan, clock);
  await server.stop();
  expectPhasesOfTruth(plan);
  expect(timelineOf(plan).phases.map(({ name }) => name)).toContain('torch.compile');
}, 60_000);

it('ends at once, and with nothing left, when it is stopped while it starts', async () => {
  const profile = changedProfile('cpu', hurried);
  const plan = await rehearsalPlan(smallModel().folder, { DAY007_REHEARSAL_PROFILE: profile });
  const stop = new AbortController();
  const failure = await launchServer(plan, clock, {
    signal: stop.signal,
    onProgress: ({ milestone }) => milestone === 'weights-load-done' && stop.abort(),
  }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ reason: 'interrupted' });
  const [end] = readRows(plan.runDir, tables.stops);
  expect(end).toMatchObject({ how: 'sigterm', exitCode: 0 });
  expect((end?.goneAtMs ?? NaN) - (end?.askedAtMs ?? NaN)).toBeLessThan(1000);
  await until(() => left(plan.runId), nothing);
}, 60_000);

it('names a profile that is not there, what is wrong with a broken one, and a model that is missing', async () => {
  const model = smallModel();
  const unknown = await failureOf(await rehearsalPlan(model.folder, { DAY007_REHEARSAL_PROFILE: 'no-such' }));
  expect(unknown).toMatchObject({ reason: 'died', details: { exitCode: 1 } });
  expect(unknown.details.logTail.at(-1)).toMatch(
    /^\(APIServer pid=\d+\) ValueError: there is no rehearsal profile no-such .*cpu, h100/,
  );
  const broken = changedProfile('cpu', { timeScale: -1, sprockets: 3 });
  const refused = await failureOf(await rehearsalPlan(model.folder, { DAY007_REHEARSAL_PROFILE: broken }));
  expect(refused.details.logTail.at(-1)).toMatch(/ValueError: .*startup\.timeScale: .*sprockets/);

  rmSync(join(model.folder, 'config.json'));
  const missing = await failureOf(await rehearsalPlan(model.folder));
  expect(missing).toMatchObject({ reason: 'model-missing', details: { exitCode: 1 } });
}, 60_000);

it('dies where the profile wants it to, with the last words it is given', async () => {
  const fails = { after: 'Weights loaded', line: 'torch.OutOfMemoryError: CUDA out of memory.' };
  const plan = await rehearsalPlan(smallModel().folder, {
    DAY007_REHEARSAL_PROFILE: changedProfile('cpu', { ...hurried, fails }),
  });
  const failure = await failureOf(plan);
  expect(failure.reason).toBe('out-of-memory');
  expect(failure.details.logTail).toContain(fails.line);
  await until(() => left(plan.runId), nothing);
}, 60_000);

it('says the version of what it replays', async () => {
  const { stdout } = await execa(process.execPath, ['--import', tsxLoader, 'lib/rehearsal/server.ts', '--version']);
  expect(stdout).toBe('0.32.0+cpu');
});
