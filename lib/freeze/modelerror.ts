/** What can be wrong with a model folder, as one error that says what to try. */

export type ModelProblem =
  | 'unknown-synthetic'
  | 'folder-missing'
  | 'config-missing'
  | 'config-unreadable'
  | 'weights-missing'
  | 'weights-truncated'
  | 'weights-unreadable'
  | 'changed-while-read'
  | 'no-space';

/** A model cannot be used as it lies on disk. Branch on `problem`; `path` is the file or folder it is about. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  constructor(
    readonly problem: ModelProblem,
    readonly path: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
