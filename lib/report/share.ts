/** A run folder -> the copy that may leave the machine. Refuses rather than shares when anything is left that should not be. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseRows } from '../archive/csv.js';
import { cellsTable, planTable } from '../archive/cold-start-tables.js';
import { readRows, readRunRecord } from '../archive/folder.js';
import type { RunRecord } from '../archive/record.js';
import { tables } from '../archive/tables.js';
import { designProgress } from '../causes/design.js';
import { absolutePaths } from './paths.js';
import { createRedactor, type Identity, type Redactor } from './redact.js';
import { largestShareBytes, reduceFiles, totalBytes } from './reduce.js';
import { redactFile, type SharedFiles } from './shared-files.js';

/** A run could not be shared; nothing was written. */
export class ShareError extends Error {
  override readonly name = 'ShareError';
  constructor(
    readonly reason: 'leak' | 'too-large' | 'numbers-changed' | 'name' | 'exists',
    /** The file the reason lies in, where there is one. */
    readonly file: string | undefined,
    message: string,
  ) {
    super(message);
  }
}

export interface ShareResult {
  readonly folder: string;
  readonly bytes: number;
  readonly files: readonly string[];
  /** What was left out to fit, one sentence each. */
  readonly reductions: readonly string[];
  /** Files of the run that were not shared: unknown kinds, links, caches. */
  readonly notShared: readonly string[];
}

const shareable =
  /^(?:[\w.-]+\.csv|run\.json|serve\.sh|findings\.json|first_token_latency\.md|[\w.-]+\.(?:ipynb|html|log)|charts\/[\w.-]+\.(?:json|png))$/;
const keptTables = [
  tables.requests,
  tables.chunks,
  tables.startup,
  tables.launches,
  tables.stops,
  tables.snapshots,
  tables.metrics,
  tables.calibration,
  tables.truth,
  tables.plan,
  tables.cells,
  tables.probes,
] as const;

/** What the folder of a shared rehearsal begins with, whatever else it is called. */
const rehearsalPrefix = 'rehearsal-';

/**
 * Write the shared copy of `runDir` to `publishedDir/name` and return what it holds. An earlier copy of the same run
 * under that name is replaced. Throws ShareError.
 */
export function shareRun(
  runDir: string,
  publishedDir: string,
  name: string,
  identity: Identity,
  limitBytes = largestShareBytes,
): ShareResult {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new ShareError(
      'name',
      undefined,
      `${JSON.stringify(name)} cannot name a published run. Use letters, digits, dots and dashes, such as cpu-qwen2.5-0.5b-2026-11-24.`,
    );
  }
  const record = readRunRecord(runDir);
  if (record.engine.kind === 'rehearsal' && !name.startsWith(rehearsalPrefix)) {
    throw new ShareError(
      'name',
      undefined,
      `${name} would hide that no model ran: the name of a shared rehearsal begins with "${rehearsalPrefix}", such as ${defaultShareName(record)}.`,
    );
  }
  const target = join(publishedDir, name);
  refuseForeignFolder(target, record.runId);
  const { files: original, notShared } = collectFiles(runDir);
  const redactor = createRedactor({
    ...identity,
    paths: [...identity.paths, ...pathsInside(original, record, identity)],
  });
  const redacted = new Map(
    [...original].map(([path, bytes]) => [redactor.redact(path, 'plain'), redactFile(path, bytes, redactor)]),
  );
  const { files: reduced, steps } = reduceFiles(redacted, limitBytes - readmeAllowanceBytes);
  const files = new Map([
    ...reduced,
    [
      'README.md',
      Buffer.from(
        readme(
          redactor.redact(record.runId, 'plain'),
          reduced,
          steps,
          notShared.map((path) => redactor.redact(path, 'plain')),
          designProgress(readRows(runDir, planTable), readRows(runDir, cellsTable)).left,
        ),
      ),
    ],
  ]);
  refuseTooLarge(files, limitBytes);
  refuseChangedNumbers(original, files);
  refuseLeaks(files, name, redactor);
  writeFolder(target, files);
  return { folder: target, bytes: totalBytes(files), files: [...files.keys()], reductions: steps, notShared };
}

/** "cpu-qwen2.5-0.5b-2026-11-24": device, model and day of the run; a rehearsal says so first. */
export function defaultShareName(record: RunRecord): string {
  const model = (
    record.model.name
      .replace(/^synthetic:/, '')
      .split('/')
      .filter(Boolean)
      .pop() ?? 'model'
  ).replace(/[^A-Za-z0-9._-]/g, '-');
  const { kind, device } = record.engine;
  const engine = kind === 'rehearsal' ? `${rehearsalPrefix}${profileOf(record)}` : device;
  return `${engine}-${model}-${record.startedAtUtc.slice(0, 10)}`.toLowerCase();
}

/** A profile given by its path is named as its file. */
function profileOf({ config, engine }: RunRecord): string {
  return basename(String(config['rehearsalProfile'] ?? engine.device), '.json').replace(/[^A-Za-z0-9._-]/g, '-');
}

function refuseForeignFolder(target: string, runId: string): void {
  if (!existsSync(target)) return;
  const isSameRun = existsSync(join(target, 'run.json')) && readRunRecord(target).runId === runId;
  if (!isSameRun)
    throw new ShareError(
      'exists',
      undefined,
      `${target} already holds something else than run ${runId}. Give another name with --name.`,
    );
}

function collectFiles(runDir: string): { readonly files: SharedFiles; readonly notShared: string[] } {
  const files = new Map<string, Buffer>();
  const notShared: string[] = [];
  const visit = (path: string): void => {
    const stat = lstatSync(join(runDir, path));
    if (stat.isDirectory() && path === 'charts')
      for (const entry of readdirSync(join(runDir, path)).sort()) visit(`${path}/${entry}`);
    else if (stat.isFile() && shareable.test(path)) files.set(path, readFileSync(join(runDir, path)));
    else notShared.push(path);
  };
  for (const entry of readdirSync(runDir).sort()) visit(entry);
  return { files, notShared };
}

/** Every absolute path the run speaks of, so that it is also found where shape alone would not tell. */
function pathsInside(files: SharedFiles, record: RunRecord, { projectRoot, home }: Identity): string[] {
  const texts = [...files]
    .filter(([path]) => !/\.(?:html|png|ipynb)$/.test(path))
    .map(([, bytes]) => bytes.toString('utf8'));
  const found = [
    record.model.location,
    ...record.engine.command,
    ...Object.values(record.engine.env),
    ...texts.flatMap(absolutePaths),
  ];
  // A path in an escaped text carries its escapes; a system folder shared by all machines needs no rule of its own.
  const isOwn = (path: string): boolean =>
    [projectRoot, home].some((root) => path === root || path.startsWith(`${root}/`));
  return [...new Set(found)].filter(
    (path) => /^\/[^\\/\s]+\/[^\\\s]+$/.test(path) && !/^\/(?:dev|proc|usr|v\d+)\//.test(path) && !isOwn(path),
  );
}

function refuseTooLarge(files: SharedFiles, limitBytes: number): void {
  const bytes = totalBytes(files);
  if (bytes <= limitBytes) return;
  const [largest = 'none', size] =
    [...files].map(([path, content]) => [path, content.length] as const).sort((a, b) => b[1] - a[1])[0] ?? [];
  throw new ShareError(
    'too-large',
    largest,
    `The shared copy would weigh ${bytes} bytes, more than ${limitBytes}, after all that may be left out was. Largest: ${largest} (${size ?? 0} bytes). Remove rendered pages from the run folder, or share a shorter run.`,
  );
}

/** Every number and flag of the tables that findings rest on must read the same after redaction. */
function refuseChangedNumbers(original: SharedFiles, shared: SharedFiles): void {
  for (const table of keptTables) {
    const before = parseRows<typeof table.columns>(table, original.get(table.file)?.toString('utf8') ?? '');
    const after = parseRows<typeof table.columns>(table, shared.get(table.file)?.toString('utf8') ?? '');
    const numbers = Object.entries(table.columns).flatMap(([name, column]) => (column.kind === 'text' ? [] : [name]));
    const differs =
      before.length !== after.length ||
      before.some((row, index) => numbers.some((name) => cell(row, name) !== cell(after[index], name)));
    if (differs)
      throw new ShareError(
        'numbers-changed',
        table.file,
        `Redaction changed a number of ${table.file}. This is a fault of the redaction, not of the run; nothing was shared.`,
      );
  }
}

const cell = (row: unknown, name: string): unknown => (row as Record<string, unknown> | undefined)?.[name];

// Pixels of a notebook's pictures: letters in them are chance.
const notebookPictures = /(?<="image\/(?:png|jpe?g|gif|webp)": ?")[A-Za-z0-9+/=\\n]+(?=")/g;

function refuseLeaks(files: SharedFiles, name: string, redactor: Redactor): void {
  const texts = [...files]
    .filter(([path]) => !path.endsWith('.png'))
    .map(([path, bytes]) => [path, bytes.toString('utf8').replace(notebookPictures, '')] as const);
  for (const [path, text] of [['the name of the folder', name] as const, ...texts]) {
    const kinds = redactor.leaks(text);
    if (kinds.length > 0)
      throw new ShareError(
        'leak',
        path,
        `${path} would still show: ${kinds.join(', ')}. Nothing was shared. Remove it from the run's file, or leave that file out.`,
      );
  }
}

function writeFolder(target: string, files: SharedFiles): void {
  const staging = `${target}.tmp`;
  rmSync(staging, { recursive: true, force: true });
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(staging, path)), { recursive: true });
    writeFileSync(join(staging, path), bytes);
  }
  rmSync(target, { recursive: true, force: true });
  renameSync(staging, target);
}

const readmeAllowanceBytes = 8 * 1024;

function readme(
  runId: string,
  files: SharedFiles,
  reductions: readonly string[],
  notShared: readonly string[],
  launchesNotMade: number,
): string {
  const list = [...files].map(([path, bytes]) => `- ${path} (${bytes.length} bytes)`);
  const reduced =
    reductions.length === 0
      ? ['Nothing was left out or thinned: every observation of the run is here.']
      : reductions.map((step) => `- ${step}`);
  return [
    `# Run ${runId}, shared copy`,
    '',
    'What identifies the machine was replaced: `<user>`, `<host>`, `<home>`, `<project>`, `<path>/name`, `<ip>`, `<email>`, `<credentials>`, `<secret>`. Numbers are as measured.',
    'Columns are explained in data/README.md.',
    '',
    '## Files',
    '',
    ...list,
    ...(notShared.length === 0
      ? []
      : ['', `Not meant for sharing and left out (caches, internals): ${notShared.join(', ')}.`]),
    '',
    '## Size',
    '',
    ...reduced,
    '',
    ...(launchesNotMade === 0
      ? []
      : ['## Plan', '', `Planned launches that were not made: ${launchesNotMade} (plan.csv, cells.csv).`, '']),
  ].join('\n');
}
