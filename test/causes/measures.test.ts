/** The same seconds from several witnesses, on launches of a real vLLM. */
import { describe, expect, it } from 'vitest';
import { readRun } from '../../lib/archive/folder.js';
import { readExperiment } from '../../lib/causes/findings.js';
import { effectsOf } from '../../lib/causes/contrasts.js';
import { isCompiler, launchMeasures } from '../../lib/causes/measures.js';
import { leastSilenceShare, silencesOf } from '../../lib/causes/silence.js';
import { valuesOfMeasure, witnessesOf, type PlacedMeasures } from '../../lib/causes/witnesses.js';

const phi = readRun('data/published/h100-phi-3-mini-2026-11-26');
const measures = launchMeasures(phi);
const [empty, filled] = measures;
if (!empty || !filled) throw new Error('the published run has seven launches');

describe('a launch on an H100', () => {
  it('is measured by every witness, which agree in order of size', () => {
    expect(measures).toHaveLength(7);
    for (const one of measures) {
      const sum = one.logLoadMs + one.logCompileMs + one.logKvMs + one.logProcessMs + one.remainderMs;
      expect(sum).toBeGreaterThan(0.99 * one.readyMs);
      expect(one.withoutImportsMs).toBeLessThan(one.readyMs);
      // The weights came from storage: reading took most of the loading, and the GPU's memory grew meanwhile.
      expect(one.readingMs).toBeGreaterThan(0.6 * one.logLoadMs);
      expect(one.readingMs).toBeLessThan(1.2 * one.logLoadMs);
      expect(one.gpuFillMs).toBeLessThanOrEqual(one.logLoadMs);
      expect(one.engineProcesses).toBe(2);
    }
  });

  it('is named to the end, whether the engine chose the size of its KV cache or was given it', () => {
    const kv = readExperiment('data/published/h100-cold-start-2026-11-26-kv');
    const starts = launchMeasures(kv.data).filter(({ launch }) => kv.rows[launch - 1]?.role === 'measure');
    expect(starts).toHaveLength(18);
    for (const { launch, finding, remainderMs, readyMs, logKvMs } of starts) {
      const names = finding.timeline?.phases.map(({ name }) => name) ?? [];
      const isOwnSize = kv.rows[launch - 1]?.cell === 'both-warm';
      expect(names.filter((name) => name === 'Kernels warmed up, compiled on first use')).toHaveLength(1);
      expect(names.includes('Memory profiled for the KV cache')).toBe(isOwnSize);
      expect(logKvMs > 500).toBe(isOwnSize);
      expect(finding.timeline?.incomplete).toEqual([]);
      expect(remainderMs).toBeLessThan(0.02 * readyMs);
    }
  });

  it('runs compilers when its compile cache is empty, and none when it is filled', () => {
    expect(empty.compilerCpuMs).toBeGreaterThan(1000);
    expect(filled.compilerCpuMs).toBe(0);
    expect(['cc1', 'ptxas', 'gcc-real', 'ld', 'collect2'].every(isCompiler)).toBe(true);
    expect(['python3.12', 'vllm', 'cc1000', 'ldconfig'].some(isCompiler)).toBe(false);
  });

  it('was silent while kernels were compiled on first use, and it is said what ran', () => {
    const silences = silencesOf(
      phi,
      measures.flatMap(({ finding }) => finding.timeline ?? []),
    );
    for (const { share } of silences) expect(share).toBeGreaterThanOrEqual(leastSilenceShare);
    const kernels = silences.find(({ phase }) => phase === 'Kernels warmed up, compiled on first use');
    expect(kernels?.launch).toBe(1);
    expect(kernels?.ran.some(({ name }) => isCompiler(name))).toBe(true);
  });
});

describe('witnesses', () => {
  /** Made-up blocks of pages cold and warm, each a real launch whose clock and log are moved. */
  const placed = (clockMs: number, logMs: number): PlacedMeasures[] =>
    Array.from({ length: 6 }, (_, block) => [
      { block: String(block), cell: 'both-cold', measures: empty },
      {
        block: String(block),
        cell: 'compile-cold',
        measures: {
          ...empty,
          readyMs: empty.readyMs - clockMs - block,
          withoutImportsMs: empty.withoutImportsMs - clockMs - block,
          logLoadMs: empty.logLoadMs - logMs - block,
          readingMs: 0,
        },
      },
    ]).flat();
  const disagreements = (clockMs: number, logMs: number): string[] => {
    const all = placed(clockMs, logMs);
    return witnessesOf(effectsOf(valuesOfMeasure(all, 'readyMs')), all).flatMap(({ witness, verdict }) =>
      verdict === 'disagrees' ? [witness] : [],
    );
  };

  it('that say the same do not disagree', () => {
    expect(disagreements(empty.readingMs ?? 0, empty.readingMs ?? 0)).toEqual([]);
  });

  it('that say another number are printed with both', () => {
    const all = placed(5000, 2000);
    const found = witnessesOf(effectsOf(valuesOfMeasure(all, 'readyMs')), all);
    const log = found.find(({ witness }) => witness.startsWith('log'));
    expect(log?.verdict).toBe('disagrees');
    expect(log?.because).toMatch(/2\.00 s against 5\.00 s /);
  });

  it('are held to a tenth of the effect: just inside, just outside', () => {
    expect(disagreements(5000, 4600)).not.toContain('log: phases of loading');
    expect(disagreements(5000, 4400)).toContain('log: phases of loading');
  });
});
