/** One file of a run -> the file that may be shared, each format by its own structure so that numbers and keys stay what they were. */
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { tables } from '../archive/tables.js';
import type { Redactor, TextStyle } from './redact.js';
import { isSecretName, isSecretValue } from './secrets.js';

/** Bytes of a file by its path inside the run folder. */
export type SharedFiles = ReadonlyMap<string, Buffer>;

/** Replace what identifies the machine in one file. A picture keeps its pixels and loses its comments. */
export function redactFile(path: string, bytes: Buffer, redactor: Redactor): Buffer {
  if (path.endsWith('.png')) return pixelsOnly(bytes);
  const text = bytes.toString('utf8');
  return Buffer.from(redactText(path, text, redactor));
}

function redactText(path: string, text: string, redactor: Redactor): string {
  if (path.endsWith('.csv')) return redactCsv(path, text, redactor);
  if (/\.(?:json|ipynb)$/.test(path)) return redactJson(text, redactor);
  return redactor.redact(text, /\.(?:html|md)$/.test(path) ? 'markup' : 'plain');
}

/** Only text columns change; a number stays the digits it was. A half-written last line is dropped. */
function redactCsv(path: string, text: string, redactor: Redactor): string {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const records: string[][] = parse(whole, { relax_column_count: true });
  const [header, ...rows] = records;
  if (!header) return '';
  const declared = Object.values(tables).find((table) => table.file === path);
  const kinds = new Map<string, string>(
    Object.entries(declared?.columns ?? {}).map(([name, column]) => [name, column.kind]),
  );
  // A column of an unknown table is text unless each of its cells says otherwise.
  const clean = (cell: string, name: string | undefined): string =>
    isNumber(cell) || (kinds.get(name ?? '') ?? 'text') !== 'text' ? cell : redactor.redact(cell, 'plain');
  const head = declared ? header : header.map((name) => redactor.redact(name, 'plain'));
  return stringify([head, ...rows.map((cells) => cells.map((cell, index) => clean(cell, header[index])))]);
}

const isNumber = (cell: string): boolean => cell.trim() !== '' && Number.isFinite(Number(cell));

function redactJson(text: string, redactor: Redactor): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return redactor.redact(text, 'plain');
  }
  const indent = /^[[{]\n( +)/.exec(text)?.[1]?.length ?? 0;
  return `${JSON.stringify(redactValue(value, '', 'plain', redactor), undefined, indent)}\n`;
}

const pictures = /^image\/(?:png|jpe?g|gif|webp)$/;
const markupKeys = /^(?:text\/html|text\/markdown|image\/svg\+xml)$/;

/** Walk a JSON value. `key` is the name it stands under; MIME types as keys tell the style of what is below. */
function redactValue(value: unknown, key: string, style: TextStyle, redactor: Redactor): unknown {
  if (typeof value === 'string') return redactString(value, key, style, redactor);
  if (Array.isArray(value)) return redactList(value as unknown[], key, style, redactor);
  if (value === null || typeof value !== 'object') return value;
  const cell = value as Record<string, unknown>;
  const inner: TextStyle = cell['cell_type'] === 'markdown' ? 'markup' : style;
  return Object.fromEntries(
    Object.entries(cell).map(([name, part]) => [
      redactor.redact(name, 'plain'),
      redactValue(part, name, markupKeys.test(name) ? 'markup' : inner, redactor),
    ]),
  );
}

function redactString(text: string, key: string, style: TextStyle, redactor: Redactor): string {
  if (pictures.test(key) && /^[A-Za-z0-9+/=\s]*$/.test(text)) return text;
  if (isSecretName(key) && isSecretValue(text) && !text.startsWith('<')) return '<secret>';
  return redactor.redact(text, style);
}

function redactList(list: readonly unknown[], key: string, style: TextStyle, redactor: Redactor): unknown[] {
  const isLines = list.length > 1 && list.slice(0, -1).every((line) => typeof line === 'string' && line.endsWith('\n'));
  // Notebooks keep long text as a list of lines; a key may span several of them.
  if (isLines) return redactString(list.join(''), key, style, redactor).split(/(?<=\n)/);
  return list.map((item, index) => {
    const flag = list[index - 1];
    if (
      typeof item === 'string' &&
      typeof flag === 'string' &&
      flag.startsWith('-') &&
      isSecretName(flag) &&
      isSecretValue(item)
    )
      return '<secret>';
    return redactValue(item, key, style, redactor);
  });
}

/** A PNG without its ancillary chunks (text, time, camera data), colour ones apart. Anything else: no bytes. */
function pixelsOnly(png: Buffer): Buffer {
  const signatureBytes = 8;
  if (png.toString('latin1', 1, 4) !== 'PNG') return Buffer.alloc(0);
  const kept = [png.subarray(0, signatureBytes)];
  for (let at = signatureBytes; at + 12 <= png.length;) {
    const end = at + 12 + png.readUInt32BE(at);
    if (/^(?:IHDR|PLTE|IDAT|IEND|tRNS|gAMA|sRGB|cHRM|pHYs|sBIT|bKGD)$/.test(png.toString('latin1', at + 4, at + 8)))
      kept.push(png.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}
