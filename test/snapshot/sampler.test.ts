import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readRows } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import { createClock } from '../../lib/clock.js';
import { SamplerError, startSampler, type Sampler, type SamplerOptions } from '../../lib/snapshot/sampler.js';

const projectDir = process.cwd();
const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
const noGpu = 'libno-such-nvml.so.1';
const clock = createClock();
let runDir: string;
const cleanups: (() => unknown)[] = [];
beforeEach(() => (runDir = mkdtempSync(join(tmpdir(), 'run-'))));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(runDir, { recursive: true });
});

async function start(options: Partial<SamplerOptions> = {}): Promise<Sampler> {
  const sampler = await startSampler(
    { dir: runDir, clock },
    { projectDir, intervalMs: 50, nvmlLibrary: noGpu, ...options },
  );
  cleanups.push(() => sampler.stop());
  return sampler;
}

/** A small tree in a session of its own that burns CPU, announced as the keeper does. */
function startServer(launch: number): { readonly pid: number } {
  const server = spawn('sh', ['-c', 'sleep 300 & while :; do :; done'], { detached: true, stdio: 'ignore' });
  const pid = server.pid ?? 0;
  cleanups.push(() => process.kill(-pid, 'SIGKILL'));
  writeFileSync(join(runDir, 'server.new'), JSON.stringify({ launch, pid, sid: pid }));
  renameSync(join(runDir, 'server.new'), join(runDir, 'server.json'));
  return { pid };
}

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 20_000, interval: 50 });
const isGone = (pid: number) => spawnSync('kill', ['-0', String(pid)]).status !== 0;

it('samples the node before a server lives, then the tree that server.json names', async () => {
  const sampler = await start();
  expect(sampler.noGpu).toMatch(/^no GPU/);
  await until(() => expect(readRows(runDir, tables.samples).length).toBeGreaterThan(2));
  const server = startServer(1);
  await until(() =>
    expect(
      readRows(runDir, tables.samples).filter(({ serverCpuCores = 0 }) => serverCpuCores > 0.1).length,
    ).toBeGreaterThan(3),
  );
  const report = await sampler.stop();

  const samples = readRows(runDir, tables.samples);
  expect(samples[0]).toMatchObject({ launch: 0, serverProcesses: 0 });
  expect(samples[samples.length - 1]).toMatchObject({ launch: 1, serverProcesses: 2 });
  expect(report).toMatchObject({ how: 'asked', gpu: undefined, host: { read: samples.length, failed: 0 } });
  for (const [at, { atMs }] of samples.entries()) expect(atMs).toBeGreaterThan(samples[at - 1]?.atMs ?? 0);

  const processes = readRows(runDir, tables.processes);
  expect(new Set(processes.map(({ name }) => name))).toEqual(new Set(['sh', 'sleep']));
  const root = processes.find(({ pid }) => pid === server.pid);
  expect(root?.bornAtMs).toBeLessThanOrEqual(root?.atMs ?? 0);
  expect(readRows(runDir, tables.gpu)).toEqual([]);
});

it('leaves NVML alone where it is told why there is no GPU, and says that', async () => {
  // A library that would be opened if anybody tried: the one of libc has no nvmlInit_v2, which would be told.
  const sampler = await start({ nvmlLibrary: 'libc.so.6', noGpuBecause: 'no GPU (rehearsal)' });
  expect(sampler).toMatchObject({ noGpu: 'no GPU (rehearsal)', gpus: [] });
  const other = await start({ nvmlLibrary: 'libc.so.6' });
  expect(other.noGpu).not.toBe(sampler.noGpu);
});

it('reads a snapshot point at once and saves it', async () => {
  const sampler = await start({ intervalMs: 60_000 });
  const askedAtMs = clock.nowMs();
  const [row, ...more] = await sampler.readPoint('before-launch', 1);
  expect(more).toEqual([]);
  expect(row).toMatchObject({ launch: 1, point: 'before-launch' });
  expect(row?.gpu).toBeUndefined();
  expect(row?.memAvailableMiB).toBeGreaterThan(0);
  expect(row?.atMs).toBeGreaterThanOrEqual(askedAtMs - 0.001);
  expect(row?.atMs).toBeLessThanOrEqual(clock.nowMs());
  startServer(1);
  // A process that has just been started holds no page yet.
  await vi.waitFor(async () => expect((await sampler.readNow())[0]?.serverRssMiB).toBeGreaterThan(0), {
    timeout: 20_000,
  });
  const [both] = await Promise.all([sampler.readPoint('after-ready', 1), sampler.readPoint('after-cold_1', 1)]);
  expect(both[0]?.serverRssMiB).toBeGreaterThan(0);
  expect(readRows(runDir, tables.snapshots).map(({ point }) => point)).toEqual([
    'before-launch',
    'after-ready',
    'after-cold_1',
  ]);
});

it('reads nothing between pause and resume, writes down the pause, and begins again without a rate over it', async () => {
  const sampler = await start({ intervalMs: 20 });
  await until(() => expect(readRows(runDir, tables.samples).length).toBeGreaterThan(3));
  await sampler.pause();
  const before = readRows(runDir, tables.samples).length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(readRows(runDir, tables.samples)).toHaveLength(before);
  await sampler.resume();
  await until(() => expect(readRows(runDir, tables.samples).length).toBeGreaterThan(before + 3));
  const report = await sampler.stop();

  const samples = readRows(runDir, tables.samples);
  const [pause, ...more] = readRows(runDir, tables.pauses);
  expect(more).toEqual([]);
  if (!pause) throw new Error('no pause was written');
  expect(pause.toAtMs - pause.fromAtMs).toBeGreaterThanOrEqual(300);
  expect(samples.filter(({ atMs }) => atMs >= pause.fromAtMs && atMs <= pause.toAtMs)).toEqual([]);
  const afterwards = samples.filter(({ atMs }) => atMs > pause.toAtMs);
  expect(afterwards[0]?.cpuBusyFraction).toBeUndefined();
  expect(samples.filter(({ atMs }) => atMs < pause.fromAtMs)).toHaveLength(before);
  expect(report).toMatchObject({ how: 'asked', host: { read: samples.length, failed: 0 } });
});

it('answers in the order it was asked, twice paused or not paused at all, and writes down a pause that its end cuts off', async () => {
  const sampler = await start();
  const [, , rows] = await Promise.all([sampler.resume(), sampler.pause(), sampler.readNow(), sampler.pause()]);
  expect(rows).toHaveLength(1);
  expect(readRows(runDir, tables.snapshots)).toEqual([]);
  expect((await sampler.stop()).how).toBe('asked');
  expect(readRows(runDir, tables.pauses)).toHaveLength(1);
});

it('goes on when a notebook cell is interrupted', async () => {
  const sampler = await start();
  process.kill(sampler.pid, 'SIGINT');
  expect(await sampler.readPoint('after-ready', 1)).toHaveLength(1);
});

it('can be stopped twice, and can no longer be asked', async () => {
  const sampler = await start();
  const first = await sampler.stop();
  expect(await sampler.stop()).toBe(first);
  expect(isGone(sampler.pid)).toBe(true);
  await expect(sampler.readPoint('after-stop', 1)).rejects.toThrow(SamplerError);
});

it('is reported when it was killed, and what it wrote before can be read', async () => {
  const sampler = await start();
  await until(() => expect(readRows(runDir, tables.samples).length).toBeGreaterThan(2));
  process.kill(sampler.pid, 'SIGKILL');
  await expect(sampler.readPoint('after-ready', 1)).rejects.toThrow(/sampler ended by itself/);
  expect(await sampler.stop()).toEqual({ how: 'died' });
  expect(readRows(runDir, tables.samples).length).toBeGreaterThan(2);
});

it('says why it did not come up', async () => {
  await expect(startSampler({ dir: runDir, clock }, { projectDir: runDir })).rejects.toThrow(
    /sampler ended by itself.*Cannot find/s,
  );
});

it('writes its last rows and leaves when its owner is killed', async () => {
  // The owner is a process that only passes a job on: when it dies, the sampler's input closes.
  const job = { runDir, clockOriginNs: String(clock.originNs), intervalMs: 50, gpuIntervalMs: 50, nvmlLibrary: noGpu };
  const script = `const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ['--import', 'tsx', 'lib/snapshot/sampler-program.ts'], { stdio: ['pipe', 'inherit', 'inherit'] });
    child.stdin.write(${JSON.stringify(`${JSON.stringify(job)}\n`)});
    process.stderr.write(child.pid + '\\n');`;
  const owner = spawn(process.execPath, ['-e', script], { cwd: projectDir, stdio: ['ignore', 'pipe', 'pipe'] });
  const [pidText] = (await once(owner.stderr, 'data')) as [Buffer];
  await once(owner.stdout, 'data');
  await until(() => expect(readRows(runDir, tables.samples).length).toBeGreaterThan(0));
  owner.kill('SIGKILL');
  await until(() => expect(isGone(Number(pidText.toString()))).toBe(true));
  const samples = readRows(runDir, tables.samples);
  expect(samples.length).toBeGreaterThan(0);
});

describe.skipIf(compiler === undefined)(
  'with a GPU (skipped where no C compiler can build the stand-in library)',
  () => {
    it('samples every GPU, PCIe traffic once a second, and gives a snapshot row for each', async () => {
      const library = join(runDir, 'libnvidia-ml.so.1');
      execFileSync(compiler ?? '', ['-shared', '-fPIC', '-o', library, 'test/fixtures/gpu/fake-nvml.c']);
      const sampler = await start({ nvmlLibrary: library, gpuIntervalMs: 50 });
      expect(sampler).toMatchObject({
        noGpu: undefined,
        driverVersion: '570.133.20',
        gpus: [{ index: 0, name: 'Fake GPU 80GB' }, { index: 1 }],
      });
      await until(() =>
        expect(readRows(runDir, tables.gpu).filter(({ pcieRxMBPerS }) => pcieRxMBPerS !== undefined)).not.toEqual([]),
      );
      expect(await sampler.readPoint('before-launch', 1)).toMatchObject([
        { gpu: 0, gpuName: 'Fake GPU 80GB', memoryUsedMiB: 20234, memoryTotalMiB: 81559 },
        { gpu: 1 },
      ]);
      const report = await sampler.stop();

      const rows = readRows(runDir, tables.gpu);
      expect(report.gpu?.read).toBe(rows.length / 2);
      expect(rows[0]).toMatchObject({
        launch: 0,
        gpu: 0,
        memoryUsedMiB: 20234,
        powerW: 312.5,
        smClockMHz: 1980,
        energyMj: 9876543210123,
      });
      expect(rows[1]).toEqual({ launch: 0, atMs: rows[1]?.atMs, tookMs: rows[1]?.tookMs, gpu: 1 });
      const seconds = ((rows[rows.length - 1]?.atMs ?? 0) - (rows[0]?.atMs ?? 0)) / 1000;
      expect(rows.filter(({ pcieRxMBPerS }) => pcieRxMBPerS === 25600).length).toBeLessThanOrEqual(
        Math.ceil(seconds) + 1,
      );
    });
  },
);
