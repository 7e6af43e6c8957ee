import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scripted, type Connection } from '../probe/scripted.js';

/** Two tokens for every prompt; enough of a server to be attached to. */
function speak({ socket, request, body }: Connection): void {
  const answer = (type: string, text: string) =>
    socket.end(
      `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    );
  if (request.startsWith('GET')) return void answer('application/json', '{"data":[{"id":"served"}]}');
  const { prompt } = JSON.parse(body) as { prompt: string | number[] };
  const usage = { prompt_tokens: prompt.length, completion_tokens: 2, total_tokens: prompt.length + 2 };
  const choice = (text: string, finish: string | null) => ({ choices: [{ index: 0, text, finish_reason: finish }] });
  const events = [choice('h', null), choice('i', 'length'), { choices: [], usage }];
  answer(
    'text/event-stream',
    `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`,
  );
}

async function bench(...args: string[]) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DAY007_')));
  const child = spawn(process.execPath, ['--import', 'tsx', resolve('lib/bench/overhead-command.ts'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const pipe of [child.stdout, child.stderr])
    pipe.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, output };
}

it(
  'compares a server that is up with the samplers on and off, prints the table and writes what it saw',
  { timeout: 120_000 },
  async () => {
    const server = await scripted(speak);
    const out = mkdtempSync(join(tmpdir(), 'day007-overhead-'));
    onTestFinished(() => rmSync(out, { recursive: true, force: true }));
    const { code, output } = await bench('--url', server.origin, '--model', 'served', '--runs', '6', '--out', out);
    const summary = JSON.parse(readFileSync(join(out, 'overhead.json'), 'utf8')) as {
      runId: string;
      largestFraction: number;
      observer: { finding: { verdict: string; differenceFraction: number; pairs: number; readingsWhileOff: number } };
    };
    onTestFinished(() => rmSync(join('data/runs', summary.runId), { recursive: true, force: true }));
    const { finding } = summary.observer;
    expect(finding).toMatchObject({ pairs: 6, readingsWhileOff: 0 });
    const holds = finding.verdict === 'not resolved' || finding.differenceFraction <= summary.largestFraction;
    expect(code, output).toBe(holds ? 0 : 1);
    expect(output).toContain('The cost of watching: TTFT with the samplers on and off');
    const [header, ...rows] = readFileSync(join(out, 'overhead.csv'), 'utf8').trim().split('\n');
    expect(header).toBe('pair,samplersOn,requestId,startAtMs,ttftMs');
    expect(rows.map((row) => row.split(',').slice(0, 2).join(' '))).toEqual([
      ...['1 true', '1 false', '2 false', '2 true', '3 false', '3 true', '4 true', '4 false'],
      ...['5 true', '5 false', '6 false', '6 true'],
    ]);
  },
);

it('ends 2 and shows how it is called when it is called wrongly', async () => {
  const { code, output } = await bench('--runs', '3');
  expect(code).toBe(2);
  expect(output).toContain('expected a whole number of at least 6');
  expect(output).toContain('Usage: npm run bench:overhead');
});
