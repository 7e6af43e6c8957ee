import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createClock } from '../../lib/clock.js';
import { openHostSampling, type HostSampling } from '../../lib/snapshot/host-sampling.js';

let runDir: string;
let sampling: HostSampling;
const say = (text: string) => writeFileSync(join(runDir, 'server.json'), text);
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'run-'));
  sampling = openHostSampling(runDir, createClock(), 'test/fixtures/procfs/ready');
});
afterEach(() => {
  sampling.close();
  rmSync(runDir, { recursive: true });
});

it('follows the server that server.json names, and keeps its launch number when it has ended', () => {
  expect(sampling.read()).toMatchObject({ launch: 0, tree: undefined });
  say('{"launch":1,"pid":10044,"sid":10044}');
  const reading = sampling.read();
  expect(reading.launch).toBe(1);
  expect(reading.tree?.processes).toHaveLength(5);
  expect(reading.tree?.cpuMs).toBe((1148 + 299 + 3 + 3 + 935 + 219 + 1961 + 961) * 10);
  expect(reading.host.pageCacheMiB).toBe(2692948 / 1024);
  rmSync(join(runDir, 'server.json'));
  expect(sampling.read()).toMatchObject({ launch: 1, tree: undefined });
});

it('begins its sums anew for the next launch', () => {
  say('{"launch":1,"pid":10044,"sid":10044}');
  sampling.read();
  say('{"launch":2,"pid":10501,"sid":99}');
  expect(sampling.read()).toMatchObject({ launch: 2, tree: { cpuMs: 29_220 } });
});

it('keeps to the server it knows while server.json is half-written', () => {
  say('{"launch":1,"pid":10044,"sid":10044}');
  sampling.read();
  for (const half of ['', '{"launch":2,"pi', '{"launch":2}']) {
    say(half);
    expect(sampling.read()).toMatchObject({ launch: 1 });
    expect(sampling.read().tree?.processes).toHaveLength(5);
  }
});
