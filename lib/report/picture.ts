/** A chart's specification -> SVG -> PNG, with the font this project ships: a bare machine draws the same picture. */
import { join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import sharp from 'sharp';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { chartFont, type ChartSpec } from './chart.js';
import { readEmWidth, type EmWidth } from './font-metrics.js';

/** Pixels of the PNG per pixel of the chart: 2 keeps text sharp on dense screens. */
export const pictureScale = 2;

/** The fonts that charts are drawn with. */
export interface ChartFonts {
  readonly regular: string;
  readonly bold: string;
}

/** The font files of this project, below its root. */
export function chartFontsOf(projectRoot: string): ChartFonts {
  const folder = join(projectRoot, 'node_modules', 'dejavu-fonts-ttf', 'ttf');
  return { regular: join(folder, 'DejaVuSans.ttf'), bold: join(folder, 'DejaVuSans-Bold.ttf') };
}

/** Draw a specification as SVG text, laid out for these fonts. Throws when Vega-Lite refuses it. */
export async function renderSvg(spec: ChartSpec, fonts: ChartFonts): Promise<string> {
  measureTextWith(fonts);
  const quiet = vega.logger(vega.Error);
  const compiled = compile(spec as unknown as TopLevelSpec, { logger: quiet });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none', logger: quiet });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * SVG text as PNG bytes. Without font files no text is drawn: system fonts are never used. Most colours of a chart are
 * the rims of its letters: with a palette of 256 it looks the same and weighs a third, and a published run has more room
 * for its rows.
 */
export async function rasterize(svg: string, fontFiles: readonly string[]): Promise<Buffer> {
  const { pixels, width, height } = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: pictureScale },
    font: {
      loadSystemFonts: false,
      fontFiles: [...fontFiles],
      defaultFontFamily: chartFont,
      sansSerifFamily: chartFont,
    },
  }).render();
  return sharp(pixels, { raw: { width, height, channels: 4, premultiplied: true } })
    .png({ palette: true, colours: 256, dither: 0, compressionLevel: 9, effort: 10 })
    .toBuffer();
}

/** A specification as PNG bytes, drawn at twice its size. */
export async function renderPng(spec: ChartSpec, fonts: ChartFonts): Promise<Buffer> {
  return rasterize(await renderSvg(spec, fonts), [fonts.regular, fonts.bold]);
}

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
}
interface TextMetrics {
  width: (item: TextItem, text: string | number | boolean | null | undefined) => number;
}

const widths = new Map<string, EmWidth>();

/**
 * Vega without a canvas takes every character for 0.8 em and leaves wide empty margins; its text metrics may be
 * replaced (a hook its typings leave out). The font's own widths make the layout fit.
 */
function measureTextWith(fonts: ChartFonts): void {
  const regular = cachedWidth(fonts.regular);
  const bold = cachedWidth(fonts.bold);
  const { textMetrics } = vega as unknown as { readonly textMetrics: TextMetrics };
  textMetrics.width = (item, text) => {
    const em = isBold(item.fontWeight) ? bold : regular;
    return Math.ceil(em(String(text ?? '')) * (item.fontSize ?? 11));
  };
}

function cachedWidth(fontFile: string): EmWidth {
  const known = widths.get(fontFile) ?? readEmWidth(fontFile);
  widths.set(fontFile, known);
  return known;
}

const isBold = (weight: string | number | undefined): boolean => weight === 'bold' || Number(weight) >= 600;
