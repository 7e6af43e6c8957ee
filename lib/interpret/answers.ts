/** The template's four questions, each answered in one to three computed sentences: five to ten lines in all. */
import { lateFlag } from './checks.js';
import type { Findings, LaunchFinding } from './findings.js';
import type { Summary } from '../statistics/summary.js';
import { areMany, namedLaunches } from './launchgroups.js';
import { penaltyQuantity } from './repeats.js';
import { formatBytes, formatFactor, formatMs, formatPercent } from './format.js';

export type Answerable = Omit<Findings, 'answers' | 'conclusions'>;

export function answers(findings: Answerable): Findings['answers'] {
  return [
    {
      question: 'What dominated cold_1?',
      lines: [launchLine(findings), requestLine(findings), ...causeLine(findings)],
    },
    {
      question: 'Is warm stable?',
      lines: [warmLine(findings.warmTtftMs, findings), ...flagLine(findings), ...interferenceLine(findings)],
    },
    { question: 'Which steady-state number is the baseline SLO anchor?', lines: [anchorLine(findings)] },
    { question: 'Which knob next, and why?', lines: knobLines(findings) },
  ];
}

function launchLine({ dominantLaunch, ledgerLaunch, launches }: Answerable): string {
  const finding = launches.find(({ launch }) => launch === ledgerLaunch);
  const state = finding ? ` ${stateSentence(finding)}` : '';
  const subject = ledgerLaunch === undefined ? 'Before ready' : `Before ready (launch ${ledgerLaunch})`;
  if (dominantLaunch.term === undefined) return `${subject}: ${dominantLaunch.because}.${state}`;
  return `${subject}, ${named(dominantLaunch.term, dominantLaunch.name)} took ${formatMs(dominantLaunch.ms)}, ${formatPercent(dominantLaunch.share)} of ${formatMs(finding?.readyMs)}; ${dominantLaunch.because}.${state}`;
}

function stateSentence({ state, readBytes, loadingReadBytes }: LaunchFinding): string {
  const read =
    readBytes === undefined
      ? ''
      : `; ${formatBytes(readBytes)} came from storage${loadingReadBytes === undefined ? '' : `, at most ${formatBytes(loadingReadBytes)} of it while the weights loaded`}`;
  return `Pages were ${state.pages}, the compile cache ${state.compileCache}${read}.`;
}

function requestLine({ dominantRequest }: Answerable): string {
  if (dominantRequest.term === undefined) return `In request 1: ${dominantRequest.because}.`;
  return `In request 1, ${named(dominantRequest.term, dominantRequest.name)} made ${formatMs(dominantRequest.ms)}, ${formatPercent(dominantRequest.share)} of the request; ${dominantRequest.because}.`;
}

function named(term: string, name: string | undefined): string {
  return name === undefined || name === term ? term : `${name} (${term})`;
}

/** What the decision table says, one window after the other. */
function causeLine({ verdicts }: Answerable): string[] {
  if (verdicts.length === 0) return [];
  const windows = (['launch -> ready', 'request 1'] as const).map((window) => {
    const of = (verdict: string) =>
      verdicts.filter((found) => found.window === window && found.verdict === verdict).map(({ cause }) => cause);
    const holds = of('holds');
    const open = of('cannot tell');
    return `${window}: ${holds.length > 0 ? `${holds.join(', ')} holds` : 'none holds'}${open.length > 0 ? `, cannot tell ${open.join(', ')}` : ''}`;
  });
  return [`Decision table A-D: ${windows.join('; ')}.`];
}

function warmLine(warm: Summary | undefined, { warmWallS, warmLaunch }: Answerable): string {
  if (!warm)
    return warmWallS
      ? `No streamed warm request; by wall_s the median is ${formatMs(warmWallS.median * 1000)}, spread ${formatPercent(warmWallS.spread)} (n = ${warmWallS.n}).`
      : 'Cannot tell: no warm request was completed.';
  const interval = warm.interval
    ? `${formatPercent(warm.interval.level)} interval ${formatMs(warm.interval.lower)} to ${formatMs(warm.interval.upper)}`
    : 'too few for an interval';
  return `Warm TTFT of launch ${warmLaunch}: median ${formatMs(warm.median)}, ${interval}, ${formatMs(warm.min)} to ${formatMs(warm.max)}, spread ${formatPercent(warm.spread)} (n = ${warm.n}).`;
}

function flagLine({ flags, warmTtftMs }: Answerable): string[] {
  const raised = flags.filter((flag) => flag.raised).map(({ flag, reading }) => `${flag} (${reading})`);
  if (raised.length > 0) return [`Not without reserve: ${raised.join('; ')}.`];
  return warmTtftMs
    ? [
        'No drift, no dependence between neighbours, no second group and no outlier was flagged, and every request did the same work.',
      ]
    : [];
}

function interferenceLine({ interference }: Answerable): string[] {
  const found = interference.filter(({ outcome }) => outcome === 'seen');
  return found.length > 0
    ? [
        `Something else used the machine meanwhile: ${found.map(({ kind, evidence }) => `${kind} (${evidence})`).join('; ')}.`,
      ]
    : [];
}

function anchorLine({ sloAnchor, warmTtftMs, flags }: Answerable): string {
  if (!sloAnchor)
    return `None: ${warmTtftMs?.n ?? 0} streamed warm requests, and no interval of a median reaches 95 % below six.`;
  const unsteady = flags.some(
    ({ flag, raised }) => raised && [lateFlag, 'drift', 'neighbours alike', 'two groups'].includes(flag),
  );
  return `${formatMs(sloAnchor.ttftMs)}: ${sloAnchor.rule}; one request at a time${unsteady ? '; a flag above is raised, so take it as provisional' : ''}.`;
}

/** The first rule that fired, with its effect and how to check it; then what the others lack. */
function knobLines({ knobs }: Answerable): string[] {
  const fired = knobs.filter((knob) => knob.fired === true);
  const open = knobs.filter((knob) => knob.fired === undefined);
  const [first, ...others] = fired;
  const undecided =
    open.length > 0 ? ` Undecided for want of a reading: ${open.map(({ rule }) => rule).join('; ')}.` : '';
  if (!first) return [`None: no rule fired.${undecided}`];
  const also =
    others.length > 0 ? ` Also fired: ${others.map(({ rule, knob }) => `${rule} (${knob})`).join('; ')}.` : '';
  return [
    `${first.knob}, because of the rule "${first.rule}": ${first.reading}.`,
    `Expect: ${first.expectedEffect}. Check: ${first.howToCheck}.${also}${undecided}`,
  ];
}

/** The seed's section 6 in four lines: penalty, band, dominant term, direction. */
export function conclusions(findings: Answerable): Findings['conclusions'] {
  const { warmTtftMs, dominantLaunch, dominantRequest, knobs } = findings;
  const fired = knobs.filter((knob) => knob.fired === true);
  return [
    {
      label: 'Cold penalty X',
      text: penaltiesText(findings),
    },
    {
      label: 'Warm band',
      text: warmTtftMs
        ? `TTFT ${formatMs(warmTtftMs.median)}, ${formatMs(warmTtftMs.min)} to ${formatMs(warmTtftMs.max)}, spread ${formatPercent(warmTtftMs.spread)} (n = ${warmTtftMs.n})`
        : 'not observable: no streamed warm request was completed',
    },
    {
      label: 'Dominant cold term, before ready',
      text:
        dominantLaunch.term === undefined
          ? dominantLaunch.because
          : `${named(dominantLaunch.term, dominantLaunch.name)}, ${formatMs(dominantLaunch.ms)}`,
    },
    {
      label: 'Dominant cold term, in request 1',
      text:
        dominantRequest.term === undefined
          ? dominantRequest.because
          : `${named(dominantRequest.term, dominantRequest.name)}, ${formatMs(dominantRequest.ms)}`,
    },
    {
      label: 'Next direction',
      text: fired.length > 0 ? fired.map(({ rule, knob }) => `${rule}: ${knob}`).join('; ') : 'no rule fired',
    },
  ];
}

/** Of many launches, the further ones together: median, smallest and largest. */
function penaltiesText({ penalties, repeats, launches }: Answerable): string {
  if (penalties.length === 0) return 'not observable: no first request with warm ones to compare';
  const texts = (['TTFT', 'wall_s'] as const).flatMap((by) => {
    const together = repeats.find(
      (repeat) => areMany(launches) && repeat.quantity === penaltyQuantity(by) && repeat.launches.length > 1,
    );
    const alone = penalties.filter(
      (penalty) => penalty.by === by && !(together?.launches ?? []).includes(penalty.launch),
    );
    return [
      ...alone.map(({ factor, launch }) => `${formatFactor(factor)} by ${by} (launch ${launch})`),
      ...(together?.further
        ? [
            `${formatFactor(together.further.median)} by ${by} (median of ${namedLaunches(together.launches)}, ${formatFactor(together.further.min)} to ${formatFactor(together.further.max)})`,
          ]
        : []),
    ];
  });
  return texts.join(', ');
}
