import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveConfig, savedValues, type RunConfig } from '../../lib/freeze/config.js';
import type { FoundEngine } from '../../lib/freeze/engine.js';
import { FreezeError } from '../../lib/freeze/errors.js';
import { assertSameConfig, flattenConfig, runFingerprint } from '../../lib/freeze/identity.js';
import type { ConfigInput } from '../../lib/freeze/settings.js';
import { attachedEngine, cpuEngine, cudaEngine } from './engines.js';

function configFor(cell: ConfigInput = {}, engine: FoundEngine = cpuEngine): RunConfig {
  return resolveConfig(cell, { projectRoot: '/project', env: {}, findEngine: () => engine, hasHubCopy: () => true });
}

function changeOf(frozen: RunConfig, current: RunConfig): FreezeError | undefined {
  try {
    assertSameConfig(frozen, current);
  } catch (error) {
    if (error instanceof FreezeError) return error;
    throw error;
  }
  return undefined;
}

describe('assertSameConfig', () => {
  it('passes the same configuration resolved again, whose generated run id differs', () => {
    const [first, again] = [configFor(), configFor()];
    expect(first.runId).not.toBe(again.runId);
    expect(changeOf(first, again)).toBeUndefined();
  });

  it('names the field and both values of a change', () => {
    expect(changeOf(configFor(), configFor({ model: 'synthetic:tiny' }))).toMatchObject({
      field: 'model',
      frozenValue: 'synthetic:qwen2.5-0.5b',
      currentValue: 'synthetic:tiny',
    });
    expect(changeOf(configFor({ extraArgs: '--a 1' }), configFor())).toMatchObject({
      field: 'extraArgs',
      frozenValue: '--a 1',
      currentValue: 'not set',
    });
    expect(changeOf(configFor(), configFor({ revision: 'main' }))).toMatchObject({
      field: 'revision',
      frozenValue: 'not set',
      currentValue: 'main',
    });
  });

  it('refuses a run id that somebody chose', () => {
    expect(changeOf(configFor({ runId: 'a' }), configFor({ runId: 'b' }))).toMatchObject({
      field: 'runId',
      frozenValue: 'a',
      currentValue: 'b',
    });
  });

  it('notices another vLLM behind the same configuration', () => {
    expect(changeOf(configFor(), configFor({}, { ...cpuEngine, vllmVersion: '0.33.0+cpu' }))).toMatchObject({
      field: 'vLLM version',
      currentValue: '0.33.0+cpu',
    });
  });
});

describe('flattenConfig', () => {
  it('holds every value, as savedValues reads it back', () => {
    for (const config of [
      configFor({ extraArgs: ['--x', 'a b'], enforceEager: true }),
      configFor({}, cudaEngine),
      configFor({ url: 'http://h:1', model: 'm' }, attachedEngine),
    ]) {
      const flat = flattenConfig(config, config.foundEngine?.kind ?? 'vllm');
      const saved = savedValues({ runId: config.runId, config: flat } as never);
      expect(flattenConfig(saved, config.foundEngine?.kind ?? 'vllm')).toEqual(flat);
      expect(saved.launches).toBe(config.launches);
    }
  });

  it('leaves out what is absent and what names the run alone', () => {
    const flat = flattenConfig(configFor({ runId: 'r' }), 'vllm');
    for (const field of ['runId', 'replay', 'url', 'gpuMemoryUtilization']) expect(flat).not.toHaveProperty(field);
  });

  it('holds nothing of a server somebody else started', () => {
    const flat = flattenConfig(configFor({ url: 'http://h:1', model: 'm' }, attachedEngine), 'attach');
    for (const field of ['port', 'dtype', 'pages', 'maxModelLen']) expect(flat).not.toHaveProperty(field);
    expect(flat).toMatchObject({ url: 'http://h:1', model: 'm', launches: 1 });
  });
});

describe('runFingerprint', () => {
  const base = { port: 8000, model: 'm' };
  const command = { command: ['vllm', 'serve'] };

  it('ignores the order of fields', () => {
    expect(runFingerprint({ model: 'm', port: 8000 }, command, 'f')).toBe(runFingerprint(base, command, 'f'));
  });

  it('changes with any value, any word of the command and the model', () => {
    const prints = [
      runFingerprint(base, command, 'f'),
      runFingerprint({ ...base, port: 8001 }, command, 'f'),
      runFingerprint({ ...base, port: '8000' }, command, 'f'),
      runFingerprint(base, { command: ['vllm serve'] }, 'f'),
      runFingerprint(base, command, 'g'),
    ];
    expect(new Set(prints).size).toBe(5);
    expect(prints.every((print) => /^[0-9a-f]{64}$/.test(print))).toBe(true);
  });

  it('differs for any two different configurations', () => {
    const flat = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(fc.string(), fc.integer(), fc.boolean()));
    fc.assert(
      fc.property(flat, flat, (one, other) => {
        const same = JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());
        expect(runFingerprint(one, command, 'f') === runFingerprint(other, command, 'f')).toBe(same);
      }),
    );
  });
});
