/**
 * The seed's first_token_latency.md with every blank filled: by a number, or by "not observable" and the reason.
 * The labels are the template's own, so that two filled copies can be laid side by side.
 */
import type { RunData } from '../archive/folder.js';
import type { EngineKind } from '../archive/record.js';
import type { SnapshotRow } from '../archive/tables.js';
import type { BandFinding, Findings, RequestTiming } from '../interpret/findings.js';
import type { Summary } from '../statistics/summary.js';
import { formatNumber, formatPercent, formatQuantity } from '../interpret/format.js';
import { inSameWords, namedLaunches } from '../interpret/launchgroups.js';
import { differencesFromSeed, seedDifferencesTable } from './frozen-tables.js';
import { requestNote, warmTimings } from './request-tables.js';
import { modelLabel, noGpuText, rehearsedText, stamped, stampedOnly } from './subject.js';
import { fixed, renderTable, type Cell } from './table.js';
import { escapeMarkdown } from './text.js';
import { truthTable, truthTitle } from './truth-table.js';

const seedRuns = 5;

/** The whole file. A run that ended early gives a whole file too, saying at each blank why it is one. */
export function firstTokenLatencyMarkdown(data: RunData, findings: Findings): string {
  const sections = [
    `# ${stamped(data.record.engine.kind, 'Day 007 — TTFT Baseline (Tier 1)')}`,
    serverConfig(data),
    gpuSnapshot(data),
    coldWarm(data, findings),
    warmVariance(data, findings),
    sanityMetrics(findings),
    interpretation(findings),
    ...(findings.truth ? [`## ${truthTitle}`, truthTable({ data, findings })] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

const notObservable = (why: string): string => `not observable: ${escapeMarkdown(why)}`;
const blank = (label: string, value: string): string => `- ${label} = ${value}`;

function serverConfig(data: RunData): string {
  const { engine, environment, model } = data.record;
  const gpus = environment.gpus.map((gpu) => `${gpu.name}, ${formatNumber(gpu.memoryTotalMiB, 6)} MiB`).join('; ');
  const flags = engine.command.map(lastName).join(' ');
  return [
    '## Server Config',
    '',
    blank('MODEL', escapeMarkdown(modelLabel(model))),
    blank(
      'GPU',
      gpus === '' ? notObservable(whyNoGpu(data, ` (engine device: ${engine.device})`)) : escapeMarkdown(gpus),
    ),
    blank('OS/kernel', escapeMarkdown(`${environment.os}, ${environment.kernel}`)),
    blank(
      'vLLM version',
      engine.vllmVersion === undefined
        ? notObservable(
            engine.kind === 'rehearsal'
              ? `no vLLM ran; ${rehearsedText(engine)}`
              : `the ${engine.kind} engine tells no version`,
          )
        : escapeMarkdown(engine.vllmVersion),
    ),
    blank(
      'Launch flags',
      flags === '' ? notObservable('the server was started by somebody else') : escapeMarkdown(flags),
    ),
    blank('Notes (anything non-default: quantization, env vars, etc.)', escapeMarkdown(notes(data))),
    '',
    seedDifferencesTable(data.record),
  ].join('\n');
}

/** A command shows what is run, not where it lies. */
function lastName(argument: string): string {
  return argument.startsWith('/') ? (argument.split('/').filter(Boolean).pop() ?? argument) : argument;
}

function notes(data: RunData): string {
  const { engine, model } = data.record;
  const env = Object.entries(engine.env).map(([name, value]) => `${name}=${lastName(value)}`);
  const different = differencesFromSeed(data.record).length;
  return [
    engine.kind === 'rehearsal' ? 'REHEARSAL: a stand-in server, no model ran.' : undefined,
    model.randomWeights ? randomWeightsNote(engine.kind) : undefined,
    `Environment: ${env.length === 0 ? 'nothing set for the server' : env.join(', ')}.`,
    different === 0
      ? "Every setting has the seed's value."
      : `${different} settings differ from the seed: see the table.`,
  ]
    .filter(Boolean)
    .join(' ');
}

function randomWeightsNote(engineKind: EngineKind): string {
  return engineKind === 'rehearsal'
    ? 'Random weights: this project wrote the files; the stand-in reads them and computes nothing from them.'
    : "Random weights: this project wrote them in the exact shape of the named model, so times are the model's and text is noise.";
}

function gpuSnapshot(data: RunData): string {
  return [
    '## Baseline GPU Snapshot',
    '',
    blank('GPU mem used before server start (MiB)', memoryAt(data, 'before-launch')),
    blank('GPU mem used after server start, before any request (MiB)', memoryAt(data, 'after-ready')),
    blank('GPU mem used after cold_1 (MiB)', memoryAt(data, 'after-cold_1')),
  ].join('\n');
}

function memoryAt(data: RunData, point: SnapshotRow['point']): string {
  const rows = data.snapshots.filter((row) => row.point === point);
  const seen = rows.filter((row) => row.memoryUsedMiB !== undefined);
  if (seen.length > 0)
    return inSameWords(seen.map((row) => ({ launch: row.launch, text: `${row.memoryUsedMiB} on GPU ${row.gpu ?? 0}` })))
      .map(([text, launches]) => `${text} (${namedLaunches(launches)})`)
      .join(', ');
  if (rows.length === 0) return notObservable(`the run has no snapshot "${point}"`);
  return notObservable(data.record.environment.gpus.length === 0 ? whyNoGpu(data) : 'the GPU reported no memory');
}

function whyNoGpu({ record }: RunData, more = ''): string {
  return record.engine.kind === 'rehearsal' ? noGpuText('rehearsal') : `no GPU on this machine${more}`;
}

function coldWarm(data: RunData, findings: Findings): string {
  const pairs = findings.launches.length === 0 ? [undefined] : findings.launches;
  const rows = pairs.flatMap((launch) =>
    (['cold_1', 'warm_1'] as const).map((name): Cell[] => {
      const timing = findings.timings.find((one) => one.name === name && one.launch === launch?.launch);
      const run = findings.launches.length > 1 && launch ? `${name}, launch ${launch.launch}` : name;
      return timing ? timingCells(run, timing) : missingCells(run, whyNoRequest(findings, launch?.launch));
    }),
  );
  return [
    '## Cold vs Warm (restart required)',
    '',
    'Procedure:',
    '',
    '1) Restart server',
    '2) Run probe once → cold_1',
    '3) Run probe immediately again → warm_1',
    '',
    runTable(data, 'run', rows),
  ].join('\n');
}

function warmVariance(data: RunData, findings: Findings): string {
  const warm = warmTimings(findings).slice(0, seedRuns);
  const rows = Array.from({ length: seedRuns }, (_, index): Cell[] => {
    const timing = warm[index];
    return timing
      ? timingCells(String(index + 1), timing)
      : missingCells(String(index + 1), whyNoRequest(findings, undefined));
  });
  return [
    '## Warm Variance (steady state)',
    '',
    'Run 5 back-to-back probes (no restart).',
    '',
    runTable(data, 'run', rows),
    '',
    'Summary:',
    '',
    ...summaryBlanks(findings.firstFiveWallS, whyNoRequest(findings, undefined)),
  ].join('\n');
}

function summaryBlanks(summary: Summary | undefined, why: string): string[] {
  const seconds = (value: number | undefined): string => (value === undefined ? notObservable(why) : fixed(value, 3));
  return [
    blank('min_wall_s', seconds(summary?.min)),
    blank('median_wall_s', seconds(summary?.median)),
    blank('max_wall_s', seconds(summary?.max)),
    `- spread % = (max-min)/median = ${summary ? formatPercent(summary.spread) : notObservable(why)}`,
  ];
}

function runTable(data: RunData, first: string, rows: readonly Cell[][]): string {
  return renderTable({
    title: stampedOnly(data.record.engine.kind, 'the stand-in answered'),
    columns: [
      { header: first },
      { header: 'wall_s', decimals: 3 },
      { header: 'total_tokens', decimals: 0 },
      { header: 'notes' },
    ],
    rows,
  });
}

function timingCells(run: string, timing: RequestTiming): Cell[] {
  const unseen = timing.outcome === 'completed' ? 'not observable: not reported' : `not observable: ${timing.outcome}`;
  return [run, timing.wallS ?? unseen, timing.totalTokens ?? unseen, requestNote(timing)];
}

const missingCells = (run: string, why: string): Cell[] => [run, 'not observable', 'not observable', why];

/** Why a request the template asks for is not there. */
function whyNoRequest(findings: Findings, launch: number | undefined): string {
  const failed = findings.launches.filter(
    (one) => one.readyMs === undefined && (launch === undefined || one.launch === launch),
  );
  const ended = failed[0];
  if (findings.launches.length === 0) return 'nothing was launched';
  if (ended && !findings.timings.some((timing) => timing.outcome === 'completed'))
    return `launch ${ended.launch} ended before any request (${ended.outcome})`;
  return 'the run ended before this request was made';
}

function sanityMetrics(findings: Findings): string {
  const interference = findings.interference
    .map(({ kind, outcome, evidence }) => `${kind}: ${outcome} (${evidence})`)
    .join('; ');
  return [
    '## Sanity Metrics During Warm Runs',
    '',
    blank(
      'Typical GPU util band',
      bandText(findings.bands, (name) => /gpu/.test(name) && /util/.test(name) && !/memory/.test(name)),
    ),
    blank(
      'Typical GPU power band',
      bandText(findings.bands, (name) => /power/.test(name)),
    ),
    blank(
      'Typical CPU util band (vLLM pid)',
      bandText(findings.bands, (name) => /cpu/.test(name) && /server|vllm/.test(name)),
    ),
    blank(
      'Any interference (other GPU jobs, clock changes, etc.)',
      interference === '' ? notObservable('nothing was watched') : escapeMarkdown(interference),
    ),
  ].join('\n');
}

function bandText(bands: readonly BandFinding[], isIt: (lowerCaseName: string) => boolean): string {
  const band = bands.find((one) => isIt(one.quantity.toLowerCase()));
  if (!band) return notObservable('it was not sampled while requests were warm');
  if (band.low === undefined || band.high === undefined)
    return notObservable(band.absentBecause ?? 'no reading fell into the window');
  const note = band.note === undefined ? '' : `; ${band.note}`;
  return escapeMarkdown(
    `${formatNumber(band.low)} to ${formatQuantity(band.high, band.unit)}, median ${formatNumber(band.median)} (n = ${band.n ?? 0}${note})`,
  );
}

const questions = [
  'What dominated cold_1? (page cache vs HBM transfer/alloc vs runtime warmup vs KV/buffer alloc)',
  'Is warm stable? (variance band)',
  'Operational takeaway: what steady-state number would you treat as “baseline SLO anchor”?',
  'What knob do you tune next (Tier 2/3) and why?',
] as const;

function interpretation(findings: Findings): string {
  const answered = questions.flatMap((question, index) => {
    const lines = findings.answers[index]?.lines ?? [];
    const answer =
      lines.length === 0
        ? [notObservable(whyNoRequest(findings, undefined))]
        : lines.map((line) => escapeMarkdown(line));
    return [`${index + 1}) ${question}`, ...answer.map((line) => `   - ${line}`)];
  });
  return ['## Interpretation (write 5–10 lines, evidence-based)', '', ...answered].join('\n');
}
