/** A resolved value -> its row of the configuration table: value, origin, the seed's value, and why they differ. */
import type { ConfigEntry } from '../archive/record.js';
import type { FoundEngine } from './engine.js';
import { notOwnedText, type ForcedValues } from './forced.js';
import type { Given } from './given.js';
import { settings, type ConfigField, type ConfigValues } from './settings.js';
import { quoteWords } from './shellwords.js';

/** A value as the configuration table shows it; absent when there is none. */
export function formatValue(value: ConfigValues[ConfigField]): string | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? quoteWords(value as string[]) || undefined : String(value);
}

/** The row of one field; none when it has no value and nothing is to be said of that. */
export function describeField(
  field: ConfigField,
  values: ConfigValues,
  given: ReadonlyMap<ConfigField, Given>,
  forced: ForcedValues,
  found: FoundEngine,
): ConfigEntry[] {
  const setting = settings[field];
  if (found.kind === 'attach' && setting.ownership === true) {
    return [
      {
        field,
        value: notOwnedText,
        source: 'engine',
        seedValue: setting.seed,
        why: 'the server was started by somebody else',
      },
    ];
  }
  const source = given.get(field);
  const force = source ? undefined : forced[field];
  if (field === 'engine')
    return [{ field, value: values.engine, source: source?.source ?? 'default', why: found.chosenBecause }];
  const value = formatValue(values[field]) ?? force?.text ?? setting.absentText;
  if (value === undefined) return [];
  const differs = setting.seed !== undefined && setting.seed !== value;
  if (source)
    return [
      {
        field,
        value,
        source: source.source,
        seedValue: setting.seed,
        why: differs ? `set by ${source.origin}` : undefined,
      },
    ];
  if (force) return [{ field, value, source: 'engine', seedValue: setting.seed, why: force.why }];
  return [
    {
      field,
      value,
      source: setting.seed === undefined || differs ? 'default' : 'seed',
      seedValue: setting.seed,
      why: setting.why,
    },
  ];
}
