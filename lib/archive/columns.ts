/**
 * How a table of a run folder is declared: each column once, with its unit and meaning.
 * The row types, the CSV reader and writer and data/README.md all come from these declarations.
 */

interface ColumnBase {
  /** Unit as a reader would write it ("ms", "MiB", "fraction 0-1"); absent for names and text. */
  readonly unit?: string;
  readonly meaning: string;
  /** Absent cells are allowed: the thing was not observed. Never written as 0 or NaN. */
  readonly optional: boolean;
}
export interface TextColumn extends ColumnBase {
  readonly kind: 'text';
}
export interface NumberColumn extends ColumnBase {
  readonly kind: 'number';
}
export interface FlagColumn extends ColumnBase {
  readonly kind: 'flag';
}
export type Column = TextColumn | NumberColumn | FlagColumn;
export type Columns = Readonly<Record<string, Column>>;

/** A declared table: the file it lives in, what one row is, and its columns in file order. */
export interface Table<C extends Columns> {
  readonly file: string;
  readonly rowIs: string;
  readonly columns: C;
}

type CellOf<C extends Column> = C extends NumberColumn ? number : C extends FlagColumn ? boolean : string;
type RequiredKeys<C extends Columns> = { [K in keyof C]: C[K]['optional'] extends true ? never : K }[keyof C];
type OptionalKeys<C extends Columns> = { [K in keyof C]: C[K]['optional'] extends true ? K : never }[keyof C];

/** The record one row of a table becomes. Optional columns may be `undefined`. */
export type RowOf<T> =
  T extends Table<infer C>
    ? { readonly [K in RequiredKeys<C>]: CellOf<C[K]> } & { readonly [K in OptionalKeys<C>]?: CellOf<C[K]> | undefined }
    : never;

export function defineTable<const C extends Columns>(file: string, rowIs: string, columns: C): Table<C> {
  return { file, rowIs, columns };
}

export const text = (meaning: string) => ({ kind: 'text', optional: false, meaning }) as const;
export const maybeText = (meaning: string) => ({ kind: 'text', optional: true, meaning }) as const;
export const flag = (meaning: string) => ({ kind: 'flag', optional: false, meaning }) as const;
export const maybeFlag = (meaning: string) => ({ kind: 'flag', optional: true, meaning }) as const;
export const number = (unit: string, meaning: string) => ({ kind: 'number', optional: false, unit, meaning }) as const;
export const maybeNumber = (unit: string, meaning: string) =>
  ({ kind: 'number', optional: true, unit, meaning }) as const;
