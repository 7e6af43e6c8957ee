/** What a chart is here, and the look they share. Nothing is rendered in this module. */

/** A Vega-Lite v5 specification as plain JSON. */
export type ChartSpec = Readonly<Record<string, unknown>>;

/** A figure: its finding as title, the specification, and the same numbers as a Markdown table for those who cannot see it. */
export interface Chart {
  readonly kind: 'chart';
  readonly title: string;
  readonly subtitle: string;
  readonly spec: ChartSpec;
  readonly table: string;
}

/** A figure that cannot be drawn, and why. */
export interface NoChart {
  readonly kind: 'no-chart';
  readonly why: string;
}

/** One colour a meaning, in every chart; each also differs in shape, dash or label (Okabe and Ito 2008, and a grey). */
export const meaningColours = {
  cold: '#0072b2',
  warm: '#d55e00',
  remainder: '#8c8c8c',
  gpu: '#009e73',
  host: '#7b4ea3',
} as const;

export const chartFont = 'DejaVu Sans';
const ink = '#222222';
const faint = '#e4e4e4';

export const theme: ChartSpec = {
  background: '#ffffff',
  padding: 12,
  font: `${chartFont}, Verdana, sans-serif`,
  title: {
    anchor: 'start',
    fontSize: 15,
    fontWeight: 'bold',
    color: ink,
    subtitleFontSize: 11.5,
    subtitleColor: '#555555',
    subtitlePadding: 5,
    offset: 12,
    frame: 'bounds',
  },
  axis: {
    labelColor: ink,
    titleColor: ink,
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    gridColor: faint,
    domainColor: '#999999',
    tickColor: '#999999',
    labelLimit: 0,
    titlePadding: 8,
  },
  legend: {
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    labelLimit: 0,
    orient: 'top',
    symbolSize: 70,
  },
  header: { labelFontSize: 11, titleFontSize: 11, labelLimit: 0 },
  view: { stroke: '#cccccc' },
};

const schema = 'https://vega.github.io/schema/vega-lite/v5.json';
const longestTitleLine = 74;
const longestSubtitleLine = 112;

/** The outer frame of every chart: schema, theme, title and subtitle, broken into lines that fit. */
export function framed(title: string, subtitle: string, body: ChartSpec): ChartSpec {
  return {
    $schema: schema,
    title: { text: wrapLine(title, longestTitleLine), subtitle: wrapLine(subtitle, longestSubtitleLine) },
    ...body,
    config: theme,
  };
}

/** Break at spaces so that no line is longer than `longest`, unless one word is. A number stays with its unit. */
export function wrapLine(text: string, longest: number): string[] {
  const lines: string[] = [];
  for (const word of text.replace(/(\d) (?=\D)/g, '$1\u00a0').split(' ')) {
    const line = lines[lines.length - 1];
    if (line !== undefined && line.length + 1 + word.length <= longest) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Enough digits for a pixel, few enough for a small file: three decimals. */
export const rounded = (value: number): number => Math.round(value * 1000) / 1000;
