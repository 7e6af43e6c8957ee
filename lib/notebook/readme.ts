/** The README's own table: which published run its chart names, and that run's answer. */
import { join } from 'node:path';
import { answerTable } from '../report/finding-tables.js';
import { readInterpreted } from './run.js';

const open = /<!-- answer:[^>]*-->/;
const close = '<!-- /answer -->';

/** The README with the answer of its run between the marks. Throws when it names no run or has no marks. */
export function withAnswer(readme: string, projectRoot: string): string {
  const run = /\((data\/published\/[^/)]+)\//.exec(readme)?.[1];
  const from = open.exec(readme);
  const to = readme.indexOf(close);
  if (run === undefined || !from || to < 0)
    throw new Error('README.md needs a chart below data/published and the two answer marks');
  const answer = answerTable(readInterpreted(join(projectRoot, run)));
  return `${readme.slice(0, from.index + from[0].length)}\n\n${answer}\n\n${readme.slice(to)}`;
}
