/** Rows of a run's tables, picked and grouped. */
import type { RunData } from '../archive/folder.js';

/** A run with one launch in it: what earlier and later launches left is not there. */
export function launchOf(data: RunData, launch: number): RunData {
  const own = <Row extends { readonly launch: number }>(rows: readonly Row[]) =>
    rows.filter((row) => row.launch === launch);
  const requests = own(data.requests);
  const ids = new Set(requests.map(({ requestId }) => requestId));
  return {
    ...data,
    launches: own(data.launches),
    stops: own(data.stops),
    startup: own(data.startup),
    requests,
    chunks: data.chunks.filter(({ requestId }) => ids.has(requestId)),
    samples: own(data.samples),
    processes: own(data.processes),
    gpu: own(data.gpu),
    metrics: own(data.metrics),
    snapshots: own(data.snapshots),
    truth: own(data.truth),
  };
}

export function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}

export const groupByLaunch = <Row extends { readonly launch: number }>(rows: readonly Row[]): Map<number, Row[]> =>
  groupBy(rows, ({ launch }) => launch);
