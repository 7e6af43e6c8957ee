import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseEmWidth, readEmWidth } from '../../lib/report/font-metrics.js';
import { chartFontsOf, rasterize, renderPng, renderSvg } from '../../lib/report/picture.js';
import { chartsOf } from '../../lib/report/write-report.js';
import { gpuRun } from './sample.js';

const fonts = chartFontsOf(process.cwd());
const widths = { regular: readEmWidth(fonts.regular), bold: readEmWidth(fonts.bold) };

function sizeOf(png: Buffer): { readonly width: number; readonly height: number } {
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20) };
}

/** The raw (filtered) pixel bytes of a PNG: enough to tell two pictures apart. */
function pixels(png: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  return inflateSync(Buffer.concat(parts));
}

/** Boxes that text elements of an SVG need, by the font's own widths, in the frame of the picture. */
function textBoxes(svg: string): { readonly text: string; readonly left: number; readonly right: number }[] {
  const boxes: { text: string; left: number; right: number }[] = [];
  const stack: number[] = [];
  for (const [tag, attributes = ''] of svg.matchAll(/<g([^>]*)>|<\/g>|<text[^>]*>.*?<\/text>/gs)) {
    if (tag.startsWith('</g')) stack.pop();
    else if (tag.startsWith('<g')) stack.push(shiftOf(attributes));
    else
      boxes.push(
        ...boxOf(
          tag,
          stack.reduce((sum, x) => sum + x, 0),
        ),
      );
  }
  return boxes;
}

const shiftOf = (attributes: string): number => Number(/translate\(([-\d.]+)/.exec(attributes)?.[1] ?? 0);

function boxOf(tag: string, x: number): { text: string; left: number; right: number }[] {
  if (/rotate/.test(tag)) return [];
  const lines = tag.includes('<tspan') ? tag.split('</tspan>').slice(0, -1) : [tag];
  const emWidth = /font-weight="bold"/.test(tag) ? widths.bold : widths.regular;
  const anchor = /text-anchor="(\w+)"/.exec(tag)?.[1] ?? 'start';
  return lines.map((line) => {
    const text = line
      .replace(/<[^>]*>/g, '')
      .replace(/&gt;/g, '>')
      .replace(/&lt;/g, '<')
      .replace(/&amp;/g, '&');
    const width = emWidth(text) * Number(/font-size="([\d.]+)px"/.exec(tag)?.[1] ?? 11);
    const left = x + shiftOf(tag) - (anchor === 'end' ? width : anchor === 'middle' ? width / 2 : 0);
    return { text, left, right: left + width };
  });
}

describe('pictures', { timeout: 30_000 }, () => {
  it.each(Object.entries(chartsOf(gpuRun())))(
    '%s has its text drawn, at twice its size, and none of it cut at the edges',
    async (_name, chart) => {
      if (chart.kind === 'no-chart') throw new Error(chart.why);
      const svg = await renderSvg(chart.spec, fonts);
      const png = await renderPng(chart.spec, fonts);
      const withoutText = await rasterize(svg, []);
      const [width = 0, height = 0] = (/viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? []).slice(1).map(Number);
      expect(sizeOf(png)).toEqual({ width: Math.ceil(width * 2), height: Math.ceil(height * 2) });
      expect(width).toBeLessThan(1000);
      expect(pixels(png).equals(pixels(withoutText))).toBe(false);
      const boxes = textBoxes(svg);
      expect(boxes.length).toBeGreaterThan(10);
      for (const box of boxes) {
        expect(box.left, box.text).toBeGreaterThanOrEqual(0);
        expect(box.right, box.text).toBeLessThanOrEqual(width);
      }
    },
  );
  it('refuses what is no chart', async () => {
    await expect(renderSvg({ nonsense: true }, fonts)).rejects.toThrow();
  });
});

describe('font widths', () => {
  it('are those of the font: a figure is 0.636 em wide in DejaVu Sans, an i far narrower than an m', () => {
    const width = readEmWidth(fonts.regular);
    expect(width('0')).toBeCloseTo(1303 / 2048, 6);
    expect(width('00')).toBeCloseTo(2 * width('0'), 6);
    expect(width('i')).toBeLessThan(width('m') / 2);
    expect(width('')).toBe(0);
  });
  it('count a character that the font lacks as its missing-glyph box', () => {
    const width = readEmWidth(fonts.regular);
    expect(width('\u{10ffff}')).toBe(width('\u{10fffe}'));
    expect(width('\u{10ffff}')).toBeGreaterThan(0);
  });
  it('are refused from a file that is no font', () => {
    expect(() => parseEmWidth(Buffer.alloc(64))).toThrow(RangeError);
  });
});
