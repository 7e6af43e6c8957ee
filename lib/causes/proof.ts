/**
 * Is a launch what its cell says? Each word of the state has a proof from before and from after the launch; a launch
 * without one is void: shown, not counted, repeated. Pure: rows in, verdict out.
 */
import { stateThresholds } from '../interpret/state.js';
import type { PassedMilestone } from '../interpret/startuplog.js';
import { formatBytes, formatCount, formatPercent } from '../interpret/format.js';
import type { Cell } from './cells.js';

/** What was seen of one launch, before and after. Absent: not observed. */
export interface ProofEvidence {
  readonly weightsBytes?: number | undefined;
  readonly residentBeforeFraction?: number | undefined;
  readonly readBytes?: number | undefined;
  readonly loadingReadBytes?: number | undefined;
  readonly cacheFilesBefore?: number | undefined;
  readonly cacheFilesAfter?: number | undefined;
  readonly processesBefore?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly milestones: readonly PassedMilestone[];
}

/** What the log says the engine made of its compile cache. */
export type CacheSaid = 'hit' | 'compiled' | 'rejected' | 'silent';

export interface Proof {
  readonly outcome: 'counted' | 'void';
  readonly cacheSaid: CacheSaid;
  /** One sentence a broken word; empty when the launch counts. */
  readonly problems: readonly string[];
}

export function proveLaunch(cell: Pick<Cell, 'pages' | 'compileCache'>, evidence: ProofEvidence): Proof {
  const cacheSaid = readCacheWords(evidence.milestones);
  const problems = [
    ...pagesProblems(cell.pages, evidence),
    ...compileProblems(cell.compileCache, cacheSaid, evidence),
    ...processProblems(evidence),
  ];
  return { outcome: problems.length === 0 ? 'counted' : 'void', cacheSaid, problems };
}

export function readCacheWords(milestones: readonly PassedMilestone[]): CacheSaid {
  const said = (event: string) => milestones.some((milestone) => milestone.event === event);
  if (said('compile-cache-stale')) return 'rejected';
  if (said('compile-cache-hit')) return 'hit';
  return said('compile-saved') || said('graph-compiled') ? 'compiled' : 'silent';
}

/**
 * Cold: next to nothing was resident just before the spawn, and the weights then came from a block device. The second
 * half catches pages that were read again between the look and the spawn, and file systems with a cache elsewhere.
 */
function pagesProblems(pages: Cell['pages'], evidence: ProofEvidence): string[] {
  if (pages === 'none') return [];
  const { residentBeforeFraction: resident, weightsBytes, readBytes } = evidence;
  if (resident === undefined) return ['pages: residency could not be read'];
  // Over the whole start where the loading phase is not known: imports are in it then.
  const read = evidence.loadingReadBytes ?? readBytes;
  if (pages === 'warm') {
    if (resident < stateThresholds.residentFraction)
      return [
        `pages: ${formatPercent(resident)} resident before spawn; warm needs ${formatPercent(stateThresholds.residentFraction)}`,
      ];
    return contradictsWarm(evidence.loadingReadBytes, weightsBytes)
      ? [`pages: resident, yet ${formatBytes(evidence.loadingReadBytes)} came from storage while the weights loaded`]
      : [];
  }
  if (resident > stateThresholds.evictedFraction)
    return [
      `pages: ${formatPercent(resident)} resident before spawn; cold allows ${formatPercent(stateThresholds.evictedFraction)}`,
    ];
  if (read === undefined || !weightsBytes) return ['pages: what the server read from storage was not observed'];
  return read < stateThresholds.confirmingReadFraction * weightsBytes
    ? [
        `pages: only ${formatBytes(read)} of ${formatBytes(weightsBytes)} came from storage: somebody had read the file again, or it lies in another cache`,
      ]
    : [];
}

function contradictsWarm(loadingReadBytes: number | undefined, weightsBytes: number | undefined): boolean {
  if (loadingReadBytes === undefined || !weightsBytes) return false;
  const { contradictingReadFraction, contradictingReadBytes } = stateThresholds;
  return loadingReadBytes >= Math.max(contradictingReadFraction * weightsBytes, contradictingReadBytes);
}

/**
 * Warm: files were there, and the log says they were used. Where the log is silent, an unchanged root is the proof:
 * what compiles also saves. Cold: an empty root before, and no word of a hit, which would betray a cache elsewhere.
 */
function compileProblems(wanted: Cell['compileCache'], said: CacheSaid, evidence: ProofEvidence): string[] {
  const { cacheFilesBefore: before, cacheFilesAfter: after } = evidence;
  if (wanted === 'unused')
    return said === 'silent' || said === 'hit'
      ? []
      : [`compile cache: nothing was to be compiled, yet the log says ${said}`];
  if (before === undefined) return ['compile cache: its root could not be read'];
  if (wanted === 'cold') {
    if (before > 0) return [`compile cache: its root held ${formatCount(before)} files before spawn`];
    if (said === 'hit' || said === 'rejected') return [`compile cache: its root was empty, yet the log says ${said}`];
    return said === 'compiled' || (after ?? 0) > 0 ? [] : ['compile cache: nothing shows that anything was compiled'];
  }
  if (before === 0) return ['compile cache: its root was empty before spawn'];
  if (said === 'hit') return [];
  if (said === 'silent' && after === before) return [];
  return [
    said === 'silent'
      ? `compile cache: the log is silent, and the root went from ${formatCount(before)} to ${formatCount(after)} files`
      : `compile cache: ${formatCount(before)} files before spawn, yet the log says ${said}`,
  ];
}

function processProblems({ processesBefore, cachedTokens }: ProofEvidence): string[] {
  return [
    ...(processesBefore !== undefined && processesBefore > 0
      ? [`process: ${formatCount(processesBefore)} processes of an earlier launch were alive`]
      : []),
    ...(cachedTokens !== undefined && cachedTokens > 0
      ? [`prefix cache: cold_1 found ${formatCount(cachedTokens)} tokens in it`]
      : []),
  ];
}
