/** When does a starting server answer? HTTP 200 on /health, asked at a planned pace from spawn on. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.js';

export interface Readiness {
  readonly readyAtMs: number;
  /** Requests made, refused connections included. */
  readonly polls: number;
  /** The longest time between the beginnings of two polls: the resolution of `readyAtMs`. */
  readonly longestPauseMs: number;
}

/**
 * Poll `url` every `intervalMs` until it answers 200. Refused connections and other statuses mean "not yet".
 * Resolves to undefined when aborted. One poll at a time: a slow answer delays the next one, and shows as a pause.
 */
export async function awaitReadiness(
  url: string,
  intervalMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Readiness | undefined> {
  let polls = 0;
  let longestPauseMs = 0;
  let previousAtMs = clock.nowMs();
  while (!signal.aborted) {
    const atMs = clock.nowMs();
    longestPauseMs = Math.max(longestPauseMs, atMs - previousAtMs);
    previousAtMs = atMs;
    polls += 1;
    const status = await statusOf(url, signal);
    if (status === 200 && !signal.aborted) return { readyAtMs: clock.nowMs(), polls, longestPauseMs };
    const restMs = atMs + intervalMs - clock.nowMs();
    if (restMs > 0) await sleep(restMs);
  }
  return undefined;
}

/** Status of one GET on a connection of its own; undefined when refused, reset, aborted or silent for 5 s. */
function statusOf(url: string, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve) => {
    const ask = request(url, { agent: false, timeout: 5000, signal }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    ask.on('timeout', () => ask.destroy());
    ask.on('error', () => resolve(undefined));
    ask.end();
  });
}
