import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, notebooks, projectRoot, removeFolder, run, start, temporaryFolder, waitFor } from './programs.js';

let out: string;
beforeEach(() => {
  out = join(temporaryFolder(), 'run');
});
afterEach(() => removeFolder(join(out, '..')));

interface Cell {
  readonly cell_type: string;
  readonly execution_count: number | null;
  readonly outputs: readonly {
    output_type: string;
    name?: string;
    text?: string | string[];
    data?: Record<string, unknown>;
  }[];
}
const readCodeCells = (name: string): readonly Cell[] =>
  (JSON.parse(readFileSync(join(out, `${name}.ipynb`), 'utf8')) as { cells: Cell[] }).cells.filter(
    (cell) => cell.cell_type === 'code',
  );
const startNotebook = (name: string) => [
  'scripts/door.cjs',
  'start',
  '--notebook',
  join(notebooks, `${name}.ipynb`),
  '--out',
  out,
];

/** What a browser would load: addresses in src, in href of a link, in url() and @import that are no data. */
function externalAddresses(page: string): string[] {
  const references = /\ssrc=["']([^"']*)|<link[^>]*\shref=["']([^"']*)|url\(\s*["']?([^"')]*)|@import\s+["']([^"']*)/gi;
  return [...page.matchAll(references)]
    .map(([, ...addresses]) => addresses.join(''))
    .filter((address) => !/^(data:|#)/.test(address));
}

describe('a notebook that runs to its end', () => {
  test('shows text while its cell still runs, and ends with the paths of notebook and page', async () => {
    const running = start(startNotebook('success'));
    const early = await waitFor(running, () => (running.stdout().includes('tick 1') ? running.stdout() : undefined));
    expect(early).not.toContain('tick 5');
    const { exitCode, stdout, stderr } = await running.ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('[cell 3/9] Text that comes in pieces');
    expect(stdout).toContain('[cell 9/9] What a cell above is given below\n');
    expect(stdout.trim().split('\n').slice(-5)).toEqual([
      'loaded in the end',
      '',
      `Run folder  ${out}`,
      `Notebook    ${join(out, 'success.ipynb')}`,
      `Page        ${join(out, 'success.html')}`,
    ]);

    const cells = readCodeCells('success');
    expect(cells.map((cell) => cell.execution_count)).toEqual([1, 2, 3, 4]);
    expect(cells[0]?.outputs).toHaveLength(1);
    expect(
      cells[1]?.outputs.map(({ name, text, data }) => [name, [text ?? data?.['text/plain']].flat().join('')]),
    ).toEqual([
      [undefined, 'loaded in the end'],
      ['stdout', '100/100 done\n'],
    ]);
    expect(Object.keys(cells[2]?.outputs[0]?.data ?? {})).toEqual([
      'application/vnd.vegalite.v5+json',
      'image/png',
      'text/plain',
    ]);

    const page = readFileSync(join(out, 'success.html'), 'utf8');
    expect(externalAddresses(page)).toEqual([]);
    expect(/<img [^>]*src="data:image\/png;base64,/.test(page)).toBe(true);
    expect(/<script|mathjax|require\.js|jquery|mermaid\./i.test(page)).toBe(false);
    expect(page.includes("default-src 'none'; img-src data:")).toBe(true);
  });

  test('a page that would load a picture from elsewhere is an error that names it', async () => {
    const { exitCode, stderr } = await run(startNotebook('remote-picture'));
    expect(exitCode).toBe(1);
    expect(stderr.trim()).toBe(
      'remote-picture.html is not self-contained, it would load img src: https://example.org/picture.png',
    );
  });
});

describe('a notebook with a failing cell', () => {
  test('names the cell, its source and the error, exits 1, and keeps what ran', async () => {
    const { exitCode, stdout, stderr } = await run(startNotebook('failure'));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^\nCell 4 failed\.\n\n {4}class LaunchError extends Error \{\n/);
    expect(stderr).toContain(
      '\nLaunchError: the server died with exit code 3; its last line was "out of memory"; try a smaller model\n',
    );
    // Its message says what to do; the stack stands in the notebook, and nothing is said twice.
    expect(stderr).not.toMatch(/\n {4}at /);
    expect((stdout + stderr).split('LaunchError: the server died')).toHaveLength(2);
    expect(stdout).not.toContain('never reached');
    expect(readCodeCells('failure').map((cell) => cell.execution_count)).toEqual([1, 2, null]);
    expect(existsSync(join(out, 'failure.html'))).toBe(true);
  });
});

describe('a run that is stopped from outside', () => {
  /** Starts the endless notebook; resolves when its cell has said its kernel's and its child's process ids. */
  async function startEndless(through: 'node' | 'npm' = 'node') {
    const args = startNotebook('endless');
    const running =
      through === 'npm' ? start(['start', '--silent', '--', ...args.slice(2)], { command: 'npm' }) : start(args);
    const pids = await waitFor(running, () => /kernel (\d+) child (\d+)/.exec(running.stdout())?.slice(1).map(Number));
    return { running, pids };
  }

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('%s ends the kernel and its children, keeps the notebook and exits %i', async (signal, code) => {
    const { running, pids } = await startEndless();
    running.child.kill(signal);
    const { exitCode, stderr } = await running.ended;
    expect(exitCode).toBe(code);
    expect(stderr).toContain('Interrupted in cell 2.');
    expect(pids.filter(isAlive)).toEqual([]);
    expect(readCodeCells('endless')[0]?.execution_count).toBe(1);
  });

  test('a signal to npm itself reaches the runner, which saves and leaves nothing', async () => {
    const { running, pids } = await startEndless('npm');
    running.child.kill('SIGTERM');
    await running.ended;
    expect(pids.filter(isAlive)).toEqual([]);
    expect(existsSync(join(out, 'endless.html'))).toBe(true);
  });

  test('a killed npm leaves nothing running either', async () => {
    const { running, pids } = await startEndless('npm');
    running.child.kill('SIGKILL');
    await expect.poll(() => pids.filter(isAlive), { timeout: 15_000, interval: 100 }).toEqual([]);
    await running.ended;
  });

  test('the runner leaves when the program that started it is killed, and takes its kernel along', async () => {
    const { running, pids } = await startEndless();
    running.child.kill('SIGKILL');
    await expect.poll(() => pids.filter(isAlive), { timeout: 15_000, interval: 100 }).toEqual([]);
  });

  test('a kernel that dies is named as the reason', async () => {
    const { running, pids } = await startEndless();
    process.kill(pids[0] ?? 0, 'SIGKILL');
    const { exitCode, stderr } = await running.ended;
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The kernel died while this cell ran');
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

describe('the arguments of npm start', () => {
  test('a replay of a folder that is no run folder is refused with what to give instead', async () => {
    mkdirSync(out);
    const { exitCode, stderr } = await run([...startNotebook('success'), '--replay', out]);
    expect(exitCode).toBe(1);
    expect(stderr.trim()).toBe(
      `${out} is not a run folder (it has no run.json): give the folder that a run printed at its end, or one below data/published.`,
    );
  });

  test('an unknown option names the known ones', async () => {
    const { exitCode, stderr } = await run(['scripts/door.cjs', 'start', '--speed', '9']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/Unknown option '--speed'.*Known options: --replay/);
  });

  test('a replay tells the notebook its folder and writes beside it, a run tells a fresh run id', async () => {
    mkdirSync(out);
    writeFileSync(join(out, 'run.json'), '{}');
    const notebook = join(notebooks, 'environment.ipynb');
    const replay = await run(['scripts/door.cjs', 'start', '--notebook', notebook, '--replay', out]);
    expect(replay.stdout).toContain(`replay ${out} run undefined`);
    expect(existsSync(join(out, 'rendered', 'environment.html'))).toBe(true);

    const fresh = await run(['scripts/door.cjs', 'start', '--notebook', notebook], {
      env: { DAY007_RUN_ID: undefined },
    });
    const runId = /replay undefined run (\S+)/.exec(fresh.stdout)?.[1] ?? '';
    expect(runId).toMatch(/^\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{4}$/);
    const folder = /^Run folder {2}(.+)$/m.exec(fresh.stdout)?.[1] ?? '';
    expect(basename(folder)).toBe(runId);
    removeFolder(join(projectRoot, folder));
  });
});
