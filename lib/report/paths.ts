/**
 * Absolute paths in running text -> `<path>/last-name`. Knows no machine: it goes by shape, and leaves
 * HTTP routes, device names and /proc alone.
 */

// A path may follow nothing, white space, punctuation that cannot end a word, an escaped newline, a colour code or -I.
const start =
  '(?:(?<![\\w.)\\]}~/\\\\-])|(?<=\\\\[nrt])|(?<=\\u001b\\[[0-9;]*m)|(?<=\\bfile:\\/\\/)|(?<=(?:^|\\s)-[ILBF]))';
// What is left of a path that was already cut is not cut again.
const notCut = '(?<!(?:<|&lt;)(?:project|home|path)(?:>|&gt;))';
const separator = '\\\\{0,3}\\/';
const segment = '[\\w.@+~%=-]+';
const absolutePath = new RegExp(
  `${start}${notCut}${separator}(${segment})((?:${separator}${segment})+)(?:${separator})?`,
  'g',
);
const encodedPath = /(?<![\w%.-])%2[Ff][\w.~@+-]+(?:%2[Ff][\w.~@+-]+)+/g;
// The first name of routes and system files that say nothing about the machine.
const harmlessFirst = /^(?:v\d+|health|metrics|ping|docs|inference|tokenize|proc|en|api)$/;

const pathMark = '<path>';

/** The text with every absolute path of two or more names cut to its last name, behind `mark`. */
export function hidePaths(text: string, mark: string = pathMark): string {
  return text
    .replace(absolutePath, (path: string, first: string, rest: string) =>
      isHarmless(first, rest) ? path : `${mark}/${lastNameOf(path)}`,
    )
    .replace(encodedPath, (path) => `${mark}/${lastNameOf(path)}`);
}

// Where people keep things; in a script, /a/b/ is more often a regular expression than a path.
const machineFolder =
  /^(?:home|root|users|tmp|var|opt|mnt|media|srv|data|scratch|work|workspace|nfs|lustre|gpfs|private|usr|etc|run)$/i;

/** As `hidePaths`, for the code of scripts and style sheets: only paths that begin where machines keep things. */
export function hidePathsInCode(code: string, mark: string = pathMark): string {
  return code.replace(absolutePath, (path: string, first: string, rest: string) =>
    isHarmless(first, rest) || !machineFolder.test(first) ? path : `${mark}/${lastNameOf(path)}`,
  );
}

/** The absolute paths `hidePaths` would cut, each once. */
export function absolutePaths(text: string): string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(absolutePath)) {
    if (!isHarmless(match[1] ?? '', match[2] ?? '')) found.add(match[0]);
  }
  return [...found];
}

function isHarmless(first: string, rest: string): boolean {
  if (first === 'usr') return /^\\*\/bin\b/.test(rest);
  if (first === 'dev') return !/^\\*\/shm/.test(rest);
  return harmlessFirst.test(first);
}

/** Last name of a path, however its separators are escaped; "path" for the root. */
export function lastNameOf(path: string): string {
  return (
    path
      .split(/(?:[\\/]|%2f)+/i)
      .filter(Boolean)
      .pop() ?? 'path'
  );
}
