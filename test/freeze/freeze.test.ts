import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRun, readRunRecord } from '../../lib/archive/folder.js';
import { createClock } from '../../lib/clock.js';
import { servedModelName } from '../../lib/freeze/command.js';
import { resolveConfig, type RunConfig } from '../../lib/freeze/config.js';
import type { FoundEngine } from '../../lib/freeze/engine.js';
import { FreezeError } from '../../lib/freeze/errors.js';
import { assertUnchanged, freezeRun, runFolder, type FreezePorts } from '../../lib/freeze/freeze.js';
import type { FreezeProgress } from '../../lib/freeze/model.js';
import { ModelError } from '../../lib/freeze/modelerror.js';
import type { ConfigInput } from '../../lib/freeze/settings.js';
import { attachedEngine, cpuEngine } from './engines.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'freeze-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function configFor(cell: ConfigInput = {}, engine: FoundEngine = cpuEngine): RunConfig {
  return resolveConfig(
    { model: 'synthetic:tiny', runId: 'r1', ...cell },
    { projectRoot: root, env: {}, findEngine: () => engine },
  );
}

const ports: FreezePorts = {
  env: {},
  readGpus: () => Promise.resolve([]),
  readWallClock: () => '2026-11-24T23:15:00.000Z',
  clock: createClock(123n),
};

async function failure(running: Promise<unknown>): Promise<unknown> {
  try {
    await running;
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('freezeRun with a synthetic model', () => {
  it('writes the model, run.json and a serve.sh before anything is launched', async () => {
    const steps: FreezeProgress[] = [];
    const run = await freezeRun(configFor(), { ...ports, onProgress: (step) => steps.push(step) });
    expect(run).toMatchObject({ mode: 'live', dir: join(root, 'data/runs/r1') });
    expect(readRunRecord(run.dir)).toEqual(JSON.parse(JSON.stringify(run.record)));
    expect(run.record).toMatchObject({
      format: 1,
      runId: 'r1',
      startedAtUtc: '2026-11-24T23:15:00.000Z',
      clockOriginNs: '123',
    });
    expect(statSync(join(run.dir, 'serve.sh')).mode & 0o777).toBe(0o700);
    expect(statSync(run.dir).mode & 0o777).toBe(0o700);
    expect(new Set(steps.map(({ step }) => step))).toEqual(new Set(['write-model', 'hash-model']));
  });

  it('describes the model that lies there: shape, bytes, hashes', async () => {
    const { model } = (await freezeRun(configFor(), ports)).record;
    expect(model).toMatchObject({
      name: 'synthetic:tiny',
      kind: 'synthetic',
      randomWeights: true,
      architecture: 'Qwen2ForCausalLM',
      dtype: 'bfloat16',
      shape: { vocabSize: 1024, layers: 2 },
    });
    for (const file of model.files) {
      const path = join(model.location, file.path);
      const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
      expect(file).toMatchObject({ bytes: statSync(path).size, sha256 });
    }
    expect(model.files.map(({ path }) => path)).toContain('model.safetensors');
  });

  it('fixes the requests: the prompt of the seed as byte tokens, the long one clear of special tokens', async () => {
    const [seed, long] = (await freezeRun(configFor(), ports)).record.workloads;
    expect(seed?.promptTokenIds).toEqual([...Buffer.from('Say hello from a small language model.')]);
    expect(long?.promptTokenIds).toHaveLength(1024);
    expect(Math.max(...(long?.promptTokenIds ?? []))).toBeLessThan(1021);
  });

  it('starts the folder that was hashed, under the name the requests use', async () => {
    const { record } = await freezeRun(configFor(), ports);
    expect(record.engine.command.slice(0, 3)).toEqual(['/v/bin/vllm', 'serve', record.model.location]);
    expect(servedModelName(record)).toBe('synthetic:tiny');
    expect(readFileSync(join(root, 'data/runs/r1/serve.sh'), 'utf8')).toContain(
      `exec ${record.engine.command.join(' ')}\n`,
    );
  });

  it('gives two runs of one set-up one fingerprint, and another set-up another', async () => {
    const fingerprintOf = async (cell: ConfigInput) => (await freezeRun(configFor(cell), ports)).record.fingerprint;
    const first = await fingerprintOf({ runId: 'a' });
    expect(await fingerprintOf({ runId: 'b' })).toBe(first);
    expect(await fingerprintOf({ runId: 'c', port: 8001 })).not.toBe(first);
    expect(await fingerprintOf({ runId: 'd', seed: 8 })).not.toBe(first);
  });

  it('says of weights it wrote itself that they are not as found', async () => {
    const first = await freezeRun(configFor({ runId: 'a' }), ports);
    const second = await freezeRun(configFor({ runId: 'b' }), ports);
    expect(first.record.configEntries).toContainEqual(
      expect.objectContaining({ field: 'weights', value: expect.stringContaining('written just now') }),
    );
    expect(second.record.configEntries.filter(({ value }) => value.includes('written just now'))).toEqual([]);
  });

  it('refuses a checkpoint that was edited since it was written', async () => {
    const { location } = (await freezeRun(configFor({ runId: 'a' }), ports)).record.model;
    const weights = join(location, 'model.safetensors');
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    const error = await failure(freezeRun(configFor({ runId: 'b' }), ports));
    expect(error).toMatchObject({ name: 'FreezeError', field: 'model', currentValue: 'model.safetensors' });
  });
});

describe('freezeRun never overwrites measured data', () => {
  it('refuses a run id whose folder holds a run, before it touches a model', async () => {
    await freezeRun(configFor(), ports);
    const resolveModel = () => {
      throw new Error('touched the model');
    };
    expect(await failure(freezeRun(configFor(), { ...ports, resolveModel }))).toMatchObject({
      name: 'FreezeError',
      field: 'runId',
    });
  });

  it('refuses a folder with tables even when its run.json is gone', async () => {
    mkdirSync(runFolder(configFor()), { recursive: true });
    writeFileSync(join(runFolder(configFor()), 'requests.csv'), 'requestId\n');
    expect(await failure(freezeRun(configFor(), ports))).toBeInstanceOf(FreezeError);
  });

  it('takes a folder in which only a rendered notebook lies', async () => {
    mkdirSync(runFolder(configFor()), { recursive: true });
    writeFileSync(join(runFolder(configFor()), 'day-007.ipynb'), '{}');
    expect((await freezeRun(configFor(), ports)).mode).toBe('live');
  });

  it('leaves no run behind when the model cannot be had', async () => {
    const error = await failure(freezeRun(configFor({ model: 'nobody/nothing' }), ports));
    expect(error).toMatchObject({ name: 'FreezeError', field: 'model' });
    expect((error as Error).message).toContain('hf download nobody/nothing');
    expect(existsSync(runFolder(configFor()))).toBe(false);
  });
});

describe('freezeRun with other models', () => {
  it('takes a local folder, served under its name', async () => {
    const { location } = (await freezeRun(configFor({ runId: 'a' }), ports)).record.model;
    renameSync(location, join(root, 'mine'));
    const { model, engine } = (await freezeRun(configFor({ runId: 'b', model: './mine' }), ports)).record;
    expect(model).toMatchObject({ kind: 'local', location: join(root, 'mine'), randomWeights: false });
    expect(servedModelName({ model, engine })).toBe('mine');
  });

  it('takes the local copy of a hub model, and records its commit', async () => {
    const { location } = (await freezeRun(configFor({ runId: 'a' }), ports)).record.model;
    const commit = 'a'.repeat(40);
    const repository = join(root, 'hub/models--org--name');
    mkdirSync(join(repository, 'snapshots'), { recursive: true });
    mkdirSync(join(repository, 'refs'));
    writeFileSync(join(repository, 'refs/main'), commit);
    renameSync(location, join(repository, 'snapshots', commit));
    const { model, engine } = (
      await freezeRun(configFor({ runId: 'b', model: 'org/name' }), {
        ...ports,
        env: { HF_HUB_CACHE: join(root, 'hub') },
      })
    ).record;
    expect(model).toMatchObject({
      kind: 'hub',
      name: 'org/name',
      revision: commit,
      location: join(repository, 'snapshots', commit),
    });
    expect(servedModelName({ model, engine })).toBe('org/name');
  });

  it('names what is missing in a folder that is no model, without hashing it', async () => {
    mkdirSync(join(root, 'photos'));
    writeFileSync(join(root, 'photos/big.bin'), 'x');
    const steps: FreezeProgress[] = [];
    const error = await failure(
      freezeRun(configFor({ model: './photos' }), { ...ports, onProgress: (step) => steps.push(step) }),
    );
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ problem: 'config-missing' });
    expect(steps).toEqual([]);
  });

  it('describes an attached server without touching it or any disk', async () => {
    const config = configFor({ url: 'http://h:1', model: 'served' }, attachedEngine);
    const { record, dir } = await freezeRun(config, ports);
    expect(record.model).toMatchObject({ kind: 'remote', location: 'served', files: [] });
    expect(record.engine).toMatchObject({ kind: 'attach', command: [] });
    expect(record.environment.weightsFileSystem).toBeUndefined();
    expect(readdirSync(dir)).toEqual(['run.json']);
    expect(servedModelName(record)).toBe('served');
  });
});

describe('assertUnchanged', () => {
  it('passes while nothing changes', async () => {
    const run = await freezeRun(configFor(), ports);
    expect(() => assertUnchanged(run, configFor())).not.toThrow();
  });

  it('refuses another model in the configuration', async () => {
    const run = await freezeRun(configFor(), ports);
    expect(() => assertUnchanged(run, configFor({ model: 'synthetic:qwen2.5-0.5b' }))).toThrow(
      expect.objectContaining({
        name: 'FreezeError',
        field: 'model',
        frozenValue: 'synthetic:tiny',
        currentValue: 'synthetic:qwen2.5-0.5b',
      }),
    );
  });

  it('refuses a model folder in which a file was edited, added or removed', async () => {
    const run = await freezeRun(configFor(), ports);
    const { location } = run.record.model;
    writeFileSync(join(location, 'chat_template.jinja'), 'x');
    expect(() => assertUnchanged(run, configFor())).toThrow(
      expect.objectContaining({ field: 'model', currentValue: 'chat_template.jinja is new' }),
    );
    rmSync(join(location, 'chat_template.jinja'));
    appendFileSync(join(location, 'config.json'), ' ');
    expect(() => assertUnchanged(run, configFor())).toThrow(
      expect.objectContaining({ currentValue: 'config.json changed' }),
    );
    rmSync(location, { recursive: true });
    expect(() => assertUnchanged(run, configFor())).toThrow(
      expect.objectContaining({ currentValue: 'the folder is gone' }),
    );
  });
});

describe('freezeRun in a replay', () => {
  it('opens the saved run and changes nothing in it', async () => {
    const saved = await freezeRun(configFor(), ports);
    const before = readdirSync(saved.dir).map((name) => [name, statSync(join(saved.dir, name)).mtimeMs]);
    const config = resolveConfig({ replay: saved.dir, model: 'synthetic:phi-3-mini' }, { projectRoot: root, env: {} });
    const run = await freezeRun(config, {
      ...ports,
      resolveModel: () => {
        throw new Error('touched the model');
      },
    });
    expect(run).toMatchObject({ mode: 'replay', dir: saved.dir, config: { model: 'synthetic:tiny', runId: 'r1' } });
    expect(run.record).toEqual(readRun(saved.dir).record);
    expect(run.clock.originNs).toBe(123n);
    expect(() => assertUnchanged(run, config)).not.toThrow();
    expect(readdirSync(saved.dir).map((name) => [name, statSync(join(saved.dir, name)).mtimeMs])).toEqual(before);
  });

  it('says of a folder without run.json that it is no run', () => {
    expect(() => resolveConfig({ replay: root }, { projectRoot: root, env: {} })).toThrow(/is not a run folder/);
  });
});
