import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeRunRecord } from '../../lib/archive/folder.js';
import type { RunRecord } from '../../lib/archive/record.js';
import { resolveConfig, type ResolveOptions, type RunConfig } from '../../lib/freeze/config.js';
import type { FoundEngine } from '../../lib/freeze/engine.js';
import { ConfigError } from '../../lib/freeze/errors.js';
import { flattenConfig } from '../../lib/freeze/identity.js';
import { settingFields, settings, type ConfigInput } from '../../lib/freeze/settings.js';
import { attachedEngine, cpuEngine, cudaEngine, rehearsalEngine } from './engines.js';

function options(
  engine: FoundEngine,
  env: Record<string, string> = {},
  more: Partial<ResolveOptions> = {},
): ResolveOptions {
  return {
    projectRoot: '/project',
    env,
    findEngine: () => engine,
    hasHubCopy: () => true,
    newRunId: () => 'fresh',
    ...more,
  };
}

function entryOf(config: RunConfig, field: string) {
  return config.entries.find((entry) => entry.field === field);
}

function problemsOf(cell: ConfigInput, env: Record<string, string> = {}, engine: FoundEngine = cudaEngine) {
  try {
    resolveConfig(cell, options(engine, env));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('resolveConfig on a GPU', () => {
  it("takes the seed's values where nothing else is said", () => {
    const config = resolveConfig({}, options(cudaEngine));
    expect(config).toMatchObject({
      model: 'microsoft/Phi-3-mini-4k-instruct',
      dtype: 'auto',
      maxModelLen: 4096,
      gpuMemoryUtilization: 0.92,
      port: 8000,
      maxTokens: 64,
      launches: 2,
      warmRuns: 10,
      longPromptTokens: 1024,
      runId: 'fresh',
    });
    for (const field of ['model', 'dtype', 'maxModelLen', 'gpuMemoryUtilization', 'port', 'maxTokens'])
      expect(entryOf(config, field)?.source).toBe('seed');
    expect(config.kvCacheGiB).toBeUndefined();
    expect(entryOf(config, 'kvCacheGiB')).toBeUndefined();
  });

  it("imitates the seed's model when no copy of it is at hand, and says so", () => {
    const config = resolveConfig({}, options(cudaEngine, {}, { hasHubCopy: () => false }));
    expect(entryOf(config, 'model')).toMatchObject({
      value: 'synthetic:phi-3-mini',
      source: 'engine',
      seedValue: 'microsoft/Phi-3-mini-4k-instruct',
    });
    expect(entryOf(config, 'model')?.why).toContain('random weights');
  });
});

describe('resolveConfig on a CPU', () => {
  it('gives the KV size instead of a share of memory, and a smaller model, each with the reason', () => {
    const config = resolveConfig({}, options(cpuEngine));
    expect(config).toMatchObject({ model: 'synthetic:qwen2.5-0.5b', kvCacheGiB: 1 });
    expect(config.gpuMemoryUtilization).toBeUndefined();
    expect(entryOf(config, 'gpuMemoryUtilization')).toMatchObject({
      value: 'not passed',
      source: 'engine',
      seedValue: '0.92',
    });
    for (const field of ['model', 'gpuMemoryUtilization', 'kvCacheGiB'])
      expect(entryOf(config, field)?.why).toMatch(/CPU/);
  });

  it('lets a person overrule what the engine forces', () => {
    const config = resolveConfig({ gpuMemoryUtilization: 0.5 }, options(cpuEngine, { DAY007_MODEL: 'synthetic:tiny' }));
    expect(config).toMatchObject({ gpuMemoryUtilization: 0.5, model: 'synthetic:tiny' });
    expect(entryOf(config, 'model')).toMatchObject({ source: 'environment', why: 'set by DAY007_MODEL' });
  });
});

describe('resolveConfig of a rehearsal', () => {
  const here = process.cwd();
  const rehearse = (cell: ConfigInput = {}, env: Record<string, string> = {}) =>
    resolveConfig(cell, options(rehearsalEngine(here), env, { projectRoot: here }));
  const refused = (cell: ConfigInput, env: Record<string, string> = {}) => {
    try {
      rehearse(cell, env);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
    return [];
  };

  it('takes a small model, passes no share of GPU memory and no KV size, and plays the recorded CPU start', () => {
    const config = rehearse();
    expect(config).toMatchObject({ model: 'synthetic:small', rehearsalProfile: 'cpu' });
    expect(config.gpuMemoryUtilization).toBeUndefined();
    expect(config.kvCacheGiB).toBeUndefined();
    expect(entryOf(config, 'model')).toMatchObject({
      source: 'engine',
      why: expect.stringContaining('computes nothing'),
    });
    expect(entryOf(config, 'gpuMemoryUtilization')).toMatchObject({ value: 'not passed', source: 'engine' });
    expect(entryOf(config, 'rehearsalProfile')).toMatchObject({ value: 'cpu', source: 'engine' });
    const forExperiment = (cell: ConfigInput) =>
      resolveConfig(cell, options(rehearsalEngine(here), {}, { projectRoot: here, forExperiment: true }))
        .rehearsalProfile;
    expect([forExperiment({}), forExperiment({ rehearsalProfile: 'cpu' })]).toEqual(['cold-start', 'cpu']);
  });

  it('lets a person choose model and profile', () => {
    const config = rehearse({ model: 'synthetic:qwen2.5-0.5b' }, { DAY007_REHEARSAL_PROFILE: 'slow-pages' });
    expect(config).toMatchObject({ model: 'synthetic:qwen2.5-0.5b', rehearsalProfile: 'slow-pages' });
    expect(config.foundEngine?.rehearsal).toMatchObject({ name: 'slow-pages', given: 'slow-pages' });
  });

  it('reads what the profile replays from the profile and its recordings', () => {
    const { rehearsal } = rehearse().foundEngine ?? {};
    expect(rehearsal?.replays).toMatch(/^vLLM \d+\.\d+/);
    expect(rehearsal?.says.length).toBeGreaterThan(20);
  });

  it('names the profiles there are when one does not exist or is none', () => {
    const [unknown] = refused({}, { DAY007_REHEARSAL_PROFILE: 'fast' });
    expect(unknown).toMatchObject({ field: 'rehearsalProfile', given: '"fast"', origin: 'DAY007_REHEARSAL_PROFILE' });
    for (const name of ['cpu', 'h100', 'slow-pages', 'slow-compile', 'jit-in-request', 'contradictory'])
      expect(unknown?.allowed).toContain(name);
    expect(refused({ rehearsalProfile: 'package.json' })[0]?.allowed).toContain('needs name, says');
  });

  it('refuses a profile for an engine that is none, and wishes that only a vLLM can fulfil', () => {
    const fieldsOf = (problems: readonly { readonly field: string }[]) => problems.map(({ field }) => field);
    expect(fieldsOf(problemsOf({ rehearsalProfile: 'cpu' }, {}, cpuEngine))).toEqual(['rehearsalProfile']);
    expect(fieldsOf(refused({ kvCacheGiB: 2 }))).toEqual(['kvCacheGiB']);
    expect(fieldsOf(refused({ engine: 'rehearsal', url: 'http://h:1', vllm: '/v' }))).toEqual(['url', 'vllm']);
  });

  it('leaves no trace of profiles in the configuration of a real engine', () => {
    expect(flattenConfig(resolveConfig({}, options(cpuEngine)), 'vllm')).not.toHaveProperty('rehearsalProfile');
    expect(flattenConfig(rehearse(), 'rehearsal')).toMatchObject({ rehearsalProfile: 'cpu' });
  });
});

describe('resolveConfig attached', () => {
  const env = { DAY007_URL: 'http://node:9000/', DAY007_MODEL: 'served' };

  it('says of everything only an owner can choose that it is not available', () => {
    const config = resolveConfig({ launches: 3, pages: 'evict' }, options(attachedEngine, env));
    expect(config).toMatchObject({ url: 'http://node:9000', model: 'served', launches: 1, pages: 'as-found' });
    for (const field of ['launches', 'pages', 'dtype', 'gpuMemoryUtilization', 'vllmCacheRoot'])
      expect(entryOf(config, field)?.value).toBe('not available: attached');
  });

  it('needs a URL and the name the server serves', () => {
    expect(problemsOf({}, { DAY007_ENGINE: 'attach' }).map(({ field }) => field)).toEqual(['url', 'model']);
    expect(problemsOf({}, { DAY007_URL: 'http://node:9000' }, attachedEngine).map(({ field }) => field)).toEqual([
      'model',
    ]);
  });

  it('refuses a URL for an engine that is to be launched', () => {
    expect(problemsOf({ engine: 'vllm' }, { DAY007_URL: 'http://node:9000' })).toMatchObject([
      { field: 'url', origin: 'DAY007_URL' },
    ]);
  });
});

describe('precedence and origin', () => {
  it('cell before environment before default', () => {
    const from = (cell: ConfigInput, env: Record<string, string>) => resolveConfig(cell, options(cudaEngine, env));
    expect(entryOf(from({ port: 1 }, { DAY007_PORT: '2' }), 'port')).toMatchObject({
      value: '1',
      source: 'cell',
      seedValue: '8000',
      why: 'set by the config cell',
    });
    expect(entryOf(from({}, { DAY007_PORT: '2' }), 'port')).toMatchObject({ value: '2', source: 'environment' });
    expect(entryOf(from({ port: undefined }, { DAY007_PORT: '' }), 'port')).toMatchObject({
      value: '8000',
      source: 'seed',
    });
  });

  it("calls a default that is not the seed's a default, with both values and the reason", () => {
    const entry = entryOf(resolveConfig({}, options(cudaEngine)), 'warmRuns');
    expect(entry).toMatchObject({ value: '10', source: 'default', seedValue: '5' });
    expect(entry?.why).toBeTruthy();
  });

  it("gives a reason for every value that differs from the seed's", () => {
    for (const engine of [cpuEngine, cudaEngine, attachedEngine]) {
      const config = resolveConfig(
        { port: 8123, ...(engine === attachedEngine ? { url: 'http://h', model: 'm' } : {}) },
        options(engine, { DAY007_DTYPE: 'float32' }),
      );
      const differing = config.entries.filter(({ value, seedValue }) => seedValue !== undefined && seedValue !== value);
      expect(differing.length).toBeGreaterThan(2);
      expect(differing.filter(({ why }) => !why)).toEqual([]);
    }
  });

  it('reads typed values from text: numbers, switches, words', () => {
    const env = {
      DAY007_ENFORCE_EAGER: 'true',
      DAY007_GPU_MEMORY_UTILIZATION: '0.5',
      DAY007_VLLM_ARGS: `--max-num-seqs 4 --x 'a b'`,
      DAY007_RESTARTS: '3',
      DAY007_CACHE_DIR: 'models',
    };
    const config = resolveConfig({}, options(cudaEngine, env));
    expect(config).toMatchObject({
      enforceEager: true,
      gpuMemoryUtilization: 0.5,
      extraArgs: ['--max-num-seqs', '4', '--x', 'a b'],
      launches: 3,
      cacheDir: '/project/models',
    });
    expect(entryOf(config, 'extraArgs')?.value).toBe(`--max-num-seqs 4 --x 'a b'`);
  });

  it('makes run ids that sort by time and fit a folder name', () => {
    const { runId } = resolveConfig({}, { projectRoot: '/project', env: {}, findEngine: () => cpuEngine });
    expect(runId).toMatch(/^\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{4}$/);
  });
});

describe('wrong values', () => {
  it('are all listed, each with field, value, what is allowed and where it came from', () => {
    const problems = problemsOf({ warmRuns: 4 }, { DAY007_PORT: '99999', DAY007_ENGINE: 'vlm' });
    expect(problems.map(({ field, given, origin }) => [field, given, origin])).toEqual([
      ['engine', '"vlm"', 'DAY007_ENGINE'],
      ['port', '"99999"', 'DAY007_PORT'],
      ['warmRuns', '4', 'the config cell'],
    ]);
    expect(new ConfigError(problems).message.split('\n')).toHaveLength(4);
    expect(problems[2]?.allowed).toContain('at least 5');
  });

  it.each([
    ['DAY007_RUN_ID', '../escape'],
    ['DAY007_RUN_ID', '-rf'],
    ['DAY007_MAX_TOKENS', '32'],
    ['DAY007_HEALTH_INTERVAL_MS', '21'],
    ['DAY007_GPU_MEMORY_UTILIZATION', '0'],
    ['DAY007_WARM_RUNS', '5.5'],
    ['DAY007_WARM_RUNS', 'ten'],
    ['DAY007_URL', 'node:9000'],
    ['DAY007_MODEL', '--trust-remote-code'],
    ['DAY007_MODEL', 'synthetic:huge'],
    ['DAY007_PAGES', 'cold'],
    ['DAY007_VLLM_ARGS', '"open'],
    ['DAY007_VLLM_ARGS', '--max_model_len=9'],
    ['DAY007_VLLM_ARGS', '--api-key k'],
  ])('%s=%s is refused', (name, value) => {
    expect(problemsOf({}, { [name]: value })).toMatchObject([{ origin: name, given: JSON.stringify(value) }]);
  });

  it('an unknown variable or field is refused with the nearest known name', () => {
    expect(problemsOf({ portt: 1 } as ConfigInput, { DAY007_MODLE: 'x' })).toMatchObject([
      { field: 'portt', allowed: expect.stringContaining('did you mean port?') },
      { field: 'DAY007_MODLE', allowed: expect.stringContaining('did you mean DAY007_MODEL?') },
    ]);
    expect(problemsOf({}, { DAY007_PYTHON: 'python3.12', OTHER: '1' })).toEqual([]);
  });

  it('two names of one field that disagree are refused', () => {
    expect(problemsOf({}, { DAY007_LAUNCHES: '2', DAY007_RESTARTS: '3' })).toMatchObject([
      { field: 'launches', origin: 'DAY007_RESTARTS' },
    ]);
    expect(problemsOf({}, { DAY007_LAUNCHES: '3', DAY007_RESTARTS: '3' })).toEqual([]);
  });

  it('a long workload must fit into the longest sequence', () => {
    expect(problemsOf({ maxModelLen: 1040 })).toEqual([]);
    expect(problemsOf({ maxModelLen: 1039 })).toMatchObject([{ field: 'maxModelLen' }]);
    expect(problemsOf({ longPromptTokens: 4081 })).toMatchObject([{ field: 'longPromptTokens' }]);
  });

  it('a KV size is for CPU only', () => {
    expect(problemsOf({ kvCacheGiB: 2 })).toMatchObject([{ field: 'kvCacheGiB' }]);
    expect(problemsOf({ kvCacheGiB: 2 }, {}, cpuEngine)).toEqual([]);
  });

  it('never get through as something else: any text in any variable is refused or resolved to a valid value', () => {
    const names = settingFields.filter((field) => field !== 'replay').flatMap((field) => settings[field].env);
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.oneof(fc.string(), fc.integer().map(String)), (name, value) => {
        const problems = problemsOf({}, { [name]: value, ...(name === 'DAY007_URL' ? { DAY007_MODEL: 'm' } : {}) });
        for (const { field, given, allowed, origin } of problems)
          for (const part of [field, given, allowed, origin]) expect(part).not.toBe('');
      }),
    );
  });
});

describe('replay', () => {
  it('takes every value from the saved run and looks for no engine', () => {
    const root = mkdtempSync(join(tmpdir(), 'replay-'));
    try {
      const saved = resolveConfig({ runId: 'old', warmRuns: 7, extraArgs: ['--x', 'a b'] }, options(cpuEngine));
      const record = {
        format: 1,
        runId: 'old',
        config: flattenConfig(saved, 'vllm'),
        configEntries: saved.entries,
      } as unknown as RunRecord;
      writeRunRecord(join(root, 'saved'), record);
      const noEngine = () => {
        throw new Error('looked for an engine');
      };
      const config = resolveConfig(
        { warmRuns: 30 },
        { projectRoot: root, env: { DAY007_REPLAY: 'saved' }, findEngine: noEngine },
      );
      expect(config).toMatchObject({
        replay: join(root, 'saved'),
        runId: 'old',
        warmRuns: 7,
        extraArgs: ['--x', 'a b'],
        model: 'synthetic:qwen2.5-0.5b',
      });
      expect(config.gpuMemoryUtilization).toBeUndefined();
      expect(config.foundEngine).toBeUndefined();
      expect(config.entries).toEqual([
        expect.objectContaining({ field: 'replay', value: 'old', source: 'environment' }),
        ...saved.entries,
      ]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
