import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { calibrate, calibrationRow } from '../../lib/probe/calibrate.js';
import type { Exchange } from '../../lib/probe/exchange.js';
import { left, until } from '../launch/place.js';
import { readsOfText } from './recorded.js';

const clock = createClock();
const root = resolve('.');

it('measures the client against the stream of known truth: warm-ups first, no error below zero', async () => {
  const rows = await calibrate(2, 3, clock, root);
  expect(rows.map(({ index, warmup }) => [index, warmup])).toEqual([
    [1, true],
    [2, true],
    [3, false],
    [4, false],
    [5, false],
  ]);
  for (const { firstTokenErrorMs, worstChunkErrorMs, connectMs } of rows) {
    // The server reads the same clock just before it writes: nothing can be seen before.
    expect(firstTokenErrorMs).toBeGreaterThan(0);
    expect(worstChunkErrorMs).toBeGreaterThanOrEqual(firstTokenErrorMs);
    expect(connectMs).toBeGreaterThan(0);
  }
});

it('ends its server', async () => {
  process.env['DAY007_RUN_ID'] = `calibration-${process.pid}`;
  await calibrate(0, 1, clock, root);
  const runId = process.env['DAY007_RUN_ID'];
  delete process.env['DAY007_RUN_ID'];
  await until(
    () => left(runId),
    (seen) => seen.length === 0,
  );
});

it('stops when it is interrupted', async () => {
  await expect(calibrate(0, 1, clock, root, AbortSignal.abort())).rejects.toThrow(
    'calibration request 1 broke: the request was interrupted',
  );
});

it('says so when its server cannot be started', async () => {
  await expect(calibrate(0, 1, clock, '/nowhere')).rejects.toThrow(/ENOENT/);
});

const event = (writtenAtMs: unknown) => `data: ${JSON.stringify({ writtenAtMs })}\n\n`;
const seen = (text: string, cuts: readonly number[] = []): Exchange => ({
  startAtMs: 0,
  connectedAtMs: 0.5,
  reads: readsOfText(text, cuts),
});

it('takes the error of the first event and the largest error of all', () => {
  // Both events are seen when their bytes have come: at 24 and at 48.
  const text = `${event(20)}${event(30)}data: [DONE]\n\n`;
  const length = event(20).length;
  const row = calibrationRow(seen(text, [length, 2 * length]), 7, false);
  expect(row).toEqual({
    index: 7,
    warmup: false,
    firstTokenErrorMs: length - 20,
    worstChunkErrorMs: Math.max(length - 20, 2 * length - 30),
    connectMs: 0.5,
  });
});

it.each([
  ['broke', { ...seen(event(1)), failure: { code: 'x', message: 'cut' } }, 'calibration request 1 broke: cut'],
  ['never connected', { ...seen(event(1)), connectedAtMs: undefined }, 'calibration request 1 broke: no connection'],
  ['brought no event', seen(''), 'an answer of the known-truth stream carried no instants'],
  [
    'brought an event without an instant',
    seen(event(1) + event(undefined)),
    'an answer of the known-truth stream carried no instants',
  ],
])('refuses an exchange that %s', (_what, exchange, message) => {
  expect(() => calibrationRow(exchange, 1, false)).toThrow(message);
});
