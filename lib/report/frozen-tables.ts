/** What was frozen before anything ran -> tables: configuration, machine, model, workloads. */
import type { ConfigEntry, EngineRecord, RunRecord } from '../archive/record.js';
import { dash, formatBytes, formatCount, formatMiB, formatPercent } from '../interpret/format.js';
import { modelLabel, noGpuText, rehearsedText, stamped, stampedOnly } from './subject.js';
import { renderFacts, renderTable } from './table.js';

/** Settings can be shown before a run is frozen: these two are all it takes. */
export interface Configured {
  readonly configEntries: RunRecord['configEntries'];
  readonly engine: Pick<EngineRecord, 'kind'>;
}

/** Every resolved setting with its source. */
export function settingsTable(record: Configured): string {
  return renderTable({
    title: stamped(record.engine.kind, 'Configuration'),
    columns: [{ header: 'setting' }, { header: 'value' }, { header: 'came from' }],
    rows: record.configEntries.map((entry) => [entry.field, entry.value, entry.source]),
  });
}

/** "seed / here / why": each setting whose value is not the seed's. */
export function seedDifferencesTable(record: Configured): string {
  const different = differencesFromSeed(record);
  return renderTable({
    title: stamped(record.engine.kind, 'Where this run differs from the seed'),
    columns: [{ header: 'setting' }, { header: 'seed' }, { header: 'here' }, { header: 'why' }],
    rows: different.map((entry) => [
      entry.field,
      entry.seedValue,
      entry.value,
      entry.why ?? `set by the ${entry.source}`,
    ]),
    notes: different.length === 0 ? ["Nothing: every setting has the seed's value."] : [],
  }).replace('Nothing was observed.\n\n', '');
}

export function differencesFromSeed(record: Configured): readonly ConfigEntry[] {
  return record.configEntries.filter((entry) => entry.seedValue !== undefined && entry.seedValue !== entry.value);
}

/** The machine and the versions on it. What could not be read here is a dash. */
export function environmentTable(record: RunRecord): string {
  const { environment: machine, engine } = record;
  const gpus = machine.gpus.map((gpu) => {
    const used = gpu.memoryUsedMiB === undefined ? '' : `, ${formatMiB(gpu.memoryUsedMiB)} used before launch`;
    const driver = gpu.driver === undefined ? '' : `, driver ${gpu.driver}`;
    return [`GPU ${gpu.index}`, `${gpu.name}, ${formatMiB(gpu.memoryTotalMiB)}${used}${driver}`] as const;
  });
  return renderFacts(stamped(engine.kind, 'The machine and its versions'), [
    ['engine', engine.kind],
    ['chosen because', engine.chosenBecause],
    ['device', engine.device],
    ['vLLM', engine.kind === 'rehearsal' ? `none: ${rehearsedText(engine)}` : engine.vllmVersion],
    ['torch', engine.torchVersion],
    ['transformers', engine.transformersVersion],
    ['OS', machine.os],
    ['kernel', machine.kernel],
    ['CPU', `${machine.cpuModel}, ${machine.cpuCores} cores, governor ${machine.governor ?? 'not readable'}`],
    ['RAM', formatMiB(machine.ramMiB)],
    ['swap', machine.swapMiB === 0 ? 'none' : formatMiB(machine.swapMiB)],
    ['weights on', weightsPlace(record)],
    ...(gpus.length > 0 ? gpus : [['GPU', noGpuText(engine.kind)] as const]),
    ['Node', machine.node],
    ['this project', machine.project],
  ]);
}

function weightsPlace(record: RunRecord): string | undefined {
  const { weightsFileSystem, weightsDevice } = record.environment;
  if (weightsFileSystem === undefined) return undefined;
  return weightsDevice === undefined ? weightsFileSystem : `${weightsFileSystem} on ${weightsDevice}`;
}

/** The frozen model: shape, size, residency and hashes of its files, fingerprint. */
export function modelTable(record: RunRecord): string {
  const { model } = record;
  const shape = Object.entries(model.shape).map(([name, size]) => `${name} ${size}`);
  const facts = renderFacts(stamped(record.engine.kind, 'The frozen model'), [
    ['model', modelLabel(model)],
    [
      'weights',
      model.randomWeights
        ? 'random: written by this project in the exact shape of the named model; its text is noise'
        : 'as published',
    ],
    ['kind', model.kind],
    ['revision', model.revision],
    ['architecture', model.architecture],
    ['dtype', model.dtype],
    ['shape', shape.join(', ')],
    ['parameters', model.parameters === undefined ? undefined : formatCount(model.parameters)],
    [
      'weight bytes',
      model.weightsBytes === undefined
        ? undefined
        : `${formatCount(model.weightsBytes)} (${formatBytes(model.weightsBytes)})`,
    ],
    ['model fingerprint', model.fingerprint],
    ['run fingerprint', record.fingerprint],
  ]);
  const files = renderTable({
    title: stampedOnly(record.engine.kind, 'Its files'),
    columns: [
      { header: 'file' },
      { header: 'size (bytes)', decimals: 0 },
      { header: 'in page cache when first looked at' },
      { header: 'sha256, first 12' },
    ],
    rows: model.files.map((file) => [
      file.path.split('/').pop(),
      file.bytes,
      file.residentFraction === undefined ? dash : formatPercent(file.residentFraction),
      file.sha256.slice(0, 12),
    ]),
  });
  return model.files.length === 0 ? facts : `${facts}\n\n${files}`;
}

/** The two constant payloads, field by field. */
export function workloadTable(record: RunRecord): string {
  return renderTable({
    title: stamped(record.engine.kind, 'The payloads, constant through the run'),
    columns: [
      { header: 'workload' },
      { header: 'prompt (tokens)', decimals: 0 },
      { header: 'payload' },
      { header: 'note' },
    ],
    rows: record.workloads.map((workload) => [
      workload.name,
      workload.promptTokenIds?.length,
      payloadText(workload.payload),
      workload.note,
    ]),
  });
}

function payloadText(payload: Readonly<Record<string, unknown>>): string {
  return Object.entries(payload)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? `${value.length} token ids` : JSON.stringify(value)}`)
    .join(', ');
}
