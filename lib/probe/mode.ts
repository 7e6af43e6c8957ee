/** How the probe waits for an answer: with its event loop awake, where a core can be spared for it, or asleep. */

/** A sleeping core answers late. Where this many cores exist, one is kept busy while a request is in flight. */
const coresToStayAwake = 4;

export interface ProbeMode {
  /** Cores the waiting probe keeps busy. */
  readonly busyCores: 0 | 1;
  readonly text: string;
}

export function probeModeFor(cores: number): ProbeMode {
  return cores >= coresToStayAwake
    ? { busyCores: 1, text: 'event loop kept awake while a request is in flight' }
    : { busyCores: 0, text: 'event loop asleep between events (too few cores to keep one awake)' };
}

/** For a comparison, on a machine with cores to spare. */
export const asleepAsAsked: ProbeMode = { busyCores: 0, text: 'event loop asleep between events, as asked' };

/** Run `work` with the event loop spinning, where the mode says that a core can be spared for it. */
export async function awake<T>(mode: ProbeMode, work: () => Promise<T>): Promise<T> {
  let spinning = mode.busyCores > 0;
  const spin = () => {
    if (spinning) setImmediate(spin);
  };
  spin();
  try {
    return await work();
  } finally {
    spinning = false;
  }
}
