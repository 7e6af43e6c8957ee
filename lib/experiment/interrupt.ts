/** Jupyter's "interrupt" ends the waiting of a cell, not its work: this ends the work too, and says what it left. */

/** A cell was interrupted and its work has ended. The message says what stands and what to do next. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/**
 * Run `work` with a signal that SIGINT aborts. Work that ends by that signal throws InterruptedError with the sentence
 * of `explain`; an error of its own that names an interrupt (LaunchError) is thrown as it is. The kernel waits for work
 * whose listener says `endsItsCell`, so that the cell ends when the work has (.jupyter/kernels/tslab/start.cjs).
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  explain: () => string = () => 'The cell was interrupted, and its work has ended. Run it again.',
): Promise<T> {
  const controller = new AbortController();
  const abort = Object.assign(() => controller.abort(), { endsItsCell: true });
  // tslab runs the first, synchronous part of a cell under Node's own SIGINT watchdog, which at its end puts the default
  // action back: a listener added in that part would never be called, and the signal would kill the kernel.
  await Promise.resolve();
  process.on('SIGINT', abort);
  try {
    const result = await work(controller.signal);
    // What was asked for is there, and yet the cells below must not run on.
    if (controller.signal.aborted) throw new InterruptedError(explain());
    return result;
  } catch (error) {
    const { signal } = controller;
    if (signal.aborted && (error === signal.reason || (error as Error).name === 'AbortError'))
      throw new InterruptedError(explain());
    throw error;
  } finally {
    process.off('SIGINT', abort);
  }
}
