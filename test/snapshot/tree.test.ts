import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTreeSums, watchProcessTree, type ProcessUse } from '../../lib/snapshot/tree.js';

const units = { ticksPerS: 100, pageBytes: 4096 };
const use = (pid: number, cpuMs: number, readBytes: number | undefined = 0, bornAtMs = pid): ProcessUse => ({
  pid,
  parentPid: 1,
  name: 'p',
  bornAtMs,
  cpuMs,
  rssMiB: 1,
  majorFaults: 1,
  readBytes,
});

describe('sums over a tree', () => {
  it('keep what a compiler used after it has ended', () => {
    const sums = createTreeSums();
    sums.add([use(1, 100, 10), use(2, 700, 50)]);
    expect(sums.add([use(1, 150, 20)])).toMatchObject({ cpuMs: 850, readBytes: 70, majorFaults: 2, rssMiB: 1 });
    expect(sums.add([])).toMatchObject({ cpuMs: 850, readBytes: 70, rssMiB: 0, processes: [] });
  });

  it('tell a reused pid from the process that had it before', () => {
    const sums = createTreeSums();
    sums.add([use(7, 500, 0, 10)]);
    expect(sums.add([use(7, 20, 0, 99)]).cpuMs).toBe(520);
  });

  it('have no read_bytes while a living process hides its own', () => {
    const sums = createTreeSums();
    expect(sums.add([use(1, 1, 5), { ...use(2, 1), readBytes: undefined }]).readBytes).toBeUndefined();
    expect(sums.add([use(1, 1, 6)]).readBytes).toBe(6);
  });

  it('never step back, whatever comes and goes', () => {
    const growing = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 5 })), { maxLength: 20 });
    fc.assert(
      fc.property(growing, (readings) => {
        const sums = createTreeSums();
        const totals = readings.map((pids, at) => sums.add(pids.map((pid) => use(pid, at * 10, at))));
        for (const [at, total] of totals.entries()) {
          const before = totals[at - 1];
          if (before)
            expect(total.cpuMs >= before.cpuMs && (total.readBytes ?? 0) >= (before.readBytes ?? 0)).toBe(true);
        }
      }),
    );
  });
});

describe('watching a tree', () => {
  let procDir: string;
  beforeEach(() => {
    procDir = mkdtempSync(join(tmpdir(), 'proc-'));
    cpSync('test/fixtures/procfs/ready', procDir, { recursive: true });
  });
  afterEach(() => rmSync(procDir, { recursive: true }));
  const pidsOf = (uses: readonly ProcessUse[]) => uses.map(({ pid }) => pid).sort((a, b) => a - b);
  const stat = (pid: number, parentPid: number, sessionId: number, state = 'S') => {
    mkdirSync(join(procDir, String(pid)), { recursive: true });
    writeFileSync(
      join(procDir, `${pid}/stat`),
      `${pid} (cc1plus) ${state} ${parentPid} 1 ${sessionId} 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 140000 0 256 0\n`,
    );
  };

  it('reads the real vLLM tree: what the worker has used, and when it was born', () => {
    const watch = watchProcessTree(10044, 10044, units, -1_300_000, procDir);
    expect(watch.read().find(({ pid }) => pid === 10501)).toEqual({
      pid: 10501,
      parentPid: 10252,
      name: 'VLLM::Worker',
      bornAtMs: 1_344_950 - 1_300_000,
      cpuMs: (1961 + 961) * 10,
      rssMiB: 511273 / 256,
      majorFaults: 30,
      readBytes: 531873792,
    });
    watch.close();
  });

  it('gives the 7.94 CPU seconds that the worker spent on the request', () => {
    const cpuMs = (dir: string) => {
      const watch = watchProcessTree(10044, 10044, units, undefined, `test/fixtures/procfs/${dir}`);
      const worker = watch.read().find(({ name }) => name === 'VLLM::Worker');
      watch.close();
      return worker?.cpuMs ?? NaN;
    };
    expect(cpuMs('after-request') - cpuMs('ready')).toBe(7940);
  });

  it('takes in processes that are born later, and drops those that become zombies', () => {
    const watch = watchProcessTree(10044, 10044, units, undefined, procDir);
    expect(pidsOf(watch.read())).toEqual([10044, 10048, 10251, 10252, 10501]);
    stat(10600, 10501, 10044);
    stat(10601, 10600, 10601);
    stat(10700, 2, 10700);
    expect(pidsOf(watch.read())).toEqual([10044, 10048, 10251, 10252, 10501, 10600, 10601]);
    stat(10600, 10501, 10044, 'Z');
    expect(pidsOf(watch.read())).toEqual([10044, 10048, 10251, 10252, 10501, 10601]);
    watch.close();
  });

  it('leaves birth and read_bytes absent where they cannot be read', () => {
    rmSync(join(procDir, '10048/io'));
    const watch = watchProcessTree(10044, 10044, units, undefined, procDir);
    const vllm = watch.read().find(({ pid }) => pid === 10048);
    expect(vllm).toMatchObject({ name: 'vllm', bornAtMs: undefined, readBytes: undefined });
    watch.close();
  });

  it('shows nothing of a server that is gone', () => {
    const watch = watchProcessTree(4_000_000, 4_000_000, units, undefined, procDir);
    expect(watch.read()).toEqual([]);
    watch.close();
  });
});
