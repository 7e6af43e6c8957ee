import { expect, it } from 'vitest';
import { parseServeArguments } from '../../lib/rehearsal/arguments.js';

it("takes what it needs from vLLM's command line and leaves flags that it does not know", () => {
  const line =
    'serve /models/m --dtype auto --max-model-len 4096 --port 8123 --host=127.0.0.1 --served-model-name name other --enable-per-request-metrics --enforce-eager -tp 1 -O3 --kv-cache-memory-bytes=5';
  expect(parseServeArguments(line.split(' '))).toEqual({
    kind: 'serve',
    model: '/models/m',
    port: 8123,
    host: '127.0.0.1',
    servedName: 'name',
    maxModelLen: 4096,
    perRequestMetrics: true,
    promptTokensDetails: false,
  });
});

it('serves under the name of the model, with the length of the model, where nothing else is said', () => {
  expect(parseServeArguments(['serve', '/m'])).toMatchObject({ servedName: '/m', port: 8000, maxModelLen: undefined });
});

it('knows a question for its version', () => {
  expect(parseServeArguments(['--version'])).toEqual({ kind: 'version' });
});

it.each([
  [['bench'], /invalid choice: 'bench'/],
  [['serve'], /must be the model/],
  [['serve', '--port', '1'], /must be the model/],
  [['serve', '/m', 'stray'], /unrecognized arguments: stray/],
  [['serve', '/m', '--port', 'x'], /argument --port: invalid int value: 'x'/],
])('refuses %j', (words, why) => {
  expect(() => parseServeArguments(words)).toThrow(why);
});
