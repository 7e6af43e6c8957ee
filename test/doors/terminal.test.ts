/** What a headless run prints where lines cannot be rewritten (a log) and where they can (a terminal). */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot, start } from './programs.js';

/** Runs `script` against a Terminal on a recording stream; `clock[0]` is its clock in seconds. */
async function record(isTerminal: boolean, script: string): Promise<string> {
  const program = `
import io, sys
sys.path.insert(0, "scripts")
from terminal import Terminal
class Stream(io.StringIO):
    def isatty(self): return ${isTerminal ? 'True' : 'False'}
stream, clock = Stream(), [0.0]
terminal = Terminal(stream, lambda: clock[0])
${script}
sys.__stdout__.write(stream.getvalue())`;
  const python = join(projectRoot, '.venv', 'bin', 'python');
  const launcher = `require('node:child_process').spawn(${JSON.stringify(python)}, ['-c', ${JSON.stringify(program)}], { stdio: 'inherit' })`;
  const { stdout, stderr } = await start(['-e', launcher], { env: { COLUMNS: '40', PYTHONDONTWRITEBYTECODE: '1' } })
    .ended;
  expect(stderr).toBe('');
  return stdout;
}

test('in a log, progress is a line at most every two seconds, and its last state is never lost', async () => {
  const script = `
for tenth in range(0, 51):
    clock[0] = tenth / 10
    terminal.progress(f"loading {tenth} of 50")
terminal.end_cell()
terminal.line("next")`;
  expect(await record(false, script)).toBe(
    'loading 0 of 50\nloading 20 of 50\nloading 40 of 50\nloading 50 of 50\nnext\n',
  );
});

test('in a log, text that rewrites its line with carriage returns counts as progress', async () => {
  const script = String.raw`
for percent in (0, 30, 60):
    terminal.text(f"\r{percent} %")
terminal.text("\r100 % done\nready\n")`;
  expect(await record(false, script)).toBe('0 %\n100 % done\nready\n');
});

test('text that comes in pieces is one line, and an unfinished line is finished at the end of its cell', async () => {
  const script = String.raw`
terminal.text("one ")
terminal.text("line\nand a ")
terminal.text("rest")
terminal.end_cell()`;
  expect(await record(false, script)).toBe('one line\nand a rest\n');
});

test('on a terminal, progress rewrites its line, is cut to the width, and stays when the next line comes', async () => {
  const script = String.raw`
terminal.progress("loading weights\n 1 of 2 files")
terminal.progress("x" * 60)
terminal.line("next")`;
  expect(await record(true, script)).toBe(
    `\r\u001b[Kloading weights · 1 of 2 files\r\u001b[K${'x'.repeat(39)}\nnext\n`,
  );
});

test('of a table, progress shows what stands before it', async () => {
  const script = String.raw`
terminal.progress("The answer of run 1\n\n| what | value |\n| :- | :- |\n| TTFT | 1 ms |")
terminal.end_cell()`;
  expect(await record(false, script)).toBe('The answer of run 1\n');
});

test('on a terminal, a line that grows piece by piece is shown once, whole', async () => {
  const script = String.raw`
terminal.text("12")
terminal.text("34\n")`;
  expect(await record(true, script)).toBe('\r\u001b[K12\r\u001b[K1234\n');
});
