/** Given values -> typed values, each judged by the schema of its field. */
import { checkExtraArgs } from './extraargs.js';
import type { ConfigProblem } from './errors.js';
import { readGiven, type Given } from './given.js';
import { settings, type ConfigField, type ConfigValues } from './settings.js';
import { findSyntheticShape, syntheticShapes } from './shapes.js';

/** The values that fit, and a problem for each that does not. */
export function parseSettings(given: ReadonlyMap<ConfigField, Given>): {
  values: Partial<ConfigValues>;
  problems: ConfigProblem[];
} {
  const values: Partial<Record<ConfigField, unknown>> = {};
  const problems: ConfigProblem[] = [];
  for (const [field, { value, origin }] of given) {
    const result = settings[field].schema.safeParse(value);
    const allowed = result.success ? refuseValue(field, result.data) : settings[field].allowed;
    if (allowed !== undefined) problems.push({ field, given: readGiven(value), allowed, origin });
    else if (result.success) values[field] = result.data;
  }
  return { values: values as Partial<ConfigValues>, problems };
}

/** What a schema cannot say. Returns what is allowed instead. */
function refuseValue(field: ConfigField, value: unknown): string | undefined {
  if (field === 'extraArgs') return checkExtraArgs(value as readonly string[]);
  if (field !== 'model' || !String(value).startsWith('synthetic:') || findSyntheticShape(String(value)))
    return undefined;
  return syntheticShapes.map((shape) => `synthetic:${shape.name}`).join(', ');
}
