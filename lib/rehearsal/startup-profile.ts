/** The start-up half of a profile: which recordings are replayed, and how their time is changed. */
import { z } from 'zod';
import { pricesSchema } from './flags.js';

export const startupProfileSchema = z.strictObject({
  /** Names of recordings, by the state in which the start finds the compile cache. */
  recording: z.strictObject({ empty: z.string(), filled: z.string() }),
  /** Recorded ms -> replayed ms, wherever no phase below says otherwise. */
  timeScale: z.number().positive(),
  /** How long a phase shall take in ms, by its name in the recording. */
  phasesMs: z.record(z.string(), z.number().nonnegative()).default({}),
  /** How fast the weight files are read: as fast as they come, spread over the phase, at a rate, or not at all. */
  weights: z
    .union([
      z.literal('at once'),
      z.literal('spread over the phase'),
      z.literal('none'),
      z.strictObject({ bytesPerS: z.number().positive() }),
    ])
    .default('at once'),
  /** Die after a phase, with a last line on stderr. */
  fails: z.strictObject({ after: z.string(), line: z.string() }).optional(),
  /** What the start owes to its state and its flags; it then has the last word on phases and weights. */
  prices: pricesSchema.optional(),
});

export type StartupProfile = z.infer<typeof startupProfileSchema>;
