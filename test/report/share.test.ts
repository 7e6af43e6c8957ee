import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendRows, readRun, writeRunRecord } from '../../lib/archive/folder.js';
import { tables } from '../../lib/archive/tables.js';
import type { Identity } from '../../lib/report/redact.js';
import { defaultShareName, shareRun, ShareError } from '../../lib/report/share.js';
import { writeReport } from '../../lib/report/write-report.js';
import { fullRun, sampleRecord } from './sample.js';

const identity: Identity = {
  userName: 'carol',
  hostName: 'node-17.lab.example',
  home: '/home/carol',
  projectRoot: '/srv/work/day-007',
  paths: ['/var/tmp/scratch-9'],
  secrets: ['plainLookingSecretOfTheShell'],
};

/** What must not come out, as it is or in any of its encodings. */
const planted = [
  'carol',
  'node-17',
  '/home/carol',
  '/srv/work/day-007',
  '/var/tmp/scratch-9',
  '/opt/envs',
  '/mnt/nfs7',
  'plainLookingSecretOfTheShell',
  'hf_QwErTyUiOpAsDfGhJkLz',
  'sk-live-0123456789abcdef',
  's3cr3tkey',
  'bearer.token.value',
  'pw4url',
  'hunter2hunter2',
  '0123456789abcdef0123456789abcdef',
  '10.20.30.40',
  'fe80::1ff:fe23:4567:890a',
  'carol.smith@example.org',
  'QUJDREVGR0g',
  'zq4tok',
];
const nuisance = [
  'carol@node-17:/srv/work/day-007$ cd /home/carol/clients/x; ls /var/tmp/scratch-9/a /opt/envs/v/bin/python /mnt/nfs7/m',
  'hf_QwErTyUiOpAsDfGhJkLz sk-live-0123456789abcdef --api-key s3cr3tkey Authorization: Bearer bearer.token.value',
  'https://u:pw4url@example.org/ password=hunter2hunter2 SESSION=0123456789abcdef0123456789abcdef plainLookingSecretOfTheShell',
  '10.20.30.40 fe80::1ff:fe23:4567:890a carol.smith@example.org',
  `${encodeURIComponent('/home/carol/x hf_QwErTyUiOpAsDfGhJkLz')} ${JSON.stringify(JSON.stringify({ path: '/home/carol/x', token: 'hf_QwErTyUiOpAsDfGhJkLz' }))}`,
  `data:text/html;base64,${Buffer.from('<p>/home/carol/x of carol</p>').toString('base64')} \\/home\\/carol\\/y &#x2F;home&#x2F;carol`,
].join(' ; ');

let work: string;
let runDir: string;
let published: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'share-'));
  runDir = join(work, 'run');
  published = join(work, 'published');
});
afterEach(() => {
  rmSync(work, { recursive: true });
});

/** The sample run on disk; `extra` goes into every text it has. */
function writeSampleRun(extra: string): void {
  const { data, findings } = fullRun();
  const record =
    extra === ''
      ? sampleRecord
      : {
          ...sampleRecord,
          engine: {
            ...sampleRecord.engine,
            chosenBecause: extra,
            command: [...sampleRecord.engine.command, '--api-key', 'QUJDREVGR0g'],
            env: { HF_TOKEN: 'zq4tok', NOTE: extra },
          },
        };
  writeRunRecord(runDir, record);
  appendRows(
    runDir,
    tables.launches,
    data.launches.map((row) => ({ ...row, compileCache: `${row.compileCache}${extra && ` ${extra}`}` })),
  );
  appendRows(runDir, tables.stops, data.stops);
  appendRows(runDir, tables.startup, [
    ...data.startup,
    ...(extra === '' ? [] : [{ launch: 1, atMs: 1, source: 'log', text: extra }]),
  ]);
  appendRows(
    runDir,
    tables.requests,
    data.requests.map((row) => ({ ...row, outputPreview: `${row.outputPreview ?? ''} ${extra}` })),
  );
  appendRows(runDir, tables.chunks, data.chunks);
  appendRows(runDir, tables.samples, data.samples);
  appendRows(runDir, tables.processes, data.processes);
  appendRows(
    runDir,
    tables.metrics,
    data.metrics.map((row) => ({ ...row, labels: `${row.labels ?? ''}${extra}` })),
  );
  appendRows(
    runDir,
    tables.snapshots,
    data.snapshots.map((row) => ({ ...row, gpuName: extra === '' ? undefined : extra })),
  );
  appendRows(runDir, tables.calibration, data.calibration);
  writeReport(runDir, { ...data, record }, { ...findings, answers: [{ question: 'q', lines: [extra] }] });
  writeFileSync(join(runDir, 'serve.sh'), `#!/usr/bin/env bash\nexec /opt/envs/v/bin/vllm serve\n# ${extra}\n`);
  writeFileSync(join(runDir, 'server-1.log'), `0.1\tout\tINFO [api_utils.py:347] version 0.32.0\n0.2\tout\t${extra}\n`);
  writeFileSync(join(runDir, 'day-007.ipynb'), notebook(extra));
  writeFileSync(
    join(runDir, 'day-007.html'),
    `<html><script>const a = ${JSON.stringify(extra).replace(/</g, '\\u003c')};</script><p title="${extra.replace(/"/g, '&quot;')}">${extra}</p></html>`,
  );
  writeFileSync(join(runDir, 'custom.csv'), `name,value\n"${extra.replace(/"/g, '""')}",1.50\n`);
}

const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPhfDwACggF/yWfWyQAAAABJRU5ErkJggg==';

function notebook(extra: string): string {
  const output = {
    output_type: 'display_data',
    metadata: { source: extra },
    data: {
      'text/plain': ['first\n', extra],
      'text/html': `<b>${extra}</b>`,
      'text/markdown': extra,
      'image/png': png,
      'application/vnd.vegalite.v5+json': { title: extra },
    },
  };
  const stream = {
    output_type: 'stream',
    name: 'stdout',
    text: ['-----BEGIN PRIVATE KEY-----\n', 'QUJDREVGR0g\n', '-----END PRIVATE KEY-----\n', extra],
  };
  return JSON.stringify(
    {
      cells: [
        { cell_type: 'code', source: ['show(x)\n', extra], outputs: [output, stream] },
        { cell_type: 'markdown', source: extra },
      ],
      nbformat: 4,
      metadata: {},
    },
    undefined,
    1,
  );
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** All ways in which a published text could still be read. */
function readings(text: string): string {
  const decodedUrl = text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString(),
  );
  const unescaped = text
    .replaceAll('\\', '')
    .replace(/&#x2F;/gi, '/')
    .replace(/&quot;/g, '"');
  const base64 = [...text.matchAll(/[A-Za-z0-9+/]{16,}={0,2}/g)].map(([run]) => Buffer.from(run, 'base64').toString());
  return [text, decodedUrl, unescaped, ...base64].join('\n');
}

// Each test writes a whole run, which a busy machine may take seconds for.
describe('shareRun', { timeout: 30_000 }, () => {
  it('takes planted secrets, names, paths and addresses out of every file, in every form', () => {
    writeSampleRun(nuisance);
    const result = shareRun(runDir, published, 'sample', identity);
    const files = filesBelow(result.folder);
    expect(files).toEqual(['README.md', ...filesBelow(runDir)].sort());
    for (const file of files) {
      const text = readings(readFileSync(join(result.folder, file), 'utf8'));
      for (const secret of planted)
        expect(text.toLowerCase().includes(secret.toLowerCase()), `${secret} in ${file}`).toBe(false);
      if (/README|chunks|samples|processes|calibration|stops/.test(file)) continue;
      expect(text, file).toMatch(/(?:<|&lt;)(?:path|secret)(?:>|&gt;)/);
    }
  });
  it('leaves a folder that can be read and interpreted again, with the same numbers', () => {
    writeSampleRun(nuisance);
    const before = readRun(runDir);
    const after = readRun(shareRun(runDir, published, 'sample', identity).folder);
    const numbers = (value: unknown): string =>
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'string' ? undefined : inner));
    for (const table of [
      'launches',
      'stops',
      'startup',
      'requests',
      'chunks',
      'samples',
      'processes',
      'metrics',
      'snapshots',
      'calibration',
    ] as const) {
      expect(after[table].length, table).toBeGreaterThan(0);
      expect(numbers(after[table]), table).toBe(numbers(before[table]));
    }
    expect(after.record.model.shape).toEqual(before.record.model.shape);
    expect(after.requests.map((row) => row.requestId)).toEqual(before.requests.map((row) => row.requestId));
    expect(after.startup.map((row) => row.event)).toEqual(before.startup.map((row) => row.event));
    const findings = (folder: string): unknown => JSON.parse(readFileSync(join(folder, 'findings.json'), 'utf8'));
    expect(numbers(findings(join(published, 'sample')))).toBe(numbers(findings(runDir)));
  });
  it('changes nothing in a run that holds nothing to hide, but for its paths', () => {
    writeSampleRun('');
    const { folder } = shareRun(runDir, published, 'sample', identity);
    for (const file of ['requests.csv', 'chunks.csv', 'startup.csv', 'samples.csv', 'first_token_latency.md']) {
      expect(readFileSync(join(folder, file), 'utf8'), file).toBe(readFileSync(join(runDir, file), 'utf8'));
    }
    expect(readFileSync(join(folder, 'serve.sh'), 'utf8')).toContain('#!/usr/bin/env bash\nexec <path>/vllm serve');
  });
  it('keeps a notebook a notebook: pictures untouched, placeholders visible in its pages', () => {
    writeSampleRun(nuisance);
    const { folder } = shareRun(runDir, published, 'sample', identity);
    const { cells } = JSON.parse(readFileSync(join(folder, 'day-007.ipynb'), 'utf8')) as {
      cells: { outputs: { data: Record<string, string> }[] }[];
    };
    const data = cells[0]?.outputs[0]?.data ?? {};
    expect(data['image/png']).toBe(png);
    expect(data['text/html']).toContain('&lt;user&gt;');
    expect(String(data['text/plain'])).toContain('<user>');
  });
  it('takes letters inside a picture for chance, not for a name', () => {
    writeSampleRun('');
    const hostName = 'ygf8';
    writeFileSync(join(runDir, 'day-007.ipynb'), notebook('').replaceAll(png, 'iVBORw0KGgo/ygf8/AAA'));
    expect(
      readFileSync(
        join(shareRun(runDir, published, 'sample', { ...identity, hostName }).folder, 'day-007.ipynb'),
        'utf8',
      ),
    ).toContain('iVBORw0KGgo/ygf8/AAA');
  });
  it('replaces its own earlier copy, and refuses the folder of another run', () => {
    writeSampleRun('');
    const first = shareRun(runDir, published, 'sample', identity);
    writeFileSync(join(first.folder, 'stale.txt'), 'x');
    expect(filesBelow(shareRun(runDir, published, 'sample', identity).folder)).not.toContain('stale.txt');
    const other = join(work, 'other');
    cpSync(runDir, other, { recursive: true });
    writeFileSync(join(other, 'run.json'), JSON.stringify({ ...sampleRecord, runId: 'another' }));
    expect(() => shareRun(other, published, 'sample', identity)).toThrow(ShareError);
  });
  it('follows no link and takes no cache along', () => {
    writeSampleRun('');
    mkdirSync(join(runDir, 'vllm-cache'));
    writeFileSync(join(runDir, 'vllm-cache', 'x.csv'), 'a\n1\n');
    writeFileSync(join(work, 'outside.csv'), 'a\n1\n');
    symlinkSync(join(work, 'outside.csv'), join(runDir, 'linked.csv'));
    const result = shareRun(runDir, published, 'sample', identity);
    expect([...result.notShared].sort()).toEqual(['linked.csv', 'vllm-cache']);
    expect(filesBelow(result.folder)).not.toContain('linked.csv');
  });
  it('gets smaller where it must, says what was left out, and keeps the numbers that findings rest on', () => {
    writeSampleRun('');
    writeFileSync(
      join(runDir, 'server-1.log'),
      `version 0.32.0\n${'[launcher.py:195] Route: /v1/x, Methods: GET\n'.repeat(500)}`,
    );
    const whole = shareRun(runDir, published, 'whole', identity);
    const limit = whole.bytes - 60_000;
    const result = shareRun(runDir, published, 'small', identity, limit);
    expect(result.bytes).toBeLessThanOrEqual(limit);
    expect(result.reductions[0]).toBe("Left out: the server log's list of routes (500 lines).");
    expect(result.reductions[1]).toMatch(/^Left out: the page/);
    expect(result.files).not.toContain('day-007.html');
    expect(result.reductions[2]).toMatch(/^Thinned evenly: processes\.csv keeps one tick in 2 \(\d+ of 1500 rows\)/);
    expect(readFileSync(join(result.folder, 'server-1.log'), 'utf8')).toBe('version 0.32.0\n');
    for (const step of result.reductions)
      expect(readFileSync(join(result.folder, 'README.md'), 'utf8')).toContain(step);
    expect(readRun(result.folder).requests).toEqual(readRun(runDir).requests);
    expect(readRun(result.folder).processes.length).toBeLessThan(readRun(runDir).processes.length);
  });
  it('refuses what cannot be made small enough, and writes nothing', () => {
    writeSampleRun('');
    expect(() => shareRun(runDir, published, 'sample', identity, 50_000)).toThrow(
      /would weigh \d+ bytes, more than 50000/,
    );
    expect(existsSync(join(published, 'sample'))).toBe(false);
  });
  it('refuses when something is still found, names the kind and the file, and writes nothing', () => {
    writeSampleRun('');
    // An encoding the redaction does not undo letter by letter: found only by the scan of the decoded text.
    writeFileSync(join(runDir, 'server-1.log'), '%63%61%72%6f%6c\n');
    expect(() => shareRun(runDir, published, 'sample', identity)).toThrow('server-1.log would still show: user name');
    expect(existsSync(join(published, 'sample'))).toBe(false);
  });
  it.each(['../x', '', 'a/b', '.hidden'])('refuses %j as a name', (name) => {
    writeSampleRun('');
    expect(() => shareRun(runDir, published, name, identity)).toThrow(ShareError);
  });
  it('drops a half-written last line, as the reader of a run does', () => {
    writeSampleRun('');
    writeFileSync(join(runDir, 'chunks.csv'), `${readFileSync(join(runDir, 'chunks.csv'), 'utf8')}1-cold_1-1,99`);
    expect(readRun(shareRun(runDir, published, 'sample', identity).folder).chunks).toEqual(readRun(runDir).chunks);
  });
  it('takes comments out of a picture and leaves its pixels', () => {
    writeSampleRun('');
    const bytes = Buffer.from(png, 'base64');
    const comment = Buffer.from('Author\0carol');
    const chunk = Buffer.concat([
      Buffer.from([0, 0, 0, comment.length]),
      Buffer.from('tEXt'),
      comment,
      Buffer.alloc(4),
    ]);
    mkdirSync(join(runDir, 'charts'));
    writeFileSync(join(runDir, 'charts', 'a.png'), Buffer.concat([bytes.subarray(0, 33), chunk, bytes.subarray(33)]));
    const { folder } = shareRun(runDir, published, 'sample', identity);
    expect(readFileSync(join(folder, 'charts', 'a.png')).equals(bytes)).toBe(true);
  });
});

describe('a rehearsal', () => {
  it('is shared only under a name that says so', () => {
    writeSampleRun('');
    const file = join(runDir, 'run.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as typeof sampleRecord;
    writeFileSync(file, JSON.stringify({ ...record, engine: { ...record.engine, kind: 'rehearsal' } }));
    expect(() => shareRun(runDir, published, 'cpu-qwen', identity)).toThrow(/begins with "rehearsal-"/);
    expect(existsSync(join(published, 'cpu-qwen'))).toBe(false);
    expect(existsSync(shareRun(runDir, published, 'rehearsal-mine', identity).folder)).toBe(true);
  });
});

describe('defaultShareName', () => {
  it('says device, model and day, and REHEARSAL where it was one', () => {
    expect(defaultShareName(sampleRecord)).toBe('cpu-qwen2.5-0.5b-2026-11-24');
    expect(defaultShareName({ ...sampleRecord, engine: { ...sampleRecord.engine, kind: 'rehearsal' } })).toBe(
      'rehearsal-cpu-qwen2.5-0.5b-2026-11-24',
    );
    expect(
      defaultShareName({
        ...sampleRecord,
        config: { ...sampleRecord.config, rehearsalProfile: '/home/carol/my slow.json' },
        engine: { ...sampleRecord.engine, kind: 'rehearsal', device: 'none' },
      }),
    ).toBe('rehearsal-my-slow-qwen2.5-0.5b-2026-11-24');
    expect(defaultShareName({ ...sampleRecord, model: { ...sampleRecord.model, name: '/home/carol/My Model' } })).toBe(
      'cpu-my-model-2026-11-24',
    );
  });
});

describe('the share command', { timeout: 30_000 }, () => {
  const command = (args: readonly string[]) =>
    execFileSync(
      process.execPath,
      [
        '--import',
        join(process.cwd(), 'node_modules/tsx/dist/loader.mjs'),
        join(process.cwd(), 'lib/report/share-command.ts'),
        ...args,
      ],
      { cwd: work, encoding: 'utf8', stdio: 'pipe' },
    );
  it('writes below data/published of the folder it runs in', () => {
    writeSampleRun('');
    expect(command([runDir, '--name', 'mine'])).toContain('Shared copy: ');
    expect(readRun(join(work, 'data', 'published', 'mine')).record.runId).toBe(sampleRecord.runId);
  });
  it('fails with one sentence for what is no run folder', () => {
    expect(() => command([work])).toThrow(/is not a run folder/);
  });
});
