/** Config cell and environment variables -> what was given for each field, and by whom. Values are not judged here. */
import type { ConfigProblem } from './errors.js';
import { nearestName } from './nearest.js';
import { settingFields, settings, type ConfigField, type ConfigInput } from './settings.js';

/** A value as given, and where. */
export interface Given {
  readonly value: unknown;
  readonly source: 'cell' | 'environment' | 'default';
  /** The environment variable, or "the config cell". */
  readonly origin: string;
}

const prefix = 'DAY007_';

/**
 * Variables of the project that are no configuration of a run: the set-up's Python, the marks a launch leaves on its
 * processes, and what an experiment on cold starts is told of its design (see lib/causes/options.ts).
 */
const otherVariables: readonly string[] = [
  'DAY007_PYTHON',
  'DAY007_LAUNCH',
  'DAY007_CLOCK_ORIGIN_NS',
  'DAY007_COLD_START_DESIGN',
  'DAY007_COLD_START_BLOCKS',
  'DAY007_COLD_START_MINUTES',
  'DAY007_COLD_START_PROBE_RUNS',
  'DAY007_COLD_START_WITH',
];

/** Every given value; the cell wins over the environment. An empty variable counts as not set. Unknown names are problems. */
export function collectGiven(
  cell: ConfigInput,
  env: Readonly<Record<string, string | undefined>>,
): { given: Map<ConfigField, Given>; problems: ConfigProblem[] } {
  const problems = [...findUnknownFields(cell), ...findUnknownVariables(env)];
  const given = new Map<ConfigField, Given>();
  for (const field of settingFields) {
    const fromEnv = settings[field].env.flatMap((name) => readVariable(name, env));
    problems.push(...findDisagreement(field, fromEnv));
    const [first] = fromEnv;
    if (cell[field] !== undefined) given.set(field, { value: cell[field], source: 'cell', origin: 'the config cell' });
    else if (first) given.set(field, first);
  }
  return { given, problems };
}

/** A given value as an error message shows it. */
export function readGiven(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

function readVariable(name: string, env: Readonly<Record<string, string | undefined>>): Given[] {
  const value = env[name];
  return value === undefined || value.trim() === '' ? [] : [{ value, source: 'environment', origin: name }];
}

function findDisagreement(field: ConfigField, given: readonly Given[]): ConfigProblem[] {
  const [first, ...others] = given;
  return others
    .filter((other) => other.value !== first?.value)
    .map((other) => ({
      field,
      given: readGiven(other.value),
      allowed: `one value: ${first?.origin ?? ''} gives ${readGiven(first?.value)}`,
      origin: other.origin,
    }));
}

function findUnknownFields(cell: ConfigInput): ConfigProblem[] {
  return Object.keys(cell)
    .filter((name) => !(settingFields as readonly string[]).includes(name))
    .map((name) =>
      unknownName(
        name,
        readGiven((cell as Record<string, unknown>)[name]),
        'the config cell',
        nearestName(name, settingFields),
      ),
    );
}

function findUnknownVariables(env: Readonly<Record<string, string | undefined>>): ConfigProblem[] {
  const known = settingFields.flatMap((field) => settings[field].env);
  const endings = known.map((name) => name.slice(prefix.length));
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.includes(name) && !otherVariables.includes(name))
    .sort()
    .map((name) => {
      const nearest = nearestName(name.slice(prefix.length), endings);
      return unknownName(
        name,
        readGiven(env[name]),
        'the environment',
        nearest === undefined ? undefined : prefix + nearest,
      );
    });
}

function unknownName(field: string, given: string, origin: string, nearest: string | undefined): ConfigProblem {
  return {
    field,
    given,
    origin,
    allowed: nearest === undefined ? 'no such name: leave it out' : `no such name: did you mean ${nearest}?`,
  };
}
