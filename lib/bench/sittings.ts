/** One setting of the bench, sitting after sitting, each a process of its own (sitting.ts). */
import { join } from 'node:path';
import { execa } from 'execa';
import type { Clock } from '../clock.js';
import type { ProbeMode } from '../probe/mode.js';
import type { ClientName } from './clients.js';
import {
  sittingsOf,
  type MeasuredBlock,
  type SettingPlan,
  type SettingRuns,
  type Sitting,
  type SittingRuns,
} from './setting.js';

export interface SittingJob {
  readonly plan: Sitting;
  readonly names: readonly ClientName[];
  readonly mode: ProbeMode;
  /** Of the order within the rounds. */
  readonly seed: number;
  readonly clockOriginNs: string;
  readonly projectRoot: string;
}

/** Throws when a sitting breaks: the server on the other side is ours. */
export async function runSetting(
  plan: SettingPlan,
  { clock, ...common }: Omit<SittingJob, 'plan' | 'clockOriginNs'> & { readonly clock: Clock },
): Promise<SettingRuns> {
  const blocks: MeasuredBlock[] = [];
  const cpuBlocks: MeasuredBlock[] = [];
  for (const sitting of sittingsOf(plan)) {
    const seed = common.seed * 1009 + sitting.sitting;
    const job: SittingJob = { ...common, seed, plan: sitting, clockOriginNs: String(clock.originNs) };
    const program = join(common.projectRoot, 'lib/bench/sitting.ts');
    const { stdout } = await execa(process.execPath, ['--import', 'tsx', program], {
      cwd: common.projectRoot,
      input: JSON.stringify(job),
      stderr: 'inherit',
      maxBuffer: 2 ** 28,
    });
    const measured = JSON.parse(stdout) as SittingRuns;
    blocks.push(...measured.blocks);
    cpuBlocks.push(...measured.cpuBlocks);
  }
  return { plan, blocks, cpuBlocks };
}
