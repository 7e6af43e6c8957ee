/** What a cell of the notebook or the environment says about the experiment -> checked options. */
import { z } from 'zod';
import type { EngineRecord } from '../archive/record.js';
import { designs, type DesignName } from './cells.js';
import { ExperimentError, type ExperimentOptions } from './experiment.js';

export interface ExperimentInput {
  readonly design?: DesignName | undefined;
  readonly blocks?: number | undefined;
  /** Minutes of one sitting: what is left then waits for the next one. */
  readonly minutes?: number | undefined;
  /** Runs of each probe of the node; where several runs are put together, theirs add up. */
  readonly probeRuns?: number | undefined;
}

const names = Object.keys(designs) as [DesignName, ...DesignName[]];

/** Six is the first number of blocks whose differences get a 95 % interval. */
const defaultBlocks = 6;

const fields = {
  design: {
    variable: 'DAY007_COLD_START_DESIGN',
    schema: z.enum(names),
    allowed: names.join(', '),
  },
  blocks: {
    variable: 'DAY007_COLD_START_BLOCKS',
    schema: z.coerce.number().int().min(1).max(200),
    allowed: 'a whole number of blocks from 1 to 200 (6 is the first with intervals)',
  },
  minutes: {
    variable: 'DAY007_COLD_START_MINUTES',
    schema: z.coerce.number().positive().max(10_000),
    allowed: 'minutes of one sitting, above 0',
  },
  probeRuns: {
    variable: 'DAY007_COLD_START_PROBE_RUNS',
    schema: z.coerce.number().int().min(1).max(100),
    allowed:
      'a whole number of runs of each probe from 1 to 100 (6, over all runs put together, are the first with intervals)',
  },
} as const;

/**
 * The cell wins over the environment, that over the default: `full`, but `no-cache` for a vLLM on a CPU, which was seen
 * to refuse its own compile cache (0.32.0). Throws ExperimentError on a wrong value.
 */
export function resolveOptions(
  cell: ExperimentInput,
  engine: Pick<EngineRecord, 'kind' | 'device'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ExperimentOptions {
  const fallback: DesignName = engine.kind === 'vllm' && engine.device === 'cpu' ? 'no-cache' : 'full';
  const minutes = cell.minutes ?? env[fields.minutes.variable];
  const probeRuns = cell.probeRuns ?? env[fields.probeRuns.variable];
  return {
    ...(minutes === undefined ? {} : { sittingMs: (check('minutes', minutes) as number) * 60_000 }),
    ...(probeRuns === undefined ? {} : { probeRuns: check('probeRuns', probeRuns) as number }),
    design: check('design', cell.design ?? env[fields.design.variable] ?? fallback) as DesignName,
    blocks: check('blocks', cell.blocks ?? env[fields.blocks.variable] ?? defaultBlocks) as number,
  };
}

function check(name: keyof typeof fields, given: unknown): unknown {
  const { schema, variable, allowed } = fields[name];
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ExperimentError(`${name} is ${String(given)}; allowed: ${allowed}. Set it in the cell or as ${variable}.`);
}
