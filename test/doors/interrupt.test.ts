/** What a client of the kernel sees of an interrupt: when the cell ends, what it says, and that the kernel lives on. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot, removeFolder, run, temporaryFolder } from './programs.js';

/** Runs cells on one kernel, interrupts each as often as told, and prints what came of it, a JSON line a cell. */
const CLIENT = `
import json, sys, time
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="tslab")
for code, interrupts in json.loads(sys.argv[1]):
    asked = client.execute(code)
    stderr, at, left = "", None, list(interrupts)
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != asked: continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and content["name"] == "stderr": stderr += content["text"]
        if kind == "stream" and content["text"].startswith("begun"):
            for pause in left:
                time.sleep(pause)
                at = at or time.monotonic()
                manager.interrupt_kernel()
        if kind == "status" and content["execution_state"] == "idle": break
    seconds = None if at is None else time.monotonic() - at
    reply = client.get_shell_msg(timeout=60)
    while reply["parent_header"].get("msg_id") != asked: reply = client.get_shell_msg(timeout=60)
    reply = reply["content"]
    print(json.dumps({"seconds": seconds, "stderr": stderr, "ename": reply.get("ename"), "alive": manager.is_alive()}), flush=True)
    time.sleep(0.4)
client.stop_channels()
manager.shutdown_kernel(now=True)
`;

interface Seen {
  readonly seconds: number | null;
  readonly stderr: string;
  readonly ename: string | null;
  readonly alive: boolean;
}

/** As a cell of the notebook does it: the work begins in the cell's first, synchronous part. */
const working = (work: string) => `
import { interruptible } from './lib/experiment/interrupt.js';
await interruptible(async (signal: AbortSignal) => {
  console.log('begun');
  ${work}
}, () => 'The work was interrupted; the server is still up.');`;

const cells: readonly (readonly [code: string, interruptAfterS: readonly number[]])[] = [
  [working(`await new Promise<void>((end) => signal.addEventListener('abort', () => setTimeout(end, 700)));`), [0.2]],
  [working(`await new Promise((end) => setTimeout(end, 20_000));`), [0.2, 0.8]],
  [`console.log('begun'); await new Promise((end) => setTimeout(end, 20_000));`, [0.2]],
  [`class LaunchError extends Error { name = 'LaunchError'; }\nthrow new LaunchError('Port 8000 is taken.');`, []],
  [`throw new RangeError('unexpected');`, []],
];

let folder: string;
let seen: Seen[];
beforeAll(async () => {
  folder = temporaryFolder();
  const python = join(projectRoot, '.venv', 'bin', 'python');
  const { stdout, stderr } = await run(['-c', CLIENT, JSON.stringify(cells)], {
    command: python,
    env: { JUPYTER_PATH: join(projectRoot, '.jupyter'), IPYTHONDIR: folder },
  });
  seen = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Seen);
  expect(seen, stderr).toHaveLength(cells.length);
}, 120_000);
afterAll(() => removeFolder(folder));

test('a cell whose work ends itself ends when its work has, with the sentence of the work and nothing else', () => {
  expect(seen[0]).toMatchObject({
    ename: 'InterruptedError',
    stderr: 'InterruptedError: The work was interrupted; the server is still up.\n',
    alive: true,
  });
  expect(seen[0]?.seconds).toBeGreaterThan(0.65);
});

test('a second interrupt does not wait for the work', () => {
  expect(seen[1]).toMatchObject({ ename: 'InterruptedError', alive: true });
  expect(seen[1]?.stderr).toBe(
    'InterruptedError: The cell was interrupted. What it had begun may go on until it ends by itself.\n',
  );
  expect(seen[1]?.seconds).toBeGreaterThan(0.75);
  expect(seen[1]?.seconds).toBeLessThan(10);
});

test('a cell without work of ours ends at once, in a plain sentence', () => {
  expect(seen[2]).toMatchObject({ ename: 'InterruptedError', alive: true });
  expect(seen[2]?.stderr).not.toMatch(/\n\s+at |asynchronously/);
  expect(seen[2]?.seconds).toBeLessThan(10);
});

test('an error that speaks for itself is shown without a stack, any other with one', () => {
  expect(seen[3]).toMatchObject({ ename: 'LaunchError', stderr: 'LaunchError: Port 8000 is taken.\n' });
  expect(seen[4]?.ename).toBe('RangeError');
  expect(seen[4]?.stderr).toMatch(/RangeError: unexpected\n\s+at /);
});
