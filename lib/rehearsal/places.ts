/** What stands in the places of a recorded line when this process says it again. */
import { dirname } from 'node:path';
import { readWallClock } from '../clock.js';
import type { Cast } from './cast.js';

export interface Setting {
  readonly model: string;
  readonly servedName: string;
  readonly maxModelLen: number;
  readonly port: number;
  readonly projectRoot: string;
  readonly cacheRoot?: string | undefined;
}

/** The value of a place by its name; undefined for a name that is none, and for a process that is not born. */
export function valueOfPlace(
  { model, servedName, maxModelLen, port, projectRoot, cacheRoot }: Setting,
  cast: Pick<Cast, 'pidOf'>,
  now: () => string = readWallClock,
): (place: string) => string | undefined {
  const values: Readonly<Record<string, () => string | undefined>> = {
    // 2026-11-25T01:14:56.123Z, as Python's log and as torch's C++ log write it.
    clock: () => now().slice(5, 19).replace('T', ' '),
    stamp: () => now().replace(/^\d+-(\d\d)-(\d\d)T(.*)Z$/, '$1$2 $3000000'),
    model: () => model,
    'served-name': () => servedName,
    'max-model-len': () => String(maxModelLen),
    port: () => String(port),
    project: () => projectRoot,
    'run-folder': () => (cacheRoot === undefined ? undefined : dirname(cacheRoot)),
    'cache-root': () => cacheRoot,
    'pid-server': () => cast.pidOf('server')?.toString(),
    'pid-engine': () => cast.pidOf('engine')?.toString(),
    'pid-worker': () => cast.pidOf('worker')?.toString(),
  };
  return (place) => values[place]?.();
}
