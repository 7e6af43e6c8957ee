/** What an engine or device forces away from the seed's values, each with the reason. */
import { availableParallelism } from 'node:os';
import type { FoundEngine } from './engine.js';
import { defaultProfile, experimentProfile } from './rehearsal.js';
import { seedModel, type ConfigField } from './settings.js';

export interface ForcedValue {
  /** Absent: the field is not passed at all. */
  readonly value?: unknown;
  /** What the table shows for a field that is not passed. */
  readonly text?: string | undefined;
  readonly why: string;
}
export type ForcedValues = { readonly [K in ConfigField]?: ForcedValue | undefined };

export interface ForceContext {
  readonly revision: string | undefined;
  readonly hasHubCopy: (hubId: string, revision: string | undefined) => boolean;
  readonly cores?: number | undefined;
  readonly forExperiment?: boolean | undefined;
}

export const notOwnedText = 'not available: attached';

export function forcedValues(found: FoundEngine, context: ForceContext): ForcedValues {
  if (found.kind === 'attach') return attachedValues();
  if (found.kind === 'rehearsal') return rehearsalValues(context.forExperiment ?? false);
  if (found.device === 'cpu') return cpuValues(context.cores ?? availableParallelism());
  return context.hasHubCopy(seedModel, context.revision) ? {} : { model: syntheticPhi(context.revision) };
}

function attachedValues(): ForcedValues {
  const why = 'the server was started by somebody else';
  return { launches: { value: 1, why }, pages: { value: 'as-found', why }, vllmCacheRoot: { why } };
}

function rehearsalValues(forExperiment: boolean): ForcedValues {
  return {
    rehearsalProfile: forExperiment
      ? {
          value: experimentProfile,
          why: 'each cause of its start has a price of its own, which the experiment has to find',
        }
      : { value: defaultProfile, why: 'the recorded start of a vLLM on a machine without a GPU' },
    model: {
      value: 'synthetic:small',
      why: 'a rehearsal computes nothing: the stand-in only reads the weight files. These are written in a moment, and large enough to be seen in the page cache',
    },
    gpuMemoryUtilization: { text: 'not passed', why: 'a rehearsal has no GPU memory to take a share of' },
  };
}

function cpuValues(cores: number): ForcedValues {
  return {
    model: {
      value: 'synthetic:qwen2.5-0.5b',
      why: `a CPU with ${cores} cores: Phi-3-mini (7.6 GB in bfloat16) would answer in minutes. Exact shape of Qwen2.5-0.5B, random weights, so the text is noise`,
    },
    gpuMemoryUtilization: {
      text: 'not passed',
      why: 'on CPU it is a share of RAM that must be free at start; the size of the KV cache is given instead',
    },
    kvCacheGiB: {
      value: 1,
      why: 'on CPU the KV cache is given in GiB (VLLM_CPU_KVCACHE_SPACE), else vLLM takes a share of RAM',
    },
  };
}

function syntheticPhi(revision: string | undefined): ForcedValue {
  const copy = revision === undefined ? seedModel : `${seedModel} at ${revision}`;
  return {
    value: 'synthetic:phi-3-mini',
    why: `no local copy of ${copy} was found, and nothing is downloaded here. Exact shape of Phi-3-mini, random weights, so the text is noise; for the real one: hf download ${seedModel}`,
  };
}
