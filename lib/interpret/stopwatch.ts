/** The probe's own error, from its requests to the stream whose truth is known. Shown, never subtracted. */
import type { CalibrationRow } from '../archive/tables.js';
import type { StopwatchFinding } from './findings.js';
import { median, p99, sortSamples } from '../statistics/samples.js';

/** Undefined when the probe was not calibrated. */
export function stopwatchFinding(rows: readonly CalibrationRow[]): StopwatchFinding | undefined {
  const errors = sortSamples(rows.filter((row) => !row.warmup).map((row) => row.firstTokenErrorMs));
  const medianErrorMs = median(errors);
  const maxErrorMs = errors.at(-1);
  if (medianErrorMs === undefined || maxErrorMs === undefined) return undefined;
  return {
    n: errors.length,
    medianErrorMs,
    p99ErrorMs: p99(errors),
    maxErrorMs,
    mode: rows[0]?.mode ?? 'not recorded',
  };
}
