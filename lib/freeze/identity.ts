/** What may not change during a run: its fingerprint, and the check that it did not. */
import { createHash } from 'node:crypto';
import type { EngineRecord } from '../archive/record.js';
import type { RunConfig } from './config.js';
import { formatValue } from './entries.js';
import { FreezeError } from './errors.js';
import { findModelChanges, type FileStamp } from './modelfiles.js';
import { quoteWords } from './shellwords.js';
import { settingFields, settings, type ConfigField, type ConfigValues } from './settings.js';

/** The configuration as run.json keeps it. Fields without a value, and those that mean nothing when attached, are left out. */
export function flattenConfig(
  config: ConfigValues,
  kind: EngineRecord['kind'],
): Readonly<Record<string, string | number | boolean>> {
  const fields = settingFields.filter(
    (field) =>
      !identifiers.has(field) && (kind !== 'attach' || field === 'launches' || settings[field].ownership !== true),
  );
  return Object.fromEntries(
    fields.flatMap((field) => {
      const value = config[field];
      return value === undefined ? [] : [[field, typeof value === 'object' ? quoteWords(value) : value]];
    }),
  );
}

/** Fields that name a run and its folders; two runs that differ in these alone are the same experiment. */
const identifiers: ReadonlySet<ConfigField> = new Set<ConfigField>(['runId', 'replay']);

/** sha256 over the configuration, the server's command and the model's files. The order of the fields does not matter. */
export function runFingerprint(
  config: Readonly<Record<string, string | number | boolean>>,
  engine: Pick<EngineRecord, 'command'>,
  modelFingerprint: string,
): string {
  const sorted = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted, engine.command, modelFingerprint]))
    .digest('hex');
}

/** Throws FreezeError naming the first field whose value is no longer the frozen one. A run id nobody chose is not compared. */
export function assertSameConfig(frozen: RunConfig, current: RunConfig): void {
  const idChosen = current.entries.some(({ field, source }) => field === 'runId' && source !== 'default');
  for (const field of settingFields) {
    if (field === 'replay' || (field === 'runId' && !idChosen)) continue;
    refuseChange(field, frozen[field], current[field]);
  }
  refuseChange('engine', frozen.foundEngine?.start, current.foundEngine?.start);
  refuseChange('vLLM version', frozen.foundEngine?.vllmVersion, current.foundEngine?.vllmVersion);
}

/** Throws FreezeError when a file of the model's folder was replaced, edited, added or removed since it was frozen. Reads no file. */
export function assertSameFiles(dir: string, stamps: readonly FileStamp[]): void {
  const [first, ...others] = findModelChanges(stamps, dir);
  if (first === undefined) return;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  throw new FreezeError(
    `The model changed during the run: ${first}${more}, in ${dir}. A run measures one model; put the files back, or freeze a new run.`,
    'model',
    'as hashed',
    [first, ...others].join(', '),
  );
}

type Value = ConfigValues[ConfigField];

function refuseChange(field: string, frozen: Value, current: Value): void {
  const [before, now] = [formatValue(frozen) ?? 'not set', formatValue(current) ?? 'not set'];
  if (before === now) return;
  throw new FreezeError(
    `${field} changed during the run: it was frozen as ${before} and is now ${now}. A run measures one model in one configuration; put the value back, or freeze a new run.`,
    field,
    before,
    now,
  );
}
