/**
 * The stamps of one request -> its times. Everything is a difference of two stamps of one clock; a stamp that is
 * missing makes the time that needs it absent.
 *
 * TTFT runs from just before the request is written to the read that completed the first token event. E2E ends at
 * the last token event, not at the usage event or [DONE], so that
 *   ttftMs + sum(ITL) = e2eMs   and   ttftMs + tpotMs (completionTokens - 1) = e2eMs.
 * An ITL is the gap between token *events*; the token count comes from the server's usage, never from events.
 */
import type { ChunkRow, RequestRow, StartupRow } from '../archive/tables.js';
import type { RequestTiming } from './findings.js';
import { jitLinesIn, milestonesOf, type PassedMilestone } from './startuplog.js';
import { medianOf } from '../statistics/samples.js';

/**
 * All times of one request. `chunks` are the request's own events, in any order; none for a JSON answer.
 * `milestones` are those of its launch: they tell what the JIT monitor said while the request ran.
 */
export function requestTiming(
  row: RequestRow,
  chunks: readonly ChunkRow[] = [],
  milestones: readonly PassedMilestone[] = [],
): RequestTiming {
  const tokens = tokenEvents(chunks);
  const gaps = gapsMs(tokens);
  const ttftMs = elapsed(row.sentAtMs, row.firstTokenAtMs);
  const e2eMs = elapsed(row.sentAtMs, row.lastTokenAtMs);
  return {
    requestId: row.requestId,
    launch: row.launch,
    name: row.name,
    index: row.index,
    streamed: row.streamed,
    outcome: row.outcome,
    wallS: seconds(elapsed(row.startAtMs, row.endAtMs)),
    ttftMs,
    connectMs: elapsed(row.startAtMs, row.connectedAtMs),
    e2eMs,
    tpotMs: tpotMs(ttftMs, e2eMs, row.completionTokens),
    medianItlMs: medianOf(gaps),
    maxItlMs: gaps.length > 0 ? Math.max(...gaps) : undefined,
    promptTokens: row.promptTokens,
    completionTokens: row.completionTokens,
    totalTokens: row.totalTokens,
    cachedTokens: row.cachedTokens,
    serverFirstTokenMs: row.serverFirstTokenMs,
    serverQueueMs: row.serverQueueMs,
    serverGenerationMs: row.serverGenerationMs,
    jitLines: row.endAtMs === undefined ? undefined : jitLinesIn(milestones, row.startAtMs, row.endAtMs),
    idleBeforeMs: row.idleBeforeMs,
    firstByteMs: elapsed(row.sentAtMs, row.firstByteAtMs),
    firstEventMs: elapsed(row.sentAtMs, row.firstEventAtMs),
    firstChoiceMs: elapsed(row.sentAtMs, row.firstChoiceAtMs),
    firstVisibleMs: elapsed(row.sentAtMs, row.firstVisibleAtMs),
    fromStartMs: elapsed(row.startAtMs, row.firstTokenAtMs),
    frontEndMs: frontEndMs(ttftMs, row),
    firstTokenLateMs: firstTokenLateMs(row),
    jitLinesToFirstToken:
      row.firstTokenAtMs === undefined ? undefined : jitLinesIn(milestones, row.startAtMs, row.firstTokenAtMs),
    coalescedTokens: tokens.length > 0 ? coalesced(tokens) : undefined,
  };
}

/** The times of every request, each with its own events and its launch's log. */
export function requestTimings(
  rows: readonly RequestRow[],
  chunks: readonly ChunkRow[],
  startup: readonly StartupRow[] = [],
): RequestTiming[] {
  const milestones = new Map(
    [...new Set(rows.map((row) => row.launch))].map((launch) => [launch, milestonesOf(startup, launch)]),
  );
  const byRequest = new Map<string, ChunkRow[]>();
  for (const chunk of chunks) {
    const own = byRequest.get(chunk.requestId);
    if (own) own.push(chunk);
    else byRequest.set(chunk.requestId, [chunk]);
  }
  return rows.map((row) => requestTiming(row, byRequest.get(row.requestId), milestones.get(row.launch)));
}

/** Gaps between successive token events in ms; 0 for an event that came in the same read as the one before. */
export function itlMs(chunks: readonly ChunkRow[]): number[] {
  return gapsMs(tokenEvents(chunks));
}

function tokenEvents(chunks: readonly ChunkRow[]): ChunkRow[] {
  return chunks
    .filter((chunk) => chunk.kind === 'token' || chunk.kind === 'reasoning')
    .sort((a, b) => a.sequence - b.sequence);
}

function gapsMs(tokens: readonly ChunkRow[]): number[] {
  return tokens.slice(1).map((chunk, index) => chunk.atMs - (tokens[index]?.atMs ?? chunk.atMs));
}

function coalesced(tokens: readonly ChunkRow[]): number {
  return tokens.filter((chunk, index) => index > 0 && tokens[index - 1]?.read === chunk.read).length;
}

/** Time per output token after the first. Absent for fewer than two tokens. */
function tpotMs(ttftMs: number | undefined, e2eMs: number | undefined, completionTokens: number | undefined) {
  if (ttftMs === undefined || e2eMs === undefined || completionTokens === undefined || completionTokens < 2)
    return undefined;
  return (e2eMs - ttftMs) / (completionTokens - 1);
}

function frontEndMs(ttftMs: number | undefined, row: RequestRow): number | undefined {
  if (ttftMs === undefined || row.serverFirstTokenMs === undefined || row.serverQueueMs === undefined) return undefined;
  return ttftMs - row.serverQueueMs - row.serverFirstTokenMs;
}

function firstTokenLateMs(row: RequestRow): number | undefined {
  const seenMs = elapsed(row.firstTokenAtMs, row.lastTokenAtMs);
  return seenMs === undefined || row.serverGenerationMs === undefined ? undefined : row.serverGenerationMs - seenMs;
}

function elapsed(fromMs: number | undefined, toMs: number | undefined): number | undefined {
  return fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs;
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
