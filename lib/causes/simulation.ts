/**
 * Does the interval keep its promise? Designs are made up whose effects are known: the noise of every phase is drawn
 * from recorded launches, the effects are added to it, and the intervals are counted that hold what was added.
 */
import type { CellName } from './cells.js';
import { contrasts, effectOf, type CauseId, type CellValue, type Contrast } from './contrasts.js';
import { pick, randomFrom } from '../statistics/random.js';
import { medianOf } from '../statistics/samples.js';
import type { RecordedLaunch, Temperature } from './recorded.js';

/** How each phase strayed from its mean among launches in one state, in ms; and its mean. */
export interface PhaseNoise {
  readonly name: string;
  readonly compileCache: Temperature;
  readonly residualsMs: readonly number[];
}

/** Seconds added to a launch by what its cell has and the bare one has not, in ms. */
export interface InjectedEffects {
  readonly pagesMs: number;
  readonly compileCacheMs: number;
  readonly interactionMs: number;
  readonly copyMs: number;
  readonly captureMs: number;
  readonly kvMs: number;
}

export interface SimulationPlan {
  readonly designs: number;
  readonly blocks: number;
  readonly seed: number;
  readonly injected: InjectedEffects;
}

export interface SimulatedEffect {
  readonly cause: CauseId;
  readonly how: string;
  readonly trueMs: number;
  readonly designs: number;
  /** Share of the designs whose interval holds the true effect. */
  readonly coverage: number;
  /** The level the interval reaches exactly, for differences symmetric about their centre. */
  readonly exactLevel: number;
  readonly medianHalfWidthMs: number;
  /** Share of the designs whose interval excludes 0. */
  readonly resolvedFraction: number;
}

/**
 * The noise of each phase: its lengths minus their mean, in every group of launches of one model and one state with at
 * least two of them, widened by sqrt(n / (n - 1)) for the mean that was taken from the same few launches.
 */
export function phaseNoise(launches: readonly RecordedLaunch[]): PhaseNoise[] {
  const groups = new Map<string, { name: string; compileCache: Temperature; ms: number[] }>();
  for (const { compileCache, pages, model, device, parts } of launches) {
    if (compileCache === undefined) continue;
    for (const { name, ms } of parts) {
      // Weights take as long as they are large and cold; all other phases are compared over the models.
      const isLoading = /weights|model/i.test(name);
      const key = [device, name, compileCache, ...(isLoading ? [model, pages] : [])].join('|');
      const group = groups.get(key) ?? { name, compileCache, ms: [] };
      group.ms.push(ms);
      groups.set(key, group);
    }
  }
  return [...groups.values()].flatMap(({ name, compileCache, ms }) => {
    if (ms.length < 2) return [];
    const mean = ms.reduce((sum, value) => sum + value, 0) / ms.length;
    const widened = Math.sqrt(ms.length / (ms.length - 1));
    return [{ name, compileCache, residualsMs: ms.map((value) => (value - mean) * widened) }];
  });
}

/** What a cell has, as multipliers of the injected effects. */
const has: Readonly<Record<CellName, Partial<Record<keyof InjectedEffects, number>>>> = {
  'both-cold': { pagesMs: 1, compileCacheMs: 1, interactionMs: 1, copyMs: 1, captureMs: 1 },
  'pages-cold': { pagesMs: 1, copyMs: 1, captureMs: 1 },
  'compile-cold': { compileCacheMs: 1, copyMs: 1, captureMs: 1 },
  'both-warm': { copyMs: 1, captureMs: 1 },
  eager: { copyMs: 1 },
  dummy: { captureMs: 1 },
  'kv-small': { copyMs: 1, captureMs: 1 },
  'kv-large': { copyMs: 1, captureMs: 1, kvMs: 1 },
  'eager-dummy': {},
  'eager-kv-small': { copyMs: 1 },
  'eager-kv-large': { copyMs: 1, kvMs: 1 },
};
const compiles: readonly CellName[] = ['both-cold', 'compile-cold'];
const simulatedCells: readonly CellName[] = [
  'both-cold',
  'pages-cold',
  'compile-cold',
  'both-warm',
  'eager',
  'dummy',
  'kv-small',
  'kv-large',
];

/** Made-up designs, evaluated as a real one is. Throws RangeError when the launches hold no noise to draw from. */
export function simulateDesigns(noise: readonly PhaseNoise[], plan: SimulationPlan): SimulatedEffect[] {
  if (noise.length === 0)
    throw new RangeError('no two recorded launches share a state: there is no noise to draw from');
  const uniform = randomFrom(plan.seed);
  // The first way of each cause: a simulated design holds every cell.
  const asked = contrasts.filter((one, at) => contrasts.findIndex(({ cause }) => cause === one.cause) === at);
  const seen = new Map(
    asked.map((one) => [one.cause, { held: 0, resolved: 0, level: 0, halfWidthsMs: [] as number[] }]),
  );
  for (let design = 0; design < plan.designs; design += 1) {
    const values = simulateDesign(noise, plan, uniform);
    for (const contrast of asked) tally(contrast, values, plan.injected, seen.get(contrast.cause));
  }
  return asked.flatMap((contrast) => {
    const one = seen.get(contrast.cause);
    const medianHalfWidthMs = one && medianOf(one.halfWidthsMs);
    if (!one || medianHalfWidthMs === undefined) return [];
    return [
      {
        cause: contrast.cause,
        how: contrast.how,
        trueMs: trueEffectMs(contrast, plan.injected),
        designs: plan.designs,
        coverage: one.held / plan.designs,
        exactLevel: one.level,
        medianHalfWidthMs,
        resolvedFraction: one.resolved / plan.designs,
      },
    ];
  });
}

function tally(
  contrast: Contrast,
  values: readonly CellValue[],
  injected: InjectedEffects,
  into: { held: number; resolved: number; level: number; halfWidthsMs: number[] } | undefined,
): void {
  const { centre, resolved } = effectOf(contrast, values);
  if (!into || !centre?.interval) return;
  const { lower, upper, level } = centre.interval;
  const trueMs = trueEffectMs(contrast, injected);
  into.held += lower <= trueMs && trueMs <= upper ? 1 : 0;
  into.resolved += resolved === true ? 1 : 0;
  into.level = level;
  into.halfWidthsMs.push((upper - lower) / 2);
}

/** What a contrast would give without noise, to the nanosecond: weights that cancel leave no crumbs of the sum. */
export function trueEffectMs({ weights }: Pick<Contrast, 'weights'>, injected: InjectedEffects): number {
  const parts = Object.entries(weights).map(([cell, weight]) => weight * addedMs(cell as CellName, injected));
  return Math.round(parts.reduce((sum, part) => sum + part, 0) * 1e6) / 1e6;
}

function addedMs(cell: CellName, injected: InjectedEffects): number {
  return Object.entries(has[cell]).reduce(
    (sum, [name, times]) => sum + times * injected[name as keyof InjectedEffects],
    0,
  );
}

function simulateDesign(noise: readonly PhaseNoise[], plan: SimulationPlan, uniform: () => number): CellValue[] {
  return Array.from({ length: plan.blocks }, (_, index) => {
    // A block has a level of its own: one launch's worth of noise, shared by all its cells.
    const blockMs = strayMs(noise, 'warm', uniform);
    return simulatedCells.map((cell) => ({
      block: String(index + 1),
      cell,
      value:
        blockMs + addedMs(cell, plan.injected) + strayMs(noise, compiles.includes(cell) ? 'cold' : 'warm', uniform),
    }));
  }).flat();
}

/** The noise of one launch: for each phase, how it strayed in one of the recorded launches. */
function strayMs(noise: readonly PhaseNoise[], compileCache: Temperature, uniform: () => number): number {
  return noise
    .filter((phase) => phase.compileCache === compileCache)
    .reduce((sum, { residualsMs }) => sum + (pick(residualsMs, uniform) ?? 0), 0);
}
