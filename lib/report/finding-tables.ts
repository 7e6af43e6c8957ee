/** Findings -> tables: the answer, the equation, the decision, the knobs, all statistics. */
import type { Dominant, Findings, LaunchRepeat, LedgerCell } from '../interpret/findings.js';
import { penaltyQuantity } from '../interpret/repeats.js';
import { dash, formatFactor, formatMs, formatPercent } from '../interpret/format.js';
import { areMany, launchesInDetail, leftOutText, namedLaunches } from '../interpret/launchgroups.js';
import { engineLabel, modelLabel, noGpuText, stamped, type InterpretedRun } from './subject.js';
import { renderFacts, renderTable, type Cell } from './table.js';
import { clientServerText, summaryColumns, summaryRow } from './request-tables.js';
import { observerText } from './snapshot-tables.js';
import { truthSentence } from './truth-table.js';

/** The page's first table: what a reader in a hurry needs. */
export function answerTable({ data, findings }: InterpretedRun): string {
  const together = areMany(findings.launches) ? findings.repeats.filter(({ launches }) => launches.length > 1) : [];
  const ready = oneByOne(findings.launches, together, 'launch -> ready').map((launch): [string, Cell] => [
    `launch ${launch.launch} -> ready`,
    launch.readyMs === undefined
      ? `never ready (${launch.outcome})`
      : `${formatMs(launch.readyMs)} (pages ${launch.state.pages}, compile cache ${launch.state.compileCache})`,
  ]);
  const penalties = (['TTFT', 'wall_s'] as const).flatMap((by) => [
    ...oneByOne(
      findings.penalties.filter((penalty) => penalty.by === by),
      together,
      penaltyQuantity(by),
    ).map((penalty): [string, Cell] => [
      `cold penalty X of launch ${penalty.launch}, by ${penalty.by}`,
      `${formatFactor(penalty.factor)}${penalty.lower === undefined || penalty.upper === undefined ? '' : ` (${formatFactor(penalty.lower)} to ${formatFactor(penalty.upper)})`}, against ${penalty.warmOf}`,
    ]),
    ...furtherFact(together, penaltyQuantity(by)),
  ]);
  const ofLaunch = findings.warmLaunch === undefined ? '' : ` of launch ${findings.warmLaunch}`;
  return renderFacts(stamped(findings.engineKind, `The answer (run ${findings.runId})`), [
    ['engine', engineLabel(data)],
    ['model', modelLabel(data.record.model)],
    [
      'machine',
      machineText(
        data.record.environment.gpus.map((gpu) => gpu.name),
        data.record.environment.cpuModel,
        noGpuText(findings.engineKind),
      ),
    ],
    ...ready,
    ...furtherFact(together, 'launch -> ready'),
    ...coldFacts(findings, together),
    ...furtherFact(together, 'TTFT of cold_1'),
    ...furtherFact(together, 'wall_s of cold_1'),
    [`TTFT warm, median${ofLaunch}`, medianText(findings.warmTtftMs, formatMs)],
    [`wall_s warm, median${ofLaunch}`, medianText(findings.warmWallS, (seconds) => formatMs(seconds * 1000))],
    ...penalties,
    ['what dominates launch -> ready', dominantText(findings.dominantLaunch)],
    ['what dominates request 1', dominantText(findings.dominantRequest)],
    [
      'SLO anchor',
      findings.sloAnchor
        ? `${formatMs(findings.sloAnchor.ttftMs)} (${findings.sloAnchor.rule})`
        : 'too few warm requests for one',
    ],
    ['next knob', nextKnobText(findings)],
    ['error of the stopwatch', stopwatchText(findings)],
    ["client against the server's own, warm", clientServerText(findings)],
    ['cost of watching', watchingText(findings)],
    ...(findings.truth ? [['seen against true', truthSentence(findings.truth.errors)] as const] : []),
  ]);
}

function watchingText({ observer }: Findings): string {
  return 'finding' in observer ? observerText(observer.finding) : `not compared: ${observer.absentBecause}`;
}

/** Of many launches, those that no row puts together with others: launch 1, and what found another state or failed. */
function oneByOne<T extends { readonly launch: number }>(
  rows: readonly T[],
  together: readonly LaunchRepeat[],
  quantity: string,
): readonly T[] {
  const grouped = together.find((repeat) => repeat.quantity === quantity)?.launches ?? [];
  return rows.filter(({ launch }) => !grouped.includes(launch));
}

/** One row for the further launches together: the median, from the smallest to the largest. */
function furtherFact(together: readonly LaunchRepeat[], quantity: string): [string, Cell][] {
  const repeat = together.find((one) => one.quantity === quantity);
  if (!repeat?.further) return [];
  const { further, launches, unit, note } = repeat;
  const [middle, least, most] = [further.median, further.min, further.max].map((value) =>
    unit === '×' ? formatFactor(value) : formatMs(unit === 's' ? value * 1000 : value),
  );
  const state = quantity === 'launch -> ready' && note !== undefined ? `. ${note}` : '';
  return [
    [
      `${quantity}, ${namedLaunches(launches)}`,
      `median ${middle} (smallest ${least}, largest ${most}; n = ${further.n})${state}`,
    ],
  ];
}

function coldFacts(findings: Findings, together: readonly LaunchRepeat[]): [string, Cell][] {
  const cold = findings.timings.filter((timing) => timing.name === 'cold_1');
  if (cold.length === 0) return [['TTFT cold', 'no first request was made']];
  return oneByOne(cold, together, 'TTFT of cold_1').map((timing) => {
    if (timing.outcome !== 'completed') return [`cold_1 of launch ${timing.launch}`, timing.outcome];
    const wall = timing.wallS === undefined ? dash : formatMs(timing.wallS * 1000);
    const text =
      timing.ttftMs === undefined ? `wall_s ${wall} (not streamed)` : `TTFT ${formatMs(timing.ttftMs)}, wall_s ${wall}`;
    return [`cold_1 of launch ${timing.launch}`, text];
  });
}

function machineText(gpus: readonly string[], cpuModel: string, noGpu: string): string {
  return `${gpus.length > 0 ? gpus.join(', ') : noGpu}; ${cpuModel}`;
}

function medianText(summary: Findings['warmTtftMs'], format: (value: number) => string): string {
  if (!summary) return 'no warm request';
  const { interval } = summary;
  const range = interval
    ? `${format(interval.lower)} to ${format(interval.upper)}, ${formatPercent(interval.level)}`
    : 'too few for an interval';
  return `${format(summary.median)} (${range}; n = ${summary.n})`;
}

/** The dominant term in one line, or why there is none. */
export function dominantText(dominant: Dominant): string {
  if (dominant.term === undefined) return dominant.because;
  const size = dominant.ms === undefined ? '' : `: ${formatMs(dominant.ms)}`;
  const share = dominant.share === undefined ? '' : ` (${formatPercent(dominant.share)})`;
  return `${dominant.term} ${dominant.name ?? ''}${size}${share}. ${dominant.because}`;
}

/** The knobs of the rules that fired, or that none did. */
export function nextKnobText(findings: Findings): string {
  const fired = findings.knobs.filter((knob) => knob.fired === true);
  if (fired.length > 0) return fired.map((knob) => `${knob.knob} (${knob.rule})`).join('; ');
  return findings.knobs.some((knob) => knob.fired === undefined)
    ? 'cannot tell: a rule lacks its reading'
    : 'none: no rule fired';
}

/** The probe's own error as a footnote: "± 0.3 ms median ...". */
export function stopwatchText({ stopwatch }: Findings): string {
  if (!stopwatch) return 'not checked in this run';
  const worst =
    stopwatch.p99ErrorMs === undefined
      ? `max ${formatMs(stopwatch.maxErrorMs)}`
      : `p99 ${formatMs(stopwatch.p99ErrorMs)}`;
  return `± ${formatMs(stopwatch.medianErrorMs)} median, ${worst} (n = ${stopwatch.n})`;
}

/** The seed's six terms, G and the remainder, in both windows; of many launches for some. A cell without a value says why. */
export function sixTermsTable({ findings }: InterpretedRun): string {
  const shown = new Set(launchesInDetail(findings.launches).map(({ launch }) => launch));
  const others = findings.sixTermsByLaunch.filter(
    ({ launch }) => launch !== findings.ledgerLaunch && shown.has(launch),
  );
  const tables = [{ launch: findings.ledgerLaunch, rows: findings.sixTerms }, ...others].map((ledger) =>
    termRows(findings, ledger),
  );
  if (findings.ledgerLaunch !== undefined) shown.add(findings.ledgerLaunch);
  return [...tables, ...elsewhere(findings, shown)].join('\n\n');
}

function elsewhere({ launches }: Findings, shown: ReadonlySet<number>): string[] {
  const text = leftOutText(launches, shown, 'The same figures of every launch are in findings.json.');
  return text === undefined ? [] : [text];
}

function termRows(
  findings: Findings,
  ledger: { readonly launch?: number | undefined; readonly rows: Findings['sixTerms'] },
): string {
  const where = ledger.launch === undefined ? '' : ` of launch ${ledger.launch}`;
  return renderTable({
    title: stamped(findings.engineKind, `The equation: what each term cost, in both windows${where}`),
    columns: [
      { header: 'term' },
      { header: 'what' },
      { header: 'launch -> ready' },
      { header: 'source, before ready' },
      { header: 'request 1' },
      { header: 'source, request 1' },
    ],
    rows: ledger.rows.map((row) => [
      row.term,
      row.name,
      cellValue(row.launchToReady),
      cellSource(row.launchToReady),
      cellValue(row.request1),
      cellSource(row.request1),
    ]),
  });
}

function cellValue(cell: LedgerCell): string {
  if (cell.kind === 'value') return formatMs(cell.ms);
  return { 'not-separable': 'not separable here', 'not-observable': 'not observable', none: 'none' }[cell.kind];
}

function cellSource(cell: LedgerCell): string {
  if (cell.kind !== 'value') return cell.note;
  return cell.note === undefined ? cell.source : `${cell.source}; ${cell.note}`;
}

/** Request 1 minus the warm median, part by part; parts and remainder add up. Of many launches for some. */
export function excessTable({ findings }: InterpretedRun): string {
  if (findings.excess.length === 0)
    return 'No first request could be set against a warm median: there is no second ledger.';
  const shown = new Set(launchesInDetail(findings.launches).map(({ launch }) => launch));
  const ledgers = findings.excess.filter(({ launch, requestId }) => shown.has(launch) || !isFirstRequest(requestId));
  const tables = ledgers.map((ledger) =>
    renderTable({
      title: stamped(findings.engineKind, `Launch ${ledger.launch}: what request 1 cost more than a warm one`),
      columns: [{ header: 'part' }, { header: 'term' }, { header: 'ms', decimals: 2 }, { header: 'source' }],
      rows: [
        [`request 1, by ${ledger.by}`, undefined, ledger.coldMs, ledger.requestId],
        ['warm median', undefined, ledger.warmMedianMs, ledger.warmOf],
        ['excess', undefined, ledger.excessMs, 'request 1 - warm median'],
        ...ledger.parts.map((part): Cell[] => [`of it: ${part.name}`, part.term, part.ms, part.source]),
        ['of it: remainder', 'remainder', ledger.remainderMs, 'excess - parts'],
        ...(ledger.connectionMs === undefined
          ? []
          : [['outside TTFT: connection', undefined, ledger.connectionMs, 'request 1 - warm median']]),
      ],
    }),
  );
  return [...tables, ...elsewhere(findings, shown)].join('\n\n');
}

/** "7-cold_1-1"; the long prompt's first request is told of too, in whichever launch it was sent. */
const isFirstRequest = (requestId: string): boolean => requestId.includes('-cold_1-');

/** Each signal of the decision table with the number read and the threshold it was held against. */
export function signalsTable({ findings }: InterpretedRun): string {
  return renderTable({
    title: stamped(findings.engineKind, 'Signals'),
    columns: [
      { header: 'cause' },
      { header: 'window' },
      { header: 'signal' },
      { header: 'role' },
      { header: 'read' },
      { header: 'threshold' },
      { header: 'outcome' },
    ],
    rows: findings.signals.map((signal) => [
      signal.cause,
      signal.window,
      signal.signal,
      signal.role,
      signal.reading,
      signal.threshold,
      signal.outcome,
    ]),
  });
}

const causeNames: Readonly<Record<string, string>> = {
  A: 'page cache fill',
  B: 'HBM transfer and allocation',
  C: 'runtime warm-up',
  D: 'first KV and buffer allocations',
};

/** The verdict on each cause in both windows, with the signals below it. */
export function decisionTable(run: InterpretedRun): string {
  const verdicts = renderTable({
    title: stamped(run.findings.engineKind, 'Decision: did this cause dominate?'),
    columns: [{ header: 'cause' }, { header: 'window' }, { header: 'verdict' }, { header: 'because' }],
    rows: run.findings.verdicts.map(({ cause, window, verdict, because }) => [
      `${cause} ${causeNames[cause] ?? ''}`,
      window,
      verdict,
      because,
    ]),
  });
  return `${verdicts}\n\n${signalsTable(run)}`;
}

/** The seed's rules for the next direction: which fired, on what number, and how to check the effect. */
export function knobTable({ findings }: InterpretedRun): string {
  return renderTable({
    title: stamped(findings.engineKind, 'What to turn next'),
    columns: [
      { header: 'rule' },
      { header: 'fired' },
      { header: 'read' },
      { header: 'threshold' },
      { header: 'knob' },
      { header: 'expected effect' },
      { header: 'how to check' },
    ],
    rows: findings.knobs.map((knob) => [
      knob.rule,
      knob.fired === undefined ? 'cannot tell' : knob.fired ? 'yes' : 'no',
      knob.reading,
      knob.threshold,
      knob.knob,
      knob.expectedEffect,
      knob.howToCheck,
    ]),
    notes:
      findings.rehearsal === undefined
        ? []
        : ['The rules judged a stand-in: they show how they are read, and advise nothing for a real server.'],
  });
}

/** All summaries and all flags of the run. */
export function statisticsTable({ findings }: InterpretedRun): string {
  const summaries = renderTable({
    title: stamped(findings.engineKind, 'All statistics'),
    columns: summaryColumns,
    rows: [
      summaryRow('TTFT, warm', 'ms', findings.warmTtftMs),
      summaryRow('wall_s, warm', 's', findings.warmWallS),
      summaryRow('wall_s, first five warm', 's', findings.firstFiveWallS),
      summaryRow('TPOT, warm', 'ms', findings.warmTpotMs),
      summaryRow('TTFT, long prompt, unique', 'ms', findings.warmUniqueTtftMs),
      summaryRow('TTFT, long prompt, cached', 'ms', findings.warmCachedTtftMs),
    ],
  });
  const flags = renderTable({
    title: stamped(findings.engineKind, 'Is warm one steady thing?'),
    columns: [{ header: 'flag' }, { header: 'raised' }, { header: 'read' }, { header: 'threshold' }],
    rows: findings.flags.map(({ flag, raised, reading, threshold }) => [
      flag,
      raised ? 'yes' : 'no',
      reading,
      threshold,
    ]),
  });
  const resolution = renderTable({
    title: stamped(findings.engineKind, 'How many warm requests a change of the TTFT would take to see'),
    columns: [
      { header: 'change' },
      { header: 'change (ms)', decimals: 2 },
      { header: 'requests on each side', decimals: 0 },
    ],
    rows: findings.resolution.map(({ changeFraction, changeMs, runs }) => [
      formatPercent(changeFraction),
      changeMs,
      runs,
    ]),
  });
  return [summaries, flags, resolution].join('\n\n');
}

/** What one can say after Tier 1, line by line. */
export function conclusionsTable({ findings }: InterpretedRun): string {
  return renderFacts(
    stamped(findings.engineKind, 'What this run allows to say'),
    findings.conclusions.map(({ label, text }) => [label, text]),
  );
}
