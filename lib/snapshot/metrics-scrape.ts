/** Asks a server for /metrics at the edge of a block and keeps what it says. */
import { request } from 'undici';
import { appendRows } from '../archive/folder.js';
import { tables, type MetricRow } from '../archive/tables.js';
import type { Clock } from '../clock.js';
import { metricRows, parseExposition } from './prometheus.js';

/** A server without /metrics is a finding about that server, not a failure of the run. */
export type Scrape =
  | { readonly outcome: 'scraped'; readonly atMs: number; readonly tookMs: number; readonly rows: readonly MetricRow[] }
  | { readonly outcome: 'unavailable'; readonly atMs: number; readonly reason: string };

/** A busy engine answers late, but an answer after this no longer describes the edge of a block. */
const scrapeLimitMs = 5000;

/**
 * Scrapes `<baseUrl>/metrics`, appends the figures to metrics.csv and returns them. `scrape` names the edge
 * ("after-ready"). Call it between blocks only: between back-to-back requests it would be a request itself.
 */
export async function scrapeMetrics(
  baseUrl: string,
  runDir: string,
  launch: number,
  scrape: string,
  clock: Clock,
): Promise<Scrape> {
  const startMs = clock.nowMs();
  const unavailable = (reason: string): Scrape => ({ outcome: 'unavailable', atMs: clock.nowMs(), reason });
  let text: string;
  try {
    const answer = await request(`${baseUrl.replace(/\/+$/, '')}/metrics`, {
      signal: AbortSignal.timeout(scrapeLimitMs),
      reset: true,
    });
    text = await answer.body.text();
    if (answer.statusCode !== 200) return unavailable(`/metrics answered with status ${answer.statusCode}`);
  } catch (error) {
    return unavailable(`/metrics could not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const atMs = clock.nowMs();
  if (parseExposition(text).figures.length === 0)
    return unavailable('/metrics answered, but not in the Prometheus text format');
  const rows = metricRows(text, { launch, scrape, atMs });
  appendRows(runDir, tables.metrics, rows);
  return { outcome: 'scraped', atMs, tookMs: atMs - startMs, rows };
}
