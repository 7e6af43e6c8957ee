/** The rows of one launch out of a run's data: what earlier and later launches left is not in it. */
import type { RunData } from '../archive/folder.js';

/** A run with one launch in it. */
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
