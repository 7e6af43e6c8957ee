/** A profile: how a rehearsal starts and how it serves, as a checked JSON file. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { listProfiles } from '../freeze/rehearsal.js';
import { servingProfileSchema } from './serving-profile.js';
import { startupProfileSchema } from './startup-profile.js';

const profileSchema = z.strictObject({
  name: z.string(),
  /** One sentence: what it is for. */
  says: z.string(),
  startup: startupProfileSchema,
  serving: servingProfileSchema,
});

export type WholeProfile = z.infer<typeof profileSchema>;

/** The whole profile of a name in lib/rehearsal/profiles, or at a path. Throws, saying what is wrong with the file and what there is. */
export function readWholeProfile(projectRoot: string, name: string): WholeProfile {
  const file = name.includes('/') ? resolve(name) : join(projectRoot, 'lib/rehearsal/profiles', `${name}.json`);
  if (!existsSync(file)) {
    throw new Error(
      `there is no rehearsal profile ${name} (${file}). Set DAY007_REHEARSAL_PROFILE to one of ${listProfiles(projectRoot).join(', ')}, or to the path of a profile of your own`,
    );
  }
  try {
    return profileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const what =
      cause instanceof z.ZodError
        ? cause.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
        : (cause as Error).message;
    throw new Error(`the rehearsal profile ${file} cannot be used: ${what}`, { cause });
  }
}
