/** What can go wrong before anything is launched. Callers branch on fields, never on text. */

/** One configuration value that cannot be used. */
export interface ConfigProblem {
  readonly field: string;
  /** What was given, as the reader wrote it. */
  readonly given: string;
  readonly allowed: string;
  /** The environment variable, "the config cell" or the file the value came from. */
  readonly origin: string;
}

/** Some configuration values are wrong; all of them are listed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly ConfigProblem[]) {
    super(describeProblems(problems));
  }
}

function describeProblems(problems: readonly ConfigProblem[]): string {
  const lines = problems.map((p) => `${p.field}: ${p.origin} gives ${p.given}; allowed: ${p.allowed}`);
  if (lines.length === 1) return `The configuration cannot be used. ${lines[0]}`;
  return [
    `The configuration cannot be used. ${lines.length} values are wrong:`,
    ...lines.map((line) => `- ${line}`),
  ].join('\n');
}

/** No engine can be started as configured. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  constructor(
    message: string,
    /** Every place that was looked at, in order. */
    readonly lookedAt: readonly string[],
  ) {
    super(message);
  }
}

/** The run cannot be frozen, or something that was frozen has changed. */
export class FreezeError extends Error {
  override readonly name = 'FreezeError';
  constructor(
    message: string,
    /** What it is about: a configuration field, "model", "runId", ... */
    readonly field: string,
    readonly frozenValue?: string | undefined,
    readonly currentValue?: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
