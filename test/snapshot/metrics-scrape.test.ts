import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { createClock } from '../../lib/clock.js';
import { scrapeMetrics } from '../../lib/snapshot/metrics-scrape.js';

const recorded = readFileSync('test/fixtures/prometheus/vllm-0.32-after-ready.txt', 'utf8');
let runDir: string;
beforeEach(() => (runDir = mkdtempSync(join(tmpdir(), 'run-'))));
afterEach(() => rmSync(runDir, { recursive: true }));

async function scrapeFrom(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await scrapeMetrics(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      runDir,
      2,
      'after-ready',
      createClock(),
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

it('saves the figures of a server and returns them', async () => {
  const paths: (string | undefined)[] = [];
  const scrape = await scrapeFrom((request, response) => {
    paths.push(request.url);
    response.end(recorded);
  });
  expect(paths).toEqual(['/metrics']);
  expect(scrape.outcome).toBe('scraped');
  const saved = readRows(runDir, tables.metrics);
  expect(saved.length).toBeGreaterThan(50);
  expect(saved).toEqual(
    scrape.outcome === 'scraped'
      ? scrape.rows.map(({ labels, ...row }) => (labels === undefined ? row : { ...row, labels }))
      : [],
  );
  expect(saved.every(({ launch, scrape: edge }) => launch === 2 && edge === 'after-ready')).toBe(true);
});

it('takes a server without /metrics as data', async () => {
  const scrape = await scrapeFrom((_, response) => response.writeHead(404).end('{"detail":"Not Found"}'));
  expect(scrape).toMatchObject({ outcome: 'unavailable', reason: '/metrics answered with status 404' });
  expect(readRows(runDir, tables.metrics)).toEqual([]);
});

it('does not take a page of another kind for figures', async () => {
  expect(await scrapeFrom((_, response) => response.end('<html>login</html>'))).toMatchObject({
    outcome: 'unavailable',
  });
});

it('takes a refused connection as data', async () => {
  const scrape = await scrapeMetrics('http://127.0.0.1:1', runDir, 1, 'after-ready', createClock());
  expect(scrape).toMatchObject({ outcome: 'unavailable' });
  expect(scrape.outcome === 'unavailable' && scrape.reason).toMatch(/could not be read/);
});
