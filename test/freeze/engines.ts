/** Engines as findEngine describes them, for tests that need no disk. */
import type { FoundEngine } from '../../lib/freeze/engine.js';
import { rehearsalStart } from '../../lib/freeze/rehearsal.js';

const flags = ['--served-model-name', '--enable-prompt-tokens-details', '--enable-per-request-metrics'];

export const cpuEngine: FoundEngine = {
  kind: 'vllm',
  device: 'cpu',
  start: ['/v/bin/vllm', 'serve'],
  vllmVersion: '0.32.0+cpu',
  torchVersion: '2.13.0',
  transformersVersion: '5.19.0',
  flags,
  hasFlashinfer: false,
  chosenBecause: 'a test needs a CPU engine',
};
export const cudaEngine: FoundEngine = {
  ...cpuEngine,
  device: 'cuda',
  vllmVersion: '0.26.0',
  chosenBecause: 'a test needs a GPU engine',
};
/** As found in `projectRoot`; its profile is read when the configuration is resolved. */
export const rehearsalEngine = (projectRoot: string): FoundEngine => ({
  kind: 'rehearsal',
  device: 'none',
  start: rehearsalStart(projectRoot),
  flags,
  hasFlashinfer: false,
  chosenBecause: 'a test needs a stand-in',
});
export const attachedEngine: FoundEngine = {
  kind: 'attach',
  device: 'unknown',
  start: [],
  flags: [],
  hasFlashinfer: false,
  chosenBecause: 'a test needs an attached server',
};
