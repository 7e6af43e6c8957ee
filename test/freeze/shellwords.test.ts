import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoteWords, splitWords } from '../../lib/freeze/shellwords.js';

/** What bash makes of a command line: each argument ended by NUL. */
function askBash(line: string): string[] {
  const output = execFileSync('bash', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' });
  return output.split('\0').slice(0, -1);
}

const hostile = [
  "it's",
  '$(touch /nowhere)',
  '`id`',
  'a b',
  '"',
  '\\',
  '*',
  '~',
  '!!',
  '',
  '-n',
  'line\nbreak',
  ';rm -rf /',
  '#no',
  'é漢',
  '{a,b}',
  '&',
  '\t',
  "'; exit 1; '",
];

describe('quoteWords', () => {
  it('gives text that bash reads as exactly the same words, however hostile', () => {
    expect(askBash(quoteWords(hostile))).toEqual(hostile);
  });

  it('leaves plain words as a person would write them', () => {
    expect(quoteWords(['vllm', 'serve', '/models/a-b_c', '--port', '8000', 'x=1'])).toBe(
      'vllm serve /models/a-b_c --port 8000 x=1',
    );
  });

  it('refuses a NUL, which no argument can hold', () => {
    expect(() => quoteWords(['a\0b'])).toThrow(RangeError);
  });
});

describe('splitWords', () => {
  it('gives back any words that were quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }).map((word) => word.replaceAll('\0', ''))), (words) => {
        expect(splitWords(quoteWords(words))).toEqual(words);
      }),
    );
  });

  it('reads quotes and backslashes as bash does', () => {
    const lines = [`a "b c" 'd "e'`, `--x="1 2"' 3'`, `a\\ b "\\$5 \\" \\z" c`, `''`, `"" x`, `  spaced   out  `];
    for (const line of lines) expect(splitWords(line)).toEqual(askBash(line));
  });

  it('expands nothing', () => {
    expect(splitWords('$HOME * ~')).toEqual(['$HOME', '*', '~']);
  });

  it('gives no words for blank text', () => {
    expect(splitWords(' \n')).toEqual([]);
  });

  it.each([`"open`, `'open`, 'end\\'])('refuses %s, which a shell would wait on', (text) => {
    expect(() => splitWords(text)).toThrow(RangeError);
  });
});
