/**
 * What repeats from launch to launch. Launch 1 stands by itself: it found an empty compile cache, and often pages that
 * were not resident. The further launches are put together only where they found the same state.
 */
import type { ExcessLedger, Findings, LaunchFinding, LaunchRepeat, RequestTiming } from './findings.js';
import { namedLaunches } from './launchgroups.js';
import type { Penalty } from './penalties.js';
import { coldOf, requestsNamed, valuesOf, type Measure } from './series.js';
import { medianOf } from '../statistics/samples.js';
import { summarize } from '../statistics/summary.js';

interface Sources {
  readonly launches: readonly LaunchFinding[];
  readonly timings: readonly RequestTiming[];
  readonly excess: readonly ExcessLedger[];
  readonly penalties: readonly Penalty[];
}

interface Quantity {
  readonly quantity: string;
  readonly unit: string;
  readonly of: (launch: number, sources: Sources) => number | undefined;
}

/** The name under which the penalties by one measure stand. */
export const penaltyQuantity = (by: Measure): string => `cold penalty X, by ${by}`;

const quantities: readonly Quantity[] = [
  {
    quantity: 'launch -> ready',
    unit: 's',
    of: (launch, { launches }) => scaled(findingOf(launches, launch)?.readyMs, 1 / 1000),
  },
  {
    quantity: 'named phases cover',
    unit: '%',
    of: (launch, { launches }) => scaled(findingOf(launches, launch)?.coveredFraction, 100),
  },
  { quantity: 'TTFT of cold_1', unit: 'ms', of: (launch, { timings }) => coldOf(timings, launch)?.ttftMs },
  { quantity: 'wall_s of cold_1', unit: 's', of: (launch, { timings }) => coldOf(timings, launch)?.wallS },
  {
    quantity: 'warm median TTFT of the same launch',
    unit: 'ms',
    of: (launch, { timings }) => medianOf(valuesOf(requestsNamed(timings, 'warm', launch), 'ttftMs')),
  },
  {
    quantity: 'excess of cold_1, by TTFT',
    unit: 'ms',
    of: (launch, sources) => excessOf(launch, 'TTFT', sources),
  },
  { quantity: penaltyQuantity('TTFT'), unit: '×', of: (launch, sources) => penaltyOf(launch, 'TTFT', sources) },
  {
    quantity: 'excess of cold_1, by wall_s',
    unit: 'ms',
    of: (launch, sources) => excessOf(launch, 'wall_s', sources),
  },
  { quantity: penaltyQuantity('wall_s'), unit: '×', of: (launch, sources) => penaltyOf(launch, 'wall_s', sources) },
];

/** One entry a quantity; none for a run of a single launch, where nothing repeats. */
export function launchRepeats(sources: Sources): LaunchRepeat[] {
  const numbers = sources.launches.map(({ launch }) => launch);
  if (numbers.length < 2) return [];
  const alike = alikeLaunches(sources.launches.filter(({ launch, readyMs }) => launch > 1 && readyMs !== undefined));
  return quantities.map(({ quantity, unit, of }) => {
    const values = alike.launches.flatMap((launch) => {
      const value = of(launch, sources);
      return value === undefined ? [] : [{ launch, value }];
    });
    return {
      quantity,
      unit,
      first: of(1, sources),
      further: summarize(values.map(({ value }) => value)),
      launches: values.map(({ launch }) => launch),
      note: alike.note,
    };
  });
}

/** The lowest share of launch -> ready that named phases cover, over all launches that became ready. */
export function worstCoverage(launches: readonly LaunchFinding[]): Findings['worstCoverage'] {
  const covered = launches.flatMap(({ launch, coveredFraction }) =>
    coveredFraction === undefined ? [] : [{ launch, fraction: coveredFraction }],
  );
  return covered.sort((a, b) => a.fraction - b.fraction)[0];
}

/** The largest set of launches that found pages and compile cache alike; the later one of two equally large. */
function alikeLaunches(launches: readonly LaunchFinding[]): {
  readonly launches: readonly number[];
  readonly note?: string | undefined;
} {
  const byState = new Map<string, number[]>();
  for (const { launch, state } of launches) {
    // "partly resident (93 %)" and "partly resident (94 %)" are one state.
    const word = `pages ${state.pages.replace(/ \(.*/, '')}, compile cache ${state.compileCache}`;
    byState.set(word, [...(byState.get(word) ?? []), launch]);
  }
  const [largest, ...others] = [...byState].sort(([, a], [, b]) => b.length - a.length || (b[0] ?? 0) - (a[0] ?? 0));
  if (!largest) return { launches: [] };
  const [word, numbers] = largest;
  const left = others.map(([state, own]) => `${namedLaunches(own)} (${state})`).join('; ');
  return {
    launches: numbers,
    note: `Further launches: ${word}${left === '' ? '' : `; left out, as they found another state: ${left}`}.`,
  };
}

/** A factor or an excess against another launch's warm requests is no figure of this launch. */
function hasOwnWarm(timings: readonly RequestTiming[], launch: number): boolean {
  const cold = coldOf(timings, launch);
  return requestsNamed(timings, 'warm', launch).some(({ streamed }) => streamed === cold?.streamed);
}

function excessOf(launch: number, by: Measure, { excess, timings }: Sources): number | undefined {
  if (!hasOwnWarm(timings, launch)) return undefined;
  const { requestId } = coldOf(timings, launch) ?? {};
  return excess.find((ledger) => ledger.requestId === requestId && ledger.by === by)?.excessMs;
}

function penaltyOf(launch: number, by: Measure, { penalties, timings }: Sources): number | undefined {
  if (!hasOwnWarm(timings, launch)) return undefined;
  return penalties.find((penalty) => penalty.launch === launch && penalty.by === by)?.factor;
}

const findingOf = (launches: readonly LaunchFinding[], launch: number) =>
  launches.find((finding) => finding.launch === launch);
const scaled = (value: number | undefined, factor: number) => (value === undefined ? undefined : value * factor);
