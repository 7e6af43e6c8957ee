/**
 * The notebook, top to bottom, on the rehearsal engine: one story a profile. What each must show is said here before it
 * is run; the verdicts come from the same rules and thresholds that judge a real server.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readRun, type RunData } from '../../lib/archive/folder.js';
import type { Cause, Findings, Window } from '../../lib/interpret/findings.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { truthLimits } from '../../lib/interpret/truth.js';
import { findProcessesOfRun } from '../../lib/launch/processes.js';
import { chartsIn, codeCells, failedCells, readNotebook, stderrIn, type RenderedNotebook } from '../rendered.js';
import { modelsDir, rehearse, replay, type HeadlessRun } from './headless.js';

interface Story {
  readonly profile: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** One start is enough for a verdict; two show the restart and a filled cache. */
  readonly launches: 1 | 2;
  /** What the decision table must say; the rest of the table is free. */
  readonly verdict: (verdictOf: (cause: Cause, window: Window) => string, findings: Findings) => void;
}

const stories: readonly Story[] = [
  {
    profile: 'cpu',
    launches: 2,
    // A CPU log has no JIT monitor, so nothing can name the cause of what its first request takes longer.
    verdict: (verdictOf) => {
      for (const cause of ['A', 'B', 'C', 'D'] as const) expect(verdictOf(cause, 'request 1')).not.toBe('holds');
    },
  },
  {
    profile: 'slow-pages',
    launches: 1,
    settings: { DAY007_PAGES: 'evict' },
    verdict: (verdictOf, { verdicts }) => {
      expect(verdictOf('A', 'launch -> ready'), JSON.stringify(verdicts, undefined, 1)).toBe('holds');
      expect(verdictOf('C', 'launch -> ready')).not.toBe('holds');
    },
  },
  {
    profile: 'slow-compile',
    launches: 1,
    verdict: (verdictOf) => {
      expect(verdictOf('C', 'launch -> ready')).toBe('holds');
      expect(verdictOf('A', 'launch -> ready')).not.toBe('holds');
    },
  },
  {
    profile: 'jit-in-request',
    launches: 1,
    verdict: (verdictOf) => expect(verdictOf('C', 'request 1')).toBe('holds'),
  },
  {
    profile: 'contradictory',
    launches: 1,
    settings: { DAY007_PAGES: 'evict' },
    verdict: (verdictOf, { verdicts }) => {
      expect(verdictOf('A', 'launch -> ready'), JSON.stringify(verdicts, undefined, 1)).toBe('cannot tell');
      const because = verdicts.find(({ cause, window }) => cause === 'A' && window === 'launch -> ready')?.because;
      expect(because).toMatch(/^contradictory evidence: C holds with equal claim/);
    },
  },
];

afterAll(() => rmSync(modelsDir, { recursive: true, force: true }));

describe.each(stories)('a rehearsal of "$profile"', ({ profile, settings, launches, verdict }) => {
  let run: HeadlessRun;
  let data: RunData;
  let findings: Findings;
  let notebook: RenderedNotebook;

  beforeAll(async () => {
    const plan = { DAY007_LAUNCHES: String(launches), DAY007_OBSERVER_RUNS: launches === 2 ? '12' : '2', ...settings };
    run = await rehearse(profile, plan).ended;
    expect(run.code, run.output.slice(-3000)).toBe(0);
    data = readRun(run.dir);
    findings = interpret(data);
    notebook = readNotebook(join(run.dir, 'REHEARSAL-day-007.ipynb'));
  }, 300_000);
  afterAll(() => rmSync(run.dir, { recursive: true, force: true }));

  it('runs every cell without an error and draws four charts', () => {
    expect(failedCells(notebook)).toEqual([]);
    expect(stderrIn(notebook)).toEqual([]);
    expect(chartsIn(notebook)).toHaveLength(4);
    expect(findings.launches.map(({ outcome }) => outcome)).toEqual(Array(launches).fill('ready'));
    expect(data.requests.filter(({ outcome }) => outcome !== 'completed')).toEqual([]);
  });

  it('tells its story in the decision table', () => {
    verdict(
      (cause, window) =>
        findings.verdicts.find((found) => found.cause === cause && found.window === window)?.verdict ?? 'missing',
      findings,
    );
  });

  it('says REHEARSAL over every table and chart, in both files, in their names and in the page title', () => {
    expect(untitled(notebook)).toEqual([]);
    for (const { data: bundle } of chartsIn(notebook)) expect(titleOf(bundle)).toMatch(/^REHEARSAL: /);
    expect(readFileSync(join(run.dir, 'first_token_latency.md'), 'utf8')).toMatch(/^# REHEARSAL: /);
    expect(readFileSync(join(run.dir, 'findings.json'), 'utf8')).toContain('"rehearsal": "REHEARSAL: ');
    expect(readdirSync(run.dir).filter((name) => /\.(?:ipynb|html)$/.test(name))).toEqual([
      'REHEARSAL-day-007.html',
      'REHEARSAL-day-007.ipynb',
    ]);
    expect(readFileSync(join(run.dir, 'REHEARSAL-day-007.html'), 'utf8')).toContain('<title>REHEARSAL-day-007</title>');
  });

  it('says first which engine was chosen, and replays the recording that it names', () => {
    const configured = markdownIn(notebook).find((text) => text.includes('REHEARSAL: Configuration'));
    expect(configured).toMatch(/^- \*\*REHEARSAL: no model runs here\.\*\* /);
    expect(data.record.engine.vllmVersion).toBeUndefined();
    expect(configured).toContain(data.record.engine.replays?.split(' (')[0]);
  });

  it('invents no GPU, whatever this machine has', () => {
    expect(data.gpu).toEqual([]);
    expect(data.record.environment.gpus).toEqual([]);
    expect(data.snapshots.filter(({ gpu, memoryUsedMiB }) => gpu !== undefined || memoryUsedMiB !== undefined)).toEqual(
      [],
    );
    expect(readFileSync(join(run.dir, 'first_token_latency.md'), 'utf8')).toContain(
      '- GPU = not observable: no GPU (rehearsal)',
    );
  });

  it('finds what it did where it did it: readiness and phases within their limits, tokens within theirs at the median', () => {
    const { truth } = findings;
    expect(truth?.unmatched).toEqual([]);
    const errors = new Map(truth?.errors.map((error) => [error.quantity, error]));
    const [ready, begin, end, first, gap] = [
      'ready: seen after it could answer',
      'begin of a phase',
      'end of a phase',
      'first token: read after it was written',
      'gap between two tokens',
    ].map((quantity) => errors.get(quantity));
    expect(ready?.n).toBe(launches);
    // How long a busy machine once held up the keeper is on record: it stamps lines, and it asks for readiness.
    const heldUpMs = Math.max(...data.launches.map(({ healthPollIntervalMs = 0 }) => healthPollIntervalMs));
    expect(ready?.maxMs).toBeLessThanOrEqual(truthLimits.readyMs + heldUpMs);
    expect(begin?.maxMs).toBeLessThanOrEqual(truthLimits.phaseMs + heldUpMs);
    expect(end?.maxMs).toBeLessThanOrEqual(truthLimits.phaseMs + heldUpMs);
    // Other tests keep the cores busy meanwhile; the table of a quiet run shows the maximum.
    expect(first?.n).toBe(data.requests.filter(({ streamed }) => streamed).length);
    expect(first?.medianMs).toBeLessThanOrEqual(truthLimits.tokenMs);
    expect(gap?.medianMs).toBeLessThanOrEqual(truthLimits.tokenMs);
    expect(markdownIn(notebook).join('\n')).toContain('REHEARSAL: What the rehearsal did, and what we saw of it');
  });

  it('leaves no process and no blank behind', () => {
    expect(data.stops.map(({ reason, leftoverProcesses }) => [reason, leftoverProcesses])).toEqual(
      Array(launches).fill(['asked', 0]),
    );
    expect(findProcessesOfRun(run.runId)).toEqual([]);
    const report = readFileSync(join(run.dir, 'first_token_latency.md'), 'utf8');
    expect(report).not.toMatch(/=\s*$/m);
    expect(report).not.toMatch(/undefined|NaN/);
  });

  // Last: it rebuilds the files that the tests above read.
  it.runIf(launches === 2)('is shown again from its files alone, and still says so', { timeout: 300_000 }, async () => {
    const out = mkdtempSync(join(tmpdir(), 'day007-rehearsal-'));
    onTestFinished(() => rmSync(out, { recursive: true, force: true }));
    const saved = readFileSync(join(run.dir, 'findings.json'), 'utf8');
    rmSync(join(run.dir, 'findings.json'));
    const again = await replay(run.runId, out).ended;
    expect(again.code, again.output.slice(-3000)).toBe(0);
    expect(readFileSync(join(run.dir, 'findings.json'), 'utf8')).toBe(saved);
    expect(untitled(readNotebook(join(out, 'REHEARSAL-day-007.ipynb')))).toEqual([]);
    expect(existsSync(join(out, 'REHEARSAL-day-007.html'))).toBe(true);
    expect(await startByHand(run.dir)).toBe(200);
  });
});

/** serve.sh as a person would start it: from any folder, with none of the project's variables. The status of /health. */
async function startByHand(dir: string): Promise<number | undefined> {
  const { port } = readRun(dir).record.config;
  const { PATH, HOME } = process.env;
  const server = spawn('bash', [join(dir, 'serve.sh')], { cwd: tmpdir(), env: { PATH, HOME }, stdio: 'ignore' });
  const closed = once(server, 'close');
  try {
    let status: number | undefined;
    const ask = async () => (status = (await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined))?.status);
    await expect.poll(ask, { timeout: 60_000, interval: 100 }).toBeDefined();
    return status;
  } finally {
    server.kill('SIGTERM');
    await closed;
  }
}

it(
  'Ctrl-C while the stand-in starts ends it and all of the run, and keeps what was seen',
  { timeout: 300_000 },
  async () => {
    const running = rehearse('slow-pages', { DAY007_PAGES: 'evict' });
    onTestFinished(() => rmSync(running.dir, { recursive: true, force: true }));
    await expect
      .poll(() => existsSync(join(running.dir, 'server.json')), { timeout: 240_000, interval: 20 })
      .toBe(true);
    expect(findProcessesOfRun(running.runId).length).toBeGreaterThan(1);
    running.runner.kill('SIGINT');
    const { code, output } = await running.ended;
    expect(code, output.slice(-3000)).toBe(130);
    expect(findProcessesOfRun(running.runId)).toEqual([]);
    const { launches, stops } = readRun(running.dir);
    expect(launches).toMatchObject([{ launch: 1, outcome: 'interrupted' }]);
    expect(stops).toMatchObject([{ launch: 1, leftoverProcesses: 0 }]);
    expect(existsSync(join(running.dir, 'REHEARSAL-day-007.ipynb'))).toBe(true);
  },
);

const bundlesIn = (notebook: RenderedNotebook) =>
  codeCells(notebook).flatMap((cell) => (cell.outputs ?? []).map(({ data }) => data ?? {}));

function markdownIn(notebook: RenderedNotebook): string[] {
  return bundlesIn(notebook).flatMap((bundle) => {
    const text = bundle['text/markdown'] as string | readonly string[] | undefined;
    return text === undefined ? [] : [[text].flat().join('')];
  });
}

/** Tables over which the word is missing: the paragraph before a table is its title. */
function untitled(notebook: RenderedNotebook): string[] {
  return markdownIn(notebook).flatMap((text) => {
    const paragraphs = text.split(/\n{2,}/);
    return paragraphs.filter(
      (paragraph, index) => paragraph.startsWith('| ') && !paragraphs[index - 1]?.startsWith('**REHEARSAL'),
    );
  });
}

function titleOf(bundle: Readonly<Record<string, unknown>> | undefined): string {
  const spec = bundle?.['application/vnd.vegalite.v5+json'] as { title?: { text?: string | string[] } } | undefined;
  return [spec?.title?.text ?? ''].flat().join(' ');
}
