/** Where the tests launch the rehearsal engine: a small model folder, and a plan that starts it as a run would. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LaunchPlan } from '../../lib/launch/server.js';
import { planFor, temporaryFolder } from '../launch/place.js';

const root = resolve('.');
/** An address, not a name: the server's working folder is the run's, where no package is found. */
export const tsxLoader = pathToFileURL(resolve('node_modules/tsx/dist/loader.mjs')).href;

/** A model folder as far as the engine looks into one: two files of weights, of 1.5 MB together. */
export function smallModel(): { readonly folder: string; readonly bytes: number } {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ max_position_embeddings: 2048 }));
  writeFileSync(join(folder, 'model-00001-of-00002.safetensors'), new Uint8Array(1_000_000));
  writeFileSync(join(folder, 'model-00002-of-00002.safetensors'), new Uint8Array(500_000));
  return { folder, bytes: 1_500_000 };
}

export async function rehearsalPlan(
  model: string,
  env: Readonly<Record<string, string>> = {},
  more: Partial<LaunchPlan> = {},
): Promise<LaunchPlan> {
  const plan = await planFor('server.mjs', [], more);
  const server = join(root, 'lib/rehearsal/server.ts');
  const flags = ['--port', String(plan.port), '--host', '127.0.0.1', '--served-model-name', 'small'];
  return {
    ...plan,
    command: [process.execPath, '--import', tsxLoader, server, 'serve', model, ...flags, '--dtype', 'auto'],
    env: { VLLM_CACHE_ROOT: join(plan.runDir, 'cache'), ...env },
  };
}

/** A profile of this project with some of its start-up changed, as a file of its own. */
export function changedProfile(name: string, startup: Readonly<Record<string, unknown>>): string {
  const profile = JSON.parse(readFileSync(join(root, 'lib/rehearsal/profiles', `${name}.json`), 'utf8')) as {
    readonly startup: object;
  };
  const file = join(temporaryFolder(), 'profile.json');
  writeFileSync(file, JSON.stringify({ ...profile, startup: { ...profile.startup, ...startup } }));
  return file;
}
