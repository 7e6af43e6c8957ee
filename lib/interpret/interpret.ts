/** A run folder's data -> what it means. Deterministic, from the data alone; a partial run gives partial findings. */
import type { RunData } from '../archive/folder.js';
import { sloAnchor } from './anchor.js';
import { answers, conclusions, type Answerable } from './answers.js';
import { bandFindings } from './bands.js';
import { checkFlags } from './checks.js';
import { verdicts } from './decision.js';
import { ttftDefinitions } from './definitions.js';
import { interferenceFindings } from './disturbance.js';
import { dominantLaunch, dominantRequest, type RequestContext } from './dominant.js';
import { energyFinding } from './energy.js';
import type { Evidence } from './evidence.js';
import { afterFirstTokenMs, excessLedgers } from './excess.js';
import type { Findings, LaunchFinding, RequestTiming } from './findings.js';
import { comparePaired, runsToResolve } from '../statistics/intervals.js';
import { summarize, type Summary } from '../statistics/summary.js';
import { bimodalFlag, driftFlag, outlierFlag, serialFlag } from './flags.js';
import { knobFindings } from './knobs.js';
import { launchEvidence, noTimelineBecause } from './launchevidence.js';
import { launchFindings } from './launches.js';
import { chooseLedgerLaunch, sixTerms } from './ledger.js';
import { observerFinding } from './observer.js';
import { penalties } from './penalties.js';
import { launchRepeats, worstCoverage } from './repeats.js';
import { rehearsalStamp, rehearsedAnchor, rehearsedAnswers, rehearsedConclusions, rehearsedKnob } from './rehearsed.js';
import { requestEvidence } from './requestevidence.js';
import { serverTtftFindings } from './serverttft.js';
import { isCompleted, measuresMs, requestsNamed, valuesOf, warmSet } from './series.js';
import { signalFindings } from './signals.js';
import { steadyWindow } from './steady.js';
import { samplingFindings } from './sampling.js';
import { stopwatchFinding } from './stopwatch.js';
import { requestTimings } from './timing.js';
import { truthFinding } from './truth.js';

/** The seed's table has five rows. */
const seedRows = 5;
/** Changes of the warm TTFT one may want to see after turning a knob: a tenth, a twentieth. */
const changesToResolve = [0.1, 0.05] as const;

/** Everything a run showed. Never throws on missing tables or requests: what is not there is absent, with a reason where one is shown. */
export function interpret(data: RunData): Findings {
  const timings = requestTimings(data.requests, data.chunks, data.startup);
  const launches = launchFindings(data, timings);
  const stopwatch = stopwatchFinding(data.calibration);
  const warm = warmFindings(timings);
  const ledgers = ledgerFindings(data, launches, timings);
  const decided = decisionFindings(data, launches, timings, ledgers.ledgerLaunch);
  const excess = excessLedgers(timings);
  const dominant = dominantFindings(data, launches, timings, excess, {
    ledgerLaunch: ledgers.ledgerLaunch,
    verdicts: decided.verdicts,
    stopwatch,
  });
  const steady = steadyWindow(data.requests);
  const bands = bandFindings(data, steady);
  const penaltyList = penalties(timings);
  const resolution = resolutionOf(warm.warmTtftMs);
  const findings: Answerable = {
    format: 1,
    runId: data.record.runId,
    engineKind: data.record.engine.kind,
    launches,
    timings,
    stopwatch,
    ...warm,
    penalties: penaltyList,
    ...ledgers,
    excess,
    ...decided,
    ...dominant,
    bands,
    interference: interferenceFindings(data, steady),
    sampling: samplingFindings(data),
    knobs: knobFindings({
      data,
      launches,
      ledgerLaunch: ledgers.ledgerLaunch,
      warmTtftMs: warm.warmTtftMs,
      bands,
      penalties: penaltyList,
      dominantLaunch: dominant.dominantLaunch,
      resolution,
    }),
    sloAnchor: sloAnchor(warm.warmTtftMs),
    flags: [...warmFlags(timings), ...checkFlags(data, timings)],
    steadyWindow: steady,
    ttftDefinitions: ttftDefinitions(
      requestsNamed(timings, 'cold_1').find(({ streamed }) => streamed),
      warmSet(timings, undefined, true)?.timings ?? [],
    ),
    prefixSavingMs: prefixSaving(timings),
    resolution,
    gpuEnergy: energyFinding(data, steady),
    serverTtft: serverTtftFindings(data, timings),
    observer: observerFinding(data, timings),
    repeats: launchRepeats({ launches, timings, excess, penalties: penaltyList }),
    worstCoverage: worstCoverage(launches),
  };
  return data.record.engine.kind === 'rehearsal'
    ? rehearsed(data, findings)
    : { ...findings, answers: answers(findings), conclusions: conclusions(findings) };
}

/** The same, with its truth, and with the word wherever a reader might take it for a real server. */
function rehearsed(data: RunData, measured: Answerable): Findings {
  const findings = {
    ...measured,
    knobs: measured.knobs.map(rehearsedKnob),
    sloAnchor: rehearsedAnchor(measured.sloAnchor),
  };
  return {
    ...findings,
    answers: rehearsedAnswers(answers(findings)),
    conclusions: rehearsedConclusions(conclusions(findings)),
    rehearsal: rehearsalStamp(data.record.engine.replays),
    truth: truthFinding(data, measured.launches),
  };
}

/** Summaries of warm requests, each over one launch: the one that holds most of them. */
function warmFindings(timings: readonly RequestTiming[]) {
  const streamed = warmSet(timings, undefined, true);
  const everyKind = warmSet(timings, streamed?.launch, undefined);
  const long = (name: string) => summarize(valuesOf(warmSet(timings, undefined, true, name)?.timings ?? [], 'ttftMs'));
  return {
    warmTtftMs: summarize(valuesOf(streamed?.timings ?? [], 'ttftMs')),
    warmWallS: summarize(valuesOf(everyKind?.timings ?? [], 'wallS')),
    firstFiveWallS: summarize(valuesOf(firstFive(timings), 'wallS')),
    warmTpotMs: summarize(valuesOf(streamed?.timings ?? [], 'tpotMs')),
    warmUniqueTtftMs: long('warm-unique'),
    warmCachedTtftMs: long('warm-cached'),
    warmLaunch: streamed?.launch ?? everyKind?.launch,
  };
}

/** The first five warm requests: whole answers as the seed's probe takes them, where there are five; else the first five of either kind. */
function firstFive(timings: readonly RequestTiming[]): readonly RequestTiming[] {
  const whole = warmSet(timings, undefined, false)?.timings ?? [];
  const set = whole.length >= seedRows ? whole : (warmSet(timings, undefined, undefined)?.timings ?? []);
  return [...set].sort((a, b) => a.index - b.index).slice(0, seedRows);
}

function evidenceOf(
  data: RunData,
  finding: LaunchFinding | undefined,
  launches: readonly LaunchFinding[],
  timings: readonly RequestTiming[],
): Evidence {
  return { launch: launchEvidence(data, finding, launches), request: requestEvidence(data, timings) };
}

/** The equation for the ledger launch, and for every launch. */
function ledgerFindings(data: RunData, launches: readonly LaunchFinding[], timings: readonly RequestTiming[]) {
  const ledgerLaunch = chooseLedgerLaunch(launches, timings);
  const rowsOf = (finding: LaunchFinding | undefined, launch: number | undefined) => {
    const own = evidenceOf(
      data,
      finding,
      launches,
      timings.filter((timing) => timing.launch === launch),
    );
    return sixTerms(data, launch, finding, timings, own);
  };
  return {
    ledgerLaunch,
    sixTerms: rowsOf(
      launches.find(({ launch }) => launch === ledgerLaunch),
      ledgerLaunch,
    ),
    sixTermsByLaunch: launches.map((finding) => ({ launch: finding.launch, rows: rowsOf(finding, finding.launch) })),
  };
}

/** The decision table: the launch window of the ledger launch, request 1 of every launch. */
function decisionFindings(
  data: RunData,
  launches: readonly LaunchFinding[],
  timings: readonly RequestTiming[],
  ledgerLaunch: number | undefined,
) {
  const evidence = evidenceOf(
    data,
    launches.find(({ launch }) => launch === ledgerLaunch),
    launches,
    timings,
  );
  const signals = signalFindings(evidence);
  return { signals, verdicts: verdicts(signals, evidence) };
}

/** What dominated each ledger, of the ledger launch. */
function dominantFindings(
  data: RunData,
  launches: readonly LaunchFinding[],
  timings: readonly RequestTiming[],
  excess: Findings['excess'],
  {
    ledgerLaunch,
    ...context
  }: Pick<RequestContext, 'verdicts' | 'stopwatch'> & { readonly ledgerLaunch: number | undefined },
): Pick<Findings, 'dominantLaunch' | 'dominantRequest'> {
  const finding = launches.find(({ launch }) => launch === ledgerLaunch);
  const own = excess.find(({ launch, by }) => launch === ledgerLaunch && by === 'TTFT') ?? excess[0];
  const cold = timings.find(({ requestId }) => requestId === own?.requestId);
  return {
    dominantLaunch: dominantLaunch(finding, noTimelineBecause(data, finding)),
    dominantRequest: dominantRequest(own, {
      ...context,
      warmMs: own ? warmMsOf(own.launch, own.by, timings) : [],
      jitLinesToFirstToken: cold?.jitLinesToFirstToken,
      afterFirstTokenMs: afterFirstTokenMs(excess, own?.launch),
    }),
  };
}

function warmMsOf(launch: number, by: 'TTFT' | 'wall_s', timings: readonly RequestTiming[]): number[] {
  return measuresMs(warmSet(timings, launch, by === 'TTFT')?.timings ?? [], by);
}

/** Steadiness of the streamed warm TTFTs in the order they were sent. */
function warmFlags(timings: readonly RequestTiming[]): Findings['flags'] {
  const valuesMs = valuesOf(warmSet(timings, undefined, true)?.timings ?? [], 'ttftMs');
  return [driftFlag(valuesMs), serialFlag(valuesMs), bimodalFlag(valuesMs), outlierFlag(valuesMs)];
}

/** Unique minus cached long prompts, paired by index within one launch. */
function prefixSaving(timings: readonly RequestTiming[]): Findings['prefixSavingMs'] {
  const launch = warmSet(timings, undefined, true, 'warm-unique')?.launch;
  const pairs = requestsNamed(timings, 'warm-cached', launch).flatMap((cached) => {
    const unique = timings.find(
      (timing) =>
        timing.name === 'warm-unique' &&
        timing.launch === launch &&
        timing.index === cached.index &&
        isCompleted(timing),
    );
    return cached.ttftMs === undefined || unique?.ttftMs === undefined
      ? []
      : [{ cached: cached.ttftMs, unique: unique.ttftMs }];
  });
  return comparePaired(
    pairs.map(({ cached }) => cached),
    pairs.map(({ unique }) => unique),
  );
}

function resolutionOf(warm: Summary | undefined): Findings['resolution'] {
  if (!warm) return [];
  return changesToResolve.flatMap((changeFraction) => {
    const changeMs = changeFraction * warm.median;
    const runs = runsToResolve(warm.mad, changeMs);
    return runs === undefined ? [] : [{ changeFraction, changeMs, runs }];
  });
}
