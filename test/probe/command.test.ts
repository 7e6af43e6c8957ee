import { execFile, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { seedPayload } from '../../lib/freeze/workload.js';
import { planArrivals } from '../../lib/probe/arrivals.js';
import { freePort } from '../launch/place.js';
import { recorded } from './recorded.js';
import { httpAnswer, piece, scripted, streamEnd, streamHead, type Connection } from './scripted.js';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function probe(...args: readonly string[]): Promise<Ended> {
  return new Promise((ended) => {
    const run: ChildProcess = execFile(
      process.execPath,
      ['--import', 'tsx', resolve('lib/probe/command.ts'), ...args],
      (_error, out, err) => ended({ code: run.exitCode ?? -1, out, err }),
    );
  });
}

const lines = (text: string) => text.split('\n').slice(0, -1);
const models = httpAnswer('200 OK', JSON.stringify({ object: 'list', data: [{ id: 'tiny' }, { id: 'tall' }] }));
const answerWith =
  (answer: string, known = models) =>
  ({ socket, request }: Connection) =>
    socket.write(request.startsWith('GET /v1/models ') ? known : answer);

it("prints the seed's one JSON line of the recorded answer, from the seed's payload", async () => {
  const server = await scripted(({ socket }) =>
    setTimeout(() => socket.write(httpAnswer('200 OK', recorded('completions-answer.json'))), 100),
  );
  const { code, out, err } = await probe('--url', server.origin, '--model', 'tiny');
  expect([code, err]).toEqual([0, '']);
  expect(lines(out)).toHaveLength(1);
  const line = JSON.parse(out) as Record<string, unknown>;
  expect(Object.keys(line)).toEqual(['wall_s', 'total_tokens', 'prompt_tokens', 'completion_tokens', 'output_preview']);
  expect(line).toMatchObject({
    total_tokens: 102,
    prompt_tokens: 38,
    completion_tokens: 64,
    output_preview: '.'.repeat(64),
  });
  // Seconds, the server's own pause inside; a timer may fire a millisecond early.
  expect(line['wall_s']).toBeGreaterThanOrEqual(0.099);
  expect(line['wall_s']).toBeLessThan(60);
  expect(server.bodies.map((body) => JSON.parse(body) as unknown)).toEqual([{ model: 'tiny', ...seedPayload }]);
});

it('takes prompt and length, an address that ends in /v1/completions, and a server behind a path', async () => {
  const requests: string[] = [];
  const server = await scripted(({ socket, request }) => {
    requests.push(request.split(' ')[1] ?? '');
    socket.write(httpAnswer('200 OK', JSON.stringify({ choices: [{ text: ` ${'é'.repeat(90)} ` }] })));
  });
  const { out } = await probe(
    '--url',
    `${server.origin}/behind/v1/completions`,
    '--model',
    'm',
    '--prompt',
    'Hi',
    '--max-tokens',
    '3',
  );
  expect(requests).toEqual(['/behind/v1/completions']);
  expect(server.bodies.map((body) => JSON.parse(body) as unknown)).toEqual([
    { model: 'm', prompt: 'Hi', max_tokens: 3, temperature: 0 },
  ]);
  expect(JSON.parse(out)).toMatchObject({
    total_tokens: null,
    prompt_tokens: null,
    completion_tokens: null,
    output_preview: 'é'.repeat(80),
  });
});

it('explains itself', async () => {
  const { code, out, err } = await probe('--help');
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('Usage: npm run probe -- --url http://127.0.0.1:8000 --model NAME');
});

it.each([
  [
    'an unknown model',
    answerWith(httpAnswer('404 Not Found', recorded('unknown-model-404.json'))),
    /has no model "nobody"; it serves tiny, tall: give one of these with --model\.$/,
  ],
  [
    'a known model that it does not complete',
    answerWith(
      httpAnswer('404 Not Found', '{"detail":"Not Found"}'),
      httpAnswer('200 OK', '{"data":[{"id":"nobody"}]}'),
    ),
    /serves the model "nobody" but answered HTTP 404: .+; it may have no \/v1\/completions\.$/,
  ],
  [
    'a server that does not tell its models',
    answerWith(httpAnswer('404 Not Found', recorded('unknown-model-404.json')), httpAnswer('404 Not Found', '{}')),
    /knows no model "nobody" or no \/v1\/completions \(HTTP 404: .+\); it does not say at \/v1\/models what it serves\.$/,
  ],
  [
    'a bad request',
    answerWith(httpAnswer('400 Bad Request', recorded('bad-request-400.json'))),
    /did not complete the request \(HTTP 400: .+max_tokens must be at least 1, got -4.+\)\.$/,
  ],
  [
    'an answer that is no JSON',
    answerWith(httpAnswer('200 OK', '<html>')),
    /did not complete the request \(not a JSON object: <html>\)\.$/,
  ],
  [
    'a server that hangs up',
    ({ socket }: Connection) => socket.destroy(),
    /^The request to http:\S+ broke \(\w+: .+\); check the address and the server's log\.$/,
  ],
])('says in one sentence what is wrong with %s', async (_what, answer, sentence) => {
  const server = await scripted(answer);
  const { code, out, err } = await probe('--url', server.origin, '--model', 'nobody');
  expect([code, out]).toEqual([1, '']);
  expect(lines(err)).toHaveLength(1);
  expect(lines(err)[0]).toMatch(sentence);
});

it('says that nothing listens', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  expect(await probe('--url', url, '--model', 'm')).toEqual({
    code: 1,
    out: '',
    err: `Nothing listens at ${url} (connection refused); start a server there, or give the address of one with --url.\n`,
  });
});

it('gives up after --timeout-s', async () => {
  const server = await scripted(() => undefined);
  const { code, err } = await probe('--url', server.origin, '--model', 'm', '--timeout-s', '0.2');
  expect([code, err]).toEqual([
    1,
    `${server.origin} gave no complete answer within 0.2 s; a cold server may need a larger --timeout-s.\n`,
  ]);
});

it.each([
  [[], '--url is missing.'],
  [['--url', 'http://127.0.0.1:1'], '--model is missing.'],
  [
    ['--url', '127.0.0.1:8000', '--model', 'm'],
    '--url reads "127.0.0.1:8000"; expected an address such as http://127.0.0.1:8000.',
  ],
  [
    ['--url', 'http://127.0.0.1:1', '--model', 'm', '--max-tokens', '1.5'],
    '--max-tokens reads "1.5"; expected a whole number of tokens, at least 1.',
  ],
  [
    ['--url', 'http://127.0.0.1:1', '--model', 'm', '--timeout-s', 'soon'],
    '--timeout-s reads "soon"; expected seconds, more than 0 and at most 86400.',
  ],
  [['--url', 'http://127.0.0.1:1', '--model', 'm', '--rate', '5'], '--rate needs --requests: how many to send.'],
  [
    ['--url', 'http://127.0.0.1:1', '--model', 'm', '--requests', '5'],
    '--requests belongs to a plan of many requests; give --rate, too.',
  ],
  [
    ['--url', 'http://127.0.0.1:1', '--model', 'm', '--rate', '5', '--requests', '5', '--pace', 'bursts'],
    '--pace reads "bursts"; expected fixed or poisson.',
  ],
  [['--url', 'http://127.0.0.1:1', '--model', 'm', '--tokens', '3'], "Unknown option '--tokens'"],
])('answers %j with what is wrong and how it is used', async (args, message) => {
  const { code, out, err } = await probe(...args);
  expect([code, out]).toEqual([2, '']);
  expect(err.startsWith(message)).toBe(true);
  expect(err).toContain('\nUsage: npm run probe -- --url');
});

it('sends an open loop: a JSON line for each request, planned and sent, and one that sums up', async () => {
  const stream = recorded('completions.sse');
  const server = await scripted(({ socket }) => socket.end(streamHead + piece(stream.toString()) + streamEnd));
  const plan = ['--rate', '100', '--requests', '12', '--pace', 'poisson', '--seed', '3'];
  const { code, out, err } = await probe('--url', server.origin, '--model', 'tiny', '--max-tokens', '64', ...plan);
  expect([code, err]).toEqual([0, '']);
  const all = lines(out).map((line) => JSON.parse(line) as Record<string, number | string | undefined>);
  const requests = all.slice(0, -1).sort((a, b) => Number(a['request']) - Number(b['request']));
  expect(requests.map(({ request }) => request)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1));
  const offsets = planArrivals({ pace: 'poisson', ratePerS: 100, requests: 12, seed: 3 });
  for (const [at, line] of requests.entries()) {
    expect(line).toMatchObject({ outcome: 'completed', completionTokens: 64 });
    const sincePlan = Number(line['plannedAtMs']) - Number(requests[0]?.['plannedAtMs']);
    expect(sincePlan).toBeCloseTo((offsets[at] ?? NaN) - (offsets[0] ?? NaN), 6);
    expect(line['sendSkewMs']).toBeGreaterThan(0);
    expect(line['responseMs']).toBeCloseTo(Number(line['serviceMs']) + Number(line['sendSkewMs']), 6);
    expect(line['responseTtftMs']).toBeLessThanOrEqual(Number(line['responseMs']));
  }
  expect(JSON.parse(lines(out).at(-1) ?? '')).toMatchObject({
    summary: {
      pace: 'poisson',
      ratePerS: 100,
      seed: 3,
      planned: 12,
      outcomes: { completed: 12 },
      sendSkewMs: { n: 12 },
    },
  });
  expect(JSON.parse(server.bodies[0] ?? '')).toMatchObject({ model: 'tiny', max_tokens: 64, stream: true });
});

it('ends with 1 when a request of an open loop did not complete, and says what became of each', async () => {
  const server = await scripted(({ socket }) =>
    server.bodies.length === 2
      ? socket.destroy()
      : socket.end(streamHead + piece(recorded('completions.sse').toString()) + streamEnd),
  );
  const plan = ['--rate', '20', '--requests', '3'];
  const { code, out } = await probe('--url', server.origin, '--model', 'tiny', ...plan);
  expect(code).toBe(1);
  expect(JSON.parse(lines(out).at(-1) ?? '')).toMatchObject({ summary: { outcomes: { completed: 2, failed: 1 } } });
});
