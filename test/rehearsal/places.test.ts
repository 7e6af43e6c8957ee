import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fillCache, readCacheState } from '../../lib/rehearsal/cache-mark.js';
import { valueOfPlace } from '../../lib/rehearsal/places.js';
import { fillPlaces } from '../../lib/rehearsal/recording.js';
import { temporaryFolder } from '../launch/place.js';

it('fills the places of a recorded line with what belongs to this start', () => {
  const setting = {
    model: '/models/small',
    servedName: 'small',
    maxModelLen: 2048,
    port: 8123,
    projectRoot: '/project',
    cacheRoot: '/runs/one/cache',
  };
  const cast = { pidOf: (role: string) => (role === 'worker' ? undefined : role.length) };
  const value = valueOfPlace(setting, cast, () => '2026-11-25T01:14:56.789Z');
  const fill = (text: string) => fillPlaces(text, value);
  expect(fill('(APIServer pid={{pid-server}}) INFO {{clock}} [a.py:1] ')).toBe(
    '(APIServer pid=6) INFO 11-25 01:14:56 [a.py:1] ',
  );
  expect(fill('[W{{stamp}} utils.cpp:68]')).toBe('[W1125 01:14:56.789000000 utils.cpp:68]');
  expect(fill('{{project}}/x {{cache-root}}/y {{run-folder}}')).toBe('/project/x /runs/one/cache/y /runs/one');
  expect(fill('{{model}} {{served-name}} {{max-model-len}} :{{port}}')).toBe('/models/small small 2048 :8123');
  expect(fill('{{pid-worker}}')).toBe('{{pid-worker}}');
});

it('finds a cache empty until a start has filled it, and always where there is none', () => {
  const root = join(temporaryFolder(), 'cache');
  expect(readCacheState(root)).toBe('empty');
  fillCache(root, 'one');
  expect(readCacheState(root)).toBe('filled');
  fillCache(undefined, 'one');
  expect(readCacheState(undefined)).toBe('empty');
  expect(existsSync(root)).toBe(true);
});
