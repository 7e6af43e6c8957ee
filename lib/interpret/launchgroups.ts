/** Many launches on one page: which are shown one by one, and how the others are named together. */
import type { LaunchFinding } from './findings.js';

/** Up to so many launches, each has its own row, panel and sentence. */
const shownOneByOne = 3;

export const areMany = (launches: readonly unknown[]): boolean => launches.length > shownOneByOne;

/**
 * The launches to show in detail. Of many: launch 1, which found the caches empty; of the further ones the middle by
 * launch -> ready (the lower of two) and the one of which named phases cover least; and all that never became ready.
 */
export function launchesInDetail(launches: readonly LaunchFinding[]): readonly LaunchFinding[] {
  if (!areMany(launches)) return launches;
  const middle = middleOf(launches);
  const [leastCovered] = furtherReady(launches).sort((a, b) => (a.coveredFraction ?? 1) - (b.coveredFraction ?? 1));
  return launches.filter(
    (one) => one.launch === 1 || one.readyMs === undefined || one === middle || one === leastCovered,
  );
}

/** The launches to draw, of those that became ready: all, or of many launch 1 and the middle one of the further ones. */
export function launchesToDraw(launches: readonly LaunchFinding[]): readonly LaunchFinding[] {
  const ready = launches.filter(({ readyMs }) => readyMs !== undefined);
  if (!areMany(launches)) return ready;
  const middle = middleOf(launches);
  return ready.filter((one) => one.launch === 1 || one === middle);
}

const furtherReady = (launches: readonly LaunchFinding[]): LaunchFinding[] =>
  launches.filter(({ launch, readyMs }) => launch > 1 && readyMs !== undefined);

function middleOf(launches: readonly LaunchFinding[]): LaunchFinding | undefined {
  const byReady = furtherReady(launches).sort((a, b) => (a.readyMs ?? 0) - (b.readyMs ?? 0));
  return byReady[Math.floor((byReady.length - 1) / 2)];
}

/** "Not shown here: launches 2, 4 and 5. ...": who is left out of `shown`, and where the rest is. Undefined: nobody is. */
export function leftOutText(
  launches: readonly LaunchFinding[],
  shown: ReadonlySet<number>,
  whereElse: string,
): string | undefined {
  const left = launches.filter(({ launch }) => !shown.has(launch)).map(({ launch }) => launch);
  return left.length === 0 ? undefined : `Not shown here: ${namedLaunches(left)}. ${whereElse}`;
}

/** "launch 2", "launches 2 to 7", "launches 2, 4 to 6 and 9"; `numbers` in rising order. */
export function namedLaunches(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run?.[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  const parts = runs.flatMap(([first, last]) => {
    if (first === last) return [`${first}`];
    return last === first + 1 ? [`${first}`, `${last}`] : [`${first} to ${last}`];
  });
  const listed = parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
  return `${numbers.length === 1 ? 'launch' : 'launches'} ${listed}`;
}

/** What several launches say in the same words is said once: "Launches 2 to 7: ...". In the order of the first to say it. */
export function saidOnce(sayings: readonly Saying[]): string[] {
  return inSameWords(sayings).map(([text, launches]) => {
    const subject = namedLaunches(launches);
    return `${subject.charAt(0).toUpperCase()}${subject.slice(1)}: ${text}`;
  });
}

/** One reading for the readings of several launches: all of them, or of many different ones the smallest and the largest. */
export function readTogether(readings: readonly (Saying & { readonly value: number })[]): string {
  const told = inSameWords(readings);
  if (!areMany(told)) return told.map(([text, launches]) => `${namedLaunches(launches)}: ${text}`).join('; ');
  const sorted = readings.filter(({ value }) => Number.isFinite(value)).sort((a, b) => a.value - b.value);
  const [smallest, largest] = [sorted.at(0) ?? readings[0], sorted.at(-1) ?? readings.at(-1)];
  if (smallest?.value === largest?.value)
    return `${namedLaunches(readings.map(({ launch }) => launch))} alike, launch ${smallest?.launch}: ${smallest?.text}`;
  return `of ${readings.length} launches the smallest, launch ${smallest?.launch}: ${smallest?.text}; the largest, launch ${largest?.launch}: ${largest?.text}`;
}

export interface Saying {
  readonly launch: number;
  readonly text: string;
}

/** Texts with the launches that say them, in the order of the first to say it. */
export function inSameWords(sayings: readonly Saying[]): [text: string, launches: number[]][] {
  const launchesOf = new Map<string, number[]>();
  for (const { launch, text } of sayings) launchesOf.set(text, [...(launchesOf.get(text) ?? []), launch]);
  return [...launchesOf];
}
