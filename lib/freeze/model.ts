/**
 * The model named in the configuration -> where it lies, what it is, and the state its files were found in.
 * Order matters: page residency is read before anything opens a file (readModelFiles), shapes afterwards.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { ConfigEntry, ModelRecord } from '../archive/record.js';
import { findDamage, writeSyntheticModel } from './checkpoint.js';
import type { RunConfig } from './config.js';
import { FreezeError } from './errors.js';
import { findInHubCache } from './hubcache.js';
import { fingerprintFiles, readModelFiles, statModelFiles, type FileStamp } from './modelfiles.js';
import { readModelShape } from './modelshape.js';
import { encodeWithByteTokens } from './tokenizer.js';
import { seedPayload } from './workload.js';

export interface FreezeProgress {
  readonly step: 'write-model' | 'hash-model';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ModelPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onProgress?: ((progress: FreezeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ResolvedModel {
  readonly record: ModelRecord;
  /** Name the requests use, where the server can be told one. */
  readonly servedName: string;
  /** The files as they were hashed; empty when attached. */
  readonly stamps: readonly FileStamp[];
  readonly vocabSize?: number | undefined;
  readonly specialTokenIds?: ReadonlySet<number> | undefined;
  readonly seedPromptTokenIds?: readonly number[] | undefined;
  /** What freezing itself did to the files. */
  readonly entries: readonly ConfigEntry[];
}

/**
 * Find or write the model and read what it is. Downloads nothing. Throws FreezeError when a hub model has no local copy,
 * ModelError when a folder is not a usable model.
 */
export async function resolveModel(config: RunConfig, ports: ModelPorts): Promise<ResolvedModel> {
  if (config.foundEngine?.kind === 'attach') return describeRemote(config);
  if (config.model.startsWith('synthetic:')) return resolveSynthetic(config, ports);
  const folder = findLocalFolder(config);
  if (folder !== undefined)
    return describeFolder(config, { kind: 'local', dir: folder, servedName: basename(folder) }, ports);
  const snapshot = findInHubCache(config.model, config.revision, ports.env);
  if (snapshot === undefined) throw noLocalCopy(config);
  return describeFolder(
    config,
    { kind: 'hub', dir: snapshot.dir, servedName: config.model, revision: snapshot.revision },
    ports,
  );
}

function describeRemote({ model, url }: RunConfig): ResolvedModel {
  const fingerprint = createHash('sha256')
    .update(JSON.stringify(['remote', url, model]))
    .digest('hex');
  const record: ModelRecord = {
    name: model,
    kind: 'remote',
    location: model,
    shape: {},
    files: [],
    randomWeights: false,
    fingerprint,
  };
  return { record, servedName: model, stamps: [], entries: [] };
}

async function resolveSynthetic(config: RunConfig, ports: ModelPorts): Promise<ResolvedModel> {
  const { dir, shape, written } = await writeSyntheticModel({
    name: config.model,
    cacheDir: config.cacheDir,
    seed: config.seed,
    onProgress: ({ writtenBytes, totalBytes }) =>
      ports.onProgress?.({ step: 'write-model', doneBytes: writtenBytes, totalBytes }),
    ...(ports.signal ? { signal: ports.signal } : {}),
  });
  const described = await describeFolder(config, { kind: 'synthetic', dir, servedName: config.model }, ports);
  refuseDamaged(dir, described.record);
  const why = 'this run wrote the checkpoint, so its pages say nothing about the machine as found';
  const entry: ConfigEntry = {
    field: 'weights',
    value: 'written just now, then dropped from the page cache',
    source: 'engine',
    why,
  };
  return {
    ...described,
    specialTokenIds: new Set(Object.values(shape.specialIds)),
    seedPromptTokenIds: encodeWithByteTokens(seedPayload.prompt),
    entries: written ? [entry, ...described.entries] : described.entries,
  };
}

function refuseDamaged(dir: string, record: ModelRecord): void {
  const damaged = findDamage(dir, record.files);
  if (damaged.length === 0) return;
  throw new FreezeError(
    `The checkpoint in ${dir} is not what this project wrote: ${damaged.join(', ')} changed since. Delete that folder, and the next run writes it again.`,
    'model',
    'as written',
    damaged.join(', '),
  );
}

/** A path, or a folder of that name in the project. Absent: the name must be a hub id. */
function findLocalFolder({ model, projectRoot }: RunConfig): string | undefined {
  const path = resolve(projectRoot, model.replace(/^~(?=\/|$)/, homedir()));
  return /^(\/|\.\.?(\/|$)|~(\/|$))/.test(model) || existsSync(join(path, 'config.json')) ? path : undefined;
}

function noLocalCopy({ model, revision }: RunConfig): FreezeError {
  const at = revision === undefined ? '' : ` at revision ${revision}`;
  return new FreezeError(
    `No local copy of ${model}${at} was found in the Hugging Face cache, and nothing is downloaded during a run. ` +
      `Fetch it first: hf download ${model}${revision === undefined ? '' : ` --revision ${revision}`}. Or give its folder, or a synthetic model (DAY007_MODEL=synthetic:phi-3-mini).`,
    'model',
    undefined,
    model,
  );
}

interface Place {
  readonly kind: 'synthetic' | 'local' | 'hub';
  readonly dir: string;
  readonly servedName: string;
  readonly revision?: string | undefined;
}

async function describeFolder(config: RunConfig, place: Place, ports: ModelPorts): Promise<ResolvedModel> {
  const { dir, kind, servedName, revision } = place;
  // Hashing a folder that is no model could take hours; reading its shape says at once what is missing.
  if (!existsSync(join(dir, 'config.json'))) readModelShape(dir);
  const reading = await readModelFiles(dir, {
    hashCacheFile: join(config.cacheDir, 'hashes.json'),
    onProgress: ({ readBytes, totalBytes }) =>
      ports.onProgress?.({ step: 'hash-model', doneBytes: readBytes, totalBytes }),
    ...(ports.signal ? { signal: ports.signal } : {}),
  });
  const { architecture, dtype, shape, parameters, weightsBytes } = readModelShape(dir);
  const fingerprint = fingerprintFiles(reading.files);
  const randomWeights = kind === 'synthetic';
  return {
    record: {
      name: config.model,
      kind,
      location: dir,
      revision,
      architecture,
      dtype,
      shape,
      parameters,
      weightsBytes,
      files: reading.files,
      randomWeights,
      fingerprint,
    },
    servedName,
    stamps: statModelFiles(dir),
    vocabSize: shape['vocabSize'],
    specialTokenIds: readSpecialTokenIds(dir),
    entries: reading.madeCold.length > 0 ? [describeMadeCold(reading.madeCold)] : [],
  };
}

function describeMadeCold(files: readonly string[]): ConfigEntry {
  const why = 'the files were partly in the page cache; after hashing, their old pages cannot be told from new ones';
  return { field: 'weights', value: `dropped from the page cache: ${files.join(', ')}`, source: 'engine', why };
}

/** Ids that tokenizer.json marks as added tokens (special ones among them). Empty where the folder has no such file. */
export function readSpecialTokenIds(dir: string): ReadonlySet<number> {
  const file = join(dir, 'tokenizer.json');
  if (!existsSync(file)) return new Set();
  const { added_tokens: added = [] } = JSON.parse(readFileSync(file, 'utf8')) as {
    added_tokens?: readonly { id: number }[];
  };
  return new Set(added.map(({ id }) => id));
}
