/** What the samplers saw -> tables: the seed's memory points, bands over the warm block, interference, the stopwatch. */
import type { RunData } from '../archive/folder.js';
import type { EnergyFinding, ObserverFinding, SamplingFinding } from '../interpret/findings.js';
import { formatMs, formatNumber, formatPercent, formatQuantity } from '../interpret/format.js';
import { medianOf } from '../statistics/samples.js';
import { noGpuText, stamped, type InterpretedRun } from './subject.js';
import { renderTable } from './table.js';

/** The seed's snapshot points. A machine without a GPU says "no GPU" and leaves the figures absent. */
export function snapshotTable(data: RunData): string {
  return renderTable({
    title: stamped(data.record.engine.kind, 'Snapshots'),
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'point' },
      { header: 'GPU' },
      { header: 'GPU memory used (MiB)', decimals: 0 },
      { header: 'of (MiB)', decimals: 0 },
      { header: 'utilisation (%)', decimals: 0 },
      { header: 'power (W)', decimals: 1 },
      { header: 'other GPU processes', decimals: 0 },
      { header: 'server RSS (MiB)', decimals: 0 },
      { header: 'page cache (MiB)', decimals: 0 },
      { header: 'available (MiB)', decimals: 0 },
    ],
    rows: data.snapshots.map((row) => [
      row.launch,
      row.point,
      row.gpu === undefined ? noGpuText(data.record.engine.kind) : `${row.gpu}: ${row.gpuName ?? 'unnamed'}`,
      row.memoryUsedMiB,
      row.memoryTotalMiB,
      row.utilizationPercent,
      row.powerW,
      row.otherProcesses,
      row.serverRssMiB,
      row.pageCacheMiB,
      row.memAvailableMiB,
    ]),
  });
}

/** Bands over the steady warm window; a quantity without a band says why. */
export function bandsTable({ findings }: InterpretedRun): string {
  const { steadyWindow } = findings;
  return renderTable({
    title: stamped(findings.engineKind, 'Bands while requests were warm'),
    columns: [
      { header: 'quantity' },
      { header: 'unit' },
      { header: 'n', decimals: 0 },
      { header: 'low', decimals: 2 },
      { header: 'median', decimals: 2 },
      { header: 'high', decimals: 2 },
      { header: 'distinct updates (1/s)', decimals: 2 },
      { header: 'remark' },
    ],
    rows: findings.bands.map((band) => [
      band.quantity,
      band.unit,
      band.n,
      band.low,
      band.median,
      band.high,
      band.distinctPerS,
      band.absentBecause === undefined ? band.note : `no band: ${band.absentBecause}`,
    ]),
    notes: [
      steadyWindow
        ? `Window: ${steadyWindow.requests} requests "${steadyWindow.name}" of launch ${steadyWindow.launch}, ${formatMs(steadyWindow.endAtMs - steadyWindow.startAtMs)}.`
        : 'There was no steady stretch of warm requests.',
      energyText(findings.gpuEnergy),
      ...findings.sampling.map(samplingText),
    ],
  });
}

function energyText(energy: EnergyFinding): string {
  if (energy.kind === 'absent') return `Energy of the GPU: not observable: ${energy.because}.`;
  const { gpus, meanW, perRequestJ, window } = energy;
  return `Energy of GPU ${gpus.join(' and ')}, by the counter: ${formatQuantity(meanW, 'W')} on average over ${formatMs(window.endAtMs - window.startAtMs)}, ${formatQuantity(perRequestJ, 'J')} a request (${window.requests} of them, one at a time, pauses between them inside).`;
}

function samplingText({ source, n, plannedPerS, perS, longestPauseMs, missing, cpuFraction }: SamplingFinding): string {
  const cost = cpuFraction === undefined ? '' : `; the sampler used ${formatPercent(cpuFraction)} of one core`;
  return `Readings of ${source}: ${formatNumber(perS)} a second of ${formatNumber(plannedPerS)} planned over the whole run (n = ${n}), longest pause ${formatMs(longestPauseMs)}, ${missing} missing${cost}.`;
}

/** What the samplers cost a request, and how much CPU each of our own processes used. */
export function observerTable({ findings }: InterpretedRun): string {
  const { observer } = findings;
  if ('absentBecause' in observer) return `Not compared: ${observer.absentBecause}.`;
  const { finding } = observer;
  const title = (text: string) => stamped(findings.engineKind, text);
  const ttft = renderTable({
    title: title('The cost of watching: TTFT with the samplers on and off'),
    columns: [
      { header: 'samplers' },
      { header: 'n', decimals: 0 },
      { header: 'min (ms)', decimals: 2 },
      { header: 'median (ms)', decimals: 2 },
      { header: 'max (ms)', decimals: 2 },
    ],
    rows: [
      [
        'on',
        finding.observedTtftMs.n,
        finding.observedTtftMs.min,
        finding.observedTtftMs.median,
        finding.observedTtftMs.max,
      ],
      [
        'off',
        finding.unobservedTtftMs.n,
        finding.unobservedTtftMs.min,
        finding.unobservedTtftMs.median,
        finding.unobservedTtftMs.max,
      ],
    ],
    notes: [
      observerText(finding),
      engineObserverText(finding),
      `A sampler was reading during the TTFT of ${finding.struck} of ${finding.observed} requests with the samplers on, and of ${finding.readingsWhileOff} with them off (must be 0).`,
      'Cached long prompts of one launch in the order on, off, off, on, off, on, on, off, each after the same pause. NVML stays open while the samplers are off; the prober and the keeper go on.',
    ],
  });
  const cpu = renderTable({
    title: title('CPU of our own processes meanwhile'),
    columns: [
      { header: 'process' },
      { header: 'samplers' },
      { header: 'core (%)', decimals: 2 },
      { header: 'over (s)', decimals: 2 },
    ],
    rows: finding.cpu.map(({ role, samplersOn, coreFraction, wallMs }) => [
      role,
      samplersOn ? 'on' : 'off',
      coreFraction * 100,
      wallMs / 1000,
    ]),
    notes: ['From /proc/<pid>/stat, which counts in steps of 10 ms; pauses before the requests are inside.'],
  });
  return `${ttft}\n\n${cpu}`;
}

/** One sentence: the difference with its interval, and what it allows to say. */
export function observerText(finding: ObserverFinding): string {
  const { differenceMs, differenceFraction, interval, lowerFraction, upperFraction, verdict, pairs } = finding;
  const range =
    interval && lowerFraction !== undefined && upperFraction !== undefined
      ? `, ${formatPercent(interval.level)} interval ${formatMs(interval.lower)} to ${formatMs(interval.upper)} (${formatPercent(lowerFraction)} to ${formatPercent(upperFraction)})`
      : ', too few pairs for an interval';
  const says = {
    'not resolved': 'not resolved: the difference is not told from 0',
    slower: 'resolved: slower with the samplers on',
    faster: 'resolved: faster with the samplers on',
  }[verdict];
  return `On minus off: ${formatMs(differenceMs)} (${formatPercent(differenceFraction)} of the median without)${range}, ${pairs} pairs; ${says}.`;
}

/** What the server itself says of the difference: the rest of it happened to the client, or on the way. */
function engineObserverText({ engineDifferenceMs, engineInterval }: ObserverFinding): string {
  if (engineDifferenceMs === undefined) return "By the engine's own figures: not observable: the answers carry none.";
  const range = engineInterval ? ` (${formatMs(engineInterval.lower)} to ${formatMs(engineInterval.upper)})` : '';
  return `By the engine's own figures, queued to first token: ${formatMs(engineDifferenceMs)}${range}. What is not in there happened in the front end, on the way, or to the client.`;
}

/** What else may have disturbed the run. */
export function interferenceTable({ findings }: InterpretedRun): string {
  return renderTable({
    title: stamped(findings.engineKind, 'Interference'),
    columns: [{ header: 'kind' }, { header: 'outcome' }, { header: 'evidence' }],
    rows: findings.interference.map(({ kind, outcome, evidence }) => [kind, outcome, evidence]),
  });
}

/** The probe against a stream whose sending instants are known: its error, shown and never subtracted. */
export function stopwatchTable({ data, findings }: InterpretedRun): string {
  const measured = data.calibration.filter((row) => !row.warmup);
  const { stopwatch } = findings;
  const rows = [
    row(
      'first token, error',
      measured.map((one) => one.firstTokenErrorMs),
    ),
    row(
      'worst chunk of a request, error',
      measured.map((one) => one.worstChunkErrorMs),
    ),
    row(
      'connection',
      measured.map((one) => one.connectMs),
    ),
  ];
  return renderTable({
    title: stamped(findings.engineKind, 'How good the stopwatch is'),
    columns: [
      { header: 'quantity' },
      { header: 'n', decimals: 0 },
      { header: 'median (ms)', decimals: 3 },
      { header: 'max (ms)', decimals: 3 },
    ],
    rows: stopwatch || measured.length > 0 ? rows : [],
    notes: stopwatch
      ? [
          `Mode: ${stopwatch.mode}. ${stopwatch.p99ErrorMs === undefined ? `Below 100 requests there is no p99; the largest error was ${formatMs(stopwatch.maxErrorMs)}` : `p99 of the first-token error: ${formatMs(stopwatch.p99ErrorMs)}`}.`,
          `${data.calibration.length - measured.length} requests before them warmed the client and are not counted. The server's own cost of writing is inside the error.`,
        ]
      : ['The stopwatch was not checked in this run.'],
  });
}

function row(quantity: string, values: readonly number[]): (string | number | undefined)[] {
  return [quantity, values.length, medianOf(values), values.length > 0 ? Math.max(...values) : undefined];
}
