/** Launches of saved runs, each with its state and its parts: what a prediction is fitted on and a simulation draws from. */
import type { RunData } from '../archive/folder.js';
import type { EnvironmentRecord } from '../archive/record.js';
import type { LaunchFinding } from '../interpret/findings.js';
import { launchFindings } from '../interpret/launches.js';
import { requestTimings } from '../interpret/timing.js';
import type { StartupTimeline } from '../launch/timeline.js';

export type Temperature = 'cold' | 'warm';

export interface RecordedPart {
  readonly name: string;
  readonly ms: number;
}

export interface RecordedLaunch {
  readonly runId: string;
  readonly launch: number;
  /** As the run names it. */
  readonly model: string;
  readonly device: string;
  /** Processor and GPU, by name. */
  readonly machine: string;
  /** Absent where the run's own proof does not settle it. */
  readonly pages?: Temperature | undefined;
  readonly compileCache?: Temperature | undefined;
  readonly weightsBytes: number;
  readonly readyMs: number;
  /** The innermost phase in which the weights were read: the part that grows with their bytes. */
  readonly weightsMs: number;
  /** Disjoint stretches that add up to readyMs: each instant belongs to the latest phase begun, what no phase covers to the remainder. */
  readonly parts: readonly RecordedPart[];
}

/** The launches of a run that became ready, have a weight-loading phase and a known size. */
export function recordedLaunches(data: RunData): RecordedLaunch[] {
  const timings = requestTimings(data.requests, data.chunks, data.startup);
  return launchFindings(data, timings).flatMap((finding) => recordedLaunch(data, finding));
}

function recordedLaunch(data: RunData, finding: LaunchFinding): RecordedLaunch[] {
  const { timeline, readyMs } = finding;
  const weightsBytes =
    data.launches.find(({ launch }) => launch === finding.launch)?.weightsBytes ?? data.record.model.weightsBytes;
  const weightsMs = timeline && weightsMsOf(timeline);
  if (!timeline || readyMs === undefined || weightsMs === undefined || !weightsBytes) return [];
  return [
    {
      runId: data.record.runId,
      launch: finding.launch,
      model: data.record.model.name,
      device: data.record.engine.device,
      machine: machineOf(data.record.environment),
      pages: pagesOf(finding),
      compileCache: compileCacheOf(finding),
      weightsBytes,
      readyMs,
      weightsMs,
      parts: partsOf(timeline),
    },
  ];
}

const machineOf = ({ cpuModel, cpuCores, gpus }: EnvironmentRecord): string =>
  [`${cpuModel}, ${cpuCores} cores`, ...gpus.map(({ name }) => name)].join(', ');

export function weightsMsOf({ phases }: StartupTimeline): number | undefined {
  const lengths = phases.filter(({ term }) => term === 'A+B' || term === 'A').map((p) => p.endAtMs - p.startAtMs);
  return lengths.length === 0 ? undefined : Math.min(...lengths);
}

function pagesOf({ state }: LaunchFinding): Temperature | undefined {
  if (state.pages === 'not resident') return 'cold';
  return state.pages === 'resident' ? 'warm' : undefined;
}

/** A cache that was there and refused is a cold one: everything is compiled. */
function compileCacheOf({ state }: LaunchFinding): Temperature | undefined {
  if (state.compileCache === 'hit') return 'warm';
  return /^(?:empty|missed|filled, rejected)/.test(state.compileCache) ? 'cold' : undefined;
}

function partsOf(timeline: StartupTimeline): RecordedPart[] {
  const edges = timeline.phases.flatMap((phase) => [phase.startAtMs, phase.endAtMs]);
  const inside = edges.filter((atMs) => atMs > timeline.spawnAtMs && atMs < timeline.readyAtMs);
  const cuts = [...new Set([timeline.spawnAtMs, ...inside, timeline.readyAtMs])].sort((a, b) => a - b);
  const lengths = new Map<string, number>();
  cuts.slice(1).forEach((endAtMs, index) => {
    const startAtMs = cuts[index] ?? endAtMs;
    const name = phaseAt(timeline, (startAtMs + endAtMs) / 2) ?? 'remainder';
    lengths.set(name, (lengths.get(name) ?? 0) + endAtMs - startAtMs);
  });
  return [...lengths].map(([name, ms]) => ({ name, ms }));
}

function phaseAt({ phases }: StartupTimeline, atMs: number): string | undefined {
  return phases.filter((phase) => phase.startAtMs <= atMs && phase.endAtMs >= atMs).at(-1)?.name;
}
