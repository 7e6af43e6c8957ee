/** The listener is called as Jupyter's SIGINT would; nothing here sends a signal to the test's own process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { InterruptedError, interruptible } from '../../lib/experiment/interrupt.js';

type Listener = (() => void) & { readonly endsItsCell?: boolean };
const ours = () => (process.listeners('SIGINT') as Listener[]).filter((listener) => listener.endsItsCell);

async function interruptSoon(): Promise<void> {
  await expect.poll(ours).toHaveLength(1);
  ours()[0]?.();
}

it('gives what the work gives, and listens no longer than the work lasts', async () => {
  const working = interruptible(async () => {
    expect(ours()).toHaveLength(1);
    await sleep(5);
    return 'done';
  });
  expect(ours()).toEqual([]);
  expect(await working).toBe('done');
  expect(ours()).toEqual([]);
});

it('ends work that waits by the signal, and says what stands when it has ended', async () => {
  let state = 'running';
  const working = interruptible(
    async (signal) => {
      await sleep(60_000, undefined, { signal }).finally(() => (state = 'stopped'));
    },
    () => `The server is ${state}.`,
  );
  const [outcome] = await Promise.all([working.catch((error: unknown) => error), interruptSoon()]);
  expect(outcome).toBeInstanceOf(InterruptedError);
  expect((outcome as Error).message).toBe('The server is stopped.');
  expect(ours()).toEqual([]);
});

it('fails although the work came to its end: the cells below must not run on', async () => {
  const working = interruptible(async (signal) => {
    while (!signal.aborted) await sleep(1);
    return 'done';
  });
  const [outcome] = await Promise.all([working.catch((error: unknown) => error), interruptSoon()]);
  expect(outcome).toBeInstanceOf(InterruptedError);
});

it("throws the work's own error, which knows more, as it is", async () => {
  const own = new RangeError('the server was stopped after 3 s');
  const working = interruptible(async (signal) => {
    while (!signal.aborted) await sleep(1);
    throw own;
  });
  const [outcome] = await Promise.all([working.catch((error: unknown) => error), interruptSoon()]);
  expect(outcome).toBe(own);
});
