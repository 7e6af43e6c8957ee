/** What the notebook kernel and the keeper say to each other: JSON lines over the keeper's pipes. */

/** The keeper's job: the first line on its standard input. */
export interface KeeperJob {
  readonly runDir: string;
  readonly runId: string;
  readonly launch: number;
  readonly clockOriginNs: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly healthUrl: string;
  readonly healthIntervalMs: number;
  /** How long SIGTERM may take on an ordinary stop before SIGKILL follows. */
  readonly termGraceMs: number;
}

/** A request to the keeper: later lines on its standard input. The end of the input means that the owner is gone. */
export interface KeeperRequest {
  readonly stop: true;
}

export interface StoppedEvent {
  readonly event: 'stopped';
  /** keeper-failed: the keeper could not go on (a full disk, say) or was killed itself. */
  readonly reason: 'asked' | 'owner-gone' | 'died' | 'keeper-failed';
  readonly how: 'sigterm' | 'sigkill' | 'exit';
  readonly askedAtMs: number;
  readonly goneAtMs: number;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly leftoverProcesses: number;
  /** What the keeper failed of. Not in stops.csv. */
  readonly problem?: string | undefined;
}

/** What the keeper reports, in the order in which it happens. */
export type KeeperEvent =
  | { readonly event: 'spawned'; readonly atMs: number; readonly pid: number }
  | { readonly event: 'spawn-failed'; readonly code: string; readonly message: string }
  | {
      readonly event: 'line';
      readonly atMs: number;
      readonly text: string;
      readonly milestone?: string | undefined;
      readonly fatal: boolean;
    }
  | { readonly event: 'ready'; readonly atMs: number; readonly healthPolls: number; readonly longestPauseMs: number }
  | StoppedEvent;
