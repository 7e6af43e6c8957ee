/**
 * The one place that turns a quantity into text: a number with sensible digits and its unit.
 * An absent quantity is a dash, never 0 or NaN.
 */

/** What an absent quantity prints as. */
export const dash = '–';

/**
 * A number with `digits` significant digits and no exponent. Whole digits are never dropped: 1049.4 with
 * three digits is "1,049", and thousands are grouped with commas.
 */
export function formatNumber(value: number | undefined, digits = 3): string {
  if (value === undefined || !Number.isFinite(value)) return dash;
  const rounded = Number(value.toPrecision(digits));
  if (rounded === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(rounded)));
  if (magnitude >= digits - 1) return groupThousands(value.toFixed(0));
  return value.toFixed(Math.min(digits - 1 - magnitude, 9));
}

function groupThousands(whole: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A number with its unit behind it, for units that need no scaling ("W", "%", "cores", "MB/s"). */
export function formatQuantity(value: number | undefined, unit: string, digits = 3): string {
  return value === undefined ? dash : `${formatNumber(value, digits)} ${unit}`;
}

/** A duration given in milliseconds: "0.42 ms", "98.1 ms", and from one second on "1.37 s". */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return dash;
  return Math.abs(ms) >= 1000 ? `${formatNumber(ms / 1000)} s` : `${formatNumber(ms)} ms`;
}

/** A duration given in seconds, printed as `formatMs` prints it. */
export function formatSeconds(seconds: number | undefined): string {
  return formatMs(seconds === undefined ? undefined : seconds * 1000);
}

/** Bytes with a binary unit: "0 bytes", "17.2 MiB", "2.87 GiB". */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return dash;
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = bytes;
  let step = 0;
  while (Math.abs(scaled) >= 1024 && step < units.length - 1) {
    scaled /= 1024;
    step += 1;
  }
  return `${formatNumber(scaled)} ${units[step]}`;
}

/** Mebibytes, scaled as `formatBytes` does. */
export function formatMiB(mib: number | undefined): string {
  return formatBytes(mib === undefined ? undefined : mib * 1024 * 1024);
}

/** A fraction 0-1 as a percentage: 0.4137 is "41.4 %". */
export function formatPercent(fraction: number | undefined, digits = 3): string {
  return fraction === undefined ? dash : `${formatNumber(fraction * 100, digits)} %`;
}

/** A ratio: "3.42 ×". */
export function formatFactor(factor: number | undefined, digits = 3): string {
  return factor === undefined ? dash : `${formatNumber(factor, digits)} ×`;
}

/** A count of whole things, thousands grouped. */
export function formatCount(count: number | undefined): string {
  return count === undefined ? dash : formatNumber(Math.round(count), 1);
}

/** A count with its noun: "1 request", "12 requests". */
export function formatCounted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : /(?:ch|s|x)$/.test(noun) ? 'es' : 's'}`;
}

/** Bytes in a MiB. */
export const mebibyte = 1024 * 1024;
