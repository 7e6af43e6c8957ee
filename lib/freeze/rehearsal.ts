/**
 * The profile of a rehearsal, read as data before anything is frozen: which stand-in it is, and which recorded start of
 * a real engine it replays. The rehearsal engine is a program of its own and reads the whole profile itself.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

/** What a run needs to know of a profile. */
export interface RehearsalProfile {
  /** As the profile calls itself. */
  readonly name: string;
  /** One sentence: what this rehearsal shows. */
  readonly says: string;
  /** What DAY007_REHEARSAL_PROFILE is set to for the program: a name, or an absolute path. */
  readonly given: string;
  /** The real engines whose start-up it replays: "vLLM 0.32.0+cpu (cpu, run ... launch 1)". */
  readonly replays: string;
}

/** Why a profile cannot be used, in the words of "allowed: ...". */
export interface NoProfile {
  readonly allowed: string;
}

/** What every GPU line of a rehearsal reads, also on a machine that has one. */
export const noGpuInRehearsal = 'no GPU (rehearsal)';

/** The profile taken when nobody names one. */
export const defaultProfile = 'cpu';
/** The one taken then by an experiment on cold starts: a recording alone does not change with the state of the caches. */
export const experimentProfile = 'cold-start';

const profilesDir = (projectRoot: string): string => join(projectRoot, 'lib/rehearsal/profiles');

/** Names of the profiles this project brings, in alphabetical order. */
export function listProfiles(projectRoot: string): string[] {
  const folder = profilesDir(projectRoot);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => basename(name, '.json'))
    .sort();
}

const profileSchema = z.object({
  name: z.string(),
  says: z.string(),
  startup: z.object({ recording: z.object({ empty: z.string(), filled: z.string() }) }),
});
const recordingSchema = z.object({
  engine: z.string(),
  version: z.string(),
  device: z.string(),
  source: z.object({ run: z.string(), launch: z.number() }),
});

/** The profile of that name, or at that path (relative to the project). */
export function readProfile(wanted: string, projectRoot: string): RehearsalProfile | NoProfile {
  const isPath = wanted.includes('/') || wanted.endsWith('.json');
  const file = isPath ? toAbsolute(wanted, projectRoot) : join(profilesDir(projectRoot), `${wanted}.json`);
  const known = `one of ${listProfiles(projectRoot).join(', ')}, or the path of a profile`;
  if (!existsSync(file)) return { allowed: known };
  const profile = profileSchema.safeParse(parseJson(readText(file)));
  if (!profile.success)
    return { allowed: `${known}; ${basename(file)} is none: it needs name, says and startup.recording` };
  const { name, says, startup } = profile.data;
  return {
    name,
    says,
    given: isPath ? file : wanted,
    replays: describeRecordings([startup.recording.empty, startup.recording.filled], projectRoot),
  };
}

/** The words that start the stand-in from any folder: this Node, the loader for TypeScript, the program. */
export function rehearsalStart(projectRoot: string): readonly string[] {
  const loader = pathToFileURL(join(projectRoot, 'node_modules/tsx/dist/loader.mjs')).href;
  return [process.execPath, '--import', loader, join(projectRoot, 'lib/rehearsal/server.ts'), 'serve'];
}

const toAbsolute = (path: string, projectRoot: string): string =>
  isAbsolute(path) ? path : resolve(projectRoot, path);

/** Where the recordings come from, said once for launches of one run. */
function describeRecordings(names: readonly string[], projectRoot: string): string {
  const launches = new Map<string, Set<number>>();
  const unread: string[] = [];
  for (const name of names) {
    const head = readHead(name, projectRoot);
    if (!head) {
      unread.push(`recording ${name}`);
      continue;
    }
    const { engine, version, device, source } = head;
    const origin = `${engine === 'vllm' ? 'vLLM' : engine} ${version} (${device}; run ${source.run}`;
    launches.set(origin, (launches.get(origin) ?? new Set()).add(source.launch));
  }
  const read = [...launches].map(
    ([origin, numbers]) => `${origin}, ${numbers.size > 1 ? 'launches' : 'launch'} ${[...numbers].join(' and ')})`,
  );
  return [...read, ...new Set(unread)].join('; ');
}

/** The first row of a recording. Undefined when it cannot be read: the program, which needs all of it, will tell why. */
function readHead(name: string, projectRoot: string): z.infer<typeof recordingSchema> | undefined {
  const file = join(projectRoot, 'lib/rehearsal/recordings', `${name}.jsonl`);
  return recordingSchema.safeParse(parseJson(readText(file)?.split('\n')[0])).data;
}

function readText(file: string): string | undefined {
  return existsSync(file) && statSync(file).isFile() ? readFileSync(file, 'utf8') : undefined;
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
