/**
 * `npm run simulate -- [designs] [seed]`: designs made from the noise of the launches published from a GPU, for several
 * numbers of blocks; how often the interval holds the effect that was put in, and how wide it is.
 */
import { findRecorded } from '../causes/estimate.js';
import { phaseNoise, simulateDesigns } from '../causes/simulation.js';
import { simulationTable } from './cause-tables.js';

/** Of the order of what the published launches themselves differ by. */
const injected = {
  pagesMs: 6500,
  compileCacheMs: 40_000,
  interactionMs: 0,
  copyMs: 1500,
  captureMs: 9000,
  kvMs: 80,
} as const;

const [designs = 1000, seed = 7] = process.argv.slice(2).map(Number);
const launches = findRecorded(process.cwd(), { kind: 'vllm', device: 'cuda' }, ['data/published']);
for (const blocks of [6, 7, 8, 10, 12]) {
  const effects = simulateDesigns(phaseNoise(launches), { designs, blocks, seed, injected });
  process.stdout.write(`${simulationTable(effects, blocks, launches)}\n\n`);
}
