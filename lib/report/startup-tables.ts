/** Launches -> tables: the state each one found, its phases, and what no phase explains. */
import type { Findings, LaunchFinding } from '../interpret/findings.js';
import { formatBytes, formatCounted, formatMs, formatPercent, formatQuantity } from '../interpret/format.js';
import { parseLogLine } from '../launch/milestones.js';
import type { StartupTimeline } from '../launch/timeline.js';
import { median, sortSamples } from '../statistics/samples.js';
import { areMany, launchesInDetail, namedLaunches, saidOnce } from '../interpret/launchgroups.js';
import { hidePaths } from './paths.js';
import { stamped, type InterpretedRun } from './subject.js';
import { renderTable, type Cell } from './table.js';
import { plainLine } from './text.js';

const evidenceLength = 90;
const gapsShown = 3;

/** One row a launch: outcome, seconds to ready, the state it found and how it ended. */
export function launchesTable({ findings }: InterpretedRun): string {
  return renderTable({
    title: stamped(findings.engineKind, 'Launches and the state each one found'),
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'outcome' },
      { header: 'launch -> ready (s)', decimals: 2 },
      { header: 'named phases cover (%)', decimals: 1 },
      { header: 'weight pages' },
      { header: 'compile cache' },
      { header: 'process' },
      { header: 'prefix cache' },
      { header: 'read from disk' },
      { header: 'stopped by' },
      { header: 'stop (ms)', decimals: 0 },
      { header: 'left over', decimals: 0 },
      { header: 'GPU memory back' },
      { header: 'processes left on the GPU' },
    ],
    rows: findings.launches.map((launch) => [
      launch.launch,
      launch.outcome,
      inSeconds(launch.readyMs),
      inPercent(launch.coveredFraction),
      launch.state.pages,
      launch.state.compileCache,
      launch.state.process,
      launch.state.prefixCache,
      launch.readBytes === undefined ? undefined : formatBytes(launch.readBytes),
      launch.stoppedHow,
      launch.stopMs,
      launch.leftoverProcesses,
      gpuMemoryText(launch.gpuAfterStop),
      gpuProcessesText(launch.gpuAfterStop),
    ]),
    notes: saidOnce(findings.launches.flatMap(({ launch, state }) => state.proof.map((text) => ({ launch, text })))),
  });
}

/** "+0 MiB after 0.12 s": above what the GPUs held before the first launch, and how long after the last process had gone. */
function gpuMemoryText(after: LaunchFinding['gpuAfterStop']): string | undefined {
  if (!after) return undefined;
  if (after.kind === 'absent') return after.because;
  const { aboveBaselineMiB, back, waitedMs } = after;
  const above = `${aboveBaselineMiB < 0 ? '' : '+'}${formatQuantity(aboveBaselineMiB, 'MiB')}`;
  const wait = waitedMs === undefined ? 'not timed' : `${back ? 'after' : 'still after'} ${formatMs(waitedMs)}`;
  return `${back ? '' : 'no: '}${above}, ${wait}`;
}

function gpuProcessesText(after: LaunchFinding['gpuAfterStop']): string | undefined {
  if (after?.kind !== 'read') return undefined;
  const { processes, processesBefore = 0 } = after;
  if (processes === undefined) return 'not listed by the driver';
  return processesBefore > 0 ? `${processes} (${processesBefore} before the first launch)` : String(processes);
}

/** Launch 1 by itself and the further ones together: how long, how much of it explained, what request 1 cost. */
export function repeatsTable({ findings }: InterpretedRun): string {
  const { repeats, worstCoverage: worst } = findings;
  if (repeats.length === 0) return 'One launch repeats nothing: with more launches, their figures stand here.';
  const notes = [...new Set(repeats.flatMap(({ note }) => note ?? []))];
  return renderTable({
    title: stamped(findings.engineKind, 'From launch to launch'),
    columns: [
      { header: 'quantity' },
      { header: 'unit' },
      { header: 'launch 1', decimals: 2 },
      { header: 'n further', decimals: 0 },
      { header: 'median', decimals: 2 },
      { header: 'min', decimals: 2 },
      { header: 'max', decimals: 2 },
      { header: 'interval from', decimals: 2 },
      { header: 'interval to', decimals: 2 },
      { header: 'level (%)', decimals: 1 },
    ],
    rows: repeats.map(({ quantity, unit, first, further }) => [
      quantity,
      unit,
      first,
      further?.n ?? 0,
      further?.median,
      further?.min,
      further?.max,
      further?.interval?.lower,
      further?.interval?.upper,
      further?.interval && further.interval.level * 100,
    ]),
    notes: [
      'Launch 1 found an empty compile cache or an unknown one, and is never put together with the others. An interval of a median needs six launches.',
      ...notes,
      'cold_1 of launch 2 is answered whole, as in the seed: it has a wall_s and no TTFT.',
      ...(worst ? [`Lowest coverage by named phases: ${formatPercent(worst.fraction)} (launch ${worst.launch}).`] : []),
    ],
  });
}

/**
 * The phases of each launch that became ready, the remainder, and the three largest gaps with what ran meanwhile. Of many
 * launches some are shown in detail, after a table of the lengths of all.
 */
export function phasesTable({ findings }: InterpretedRun): string {
  const { engineKind, launches } = findings;
  const parts = launchesInDetail(launches).map((launch) => {
    const { timeline } = launch;
    if (!timeline) return `Launch ${launch.launch} never became ready (${launch.outcome}): it has no phases.`;
    return `${phaseRows(engineKind, launch, timeline)}\n\n${gapRows(engineKind, launch, timeline)}`;
  });
  if (areMany(launches)) parts.unshift(phaseLengths(findings));
  return parts.join('\n\n') || 'No launch was observed.';
}

/** How long each phase took in launch 1 and in the further launches that found the same state; those of launch 1 first. */
function phaseLengths({ engineKind, launches, repeats }: Findings): string {
  const { launches: alike = [], note } = repeats.find(({ quantity }) => quantity === 'launch -> ready') ?? {};
  const lengths = launches.flatMap(({ launch, timeline }) =>
    timeline
      ? [
          ...timeline.phases.map(({ name, term, startAtMs, endAtMs }) => ({ name, term, ms: endAtMs - startAtMs })),
          { name: 'not explained', term: 'remainder', ms: timeline.remainderMs },
        ].map(({ name, term, ms }) => ({ launch, name, term, s: ms / 1000 }))
      : [],
  );
  // The remainder of launch 1 comes before a phase that only a later launch has: it goes last again.
  const names = [...new Set(lengths.map(({ name }) => name))].sort(
    (a, b) => Number(a === 'not explained') - Number(b === 'not explained'),
  );
  return renderTable({
    title: stamped(engineKind, 'Length of each phase, launch 1 and the further ones'),
    columns: [
      { header: 'phase' },
      { header: 'term' },
      { header: 'launch 1 (s)', decimals: 2 },
      { header: 'n further', decimals: 0 },
      { header: 'median (s)', decimals: 2 },
      { header: 'min (s)', decimals: 2 },
      { header: 'max (s)', decimals: 2 },
    ],
    rows: names.map((name) => {
      const own = lengths.filter((length) => length.name === name);
      const further = sortSamples(own.filter(({ launch }) => alike.includes(launch)).map(({ s }) => s));
      const first = own.find(({ launch }) => launch === 1)?.s;
      return [name, own[0]?.term, first, further.length, median(further), further.at(0), further.at(-1)];
    }),
    notes: [
      ...(note === undefined ? [] : [note]),
      `In detail below: ${namedLaunches(launchesInDetail(launches).map(({ launch }) => launch))}. Every line of every launch is in startup.csv.`,
    ],
  });
}

function phaseRows(
  kind: InterpretedRun['findings']['engineKind'],
  launch: LaunchFinding,
  timeline: StartupTimeline,
): string {
  const totalMs = timeline.readyAtMs - timeline.spawnAtMs;
  const rows: Cell[][] = timeline.phases.map((phase) => [
    phase.name,
    phase.term,
    (phase.startAtMs - timeline.spawnAtMs) / 1000,
    (phase.endAtMs - timeline.spawnAtMs) / 1000,
    (phase.endAtMs - phase.startAtMs) / 1000,
    share(phase.endAtMs - phase.startAtMs, totalMs),
    spoken(phase.startEvidence),
    spoken(phase.endEvidence),
  ]);
  rows.push([
    'not explained',
    'remainder',
    undefined,
    undefined,
    timeline.remainderMs / 1000,
    share(timeline.remainderMs, totalMs),
    undefined,
    undefined,
  ]);
  rows.push([
    'launch -> ready',
    undefined,
    0,
    totalMs / 1000,
    totalMs / 1000,
    share(totalMs, totalMs),
    undefined,
    undefined,
  ]);
  const notes = ['Phases may overlap, so their lengths may add up to more than the whole.'];
  if (timeline.incomplete.length > 0)
    notes.push(`Only one end was seen, so no length: ${timeline.incomplete.join('; ')}.`);
  return renderTable({
    title: stamped(kind, `Launch ${launch.launch}: phases of launch -> ready`),
    columns: [
      { header: 'phase' },
      { header: 'term' },
      { header: 'start (s)', decimals: 2 },
      { header: 'end (s)', decimals: 2 },
      { header: 'length (s)', decimals: 2 },
      { header: 'share (%)', decimals: 1 },
      { header: 'starts with' },
      { header: 'ends with' },
    ],
    rows,
    notes,
  });
}

function gapRows(
  kind: InterpretedRun['findings']['engineKind'],
  launch: LaunchFinding,
  timeline: StartupTimeline,
): string {
  return renderTable({
    title: stamped(kind, `Launch ${launch.launch}: the largest gaps no phase covers`),
    columns: [
      { header: 'start (s)', decimals: 2 },
      { header: 'length (s)', decimals: 2 },
      { header: 'what ran meanwhile' },
      { header: 'line before' },
      { header: 'line after' },
    ],
    rows: timeline.gaps
      .slice(0, gapsShown)
      .map((gap, index) => [
        (gap.startAtMs - timeline.spawnAtMs) / 1000,
        (gap.endAtMs - gap.startAtMs) / 1000,
        launch.gapActivity[index],
        spoken(gap.lineBefore),
        spoken(gap.lineAfter),
      ]),
    notes:
      timeline.gaps.length > gapsShown
        ? [`${formatCounted(timeline.gaps.length - gapsShown, 'shorter gap')} not listed.`]
        : [],
  });
}

/** Share of launch -> ready of each term, for every launch; overlaps between terms stay in both. */
export function termsTable({ findings }: InterpretedRun): string {
  return renderTable({
    title: stamped(findings.engineKind, 'Seconds of each term before ready'),
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'term' },
      { header: 'length (s)', decimals: 2 },
      { header: 'share' },
    ],
    rows: findings.launches.flatMap((launch) =>
      launch.termMs.map(({ term, ms }) => [
        launch.launch,
        term,
        ms / 1000,
        launch.readyMs === undefined || launch.readyMs <= 0 ? undefined : formatPercent(ms / launch.readyMs),
      ]),
    ),
  });
}

const inSeconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);
const inPercent = (fraction: number | undefined): number | undefined =>
  fraction === undefined ? undefined : fraction * 100;
const share = (partMs: number, wholeMs: number): number | undefined =>
  wholeMs > 0 ? (partMs / wholeMs) * 100 : undefined;

/** "Worker: Loading weights took 0.01 seconds": who spoke and what, without stamps; paths are cut before the length is. */
function spoken(line: string): string {
  const { process, message } = parseLogLine(line);
  return plainLine(hidePaths(process === undefined ? message : `${process}: ${message}`), evidenceLength);
}
