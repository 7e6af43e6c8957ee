/** The words of `vllm serve ...` that the engine needs; flags that it does not know are vLLM's and are left alone. */

export interface ServeArguments {
  readonly model: string;
  readonly port: number;
  readonly host: string;
  readonly servedName: string;
  /** Absent: the model's own. */
  readonly maxModelLen?: number | undefined;
  readonly perRequestMetrics: boolean;
  readonly promptTokensDetails: boolean;
}

export type CommandLine = { readonly kind: 'version' } | ({ readonly kind: 'serve' } & ServeArguments);

const flag = /^(--[a-z][\w.-]*|-[A-Za-z][\w]*)(?:=(.*))?$/s;

/** Throws, as argparse would exit, on a word that is neither the model, nor a flag, nor the value of one. */
export function parseServeArguments(words: readonly string[]): CommandLine {
  if (words.includes('--version') || words.includes('-v')) return { kind: 'version' };
  const [command, model, ...rest] = words;
  if (command !== 'serve')
    throw new Error(`argument subparser: invalid choice: '${command ?? ''}' (choose from serve)`);
  if (model === undefined || flag.test(model)) throw new Error('the first word after serve must be the model');
  const flags = new Map<string, string | undefined>();
  let open: string | undefined;
  for (const word of rest) {
    const found = flag.exec(word);
    if (found?.[1] !== undefined) {
      flags.set(found[1].replaceAll('_', '-'), found[2]);
      open = found[2] === undefined ? found[1].replaceAll('_', '-') : undefined;
    } else if (open !== undefined) {
      // A flag may take several values; the first one is what is asked for here.
      flags.set(open, flags.get(open) ?? word);
    } else {
      throw new Error(`unrecognized arguments: ${word}`);
    }
  }
  const number = (name: string): number | undefined => {
    const text = flags.get(name);
    if (!flags.has(name)) return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new Error(`argument ${name}: invalid int value: '${text ?? ''}'`);
    return value;
  };
  return {
    kind: 'serve',
    model,
    port: number('--port') ?? 8000,
    host: flags.get('--host') ?? '127.0.0.1',
    servedName: flags.get('--served-model-name') ?? model,
    maxModelLen: number('--max-model-len'),
    perRequestMetrics: flags.has('--enable-per-request-metrics'),
    promptTokensDetails: flags.has('--enable-prompt-tokens-details'),
  };
}
