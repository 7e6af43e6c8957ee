/** A run folder on disk: rows are appended as they are observed, and read back whole. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Columns, RowOf, Table } from './columns.js';
import { ArchiveError, formatHeader, formatRows, parseRows } from './csv.js';
import type { RunRecord } from './record.js';
import {
  tables,
  type CalibrationRow,
  type ChunkRow,
  type GpuRow,
  type LaunchRow,
  type MetricRow,
  type ObserverRow,
  type PauseRow,
  type ProcessRow,
  type RequestRow,
  type SampleRow,
  type SnapshotRow,
  type StartupRow,
  type StopRow,
  type TruthRow,
} from './tables.js';

/** Append rows to a table's file, creating it with its header. Each call is one write: a reader never sees half of it interleaved. */
export function appendRows<C extends Columns>(runDir: string, table: Table<C>, rows: readonly RowOf<Table<C>>[]): void {
  if (rows.length === 0) return;
  const file = join(runDir, table.file);
  const header = existsSync(file) ? '' : formatHeader(table);
  appendFileSync(file, header + formatRows(table, rows));
}

/** All rows of a table; none when the file was never written. */
export function readRows<C extends Columns>(runDir: string, table: Table<C>): RowOf<Table<C>>[] {
  const file = join(runDir, table.file);
  return existsSync(file) ? parseRows(table, readFileSync(file, 'utf8')) : [];
}

export function writeRunRecord(runDir: string, record: RunRecord): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(runDir, 'run.json'), `${JSON.stringify(record, undefined, 2)}\n`, { flag: 'wx' });
}

export function readRunRecord(runDir: string): RunRecord {
  const file = join(runDir, 'run.json');
  if (!existsSync(file)) {
    throw new ArchiveError(
      'run.json',
      undefined,
      `${runDir} is not a run folder: it has no run.json. Give the folder that a run printed at its end, or one below data/published.`,
    );
  }
  const record = JSON.parse(readFileSync(file, 'utf8')) as RunRecord;
  if (record.format !== 1) {
    throw new ArchiveError(
      'run.json',
      undefined,
      `${file} has format ${String(record.format)}; this version reads format 1`,
    );
  }
  return record;
}

/** Everything a run folder holds: enough to interpret it again without a server. */
export interface RunData {
  readonly record: RunRecord;
  readonly launches: readonly LaunchRow[];
  readonly stops: readonly StopRow[];
  readonly startup: readonly StartupRow[];
  readonly requests: readonly RequestRow[];
  readonly chunks: readonly ChunkRow[];
  readonly samples: readonly SampleRow[];
  readonly processes: readonly ProcessRow[];
  readonly gpu: readonly GpuRow[];
  readonly metrics: readonly MetricRow[];
  readonly snapshots: readonly SnapshotRow[];
  readonly observers: readonly ObserverRow[];
  readonly pauses: readonly PauseRow[];
  readonly calibration: readonly CalibrationRow[];
  /** Rehearsals only: what the stand-in says it did. */
  readonly truth: readonly TruthRow[];
}

/** Read a whole run folder. Tables never written are empty; a damaged one throws ArchiveError. */
export function readRun(runDir: string): RunData {
  return {
    record: readRunRecord(runDir),
    launches: readRows(runDir, tables.launches),
    stops: readRows(runDir, tables.stops),
    startup: readRows(runDir, tables.startup),
    requests: readRows(runDir, tables.requests),
    chunks: readRows(runDir, tables.chunks),
    samples: readRows(runDir, tables.samples),
    processes: readRows(runDir, tables.processes),
    gpu: readRows(runDir, tables.gpu),
    metrics: readRows(runDir, tables.metrics),
    snapshots: readRows(runDir, tables.snapshots),
    observers: readRows(runDir, tables.observers),
    pauses: readRows(runDir, tables.pauses),
    calibration: readRows(runDir, tables.calibration),
    truth: readRows(runDir, tables.truth),
  };
}
