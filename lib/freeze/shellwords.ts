/** Argument lists <-> text that a POSIX shell reads as those arguments. */

/** Text a shell reads as exactly these words. No words give ''. Throws RangeError on NUL, which no argument can hold. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

export function quoteWord(word: string): string {
  if (word.includes('\0')) throw new RangeError('an argument cannot hold a NUL character');
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Split text into words as a shell would, with quotes and backslashes but without expansion:
 * `$HOME` and `*` stay as they are. Throws RangeError on an open quote.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let rest = text;
  while (rest !== '') {
    const piece = /^(?:(\s+)|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+))/.exec(rest);
    if (!piece) throw new RangeError(`an open quote or a lone backslash in ${JSON.stringify(text)}`);
    const [all, blank, single, double, escaped, plain] = piece;
    rest = rest.slice(all.length);
    if (blank === undefined) {
      word = (word ?? '') + (single ?? unescapeDouble(double) ?? unescapePlain(escaped) ?? plain ?? '');
    } else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}

/** Inside double quotes a backslash is special before $ ` " \ and newline only. */
function unescapeDouble(text: string | undefined): string | undefined {
  return text?.replace(/\\([$`"\\\n])/g, (_, character: string) => (character === '\n' ? '' : character));
}

function unescapePlain(character: string | undefined): string | undefined {
  return character === '\n' ? '' : character;
}
