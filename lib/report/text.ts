/**
 * Text from outside (a server, a log, a file name) -> text that is safe inside Markdown, HTML or a terminal.
 * Nothing is silently dropped except colour codes: what cannot be shown is spelled out.
 */
import { hidePaths } from './paths.js';

const ansiSequence =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
const lineBreak = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
// C0, DEL and C1 controls, and the marks that change the direction of what follows them.
const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const loneSurrogate = /\p{Surrogate}/gu;

/**
 * One line of plain text: no colour codes, no control characters, no direction marks.
 * Longer than `maxCharacters` (counted in code points) it is cut and ends in an ellipsis.
 */
export function plainLine(text: string, maxCharacters = Number.POSITIVE_INFINITY): string {
  const clean = spellOut(text.replace(ansiSequence, '').replace(lineBreak, ' ')).trim();
  if (clean.length <= maxCharacters) return clean;
  const characters = [...clean];
  return characters.length <= maxCharacters ? clean : `${characters.slice(0, maxCharacters - 1).join('')}…`;
}

/** Plain text over several lines, each treated as `plainLine` treats its one; indentation stays. For text/plain outputs. */
export function plainBlock(text: string): string {
  return text
    .replace(ansiSequence, '')
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => spellOut(line.replace(/\t/g, '    ')))
    .join('\n');
}

function spellOut(text: string): string {
  return text
    .replace(invisible, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(loneSurrogate, '\ufffd');
}

/**
 * Outside text as inline Markdown (a table cell, the rest of a line): shown letter by letter, on one line,
 * never as a tag, a link, a formula, a list or a cell border. Absolute paths keep their last name only.
 */
export function escapeMarkdown(text: string, maxCharacters?: number): string {
  return plainLine(hidePaths(text), maxCharacters)
    .replace(/[\\`*[\]|~$]/g, '\\$&')
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/^([#>]|[+-](?=\s)|\d+[.)](?=\s))/, '\\$1')
    .replace(/^\\(\d+)/, '$1\\');
}
