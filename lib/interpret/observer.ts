/**
 * Did watching change what was watched? Requests with the samplers on minus their neighbours with the samplers off.
 *
 * Pairs of neighbours rather than two samples: what drifts slowly is the same for both and cancels, and since on and
 * off take turns in going first, what is left of it falls on both sides alike. Within a pair either order is then
 * equally likely, which is all that the signed-rank interval needs. The median difference, not the mean: one request
 * that met a stall decides nothing.
 */
import type { RunData } from '../archive/folder.js';
import type { RequestRow } from '../archive/tables.js';
import type { Findings, ObserverFinding, RequestTiming } from './findings.js';
import { engineMs, launchWithMost, requestsNamed, valuesOf } from './series.js';
import { type CentreInterval, centreOf } from '../statistics/intervals.js';
import { summarize } from '../statistics/summary.js';

/** The finding for the launch that holds most such requests; launches are not pooled. */
export function observerFinding(data: RunData, timings: readonly RequestTiming[]): Findings['observer'] {
  const launch = launchWithMost(requestsNamed(timings, 'observed'));
  if (launch === undefined) return { absentBecause: 'no requests with and without samplers were sent in this run' };
  const observed = requestsNamed(timings, 'observed', launch).filter(hasTtft);
  const unobserved = requestsNamed(timings, 'unobserved', launch).filter(hasTtft);
  const pairs = observed.flatMap((on) => {
    const off = unobserved.find(({ index }) => index === on.index);
    return off ? [{ on, off }] : [];
  });
  const shift = centreOf(pairs.map(({ on, off }) => on.ttftMs - off.ttftMs));
  const engine = centreOf(
    pairs.flatMap(({ on, off }) => {
      const [onMs, offMs] = [engineMs(on), engineMs(off)];
      return onMs === undefined || offMs === undefined ? [] : [onMs - offMs];
    }),
  );
  const observedTtftMs = summarize(valuesOf(observed, 'ttftMs'));
  const unobservedTtftMs = summarize(valuesOf(unobserved, 'ttftMs'));
  if (!shift || !observedTtftMs || !unobservedTtftMs || unobservedTtftMs.median <= 0)
    return { absentBecause: `no pair of requests of launch ${launch} was completed with and without samplers` };
  const fraction = (ms: number) => ms / unobservedTtftMs.median;
  return {
    finding: {
      launch,
      observedTtftMs,
      unobservedTtftMs,
      pairs: shift.n,
      differenceMs: shift.centre,
      interval: shift.interval,
      differenceFraction: fraction(shift.centre),
      lowerFraction: shift.interval && fraction(shift.interval.lower),
      upperFraction: shift.interval && fraction(shift.interval.upper),
      verdict: verdictOf(shift),
      engineDifferenceMs: engine?.centre,
      engineInterval: engine?.interval,
      struck: struckOf(data, 'observed', launch),
      observed: observed.length,
      readingsWhileOff: struckOf(data, 'unobserved', launch),
      cpu: cpuOf(data, launch),
    },
  };
}

function hasTtft(timing: RequestTiming): timing is RequestTiming & { readonly ttftMs: number } {
  return timing.ttftMs !== undefined;
}

function verdictOf({ interval }: CentreInterval): ObserverFinding['verdict'] {
  if (!interval || (interval.lower <= 0 && interval.upper >= 0)) return 'not resolved';
  return interval.lower > 0 ? 'slower' : 'faster';
}

/** Requests of a name during whose TTFT the host or a GPU was read. */
function struckOf(data: RunData, name: string, launch: number): number {
  const readings = [...data.samples, ...data.gpu];
  const meets = ({ sentAtMs, firstTokenAtMs }: RequestRow) =>
    sentAtMs !== undefined &&
    firstTokenAtMs !== undefined &&
    readings.some(({ atMs, tookMs }) => atMs <= firstTokenAtMs && atMs + tookMs >= sentAtMs);
  return data.requests.filter((row) => row.name === name && row.launch === launch && meets(row)).length;
}

/** In the order of their first rows; a role that was never read has no entry. */
function cpuOf({ observers }: RunData, launch: number): ObserverFinding['cpu'] {
  const rows = observers.filter((row) => row.launch === launch);
  const roles = [...new Set(rows.map(({ role }) => role))];
  return roles.flatMap((role) =>
    [true, false].flatMap((samplersOn) => {
      const own = rows.filter((row) => row.role === role && row.samplersOn === samplersOn);
      const wallMs = own.reduce((sum, row) => sum + row.wallMs, 0);
      const cpuMs = own.reduce((sum, row) => sum + row.cpuMs, 0);
      return wallMs > 0 ? [{ role, samplersOn, coreFraction: cpuMs / wallMs, wallMs }] : [];
    }),
  );
}
