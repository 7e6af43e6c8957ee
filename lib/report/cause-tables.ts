/** What an experiment on cold starts found -> tables. Every sentence is computed. */
import type { Effect } from '../causes/contrasts.js';
import type { CauseFindings, ExperimentData, WatchedLaunch } from '../causes/findings.js';
import type { CauseRow } from '../causes/ledger.js';
import type { PredictionTest, StartModel } from '../causes/prediction.js';
import { type CentreInterval, centreOf, intervalLevel } from '../statistics/intervals.js';
import type { RecordedLaunch } from '../causes/recorded.js';
import type { SimulatedEffect } from '../causes/simulation.js';
import { leastSilenceShare, type WatchedStretch } from '../causes/silence.js';
import type { EngineKind } from '../archive/record.js';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatFactor,
  formatMs,
  formatPercent,
  formatNumber,
} from '../interpret/format.js';
import { parseLogLine } from '../launch/milestones.js';
import { hidePaths } from './paths.js';
import { engineLabel, modelLabel, stamped } from './subject.js';
import { renderFacts, renderTable, type Cell } from './table.js';
import { plainLine } from './text.js';

export const kindOf = ({ runs }: CauseFindings): EngineKind => runs[0]?.data.record.engine.kind ?? 'rehearsal';

/** "6.42 s (5.90 s to 7.01 s, 96.9 %)"; without an interval, why. */
export function centreText(centre: CentreInterval | undefined): string | undefined {
  if (!centre) return undefined;
  const { interval } = centre;
  if (!interval) return `${formatMs(centre.centre)} (no interval: ${formatCounted(centre.n, 'block')})`;
  return `${formatMs(centre.centre)} (${formatMs(interval.lower)} to ${formatMs(interval.upper)}, ${formatPercent(interval.level)})`;
}

function resolvedText(resolved: boolean | undefined, centre: CentreInterval | undefined): string {
  if (resolved !== undefined) return resolved ? 'yes' : 'not resolved';
  return centre?.interval ? `not said: below ${formatPercent(intervalLevel, 2)}` : 'no interval';
}

/** A boot is told only where it says more than the machine: its clock, and perhaps its place, are its own. */
function placesText({ machines, boots }: CauseFindings): string {
  const place = formatCounted(machines, 'machine');
  return boots > machines ? `${place}, in ${formatCounted(boots, 'boot')}` : place;
}

const noSuchStart = 'none counted: not in this design, or not yet';

/** The answer: what a start costs in four states, the largest causes, what is left. */
export function causeAnswerTable(findings: CauseFindings): string {
  const { runs, progress, ledger, blocks, values } = findings;
  const first = runs[0];
  if (!first) return 'No experiment on cold starts is on record.';
  const { data } = first;
  const counted = runs.reduce((sum, { rows }) => sum + rows.filter(countsAsMeasure).length, 0);
  const voided = progress.reduce((sum, one) => sum + one.void, 0);
  const cellText = (cell: string): string | undefined =>
    centreText(centreOf(values.filter((value) => value.cell === cell).map(({ value }) => value)));
  const largest = largestCauses(ledger.rows);
  return renderFacts(
    stamped(data.record.engine.kind, `What a cold start costs, cause by cause (run ${data.record.runId})`),
    [
      ['engine', engineLabel(data)],
      ['model', modelLabel(data.record.model)],
      [
        'launches',
        `${formatCount(counted)} counted, ${formatCount(voided)} void or failed; ${formatCounted(blocks, 'block')} on ${placesText(findings)}`,
      ],
      ['launch -> ready, all cold', cellText('both-cold') ?? noSuchStart],
      ['launch -> ready, all warm', cellText('both-warm') ?? noSuchStart],
      ...largest.map((row, index): [string, Cell] => [
        index === 0 ? 'largest cause' : 'second cause',
        `${row.cause} ${row.name}: ${centreText(row.centre) ?? ''}`,
      ]),
      ['not resolved', notResolved(ledger.rows)],
      ['remainder', remainderText(ledger.rows)],
      ['other witnesses of the same seconds', witnessText(findings)],
      ['the seed’s table, launch by launch', seedTableText(findings)],
    ],
  );
}

const countsAsMeasure = ({ role, outcome }: { readonly role: string; readonly outcome: string }): boolean =>
  role === 'measure' && outcome === 'counted';

/** Causes whose seconds make up a start; the others are parts of them, or of the first request. */
export const summedCauses: readonly string[] = ['A', 'B', 'C', 'D', 'G'];

/** The two causes with most seconds whose interval excludes 0; parts of C do not stand beside C. */
export function largestCauses(rows: readonly CauseRow[]): CauseRow[] {
  return rows
    .filter(({ cause, resolved }) => summedCauses.includes(cause) && resolved === true)
    .sort((a, b) => (b.centre?.centre ?? 0) - (a.centre?.centre ?? 0))
    .slice(0, 2);
}

function notResolved(rows: readonly CauseRow[]): string {
  const names = rows.filter(({ resolved }) => resolved === false).map(({ cause }) => cause);
  return names.length === 0 ? 'none' : names.join(', ');
}

function remainderText(rows: readonly CauseRow[]): string | undefined {
  const row = rows.find(({ cause }) => cause === 'remainder');
  if (!row) return undefined;
  return row.absent ?? `${centreText(row.centre) ?? ''}, ${formatPercent(row.share)} of the all-cold start; ${row.how}`;
}

function seedTableText({ judged }: CauseFindings): string {
  const launches = judged.reduce((sum, cell) => sum + cell.launches, 0);
  const right = judged.reduce((sum, cell) => sum + cell.right, 0);
  return launches === 0 ? 'no launch to judge' : `right on ${formatCount(right)} of ${formatCount(launches)}`;
}

export function witnessText({ witnesses }: CauseFindings): string {
  const times = (wanted: string): number => witnesses.filter(({ verdict }) => verdict === wanted).length;
  const compared = times('agrees') + times('disagrees');
  return compared === 0 ? 'none could be compared' : `${times('agrees')} of ${compared} agree`;
}

/** Cells, what each adds to the command, how often each counted. */
export function planTableOf({ plan, rows, data }: ExperimentData): string {
  const names = [...new Set(plan.filter(({ role }) => role === 'measure').map(({ cell }) => cell))];
  return renderTable({
    title: stamped(data.record.engine.kind, 'The design'),
    columns: [
      { header: 'cell' },
      { header: 'added to the server’s start' },
      { header: 'planned', decimals: 0 },
      { header: 'counted', decimals: 0 },
      { header: 'void', decimals: 0 },
      { header: 'failed', decimals: 0 },
    ],
    rows: names.map((name) => {
      const planned = plan.filter((row) => row.role === 'measure' && row.cell === name);
      const own = rows.filter((row) => row.role === 'measure' && row.cell === name);
      const times = (outcome: string) => own.filter((row) => row.outcome === outcome).length;
      const added = [planned[0]?.variables, planned[0]?.args].filter((text) => text !== undefined).join(' ');
      return [name, added === '' ? 'nothing' : added, planned.length, times('counted'), times('void'), times('failed')];
    }),
  });
}

/** One row a launch with the proof of its state; void ones with the reason. */
export function proofTable({ rows, data }: ExperimentData): string {
  return renderTable({
    title: stamped(data.record.engine.kind, 'Every launch, and what proves its state'),
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'block', decimals: 0 },
      { header: 'cell' },
      { header: 'outcome' },
      { header: 'launch -> ready (s)', decimals: 2 },
      { header: 'resident before (%)', decimals: 1 },
      { header: 'read while loading' },
      { header: 'read before ready' },
      { header: 'major faults', decimals: 0 },
      { header: 'cache files before', decimals: 0 },
      { header: 'after', decimals: 0 },
      { header: 'JIT, driver files before' },
      { header: 'log says' },
      { header: 'old processes', decimals: 0 },
      { header: 'cached tokens', decimals: 0 },
      { header: 'why it does not count' },
    ],
    rows: rows.map((row) => [
      row.launch,
      row.block,
      `${row.cell}${{ prime: ' (fills the caches)', watch: ' (watched)' }[row.role] ?? ''}`,
      row.role === 'prime' && row.outcome === 'counted' ? 'not measured' : row.outcome,
      row.readyMs === undefined ? undefined : row.readyMs / 1000,
      row.residentBeforeFraction === undefined ? undefined : row.residentBeforeFraction * 100,
      row.loadingReadBytes === undefined ? undefined : formatBytes(row.loadingReadBytes),
      row.readBytes === undefined ? undefined : formatBytes(row.readBytes),
      row.majorFaults,
      row.cacheFilesBefore,
      row.cacheFilesAfter,
      row.jitFilesBefore === undefined ? undefined : `${row.jitFilesBefore}, ${row.driverFilesBefore ?? 0}`,
      row.cacheSaid,
      row.processesBefore,
      row.cachedTokens,
      row.because === undefined ? undefined : plainLine(hidePaths(row.because), 160),
    ]),
  });
}

/** Seconds per cause with intervals, floors, and the remainder. */
export function causeTable(findings: CauseFindings): string {
  const { ledger } = findings;
  const wall = centreText(ledger.wall);
  return renderTable({
    title: stamped(kindOf(findings), 'Seconds per cause'),
    columns: [
      { header: 'cause' },
      { header: 'what' },
      { header: 'by' },
      { header: 'time' },
      { header: 'n', decimals: 0 },
      { header: 'differs from 0' },
      { header: 'of all cold (%)', decimals: 1 },
      { header: 'floor' },
      { header: 'times the floor' },
      { header: 'the floor is' },
    ],
    rows: ledger.rows.map((row) => [
      row.cause,
      row.name,
      row.how,
      row.absent === undefined ? centreText(row.centre) : `not measured: ${row.absent}`,
      row.centre?.n,
      row.absent === undefined ? resolvedText(row.resolved, row.centre) : undefined,
      row.share === undefined ? undefined : row.share * 100,
      row.floorMs === undefined ? undefined : formatMs(row.floorMs),
      timesFloor(row),
      row.floor === '' ? undefined : row.floor,
    ]),
    notes: [
      wall === undefined ? 'No all-cold start was counted.' : `The all-cold start: ${wall}.`,
      'Each time is the centre of the differences inside the blocks (Hodges-Lehmann) with the interval of the signed-rank test; G, E and F are read off repetitions.',
      'C-cache and C-rest are the two parts of C, D-size is what a large KV cache costs, AxC is how far pages and compile cache depend on each other: none of them is added to the rest.',
      'G was measured apart from the all-cold starts, and so was a cause that only other blocks hold: the interval of the remainder is made of the outer ends of theirs and its own.',
    ],
  });
}

function timesFloor({ centre, floorMs, resolved }: CauseRow): string | undefined {
  if (floorMs === undefined || !centre || floorMs <= 0) return undefined;
  if (resolved === false) return 'not resolved';
  const times = centre.centre / floorMs;
  return times < 1 ? `${formatFactor(times)}: below it, so part of it ran beside other work` : formatFactor(times);
}

/** Every probe: what it took at best and in the middle, and the command. */
export function probeTable(
  { probes, data }: ExperimentData,
  absentBecause: string | undefined,
  failures: readonly string[] = [],
): string {
  const names = [...new Set(probes.map(({ probe }) => probe))];
  return renderTable({
    title: stamped(data.record.engine.kind, 'What this node can do: own probes'),
    columns: [
      { header: 'probe' },
      { header: 'n', decimals: 0 },
      { header: 'best' },
      { header: 'middle' },
      { header: 'worst' },
      { header: 'best rate' },
      { header: 'command' },
    ],
    rows: names.map((name) => {
      const own = probes.filter(({ probe }) => probe === name).sort((a, b) => a.ms - b.ms);
      const best = own[0];
      const rate = best?.bytes === undefined ? undefined : `${formatBytes((best.bytes / best.ms) * 1000)}/s`;
      return [
        name,
        own.length,
        formatMs(best?.ms),
        formatMs(own[Math.floor(own.length / 2)]?.ms),
        formatMs(own.at(-1)?.ms),
        rate,
        plainLine(hidePaths((best?.command ?? '').replaceAll('\n', '; ')), 300),
      ];
    }),
    notes: [
      ...(absentBecause === undefined ? [] : [`No probe of the processes: ${absentBecause}.`]),
      ...failures.map((failure) => `Failed: ${plainLine(hidePaths(failure), 400)}`),
      ...hostCacheNote(probes),
    ],
  });
}

/** Twice: cold reads of one disk by one program differ less, unless something below this machine remembers. */
const suspiciousSpread = 2;

function hostCacheNote(probes: ExperimentData['probes']): string[] {
  const reads = probes.filter(({ probe }) => probe === 'disk-read').map(({ ms }) => ms);
  const spread = Math.max(...reads) / Math.min(...reads);
  if (reads.length < 2 || spread < suspiciousSpread) return [];
  return [
    `The cold reads differ by ${formatFactor(spread)}: a cache below this machine (of a virtual disk, of a network store) may have answered the faster ones, and the floor of A is theirs.`,
  ];
}

/** The same seconds by other witnesses; and where they disagree. */
export function witnessTable(findings: CauseFindings): string {
  const rows = findings.witnesses.map(({ cause, witness, main, centre, verdict, because }): Cell[] => [
    cause,
    centreText(main),
    witness,
    centreText(centre),
    centre.n,
    because === undefined ? verdict : `${verdict}: ${because}`,
  ]);
  const table = renderTable({
    title: stamped(kindOf(findings), 'The same seconds by other witnesses'),
    columns: [
      { header: 'cause' },
      { header: 'by the experiment (G: by probes)' },
      { header: 'witness' },
      { header: 'by it' },
      { header: 'n', decimals: 0 },
      { header: 'verdict' },
    ],
    rows,
    notes: [unnamedNote(findings)],
  });
  return `${table}\n\n${silenceTable(findings)}`;
}

/** Above this share the issue of a start cannot be said to be named. */
const mostUnnamedShare = 0.1;

function unnamedNote({ unnamedShare }: CauseFindings): string {
  if (unnamedShare === undefined)
    return 'How much of an all-cold start no phase names cannot be said: none was counted.';
  const more =
    unnamedShare > mostUnnamedShare
      ? ': more than a tenth. The table of the watched start, below, says what ran in it'
      : '';
  return `No phase of the log names ${formatPercent(unnamedShare)} of an all-cold start (middle of the launches)${more}.`;
}

const silencesShown = 8;

/** Silences after the same line, in launches of one kind, are one finding: the longest stands for them. */
function silenceTable(findings: CauseFindings): string {
  const groups = new Map<string, CauseFindings['silences'][number][]>();
  for (const one of findings.silences) {
    const key = one.phase ?? spoken(one.lineBefore);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return renderTable({
    title: stamped(
      kindOf(findings),
      `Silences of the log of at least ${formatPercent(leastSilenceShare, 2)} of a start`,
    ),
    columns: [
      { header: 'phase' },
      { header: 'launches', decimals: 0 },
      { header: 'longest (s)', decimals: 2 },
      { header: 'in launch', decimals: 0 },
      { header: 'begins at (s)', decimals: 2 },
      { header: 'what ran in the longest' },
      { header: 'line before' },
    ],
    rows: [...groups.values()].slice(0, silencesShown).flatMap((group): Cell[][] => {
      const [longest] = group;
      if (!longest) return [];
      const ran = longest.ran.map(({ name, cpuMs }) => `${name} ${formatMs(cpuMs)} of CPU`).join(', ');
      return [
        [
          longest.phase ?? 'none: not explained',
          new Set(group.map(({ launch }) => launch)).size,
          longest.lengthMs / 1000,
          longest.launch,
          longest.startMs / 1000,
          ran === '' ? 'no process used the CPU' : ran,
          spoken(longest.lineBefore),
        ],
      ];
    }),
    notes:
      groups.size > silencesShown ? [`${formatCount(groups.size - silencesShown)} shorter ones are not listed.`] : [],
  });
}

/** Functions shown of a path: the innermost tell what was done, the outer ones how it came to it. */
const framesShown = 4;
const whereShown = 3;

/** Where the processes of a watched start were while the log was silent, or between its phases; or why none was watched. */
export function watchedTable(findings: CauseFindings, notWatchedBecause?: string): string {
  const title = stamped(kindOf(findings), 'In the silences of a watched start: Python code that ran');
  if (findings.watched.length === 0)
    return `**${title}**\n\nNot looked at: ${notWatchedBecause ?? 'no launch was watched'}.`;
  const rows = findings.watched.flatMap(({ stretches }) =>
    stretches.flatMap(({ launch, phase, startMs, lengthMs, where }) => {
      const shown: (WatchedStretch['where'][number] | undefined)[] =
        where.length === 0 ? [undefined] : where.slice(0, whereShown);
      const stretch: Cell[] = [launch, phase ?? 'none', startMs / 1000, lengthMs / 1000];
      return shown.map((one, index): Cell[] => [
        ...(index === 0 ? stretch : stretch.map(() => undefined)),
        one ? `${one.process} (${one.pid})` : 'no process was found running',
        one && one.activeShare * 100,
        one && pathText(one.path),
      ]);
    }),
  );
  return renderTable({
    title,
    columns: [
      { header: 'launch', decimals: 0 },
      { header: 'phase' },
      { header: 'begins at (s)', decimals: 2 },
      { header: 'lasts (s)', decimals: 2 },
      { header: 'process' },
      { header: 'running (% of the looks)', decimals: 0 },
      { header: 'in' },
    ],
    rows,
    notes: [
      ...findings.watched.map(watchedNote),
      'Each process that used the CPU was looked at about twice a second with py-spy, which stops it for the look: this launch may be slower for that, and counts nowhere. Its path is that which at least half of the looks that found it running have in common, innermost function last.',
    ],
  });
}

function pathText(path: readonly string[]): string {
  if (path.length === 0) return 'no place that half of these looks share';
  const shown = path.slice(-framesShown).map((frame) => plainLine(hidePaths(frame), 90));
  return `${path.length > framesShown ? '... > ' : ''}${shown.join(' > ')}`;
}

function watchedNote({
  launch,
  cell,
  readyMs,
  remainderMs,
  namedMs,
  namedByLooks,
  looks,
  because,
}: WatchedLaunch): string {
  if (looks === 0)
    return `Launch ${launch} (${cell}) was to be watched, and no process could be looked at${because === undefined ? '' : ` (${plainLine(hidePaths(because), 160)})`}: py-spy needs the right to trace it, which root has, and its own user where kernel.yama.ptrace_scope is 0.`;
  const open = `${formatMs(remainderMs)} (${formatPercent(remainderMs / readyMs)})`;
  const named =
    remainderMs > 0
      ? `; in ${formatPercent(namedMs / remainderMs)} of that a process was found running, by ${formatCounted(namedByLooks, 'look')}`
      : '';
  return `Launch ${launch} (${cell}) took ${formatMs(readyMs)}. No phase names ${open} of it${named}.${because === undefined ? '' : ` ${plainLine(hidePaths(because), 160)}.`}`;
}

function spoken(line: string): string {
  const { process, message } = parseLogLine(line);
  return plainLine(hidePaths(process === undefined ? message : `${process}: ${message}`), 90);
}

/** The seed's verdicts beside the experiment's, a row a cell. */
export function judgedTable(findings: CauseFindings): string {
  return renderTable({
    title: stamped(kindOf(findings), 'The seed’s table, judged by the experiment (launch -> ready)'),
    columns: [
      { header: 'cell' },
      { header: 'launches', decimals: 0 },
      { header: 'dominates by the experiment' },
      { header: 'named by the signals' },
      { header: 'right', decimals: 0 },
      { header: 'where not: why' },
    ],
    rows: findings.judged.map((cell) => [
      cell.cell,
      cell.launches,
      cell.experiment === undefined
        ? `none of A-D fills a quarter of ${formatMs(cell.readyMs)}`
        : `${cell.experiment}: ${formatMs(cell.experimentMs)} of ${formatMs(cell.readyMs)}`,
      cell.named.map(({ cause, times }) => `${cause} (${times})`).join(', '),
      cell.right,
      cell.because === undefined ? undefined : plainLine(hidePaths(cell.because), 220),
    ]),
  });
}

/** What the state of a start does to the first request. */
export function firstRequestTable(findings: CauseFindings): string {
  return effectsTable(stamped(kindOf(findings), 'Effects on the TTFT of the first request'), findings.firstRequest);
}

function effectsTable(title: string, effects: readonly Effect[]): string {
  const levels = effects.flatMap(({ centre }) => centre?.interval?.level ?? []);
  const byChance = levels.reduce((sum, level) => sum + 1 - level, 0);
  return renderTable({
    title,
    columns: [
      { header: 'cause' },
      { header: 'compared' },
      { header: 'effect' },
      { header: 'n', decimals: 0 },
      { header: 'differs from 0' },
    ],
    rows: effects.map(({ cause, how, centre, resolved }) => [
      cause,
      how,
      centreText(centre),
      centre?.n,
      resolvedText(resolved, centre),
    ]),
    notes:
      levels.length === 0
        ? []
        : [
            `Each interval speaks for itself: of ${formatCount(levels.length)} such intervals around effects that are all 0, ${formatNumber(byChance, 2)} exclude it by chance.`,
          ],
  });
}

/** The prediction against launches it was not fitted on. */
export function predictionTable(model: StartModel, tests: readonly PredictionTest[]): string {
  const fitted = [...new Set(model.fittedOn.map((launch) => launch.model))].join(', ');
  const rate = (bytesPerS: number | undefined): string =>
    bytesPerS === undefined ? 'an unknown rate' : `${formatBytes(bytesPerS)}/s`;
  return renderTable({
    title: 'Launch -> ready, predicted: bytes / bandwidth + a constant',
    columns: [
      { header: 'model' },
      { header: 'run' },
      { header: 'launch', decimals: 0 },
      { header: 'pages' },
      { header: 'compile cache' },
      { header: 'measured (s)', decimals: 2 },
      { header: 'predicted (s)', decimals: 2 },
      { header: 'error (%)', decimals: 1 },
    ],
    rows: tests.map(({ launch, predictedMs, errorFraction }) => [
      launch.model,
      launch.runId,
      launch.launch,
      launch.pages,
      launch.compileCache,
      launch.readyMs / 1000,
      predictedMs === undefined ? undefined : predictedMs / 1000,
      errorFraction === undefined ? undefined : errorFraction * 100,
    ]),
    notes: [
      `Fitted on ${formatCounted(model.fittedOn.length, 'launch')} of ${fitted}, and on nothing else: weights from storage at ${rate(model.bytesPerS.cold)}, from the page cache at ${rate(model.bytesPerS.warm)}; everything else ${formatMs(model.constantMs.cold)} with a cold compile cache and ${formatMs(model.constantMs.warm)} with a warm one.`,
      ...otherMachines(model, tests),
    ],
  });
}

const distinct = (texts: readonly string[]): string => [...new Set(texts)].join('; ');

function otherMachines({ fittedOn }: StartModel, tests: readonly PredictionTest[]): string[] {
  const known = new Set(fittedOn.map(({ machine }) => machine));
  const others = tests.filter(({ launch }) => !known.has(launch.machine));
  if (others.length === 0) return [];
  const names = distinct(others.map(({ launch }) => launch.machine));
  return [
    `${formatCount(others.length)} of the ${formatCount(tests.length)} were started on another machine (${names}) than those it was fitted on (${[...known].join('; ')}): bandwidths and constants are a machine’s own, so shape and machine differ here at once.`,
  ];
}

/** Simulated designs: does the interval keep its promise, and how wide is it? */
export function simulationTable(
  effects: readonly SimulatedEffect[],
  blocks: number,
  launches: readonly RecordedLaunch[],
): string {
  const coverage = effects.reduce((sum, one) => sum + one.coverage, 0) / Math.max(effects.length, 1);
  return renderTable({
    title: `${formatCount(effects[0]?.designs)} simulated designs of ${formatCounted(blocks, 'block')}`,
    columns: [
      { header: 'cause' },
      { header: 'compared' },
      { header: 'put in' },
      { header: 'interval holds it (%)', decimals: 1 },
      { header: 'exact level (%)', decimals: 1 },
      { header: 'half-width, median' },
      { header: 'resolved (%)', decimals: 1 },
    ],
    rows: effects.map((one) => [
      one.cause,
      one.how,
      formatMs(one.trueMs),
      one.coverage * 100,
      one.exactLevel * 100,
      formatMs(one.medianHalfWidthMs),
      one.resolvedFraction * 100,
    ]),
    notes: [
      `All causes together: ${formatPercent(coverage)}. The noise of each phase is drawn from ${formatCounted(launches.length, 'launch')} on record (${distinct(launches.map(({ model, machine }) => `${model} on ${machine}`))}); the effects are put in, so that the truth is known. Each made-up design has every cell of the design "full", whatever this run's design is.`,
    ],
  });
}
