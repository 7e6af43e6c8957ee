/** What a report is about: a run with its findings, and how it is called in titles. */
import type { RunData } from '../archive/folder.js';
import type { EngineKind, EngineRecord, ModelRecord } from '../archive/record.js';
import { noGpuInRehearsal } from '../freeze/rehearsal.js';
import type { Findings } from '../interpret/findings.js';

/** A run folder read back, with what was found in it. Every table and chart is drawn from this. */
export interface InterpretedRun {
  readonly data: RunData;
  readonly findings: Findings;
}

/** A title with the word REHEARSAL before it when no real engine was measured. */
export function stamped(engineKind: EngineKind, title: string): string {
  return engineKind === 'rehearsal' ? `REHEARSAL: ${title}` : title;
}

/** For a table that needs no title of its own: only in a rehearsal it gets one, for the word in it. */
export function stampedOnly(engineKind: EngineKind, title: string): string | undefined {
  return engineKind === 'rehearsal' ? stamped(engineKind, title) : undefined;
}

/** "REAL (vLLM 0.32.0, cpu)" or "REHEARSAL (...)": which engine gave the numbers. */
export function engineLabel(data: RunData): string {
  const { kind, vllmVersion, device } = data.record.engine;
  if (kind === 'rehearsal') return `REHEARSAL (a stand-in, no model ran; ${rehearsedText(data.record.engine)})`;
  const version = vllmVersion === undefined ? 'version unknown' : `vLLM ${vllmVersion}`;
  return `REAL (${version}, ${device}${kind === 'attach' ? ', attached' : ''})`;
}

/** What a rehearsal replays. */
export function rehearsedText({ replays }: Pick<EngineRecord, 'replays'>): string {
  return replays === undefined ? 'what it replays is not on record' : `it replays the start of ${replays}`;
}

/** What stands where a GPU would be named and there is none. */
export function noGpuText(engineKind: EngineKind): string {
  return engineKind === 'rehearsal' ? noGpuInRehearsal : 'no GPU';
}

/** The model as named by its owner; a local directory by its last name only. */
export function modelLabel(model: ModelRecord): string {
  const name = model.name.startsWith('/') || model.kind === 'local' ? lastName(model.name) : model.name;
  return model.randomWeights ? `${name} (random weights)` : name;
}

function lastName(path: string): string {
  return path.split('/').filter(Boolean).pop() ?? path;
}
