/** TTFT by every definition in use, from the same stamps, so that a result can be held against anyone's. */
import type { RequestTiming, TtftDefinition } from './findings.js';
import { valuesOf } from './series.js';
import { summarize } from './stats.js';

type Field = 'firstByteMs' | 'firstEventMs' | 'firstChoiceMs' | 'ttftMs' | 'firstVisibleMs' | 'fromStartMs';

const definitions: readonly { readonly definition: string; readonly usedBy: string; readonly field: Field }[] = [
  { definition: 'first byte of the body', usedBy: 'HTTP tools (time to first byte)', field: 'firstByteMs' },
  {
    definition: 'first server-sent event',
    usedBy: "probes that take any line; llama-benchy's TTFR",
    field: 'firstEventMs',
  },
  {
    definition: 'first event with a choice, text or not',
    usedBy: 'vllm bench serve, evalscope',
    field: 'firstChoiceMs',
  },
  {
    definition: 'first generated token, reasoning counted (headline)',
    usedBy: 'this project; AIPerf, guidellm, genai-bench',
    field: 'ttftMs',
  },
  {
    definition: 'first visible token, reasoning not counted',
    usedBy: "AIPerf's TTFO, guidellm's TTFOT, inference-perf",
    field: 'firstVisibleMs',
  },
  {
    definition: 'first generated token, from before the connection',
    usedBy: 'clients that connect for each request (SGLang, vllm bench serve on a new connection)',
    field: 'fromStartMs',
  },
];

/** `cold` is the first streamed cold_1; `warm` streamed warm requests of one launch. */
export function ttftDefinitions(cold: RequestTiming | undefined, warm: readonly RequestTiming[]): TtftDefinition[] {
  return definitions.map(({ definition, usedBy, field }) => ({
    definition,
    usedBy,
    coldMs: cold?.[field],
    warmMs: summarize(valuesOf(warm, field)),
  }));
}
