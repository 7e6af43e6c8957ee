/** 1,000 designs made from the noise of recorded launches: the intervals keep their promise. */
import { describe, expect, it } from 'vitest';
import { readRun } from '../../lib/archive/folder.js';
import { fitStarts, predictReadyMs, testPrediction } from '../../lib/causes/prediction.js';
import { recordedLaunches } from '../../lib/causes/recorded.js';
import { phaseNoise, simulateDesigns, trueEffectMs } from '../../lib/causes/simulation.js';

const qwen = recordedLaunches(readRun('data/published/h100-qwen2.5-1.5b-2026-11-26'));
const phi = recordedLaunches(readRun('data/published/h100-phi-3-mini-2026-11-26'));
const injected = {
  pagesMs: 6500,
  compileCacheMs: 40_000,
  interactionMs: 500,
  copyMs: 1500,
  captureMs: 9000,
  kvMs: 80,
} as const;

describe('recorded launches', () => {
  it('have parts that add up to launch -> ready, and the state that their run proved', () => {
    for (const { parts, readyMs } of [...qwen, ...phi])
      expect(parts.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(readyMs, 3);
    const statesOf = (launches: typeof qwen) => launches.map(({ pages, compileCache }) => `${pages}, ${compileCache}`);
    expect(statesOf(qwen)).toEqual(['cold, cold', ...Array<string>(6).fill('warm, warm')]);
    expect(statesOf(phi)).toEqual(['cold, cold', ...Array<string>(6).fill('cold, warm')]);
  });
});

describe('simulated designs', () => {
  const noise = phaseNoise([...qwen, ...phi]);
  const run = (blocks: number, designs = 1000) => simulateDesigns(noise, { designs, blocks, seed: 7, injected });

  it.each([6, 8])('of %i blocks hold the true effect in 1,000 as often as they say, which is 93 to 97 %', (blocks) => {
    const effects = run(blocks);
    expect(effects.map(({ cause }) => cause)).toEqual(['A', 'B', 'C', 'C-cache', 'C-rest', 'D', 'D-size', 'AxC']);
    const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;
    const level = mean(effects.map(({ exactLevel }) => exactLevel));
    expect(level).toBeGreaterThanOrEqual(0.93);
    expect(level).toBeLessThanOrEqual(0.97);
    // All together: within one point of the level that they say they have.
    expect(Math.abs(mean(effects.map(({ coverage }) => coverage)) - level)).toBeLessThan(0.01);
    for (const { cause, coverage, exactLevel, designs } of effects) {
      // Each by itself: within three standard errors of the level that the interval says it has.
      const error = Math.sqrt((exactLevel * (1 - exactLevel)) / designs);
      expect(Math.abs(coverage - exactLevel), cause).toBeLessThan(3 * error);
    }
  });

  it('see large effects, and say "not resolved" of one that is smaller than the noise', () => {
    const effects = run(6, 300);
    const of = (cause: string) => effects.find((effect) => effect.cause === cause);
    expect(of('C')?.resolvedFraction).toBe(1);
    expect(of('D')?.resolvedFraction).toBeLessThan(0.1);
  });

  it('are the same for a seed', () => expect(run(6, 20)).toEqual(run(6, 20)));

  it('know what they injected', () => {
    expect(trueEffectMs({ weights: { 'both-cold': 1, 'both-warm': -1 } }, injected)).toBe(6500 + 40_000 + 500);
  });

  it('need two launches in one state', () => {
    expect(() => simulateDesigns(phaseNoise(qwen.slice(0, 1)), { designs: 1, blocks: 6, seed: 7, injected })).toThrow(
      'no noise',
    );
  });
});

describe('the prediction', () => {
  const model = fitStarts(qwen);

  it('gives back the launches it was fitted on: a single one of its state as it was, six within their spread', () => {
    const [single, ...six] = testPrediction(model, qwen);
    expect(single?.errorFraction).toBeCloseTo(0);
    const readyMs = six.map(({ launch }) => launch.readyMs);
    for (const { predictedMs } of six) {
      expect(predictedMs).toBeGreaterThanOrEqual(Math.min(...readyMs));
      expect(predictedMs).toBeLessThanOrEqual(Math.max(...readyMs));
    }
  });

  it('is tested on a shape it never saw, with its error stated', () => {
    const tests = testPrediction(model, phi);
    expect(tests).toHaveLength(7);
    for (const { launch, predictedMs, errorFraction } of tests) {
      expect(predictedMs).toBeGreaterThan(launch.weightsMs);
      expect(errorFraction).toBeCloseTo(((predictedMs ?? NaN) - launch.readyMs) / launch.readyMs);
    }
  });

  it('says nothing of a state it was not fitted on', () => {
    const coldOnly = fitStarts(qwen.slice(0, 1));
    expect(predictReadyMs(coldOnly, { weightsBytes: 1, pages: 'warm', compileCache: 'cold' })).toBeUndefined();
    expect(predictReadyMs(model, { weightsBytes: 1 })).toBeUndefined();
  });
});
