/** A step that the state of the run does not allow. The message says why, and what to do instead. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
}
