/** Jupyter's "interrupt" ends the waiting of a cell, not its work: this ends the work too. */

/** Run `work` with a signal that SIGINT aborts. The listener lives only as long as the work. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.on('SIGINT', abort);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', abort);
  }
}
