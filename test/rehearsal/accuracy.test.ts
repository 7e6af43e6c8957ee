/**
 * How late is the probe's TTFT, by the engine's own truth? Engine and prober are processes of their own, as in a run.
 * The promise is for two cores that are theirs: an attempt in which others wanted the cores is told from one in which
 * they did not by what the kernel counted, and is made again; it is never judged by a softer limit.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { median, p99, sortSamples } from '../../lib/statistics/samples.js';
import { startProber } from '../../lib/probe/client.js';
import { parsePressureTotal } from '../../lib/snapshot/procfs.js';
import { clock, temporaryFolder } from '../launch/place.js';
import { streamed } from './serving.js';

/** The promise: TTFT error, p99, one stream, two cores. */
const p99LimitMs = 2;
/** Half of it: what a median must keep even beside others. */
const medianLimitMs = 1;
/** Share of the time in which a process that could run had to wait for a core, ours among them. Ours, fixed before any run. */
const quietShare = 0.05;
const attempts = 3;
const warmups = 20;
const measured = 250;

const pressureFile = '/proc/pressure/cpu';

interface Attempt {
  readonly errorsMs: readonly number[];
  /** Absent on a kernel without PSI. */
  readonly pressure: number | undefined;
}

it('keeps the error of TTFT below 2 ms (p99) at one stream', { timeout: 180_000 }, async ({ skip }) => {
  skip(availableParallelism() < 2, 'the promise is for two cores');
  const seen: Attempt[] = [];
  for (let attempt = 0; attempt < attempts && !seen.some(isKept); attempt += 1) {
    const one = await measure();
    seen.push(one);
    // A quiet attempt is the verdict, whatever it says.
    if (isQuiet(one)) break;
  }
  console.log(tableOf(seen));
  for (const { errorsMs } of seen) {
    expect(errorsMs.length).toBeGreaterThanOrEqual(200);
    expect(Math.min(...errorsMs)).toBeGreaterThan(0);
  }
  expect(Math.min(...seen.map(({ errorsMs }) => median(sortSamples(errorsMs)) ?? NaN))).toBeLessThanOrEqual(
    medianLimitMs,
  );
  const verdict = seen.find(isKept) ?? seen.find(isQuiet);
  skip(!verdict, 'not judged: in every attempt others wanted the cores (see the table)');
  expect(p99(sortSamples(verdict?.errorsMs ?? []))).toBeLessThanOrEqual(p99LimitMs);
});

async function measure(): Promise<Attempt> {
  const runDir = temporaryFolder();
  const profile = JSON.stringify({ prefillBaseMs: 8, prefillMsPerToken: 0, decodeMsPerToken: 2, jitterMs: 1 });
  const program = resolve('test/fixtures/programs/service.ts');
  const engine = spawn(process.execPath, ['--import', 'tsx', program, String(clock.originNs), runDir, profile], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void engine.kill('SIGKILL'));
  const [port] = (await once(engine.stdout, 'data')) as [Buffer];
  const origin = `http://127.0.0.1:${port.toString().trim()}`;
  const prober = startProber(
    { runDir, clockOriginNs: String(clock.originNs), projectRoot: resolve('.') },
    `accuracy-${process.pid}-${clock.nowMs()}`,
  );
  const body = JSON.stringify(streamed({ max_tokens: 4 }));
  const plan = { origin, path: '/v1/completions', body, timeoutMs: 10_000 };
  const ask = (index: number) =>
    prober.probe({ requestId: String(index), launch: 1, name: 'warm', index, workload: 'seed', streamed: true }, plan);
  const firstTokenAtMs: (number | undefined)[] = [];
  let begin = pressureNow();
  try {
    for (let index = 1; index <= warmups + measured; index += 1) {
      if (index === warmups + 1) begin = pressureNow();
      firstTokenAtMs.push((await ask(index)).request.firstTokenAtMs);
    }
  } finally {
    await prober.stop();
  }
  const end = pressureNow();
  engine.stdin.end();
  await once(engine, 'exit');
  const written = new Map(
    readRows(runDir, tables.truth)
      .filter(({ event, name, sequence }) => event === 'chunk-written' && name === 'token' && sequence === 1)
      .map(({ request, atMs }) => [request, atMs]),
  );
  const errorsMs = firstTokenAtMs.map((atMs, index) => (atMs ?? NaN) - (written.get(index + 1) ?? NaN)).slice(warmups);
  const pressure =
    begin.waitedMs === undefined || end.waitedMs === undefined
      ? undefined
      : (end.waitedMs - begin.waitedMs) / (end.atMs - begin.atMs);
  return { errorsMs, pressure };
}

function pressureNow(): { readonly atMs: number; readonly waitedMs: number | undefined } {
  const totalUs = existsSync(pressureFile) ? parsePressureTotal(readFileSync(pressureFile, 'utf8'), 'some') : undefined;
  return { atMs: clock.nowMs(), waitedMs: totalUs === undefined ? undefined : totalUs / 1000 };
}

/** Where the kernel does not say, an attempt counts as quiet: then the limit holds as it stands. */
const isQuiet = ({ pressure = 0 }: Attempt): boolean => pressure <= quietShare;
const isKept = ({ errorsMs }: Attempt): boolean => (p99(sortSamples(errorsMs)) ?? Infinity) <= p99LimitMs;

function tableOf(seen: readonly Attempt[]): string {
  const rows = seen.map(({ errorsMs, pressure }, index) => {
    const sorted = sortSamples(errorsMs);
    const figures = [median(sorted), p99(sorted), sorted.at(-1)].map((ms) => ms?.toFixed(3) ?? '-');
    const waited = pressure === undefined ? 'unknown' : `${(100 * pressure).toFixed(1)} %`;
    return `| ${[index + 1, sorted.length, ...figures, waited].join(' | ')} |`;
  });
  return [
    'TTFT error against the truth, one stream',
    '| attempt | n | median ms | p99 ms | max ms | time others waited for a core |',
    '| ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}
