/** What a table or chart says, in computed sentences: the prose of the notebook that must not go stale. */
import type { RunData } from '../archive/folder.js';
import type { FoundEngine } from '../freeze/engine.js';
import type { Findings, LaunchFinding } from '../interpret/findings.js';
import { formatBytes, formatCounted, formatFactor, formatMs, formatPercent } from '../interpret/format.js';
import { areMany, launchesInDetail, leftOutText } from '../interpret/launchgroups.js';
import type { InterpretedRun } from '../report/subject.js';
import { escapeMarkdown } from '../report/text.js';

/** Sentences as a Markdown list; nothing to say gives ''. */
export function bulleted(sentences: readonly (string | undefined)[]): string {
  return sentences
    .filter((sentence): sentence is string => sentence !== undefined && sentence !== '')
    .map((sentence) => `- ${sentence}`)
    .join('\n');
}

/** Which engine was chosen and why; of a rehearsal, what it rehearses and what it cannot show. `undefined`: a replay. */
export function engineReading(engine: FoundEngine | undefined): string {
  if (!engine) return '**Engine:** none is started; a saved run is shown again.';
  const because = sentence(engine.chosenBecause);
  if (engine.kind !== 'rehearsal') return `**Engine:** ${because}`;
  const { rehearsal } = engine;
  return bulleted([
    `**REHEARSAL: no model runs here.** ${because}`,
    rehearsal && `Profile "${escapeMarkdown(rehearsal.name)}": ${sentence(rehearsal.says)}`,
    rehearsal && `Its log lines are those of a recorded start: ${sentence(rehearsal.replays)}`,
    'Every instrument is the real one: processes, pages, log, health and streams are observed as those of a vLLM would be. The stand-in writes down what it did, and the last table says how far our readings were from it.',
  ]);
}

function sentence(text: string): string {
  const shown = escapeMarkdown(text);
  // vLLM keeps its small letter, also at the beginning of a sentence.
  const begun = shown.startsWith('vLLM') ? shown : `${shown.charAt(0).toUpperCase()}${shown.slice(1)}`;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** What launch -> ready says: the largest phase, what no phase explains, and in which state the launch found the machine. */
export function startupReading({ data, findings }: InterpretedRun): string {
  const told = launchesInDetail(findings.launches);
  return bulleted([
    ...told.flatMap((launch) => launchSentences(data, launch)),
    leftOutText(
      findings.launches,
      new Set(told.map(({ launch }) => launch)),
      'Each has its row in "Launches and the state each one found".',
    ),
  ]);
}

function launchSentences(data: RunData, launch: LaunchFinding): (string | undefined)[] {
  const { timeline, readyMs } = launch;
  if (!timeline || readyMs === undefined) return [`Launch ${launch.launch} did not become ready (${launch.outcome}).`];
  const largest = [...timeline.phases].sort((a, b) => b.endAtMs - b.startAtMs - (a.endAtMs - a.startAtMs))[0];
  const gap = timeline.gaps[0];
  const row = data.launches.find((one) => one.launch === launch.launch);
  return [
    largest &&
      `Launch ${launch.launch} was ready after ${formatMs(readyMs)}. "${largest.name}" took ${formatMs(largest.endAtMs - largest.startAtMs)} of it (${formatPercent((largest.endAtMs - largest.startAtMs) / readyMs)}).`,
    `Named phases cover ${formatPercent(launch.coveredFraction)}; ${formatMs(timeline.remainderMs)} are remainder.` +
      (gap
        ? ` The longest gap, ${formatMs(gap.endAtMs - gap.startAtMs)}, began ${formatMs(gap.startAtMs - timeline.spawnAtMs)} after the start${launch.gapActivity[0] === undefined ? '' : `; meanwhile: ${launch.gapActivity[0]}`}.`
        : ''),
    `It found pages ${launch.state.pages}, compile cache ${launch.state.compileCache}.` +
      (launch.readBytes === undefined
        ? ''
        : ` Its processes read ${formatBytes(launch.readBytes)} from storage${row?.weightsBytes === undefined ? '' : ` (the weights: ${formatBytes(row.weightsBytes)})`}.`),
    row?.healthPollIntervalMs === undefined
      ? undefined
      : `"Ready" is exact to ${formatMs(row.healthPollIntervalMs)}, the longest pause between two polls (${formatCounted(row.healthPolls ?? 0, 'poll')}).`,
  ];
}

/** What cold against warm says, launch by launch. */
export function penaltyReading(findings: Findings): string {
  const { penalties, launches, warmLaunch } = findings;
  // Of many launches: the first, the one with the most warm requests, and the one with the largest penalty.
  const [largest] = [...penalties].sort((a, b) => b.factor - a.factor);
  const shown = new Set(areMany(launches) ? [1, warmLaunch, largest?.launch] : penalties.map(({ launch }) => launch));
  const told = penalties.filter(({ launch }) => shown.has(launch));
  return bulleted([
    ...told.map(
      (penalty) =>
        `Launch ${penalty.launch}: cold_1 took ${formatFactor(penalty.factor)} the warm median by ${penalty.by}${penalty.lower === undefined || penalty.upper === undefined ? '' : ` (${formatFactor(penalty.lower)} to ${formatFactor(penalty.upper)} over the interval of that median)`}.`,
    ),
    told.length < penalties.length
      ? '"From launch to launch" puts the further launches together; each penalty with its interval is in findings.json.'
      : undefined,
    findings.dominantRequest.because,
  ]);
}
