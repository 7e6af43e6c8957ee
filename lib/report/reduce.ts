/** Files too large to share -> fewer lines, least needed first, each step said in words. The numbers that findings rest on stay. */
import type { SharedFiles } from './shared-files.js';

/** The most a shared run may weigh: 4 MiB, so that a repository can hold many. */
export const largestShareBytes = 4 * 1024 * 1024;

export interface Reduction {
  readonly files: SharedFiles;
  /** What was left out, one sentence a step. Empty: nothing was. */
  readonly steps: readonly string[];
}

interface Step {
  /** The smaller files and the sentence; undefined when this step has nothing to take. */
  apply(files: SharedFiles): { readonly files: SharedFiles; readonly sentence: string } | undefined;
}

const steps: readonly Step[] = [
  dropLines(/(?:^|\/)server[^/]*\.log$/, /\bRoute: \//, "the server log's list of routes"),
  // The page before any row: a replay makes it again from the rows, and nothing makes the rows again.
  dropFiles(/\.html$/, 'the page (the notebook holds the same; npm start -- --replay makes it again)'),
  thin('processes.csv', 2),
  thin('processes.csv', 4),
  thin('samples.csv', 2),
  thin('gpu.csv', 2),
  thin('processes.csv', 4),
  thin('samples.csv', 4),
  thin('gpu.csv', 4),
  dropFiles(/^charts\/.*\.png$/, 'the charts as pictures of their own (the notebook holds them)'),
  dropFiles(/\.log$/, "the server's log (startup.csv holds its recognised lines)"),
];

/** Take steps until the files weigh no more than `limitBytes`; the result may still be too large. */
export function reduceFiles(files: SharedFiles, limitBytes: number): Reduction {
  let current = files;
  const taken: string[] = [];
  for (const step of steps) {
    if (totalBytes(current) <= limitBytes) break;
    const next = step.apply(current);
    if (!next) continue;
    current = next.files;
    taken.push(next.sentence);
  }
  return { files: current, steps: taken };
}

export function totalBytes(files: SharedFiles): number {
  let sum = 0;
  for (const bytes of files.values()) sum += bytes.length;
  return sum;
}

function dropLines(which: RegExp, line: RegExp, what: string): Step {
  return {
    apply: (files) => {
      let dropped = 0;
      const next = mapFiles(files, which, (text) => {
        const lines = text.split('\n');
        const kept = lines.filter((one) => !line.test(one));
        dropped += lines.length - kept.length;
        return kept.join('\n');
      });
      return dropped === 0 ? undefined : { files: next, sentence: `Left out: ${what} (${dropped} lines).` };
    },
  };
}

function dropFiles(which: RegExp, what: string): Step {
  return {
    apply: (files) => {
      const kept = [...files].filter(([path]) => !which.test(path));
      return kept.length === files.size ? undefined : { files: new Map(kept), sentence: `Left out: ${what}.` };
    },
  };
}

/** Keep every n-th tick of a sampled table, all rows of it, and the last tick; ticks are told apart by launch and atMs. */
function thin(file: string, every: number): Step {
  return {
    apply: (files) => {
      let before = 0;
      let after = 0;
      const next = mapFiles(files, new RegExp(`^${file.replace('.', '\\.')}$`), (text) => {
        const [header = '', ...rows] = text.split('\n').filter((line) => line !== '');
        const kept = everyNthTick(rows, header.split(','), every);
        before += rows.length;
        after += kept.length;
        return `${[header, ...kept].join('\n')}\n`;
      });
      return after === before
        ? undefined
        : {
            files: next,
            sentence: `Thinned evenly: ${file} keeps one tick in ${every} (${after} of ${before} rows); findings.json was computed from all of them, so bands and gap activity computed again will differ.`,
          };
    },
  };
}

function everyNthTick(rows: readonly string[], header: readonly string[], every: number): string[] {
  // Sampled tables begin with launch and atMs, and none of their leading cells holds a quoted comma.
  const launchAt = header.indexOf('launch');
  const atMsAt = header.indexOf('atMs');
  const ticks = rows.map((row) => `${row.split(',')[launchAt] ?? ''} ${row.split(',')[atMsAt] ?? ''}`);
  const order = [...new Set(ticks)];
  const kept = new Set(order.filter((_tick, index) => index % every === 0 || index === order.length - 1));
  return rows.filter((_row, index) => kept.has(ticks[index] ?? ''));
}

function mapFiles(files: SharedFiles, which: RegExp, change: (text: string) => string): SharedFiles {
  return new Map(
    [...files].map(([path, bytes]) => [path, which.test(path) ? Buffer.from(change(bytes.toString('utf8'))) : bytes]),
  );
}
