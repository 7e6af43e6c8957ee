/** An engine's command and variables -> serve.sh, the script that starts it by hand. */
import type { EngineRecord } from '../archive/record.js';
import { quoteWord, quoteWords } from './shellwords.js';

/** serve.sh: starts the server exactly as the run does. Only for an engine with a command. */
export function formatServeScript(engine: EngineRecord): string {
  const exports = Object.entries(engine.env).map(([name, value]) => `export ${name}=${quoteWord(value)}`);
  return [
    '#!/usr/bin/env bash',
    '# The command of this run, word for word.',
    'set -euo pipefail',
    '',
    ...exports,
    '',
    `exec ${quoteWords(engine.command)}`,
    '',
  ].join('\n');
}
