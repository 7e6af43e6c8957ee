/** Configuration values that are right by themselves and wrong together. */
import type { FoundEngine } from './engine.js';
import type { ConfigProblem } from './errors.js';
import { readGiven, type Given } from './given.js';
import { settings, type ConfigField, type ConfigValues } from './settings.js';

/** A value that cannot be used, and who gave it. */
export function problem(given: ReadonlyMap<ConfigField, Given>, field: ConfigField, allowed: string): ConfigProblem {
  const source = given.get(field);
  return {
    field,
    given: source ? readGiven(source.value) : 'nothing',
    allowed,
    origin: source?.origin ?? `the default (${settings[field].env[0] ?? ''} is not set)`,
  };
}

/** Whether the engine, the URL and the model fit each other; needs no engine to be found. */
export function checkWishes(values: Partial<ConfigValues>, given: ReadonlyMap<ConfigField, Given>): ConfigProblem[] {
  const { engine = 'auto' } = values;
  const attach = engine === 'attach' || (engine === 'auto' && values.url !== undefined);
  const problems: ConfigProblem[] = [];
  if (!attach && values.url !== undefined)
    problems.push(problem(given, 'url', `nothing: a URL is for engine "attach", and the engine is set to "${engine}"`));
  if (engine === 'rehearsal' && values.vllm !== undefined)
    problems.push(problem(given, 'vllm', 'nothing: the engine is set to "rehearsal", which starts no vLLM'));
  if (!attach) return problems;
  if (values.url === undefined)
    problems.push(problem(given, 'url', `the base URL of the server to attach to: ${settings.url.allowed}`));
  if (values.model === undefined)
    problems.push(
      problem(given, 'model', `the name the attached server serves (curl ${values.url ?? '<url>'}/v1/models shows it)`),
    );
  return problems;
}

/** Whether the resolved values fit each other and the engine. */
export function checkTogether(
  values: ConfigValues,
  explicit: Partial<ConfigValues>,
  found: FoundEngine,
  given: ReadonlyMap<ConfigField, Given>,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const longTokens = values.longPromptTokens + values.longMaxTokens;
  if (found.kind !== 'attach' && longTokens > values.maxModelLen) {
    const blamed = (['longPromptTokens', 'longMaxTokens'] as const).find((field) => given.has(field)) ?? 'maxModelLen';
    problems.push(
      problem(
        given,
        blamed,
        `a long workload of ${longTokens} tokens (longPromptTokens + longMaxTokens) that fits into maxModelLen ${values.maxModelLen}`,
      ),
    );
  }
  if (explicit.kvCacheGiB !== undefined && found.device === 'cuda') {
    problems.push(
      problem(given, 'kvCacheGiB', 'nothing on a GPU: vLLM sizes the KV cache from gpuMemoryUtilization there'),
    );
  }
  if (explicit.kvCacheGiB !== undefined && found.kind === 'rehearsal')
    problems.push(problem(given, 'kvCacheGiB', 'nothing in a rehearsal: the stand-in has no KV cache'));
  if (explicit.rehearsalProfile !== undefined && found.kind !== 'rehearsal')
    problems.push(
      problem(
        given,
        'rehearsalProfile',
        `nothing: a profile is for a rehearsal, and this is not one (${found.chosenBecause}). For a rehearsal: DAY007_ENGINE=rehearsal`,
      ),
    );
  return problems;
}
