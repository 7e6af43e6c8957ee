import { describe, expect, it } from 'vitest';
import {
  createDisplay,
  notebookPort,
  progressIntervalMs,
  textPort,
  type DisplayPort,
  type MimeBundle,
  type Schedule,
} from '../../lib/report/display.js';
import { chartFontsOf } from '../../lib/report/picture.js';
import { coldWarmPoints } from '../../lib/report/cold-warm-points.js';
import { coldWarmTable } from '../../lib/report/request-tables.js';
import { fullRun } from './sample.js';

interface Sent {
  readonly bundle: MimeBundle;
  readonly displayId?: string;
  readonly isUpdate?: boolean;
}

/** A port that keeps what it gets, a clock that stands still until moved, and a schedule run by hand. */
function bench() {
  const sent: Sent[] = [];
  const port: DisplayPort = { send: (bundle, options = {}) => void sent.push({ bundle, ...options }) };
  let nowMs = 0;
  let waiting: { readonly action: () => void; readonly dueMs: number } | undefined;
  const schedule: Schedule = (action, afterMs) => {
    waiting = { action, dueMs: nowMs + afterMs };
    return () => (waiting = undefined);
  };
  const advance = (ms: number): void => {
    nowMs += ms;
    const due = waiting;
    if (!due || due.dueMs > nowMs) return;
    waiting = undefined;
    due.action();
  };
  const display = createDisplay({
    port,
    fonts: chartFontsOf(process.cwd()),
    clock: { originNs: 0n, nowMs: () => nowMs },
    schedule,
  });
  return { display, sent, advance, texts: () => sent.map((one) => one.bundle['text/plain']) };
}

describe('show', () => {
  it('sends a table once, as Markdown and as plain text', async () => {
    const { display, sent } = bench();
    const table = coldWarmTable(fullRun());
    await display.show(table);
    expect(sent).toEqual([{ bundle: { 'text/markdown': table, 'text/plain': table } }]);
  });
  it('sends a chart once: as Vega-Lite, as PNG for pages without scripts, and its finding as text', async () => {
    const { display, sent } = bench();
    const chart = coldWarmPoints(fullRun());
    await display.show(chart);
    const bundle = sent[0]?.bundle ?? {};
    expect(Object.keys(bundle)).toEqual(['application/vnd.vegalite.v5+json', 'image/png', 'text/plain']);
    expect(Buffer.from(String(bundle['image/png']), 'base64').subarray(1, 4).toString()).toBe('PNG');
    expect(bundle['text/plain']).toMatch(/^Launch 1: first token after 800 ms cold, 42.3 ms warm/);
  });
  it('says why there is no chart', async () => {
    const { display, sent } = bench();
    await display.show({ kind: 'no-chart', why: 'nothing <here>' });
    expect(sent[0]?.bundle['text/markdown']).toBe('No chart: nothing &lt;here>');
  });
});

describe('progress', () => {
  it('replaces one output at most every 100 ms, and loses neither the latest nor the last word', () => {
    const { display, sent, advance, texts } = bench();
    const progress = display.progress('launch');
    progress.update('1 s');
    progress.update('2 s');
    expect(texts()).toEqual(['launch']);
    advance(progressIntervalMs);
    expect(texts()).toEqual(['launch', 'launch: 2 s']);
    progress.update('3 s');
    progress.done('ready in 3 s');
    progress.update('late');
    progress.done('again');
    advance(progressIntervalMs);
    expect(texts()).toEqual(['launch', 'launch: 2 s', 'launch: ready in 3 s']);
    expect(new Set(sent.map((one) => one.displayId)).size).toBe(1);
    expect(sent.map((one) => one.isUpdate)).toEqual([false, true, true]);
  });
  it('sends at once when the interval has passed', () => {
    const { display, advance, texts } = bench();
    const progress = display.progress('x');
    advance(progressIntervalMs);
    progress.update('now');
    expect(texts()).toEqual(['x', 'x: now']);
  });
  it('shows server text without its escape sequences', () => {
    const { display, texts } = bench();
    display.progress('log').done('\u001b[31m<script>\u202e\u0007');
    expect(texts()[1]).toBe('log: <script>\\u202e\\u0007');
  });
});

describe('ports', () => {
  it('fall back outside a notebook', () => {
    const written: string[] = [];
    const port = notebookPort(
      process.cwd(),
      textPort((text) => void written.push(text)),
    );
    port.send({ 'text/plain': 'hello', 'text/markdown': '**hello**' });
    expect(written).toEqual(['hello\n']);
  });
  it('fall back where tslab is not installed', () => {
    const written: string[] = [];
    notebookPort(
      '/nonexistent',
      textPort((text) => void written.push(text)),
    ).send({ 'text/plain': 'hello' });
    expect(written).toEqual(['hello\n']);
  });
});
