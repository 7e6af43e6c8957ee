/** Many launches on one page: who is shown, and how the rest is named. */
import { describe, expect, it } from 'vitest';
import type { LaunchFinding } from '../../lib/interpret/findings.js';
import {
  launchesInDetail,
  launchesToDraw,
  leftOutText,
  namedLaunches,
  readTogether,
  saidOnce,
} from '../../lib/interpret/launchgroups.js';

/** A launch of which only the number, the seconds to ready and the covered share matter; no seconds: it never was. */
const launchOf = (launch: number, readyS?: number, coveredFraction?: number) =>
  ({
    launch,
    readyMs: readyS === undefined ? undefined : readyS * 1000,
    coveredFraction,
  }) as LaunchFinding;
const seven = [
  launchOf(1, 88, 0.99),
  launchOf(2, 43, 0.98),
  launchOf(3, 41, 0.97),
  launchOf(4, 42, 0.93),
  launchOf(5, 40, 0.99),
  launchOf(6),
  launchOf(7, 44, 0.96),
];

describe('launchesInDetail', () => {
  it('shows every one of three launches', () => {
    expect(launchesInDetail(seven.slice(0, 3))).toEqual(seven.slice(0, 3));
  });

  it('shows of seven the first, the middle one, the least covered one and the failed one, in their order', () => {
    // Of 40, 41, 42, 43 and 44 s the middle is 42 s: launch 4, which is also the least covered.
    expect(launchesInDetail(seven).map(({ launch }) => launch)).toEqual([1, 4, 6]);
    const covered = seven.map((one) => (one.launch === 7 ? { ...one, coveredFraction: 0.5 } : one));
    expect(launchesInDetail(covered).map(({ launch }) => launch)).toEqual([1, 4, 6, 7]);
  });

  it('takes the lower of two middle ones, and shows the first although it is alone in having been ready', () => {
    const even = [launchOf(1, 90, 1), launchOf(2, 40, 0.9), launchOf(3, 41, 1), launchOf(4, 42, 1), launchOf(5, 43, 1)];
    expect(launchesInDetail(even).map(({ launch }) => launch)).toEqual([1, 2, 3]);
    const failed = [launchOf(1, 90, 1), launchOf(2), launchOf(3), launchOf(4)];
    expect(launchesInDetail(failed)).toEqual(failed);
  });
});

describe('launchesToDraw', () => {
  it('are of seven the first and the middle one, of three all; one that never became ready is not drawn', () => {
    expect(launchesToDraw(seven).map(({ launch }) => launch)).toEqual([1, 4]);
    expect(launchesToDraw(seven.slice(0, 3))).toEqual(seven.slice(0, 3));
    expect(launchesToDraw([launchOf(1), launchOf(2, 40, 1)]).map(({ launch }) => launch)).toEqual([2]);
  });
});

describe('leftOutText', () => {
  it('names who is left out and where to find them; says nothing where all are shown', () => {
    expect(leftOutText(seven, new Set([1, 4, 6]), 'See there.')).toBe(
      'Not shown here: launches 2, 3, 5 and 7. See there.',
    );
    expect(leftOutText(seven, new Set([1, 2, 3, 4, 5, 6, 7]), 'See there.')).toBeUndefined();
  });
});

describe('namedLaunches', () => {
  it.each([
    [[2], 'launch 2'],
    [[2, 3], 'launches 2 and 3'],
    [[2, 3, 4, 5], 'launches 2 to 5'],
    [[2, 4, 5, 6, 9], 'launches 2, 4 to 6 and 9'],
    [[2, 3, 7, 8], 'launches 2, 3, 7 and 8'],
  ])('%j: %s', (numbers, text) => expect(namedLaunches(numbers)).toBe(text));
});

describe('saidOnce', () => {
  it('puts together what launches say in the same words, in the order of the first to say it', () => {
    expect(
      saidOnce([
        { launch: 1, text: 'cold' },
        { launch: 2, text: 'warm' },
        { launch: 2, text: 'new' },
        { launch: 3, text: 'warm' },
        { launch: 1, text: 'new' },
      ]),
    ).toEqual(['Launch 1: cold', 'Launches 2 and 3: warm', 'Launches 2 and 1: new']);
  });
});

describe('readTogether', () => {
  const reading = (launch: number, value: number) => ({ launch, value, text: `reads ${value}` });
  it('says each of up to three different readings, alike ones once', () => {
    expect(readTogether([reading(1, 0), reading(2, 5), reading(3, 0), reading(4, 5), reading(5, 5)])).toBe(
      'launches 1 and 3: reads 0; launches 2, 4 and 5: reads 5',
    );
  });

  it('says of more the smallest and the largest, since a limit that these two keep is kept by all', () => {
    expect(readTogether([reading(1, 3), reading(2, 5), reading(3, 1), reading(4, 2)])).toBe(
      'of 4 launches the smallest, launch 3: reads 1; the largest, launch 2: reads 5',
    );
  });

  it('tells one of those that read the same in other words, and passes over what is no number', () => {
    const near = (launch: number) => ({ launch, value: 0, text: `0 bytes in ${300 + launch} ms` });
    expect(readTogether([1, 2, 3, 4].map(near))).toBe('launches 1 to 4 alike, launch 1: 0 bytes in 301 ms');
    expect(readTogether([reading(1, 5), reading(2, NaN), reading(3, 1), reading(4, 3)])).toBe(
      'of 4 launches the smallest, launch 3: reads 1; the largest, launch 1: reads 5',
    );
  });
});
