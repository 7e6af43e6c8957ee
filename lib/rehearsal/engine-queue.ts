/** One generation at a time, in the order in which they came: the time in the queue is real. */

export interface EngineQueue {
  /** Runs `work` when its turn has come; resolves or rejects as it does. */
  take<T>(work: () => Promise<T>): Promise<T>;
  readonly waiting: () => number;
  readonly running: () => number;
}

export function createEngineQueue(): EngineQueue {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let running = 0;
  return {
    take: <T>(work: () => Promise<T>): Promise<T> => {
      waiting += 1;
      const turn = last.then(async () => {
        waiting -= 1;
        running += 1;
        try {
          return await work();
        } finally {
          running -= 1;
        }
      });
      last = turn.catch(() => undefined);
      return turn;
    },
    waiting: () => waiting,
    running: () => running,
  };
}
