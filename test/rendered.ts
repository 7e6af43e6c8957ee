/** Questions to an executed notebook. */
import { readFileSync } from 'node:fs';

interface Output {
  readonly output_type: string;
  readonly name?: string;
  readonly text?: string | readonly string[];
  readonly data?: Readonly<Record<string, unknown>>;
}
interface Cell {
  readonly cell_type: string;
  readonly execution_count?: number | null;
  readonly source: string | readonly string[];
  readonly outputs?: readonly Output[];
}
export interface RenderedNotebook {
  readonly cells: readonly Cell[];
}

export function readNotebook(file: string): RenderedNotebook {
  return JSON.parse(readFileSync(file, 'utf8')) as RenderedNotebook;
}

export const codeCells = ({ cells }: RenderedNotebook): readonly Cell[] =>
  cells.filter((cell) => cell.cell_type === 'code');
export const sourceOf = (cell: Cell): string => [cell.source].flat().join('');

/** Cells that did not run in order, or ended in an error. The kernel reports errors on stderr: see stderrIn. */
export function failedCells(notebook: RenderedNotebook): string[] {
  return codeCells(notebook)
    .filter(
      (cell, index) =>
        cell.execution_count !== index + 1 || outputsOf(cell).some((output) => output.output_type === 'error'),
    )
    .map(sourceOf);
}

export function stderrIn(notebook: RenderedNotebook): string[] {
  return codeCells(notebook)
    .flatMap(outputsOf)
    .filter((output) => output.output_type === 'stream' && output.name === 'stderr')
    .map((output) => [output.text ?? ''].flat().join(''));
}

/** One entry a chart: outputs that hold both the specification and its picture. */
export function chartsIn(notebook: RenderedNotebook): Output[] {
  return codeCells(notebook)
    .flatMap(outputsOf)
    .filter(({ data }) => data !== undefined && 'application/vnd.vegalite.v5+json' in data && 'image/png' in data);
}

const outputsOf = (cell: Cell): readonly Output[] => cell.outputs ?? [];
