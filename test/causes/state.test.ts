/** A cell's state on this machine: pages, and where the engine keeps what it compiled. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  cacheRootOf,
  countCacheFiles,
  dropCacheRoot,
  residentFraction,
  setPages,
  withCacheRoot,
} from '../../lib/causes/state.js';
import { temporaryFolder } from '../launch/place.js';

it('pages of a file are dropped and read again, without root rights', () => {
  // Not in the folder for temporary files, which may be memory.
  const folder = resolve('.cache', `state-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'weights');
  writeFileSync(file, Buffer.alloc(8 * 2 ** 20, 1));
  setPages('cold', [file]);
  expect(residentFraction([file])).toBe(0);
  setPages('none', [file]);
  expect(residentFraction([file])).toBe(0);
  setPages('warm', [file]);
  expect(residentFraction([file])).toBe(1);
});

describe('the cache root', () => {
  it('is fresh for every cold launch, kept for warm ones, and dropped after a cold one', () => {
    const run = temporaryFolder();
    const kept = cacheRootOf('warm', run, 1);
    writeFileSync(join(kept, 'compiled'), 'x');
    expect(countCacheFiles(cacheRootOf('warm', run, 2)).all).toBe(1);
    expect(cacheRootOf('unused', run, 3)).toBe(kept);
    const cold = cacheRootOf('cold', run, 4);
    mkdirSync(join(cold, 'triton'), { recursive: true });
    mkdirSync(join(cold, 'cuda'), { recursive: true });
    writeFileSync(join(cold, 'triton/kernel'), 'x');
    writeFileSync(join(cold, 'cuda/kernel'), 'x');
    expect(countCacheFiles(cold)).toEqual({ all: 2, jit: 1, driver: 1 });
    // A launch of that number was cut short before: what it left is no cache of this one.
    expect(countCacheFiles(cacheRootOf('cold', run, 4)).all).toBe(0);
    dropCacheRoot('cold', cold);
    dropCacheRoot('warm', kept);
    expect([existsSync(cold), existsSync(kept)]).toEqual([false, true]);
  });

  it('takes every folder of the engine with it: compiled graphs, kernels, the driver’s', () => {
    const env = {
      VLLM_CACHE_ROOT: '/run/vllm-cache',
      TRITON_CACHE_DIR: '/run/vllm-cache/triton',
      CUDA_CACHE_PATH: '/run/vllm-cache/cuda',
      FLASHINFER_WORKSPACE_BASE: '/run/vllm-cache',
      HF_HUB_OFFLINE: '1',
      OTHER: '/run/vllm-cache-of-another',
    };
    expect(withCacheRoot(env, '/run/vllm-cache/empty-3')).toEqual({
      VLLM_CACHE_ROOT: '/run/vllm-cache/empty-3',
      TRITON_CACHE_DIR: '/run/vllm-cache/empty-3/triton',
      CUDA_CACHE_PATH: '/run/vllm-cache/empty-3/cuda',
      FLASHINFER_WORKSPACE_BASE: '/run/vllm-cache/empty-3',
      HF_HUB_OFFLINE: '1',
      OTHER: '/run/vllm-cache-of-another',
    });
  });
});
