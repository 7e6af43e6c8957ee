/**
 * In which state a launch found the machine, word by word, each with its proof. A word without proof is "as found":
 * a launch is called cold only where something measured says so.
 */
import type { LaunchRow } from '../archive/tables.js';
import type { LaunchState, RequestTiming } from './findings.js';
import { formatBytes, formatCount, formatPercent } from './format.js';
import type { PassedMilestone } from './startuplog.js';

export const stateThresholds = {
  /** Page counts are exact; the last per cent leaves room for a page that a reader touched in between. */
  residentFraction: 0.99,
  evictedFraction: 0.01,
  /** Resident pages are not read again: a tenth of the weights from storage while they load contradicts "resident", ... */
  contradictingReadFraction: 0.1,
  /** ... unless it is so little that a stray import explains it (vLLM's own libraries come in files of this order). */
  contradictingReadBytes: 16 * 1024 * 1024,
  /** Evicted pages must be read. Less than this share from storage contradicts "not resident" (an O_DIRECT or remote file system). */
  confirmingReadFraction: 0.9,
} as const;

export interface StateEvidence {
  /** From spawn to ready: imports, libraries and weights. */
  readonly readBytes?: number | undefined;
  readonly majorFaults?: number | undefined;
  /** While the weights were loaded, at most: between the ticks around that phase. */
  readonly loadingReadBytes?: number | undefined;
  readonly milestones: readonly PassedMilestone[];
  readonly cold?: RequestTiming | undefined;
}

interface Word {
  readonly word: string;
  readonly proof: readonly string[];
}

export function launchState(row: LaunchRow, evidence: StateEvidence): LaunchState {
  const pages = pagesWord(row, evidence);
  const compile = compileWord(row, evidence.milestones);
  const process = processWord(row);
  const prefix = prefixWord(row, evidence.cold);
  return {
    pages: pages.word,
    compileCache: compile.word,
    process: process.word,
    prefixCache: prefix.word,
    proof: [
      ...pages.proof.map((line) => `pages: ${line}`),
      ...compile.proof.map((line) => `compile cache: ${line}`),
      ...process.proof.map((line) => `process: ${line}`),
      ...prefix.proof.map((line) => `prefix cache: ${line}`),
    ],
  };
}

function pagesWord(row: LaunchRow, { readBytes, majorFaults, loadingReadBytes }: StateEvidence): Word {
  const { residentBeforeFraction: resident, weightsBytes } = row;
  const proof: string[] = [];
  if (resident !== undefined)
    proof.push(`${formatPercent(resident)} of the weight bytes were in the page cache before spawn`);
  if (readBytes !== undefined)
    proof.push(
      `the server tree read ${formatBytes(readBytes)} from block devices before ready${majorFaults === undefined ? '' : `, with ${formatCount(majorFaults)} major faults`}`,
    );
  if (resident === undefined)
    return { word: 'as found', proof: proof.length > 0 ? proof : ['residency was not measured'] };
  if (loadingReadBytes !== undefined)
    proof.push(`at most ${formatBytes(loadingReadBytes)} of them while the weights were loaded`);
  if (resident >= stateThresholds.residentFraction) {
    if (!contradictsResidency(loadingReadBytes, weightsBytes)) return { word: 'resident', proof };
    proof.push('contradiction: resident pages are not read again');
    return { word: 'as found (resident by the page count, yet read from storage)', proof };
  }
  // Over the whole start, not the loading phase alone: a prefetch may have run ahead of it.
  const readFraction = readBytes === undefined || !weightsBytes ? undefined : readBytes / weightsBytes;
  if (resident > stateThresholds.evictedFraction)
    return { word: `partly resident (${formatPercent(resident)})`, proof };
  if (readFraction !== undefined && readFraction < stateThresholds.confirmingReadFraction) {
    proof.push(
      `contradiction: only ${formatPercent(readFraction)} of the weight bytes were read from a block device, so the file system serves them from elsewhere`,
    );
    return { word: 'as found (not resident, yet not read from a block device)', proof };
  }
  return { word: 'not resident', proof };
}

function contradictsResidency(loadingReadBytes: number | undefined, weightsBytes: number | undefined): boolean {
  if (loadingReadBytes === undefined || !weightsBytes) return false;
  return (
    loadingReadBytes >=
    Math.max(stateThresholds.contradictingReadFraction * weightsBytes, stateThresholds.contradictingReadBytes)
  );
}

function compileWord(row: LaunchRow, milestones: readonly PassedMilestone[]): Word {
  const line = (event: string) => milestones.find((milestone) => milestone.event === event);
  const hit = line('compile-cache-hit');
  const stale = line('compile-cache-stale');
  const compiled = line('compile-saved') ?? line('graph-compiled');
  const files = row.compileCacheFiles === undefined ? '' : ` (${formatCount(row.compileCacheFiles)} files)`;
  const found =
    row.compileCache === undefined || row.compileCache === 'unknown'
      ? []
      : [`the cache root was ${row.compileCache} before spawn${files}`];
  if (stale)
    return {
      word: 'filled, rejected, compiled again',
      proof: [...found, 'the log says it compiles again after a load failure'],
    };
  if (hit) return { word: 'hit', proof: [...found, 'the log says compiled code was loaded directly'] };
  if (row.compileCache === 'empty')
    return { word: 'empty', proof: [...found, ...(compiled ? ['the log says compiled code was made and kept'] : [])] };
  if (compiled)
    return { word: 'missed, compiled', proof: [...found, 'the log says code was compiled, and no cache was loaded'] };
  return {
    word: 'as found',
    proof:
      found.length > 0
        ? [...found, 'the log does not say what was made of it']
        : ['neither the cache root nor the log says'],
  };
}

function processWord({ outcome, spawnAtMs }: LaunchRow): Word {
  if (outcome === 'attached') return { word: 'as found', proof: ['the server was running already'] };
  if (spawnAtMs === undefined) return { word: 'none', proof: [`it was not started (${outcome})`] };
  return { word: 'new', proof: ['the process was started by this run'] };
}

function prefixWord(row: LaunchRow, cold: RequestTiming | undefined): Word {
  if (cold?.cachedTokens !== undefined && cold.cachedTokens > 0)
    return { word: `held ${formatCount(cold.cachedTokens)} tokens`, proof: ['cold_1 reports cached tokens'] };
  if (cold?.cachedTokens === 0) return { word: 'empty', proof: ['cold_1 reports 0 cached tokens'] };
  if (row.spawnAtMs === undefined) return { word: 'as found', proof: ['cold_1 reports no cached_tokens'] };
  return { word: 'empty', proof: ['it lives in the process, which is new'] };
}
