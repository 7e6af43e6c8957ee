/** The advance widths inside a TrueType font: how wide a text will be, without a canvas to ask. */
import { readFileSync } from 'node:fs';

/** Width of a text in ems; characters the font lacks count as its missing-glyph box. */
export type EmWidth = (text: string) => number;

/** Read a TrueType file with a format-4 character map (every common one has it). Throws RangeError on anything else. */
export function readEmWidth(fontFile: string): EmWidth {
  return parseEmWidth(readFileSync(fontFile));
}

export function parseEmWidth(font: Buffer): EmWidth {
  const tables = tableOffsets(font);
  const unitsPerEm = font.readUInt16BE(offsetOf(tables, 'head') + 18);
  const longMetrics = font.readUInt16BE(offsetOf(tables, 'hhea') + 34);
  const metrics = offsetOf(tables, 'hmtx');
  const glyphOf = characterMap(font, offsetOf(tables, 'cmap'));
  const advance = (glyph: number): number => font.readUInt16BE(metrics + 4 * Math.min(glyph, longMetrics - 1));
  return (text) => {
    let units = 0;
    for (const character of text) units += advance(glyphOf(character.codePointAt(0) ?? 0));
    return units / unitsPerEm;
  };
}

function tableOffsets(font: Buffer): ReadonlyMap<string, number> {
  const count = font.readUInt16BE(4);
  return new Map(
    Array.from({ length: count }, (_, index) => {
      const record = 12 + 16 * index;
      return [font.toString('latin1', record, record + 4), font.readUInt32BE(record + 8)];
    }),
  );
}

function offsetOf(tables: ReadonlyMap<string, number>, tag: string): number {
  const offset = tables.get(tag);
  if (offset === undefined) throw new RangeError(`not a TrueType font: it has no ${tag} table`);
  return offset;
}

/** Code point -> glyph by the format-4 subtable; 0 (the missing glyph) for the rest. */
function characterMap(font: Buffer, cmap: number): (codePoint: number) => number {
  const subtables = Array.from(
    { length: font.readUInt16BE(cmap + 2) },
    (_, index) => cmap + font.readUInt32BE(cmap + 8 + 8 * index),
  );
  const at = subtables.find((subtable) => font.readUInt16BE(subtable) === 4);
  if (at === undefined) throw new RangeError('the font has no format-4 character map');
  const segments = font.readUInt16BE(at + 6) / 2;
  const field = (column: number, segment: number): number =>
    at + 14 + 2 * (column * segments + segment) + (column > 0 ? 2 : 0);
  return (codePoint) => {
    for (let segment = 0; segment < segments; segment += 1) {
      if (font.readUInt16BE(field(0, segment)) < codePoint) continue;
      const start = font.readUInt16BE(field(1, segment));
      if (start > codePoint) return 0;
      const delta = font.readUInt16BE(field(2, segment));
      const rangeAt = field(3, segment);
      const range = font.readUInt16BE(rangeAt);
      if (range === 0) return (codePoint + delta) & 0xffff;
      const glyph = font.readUInt16BE(rangeAt + range + 2 * (codePoint - start));
      return glyph === 0 ? 0 : (glyph + delta) & 0xffff;
    }
    return 0;
  };
}
