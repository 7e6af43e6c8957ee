/** Arguments a person adds to the server's command: those that a field of the configuration already sets are refused. */

const ownedFlags: Readonly<Record<string, string>> = {
  '--model': 'set it with DAY007_MODEL',
  '--revision': 'set it with DAY007_REVISION',
  '--port': 'set it with DAY007_PORT',
  '--dtype': 'set it with DAY007_DTYPE',
  '--max-model-len': 'set it with DAY007_MAX_MODEL_LEN',
  '--gpu-memory-utilization': 'set it with DAY007_GPU_MEMORY_UTILIZATION',
  '--enforce-eager': 'set it with DAY007_ENFORCE_EAGER',
  '--host': 'the server listens on 127.0.0.1 only',
  '--uds': 'the server listens on 127.0.0.1 only',
  '--served-model-name': 'the requests use the name of the model',
  '--api-key': 'a loopback server needs none, and a key can change the compile cache',
  '--disable-log-stats': 'the per-request metrics need the statistics',
};

/** Why these arguments cannot be used, or undefined when they can. vLLM reads `--max_model_len` as `--max-model-len`, so do we. */
export function checkExtraArgs(words: readonly string[]): string | undefined {
  const refused = words.flatMap((word) => {
    const flag = /^--[^=]+/.exec(word)?.[0].replaceAll('_', '-');
    const reason = flag === undefined ? undefined : ownedFlags[flag];
    return reason === undefined ? [] : [`arguments without ${flag ?? ''} (${reason})`];
  });
  return refused.length === 0 ? undefined : refused.join('; ');
}
