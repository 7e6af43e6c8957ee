/**
 * The rehearsal engine: a program that is launched as vLLM is, says at a quicker pace what a recorded vLLM said, reads
 * the weights, serves the same protocol - and keeps account of what it really did and when, in truth.csv.
 * It computes nothing: no figure of it says anything about a model or about vLLM.
 *
 * Run as `node --import <tsx> server.ts serve <model folder> [flags of vllm serve]`; DAY007_REHEARSAL_PROFILE names a profile.
 */
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClock } from '../clock.js';
import { defaultProfile } from '../freeze/rehearsal.js';
import { readBirthMs } from '../launch/processes.js';
import { parseServeArguments, type ServeArguments } from './arguments.js';
import { fillCache, readCacheState } from './cache-mark.js';
import { createCast, titles } from './cast.js';
import { priceStart } from './flags.js';
import { readMaxModelLen, weightFilesOf } from './model-folder.js';
import { valueOfPlace } from './places.js';
import { readWholeProfile, type WholeProfile } from './profile.js';
import { fillPlaces, readRecording, type RecordedLine, type Recording } from './recording.js';
import { replayStartup, WantedFailure } from './replay.js';
import { startService, type Service } from './service.js';
import type { StartupProfile } from './startup-profile.js';
import { openTruth, silentTruth } from './truth.js';

/** Longest time for the last words: who asked for the end waits for it. */
const lastWordsMs = 150;

const home = dirname(resolve(process.argv[1] ?? ''));
const projectRoot = dirname(dirname(home));
const { env } = process;
const origin = env['DAY007_CLOCK_ORIGIN_NS'];
const clock = createClock(origin === undefined ? undefined : BigInt(origin));
const truth =
  origin === undefined ? silentTruth(clock) : openTruth(process.cwd(), Number(env['DAY007_LAUNCH'] ?? 1), clock);
const cast = createCast(join(home, 'engine-core.ts'), clock);
const leaving = new AbortController();
let service: Service | undefined;
/** What is said at the end; known as soon as the recording is. */
let lastWords: () => Promise<void> = () => Promise.resolve();

// Pipes to a keeper that is gone: its end is the end of this program too, but not by an error of a write.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void leave());
process.on('uncaughtException', fail);
run().catch(fail);

async function run(): Promise<void> {
  const line = parseServeArguments(process.argv.slice(2));
  const profile = readWholeProfile(projectRoot, env['DAY007_REHEARSAL_PROFILE'] ?? defaultProfile);
  if (line.kind === 'serve') return serve(line, profile);
  console.log(readRecording(join(home, 'recordings'), profile.startup.recording.empty).version);
  leaveNow(0);
}

async function serve(line: ServeArguments, profile: WholeProfile): Promise<void> {
  const spawnedAtMs = readBirthMs(process.pid, clock) ?? clock.nowMs();
  truth.write({ event: 'spawned', atMs: spawnedAtMs });
  process.title = titles.server;
  const cacheRoot = env['VLLM_CACHE_ROOT'];
  const cache = readCacheState(cacheRoot);
  const name = profile.startup.recording[cache];
  const recording = readRecording(join(home, 'recordings'), name);
  const maxModelLen = readMaxModelLen(line.model, line.maxModelLen);
  const value = valueOfPlace({ ...line, maxModelLen, projectRoot, cacheRoot }, cast);
  lastWords = async () => {
    for (const said of recording.shutdown) if (cast.pidOf(said.writer) !== undefined) await say(said, value);
  };
  await replayStartup({
    recording,
    startup: await priceOf(profile.startup, cache, line.model),
    cast,
    truth,
    spawnedAtMs,
    modelLocation: line.model,
    value,
    signal: leaving.signal,
  });
  if (leaving.signal.aborted) return;
  fillCache(cacheRoot, name);
  service = await startService({
    ...line,
    maxModelLen,
    profile: profile.serving,
    modelLocation: line.model,
    version: recording.version,
    truth,
    log: (text) => void say(lineOfService(text, recording), value).catch(() => undefined),
  });
}

/** A profile with prices starts as they say; without, as recorded. */
async function priceOf(
  startup: StartupProfile,
  cache: 'empty' | 'filled',
  modelLocation: string,
): Promise<StartupProfile> {
  if (!startup.prices) return startup;
  // Imported here, so that the other profiles do not pay for it at their start.
  const { readResidency } = await import('../freeze/pagecache.js');
  const residency = readResidency(weightFilesOf(modelLocation));
  const residentFraction = residency.kind === 'read' ? residency.fraction : undefined;
  const words = process.argv.slice(2);
  return { ...startup, ...priceStart(startup.prices, startup.phasesMs, { cache, residentFraction, words }) };
}

/** A line of the time after start-up: written by the process whose pid it wants, else by this one. */
function lineOfService(text: string, recording: Recording): Omit<RecordedLine, 'atMs'> {
  const writer = (['engine', 'worker'] as const).find((role) => text.includes(`{{pid-${role}}}`)) ?? 'server';
  return { writer, stream: 'out', text: text.startsWith('INFO:     ') ? prefixOf(recording) + text : text };
}

/** Whether uvicorn's lines name their process differs between versions: as in the recording. */
function prefixOf({ lines }: Recording): string {
  const line = lines.find(({ text }) => text.includes('INFO:     '))?.text ?? '';
  return line.slice(0, line.indexOf('INFO:     '));
}

async function say(
  { writer, stream, process: name, text }: Omit<RecordedLine, 'atMs'>,
  value: (place: string) => string | undefined,
): Promise<void> {
  const filled = fillPlaces(text, value);
  const atMs = await cast.write(writer, stream, filled);
  truth.write({ event: 'log-line', name, atMs, text: filled });
}

/** SIGTERM: streams are broken off, those who live say the recorded last words, and the end. */
async function leave(): Promise<void> {
  if (leaving.signal.aborted) return;
  leaving.abort();
  await Promise.race([Promise.allSettled([lastWords(), service?.close()]), sleep(lastWordsMs)]);
  leaveNow(0);
}

/** The last line names the error, as that of a Python traceback does. */
function fail(error: unknown): void {
  if (!(error instanceof WantedFailure)) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`(APIServer pid=${process.pid}) ValueError: ${message.replaceAll('\n', ' ')}`);
  }
  leaveNow(1);
}

function leaveNow(code: number): void {
  try {
    truth.flush();
  } finally {
    cast.end();
    process.exit(code);
  }
}
