import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { EngineRecord } from '../../lib/archive/record.js';
import { buildEngine, servedModelName, serverUrl, type CommandContext } from '../../lib/freeze/command.js';
import { resolveConfig, type RunConfig } from '../../lib/freeze/config.js';
import type { FoundEngine } from '../../lib/freeze/engine.js';
import { formatServeScript } from '../../lib/freeze/servescript.js';
import type { ConfigInput } from '../../lib/freeze/settings.js';
import { attachedEngine, cpuEngine, cudaEngine, rehearsalEngine } from './engines.js';

function configFor(engine: FoundEngine, cell: ConfigInput = {}): RunConfig {
  return resolveConfig(
    { runId: 'r1', ...cell },
    { projectRoot: '/project', env: {}, findEngine: () => engine, hasHubCopy: () => true },
  );
}

const context: CommandContext = {
  runDir: '/project/data/runs/r1',
  modelLocation: '/models/phi',
  servedName: 'microsoft/Phi-3-mini-4k-instruct',
  inherited: {},
  cores: 2,
};

describe('buildEngine', () => {
  it("has the seed's flags, in the seed's order, then ours", () => {
    const { engine } = buildEngine(cudaEngine, configFor(cudaEngine), context);
    expect(engine.command.join(' ')).toBe(
      '/v/bin/vllm serve /models/phi --dtype auto --max-model-len 4096 --gpu-memory-utilization 0.92 --port 8000 --host 127.0.0.1 ' +
        '--served-model-name microsoft/Phi-3-mini-4k-instruct --enable-prompt-tokens-details --enable-per-request-metrics',
    );
  });

  it("starts the seed's module with --model when a Python was named", () => {
    const start = ['/v/bin/python3', '-m', 'vllm.entrypoints.openai.api_server', '--model'];
    const { engine, entries } = buildEngine({ ...cudaEngine, start }, configFor(cudaEngine), context);
    expect(engine.command.slice(0, 6)).toEqual([...start, '/models/phi', '--dtype']);
    expect(entries.some(({ field }) => field === 'launcher')).toBe(false);
  });

  it('starts the stand-in as it would start vLLM, with the few variables it reads', () => {
    const found: FoundEngine = {
      ...rehearsalEngine('/project'),
      rehearsal: { name: 'cpu', says: 'says', given: 'cpu', replays: 'vLLM 0.32.0' },
    };
    const config = { ...configFor(cpuEngine), gpuMemoryUtilization: undefined };
    const { engine, entries } = buildEngine(found, config, { ...context, inherited: { OMP_NUM_THREADS: '4' } });
    expect(engine).toMatchObject({ kind: 'rehearsal', device: 'none', replays: 'vLLM 0.32.0' });
    expect(engine.vllmVersion).toBeUndefined();
    expect(engine.command.slice(0, 4)).toEqual([
      process.execPath,
      '--import',
      'file:///project/node_modules/tsx/dist/loader.mjs',
      '/project/lib/rehearsal/server.ts',
    ]);
    expect(engine.command.slice(4).join(' ')).toBe(
      'serve /models/phi --dtype auto --max-model-len 4096 --port 8000 --host 127.0.0.1 ' +
        '--served-model-name microsoft/Phi-3-mini-4k-instruct --enable-prompt-tokens-details --enable-per-request-metrics',
    );
    expect(engine.env).toEqual({
      DAY007_RUN_ID: 'r1',
      DAY007_REHEARSAL_PROFILE: 'cpu',
      VLLM_CACHE_ROOT: '/project/data/runs/r1/vllm-cache',
    });
    expect(entries.find(({ field }) => field === 'launcher')?.value).toBe('the rehearsal engine');
    expect(entries.some(({ field }) => field === 'OMP_NUM_THREADS')).toBe(false);
  });

  it('passes no share of memory on a CPU, but the KV size', () => {
    const { engine } = buildEngine(cpuEngine, configFor(cpuEngine), context);
    expect(engine.command).not.toContain('--gpu-memory-utilization');
    expect(engine.env['VLLM_CPU_KVCACHE_SPACE']).toBe('1');
    expect(engine.env).not.toHaveProperty('VLLM_USE_FLASHINFER_SAMPLER');
  });

  it('leaves thread binding to vLLM, except where two cores or fewer would leave it too little', () => {
    const envOf = (cores: number, inherited = {}) =>
      buildEngine(cpuEngine, configFor(cpuEngine), { ...context, cores, inherited }).engine.env;
    expect(envOf(2)).toMatchObject({ VLLM_CPU_OMP_THREADS_BIND: 'nobind', OMP_NUM_THREADS: '2' });
    expect(envOf(3)).not.toHaveProperty('VLLM_CPU_OMP_THREADS_BIND');
    expect(envOf(2, { VLLM_CPU_OMP_THREADS_BIND: '0' })).not.toHaveProperty('VLLM_CPU_OMP_THREADS_BIND');
    expect(envOf(2, { OMP_NUM_THREADS: '1' })).not.toHaveProperty('OMP_NUM_THREADS');
  });

  it('turns off the flashinfer sampler only on a GPU without flashinfer', () => {
    const envOf = (hasFlashinfer: boolean) =>
      buildEngine({ ...cudaEngine, hasFlashinfer }, configFor(cudaEngine), context).engine.env;
    expect(envOf(false)['VLLM_USE_FLASHINFER_SAMPLER']).toBe('0');
    expect(envOf(true)).not.toHaveProperty('VLLM_USE_FLASHINFER_SAMPLER');
    expect(envOf(true)['FLASHINFER_WORKSPACE_BASE']).toBe('/project/data/runs/r1/vllm-cache');
  });

  it('keeps every cache of the server inside the root, private to the run unless configured', () => {
    for (const [cell, root] of [
      [{}, '/project/data/runs/r1/vllm-cache'],
      [{ vllmCacheRoot: '/kept' }, '/kept'],
    ] as const) {
      const { env } = buildEngine(cudaEngine, configFor(cudaEngine, cell), context).engine;
      expect(env['VLLM_CACHE_ROOT']).toBe(root);
      for (const name of ['TORCHINDUCTOR_CACHE_DIR', 'TRITON_CACHE_DIR', 'CUDA_CACHE_PATH'])
        expect(env[name]?.startsWith(`${root}/`)).toBe(true);
    }
  });

  it('marks the processes of the run, and keeps the mark readable', () => {
    expect(buildEngine(cpuEngine, configFor(cpuEngine), context).engine.env).toMatchObject({
      DAY007_RUN_ID: 'r1',
      SPT_NOENV: '1',
    });
  });

  it('passes no flag the installed version does not know', () => {
    const { engine } = buildEngine({ ...cudaEngine, flags: [] }, configFor(cudaEngine), context);
    expect(engine.command.filter((word) => word.startsWith('--enable') || word === '--served-model-name')).toEqual([]);
  });

  it('has a row with a reason for every flag and variable the seed does not have', () => {
    const seedFlags = ['--dtype', '--max-model-len', '--gpu-memory-utilization', '--port'];
    for (const found of [cpuEngine, cudaEngine]) {
      const { engine, entries } = buildEngine(found, configFor(found), context);
      const beyond = [
        ...engine.command.filter((word) => word.startsWith('--') && !seedFlags.includes(word)),
        ...Object.keys(engine.env),
      ];
      expect(entries.map(({ field }) => field)).toEqual(['launcher', ...beyond]);
      expect(entries.filter(({ why, seedValue }) => !why || !seedValue)).toEqual([]);
    }
  });

  it('records inherited variables that can change the server, and never shows a secret', () => {
    const inherited = {
      VLLM_ATTENTION_BACKEND: 'FLASH_ATTN',
      HF_TOKEN: 'hf_secret',
      VLLM_API_KEY: 'sk-secret',
      HOME: '/home/u',
      LD_PRELOAD: '/lib/x.so',
      OMP_NUM_THREADS: '',
    };
    const { engine, entries } = buildEngine(cudaEngine, configFor(cudaEngine), { ...context, inherited });
    const shown = entries.filter(({ source }) => source === 'environment').map(({ field, value }) => [field, value]);
    expect(shown).toEqual([
      ['HF_TOKEN', '(set, not shown)'],
      ['LD_PRELOAD', '/lib/x.so'],
      ['VLLM_ATTENTION_BACKEND', 'FLASH_ATTN'],
    ]);
    expect(engine.env['VLLM_API_KEY']).toBe('');
    expect(JSON.stringify({ engine, entries })).not.toContain('secret');
  });

  it('starts nothing when attached', () => {
    const config = configFor(attachedEngine, { url: 'http://h:1', model: 'm' });
    expect(buildEngine(attachedEngine, config, context)).toMatchObject({
      engine: { kind: 'attach', command: [], env: {} },
      entries: [],
    });
    expect(serverUrl(config)).toBe('http://h:1');
    expect(serverUrl(configFor(cpuEngine, { port: 8123 }))).toBe('http://127.0.0.1:8123');
  });
});

describe('formatServeScript', () => {
  const hostile = ["it's", '$(id)', '`id`', 'a b', '"', '\\', '*', 'line\nbreak', ';exit 3', ''];
  const engine: EngineRecord = {
    kind: 'vllm',
    device: 'cpu',
    command: ['printf', '%s\\0', ...hostile],
    env: { EVIL: `'; exit 1; '$(id)`, EMPTY: '', PLAIN: 'x' },
    chosenBecause: 'test',
  };

  it('is a script bash accepts', () => {
    execFileSync('bash', ['-n'], { input: formatServeScript(engine) });
  });

  it('runs exactly the command, whatever the words hold', () => {
    const output = execFileSync('bash', ['-c', formatServeScript(engine)], { encoding: 'utf8' });
    expect(output.split('\0').slice(0, -1)).toEqual(hostile);
  });

  it('gives the server exactly the variables', () => {
    const show = { ...engine, command: ['env', '-0'] };
    const output = execFileSync('bash', ['-c', formatServeScript(show)], { encoding: 'utf8' }).split('\0');
    for (const [name, value] of Object.entries(engine.env)) expect(output).toContain(`${name}=${value}`);
  });

  it('stops at the first error', () => {
    expect(formatServeScript(engine).split('\n')).toEqual(
      expect.arrayContaining(['#!/usr/bin/env bash', 'set -euo pipefail']),
    );
  });
});

describe('servedModelName', () => {
  const model = { name: 'synthetic:tiny', location: '/models/tiny' } as never;

  it('is what the server was told, else the folder it was given', () => {
    const nameOf = (command: readonly string[], kind: 'vllm' | 'attach' = 'vllm') =>
      servedModelName({ engine: { kind, command } as never, model });
    expect(nameOf(['vllm', 'serve', '/models/tiny', '--served-model-name', 'short'])).toBe('short');
    expect(nameOf(['vllm', 'serve', '/models/tiny'])).toBe('/models/tiny');
    expect(nameOf([], 'attach')).toBe('synthetic:tiny');
  });
});
