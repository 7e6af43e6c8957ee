import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineTable, flag, maybeFlag, maybeNumber, maybeText, number, text } from '../../lib/archive/columns.js';
import { ArchiveError, formatHeader, formatRows, parseRows } from '../../lib/archive/csv.js';

const table = defineTable('t.csv', 'a test row', {
  name: text('Name.'),
  note: maybeText('Note.'),
  tookMs: number('ms', 'Duration.'),
  sizeMiB: maybeNumber('MiB', 'Size.'),
  ok: flag('Flag.'),
  seen: maybeFlag('Flag.'),
});

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
// An empty optional text cannot be told from an absent one in CSV: both read back as absent.
const row = fc.record(
  {
    name: fc.string({ unit: 'binary' }),
    tookMs: finite,
    ok: fc.boolean(),
    note: fc.string({ unit: 'binary', minLength: 1 }),
    sizeMiB: finite,
    seen: fc.boolean(),
  },
  { requiredKeys: ['name', 'tookMs', 'ok'] },
);

describe('a table as CSV', () => {
  it('comes back as it was, with commas, quotes, newlines and absent values', () => {
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        const back = parseRows(table, formatHeader(table) + formatRows(table, rows));
        expect(back).toEqual(rows.map((one) => JSON.parse(JSON.stringify(one)) as unknown));
      }),
    );
  });

  it('drops a last line that was cut off in the middle, and keeps the others', () => {
    const whole = formatHeader(table) + formatRows(table, [{ name: 'a', tookMs: 1, ok: true }]);
    expect(parseRows(table, `${whole}b,,2`)).toEqual([{ name: 'a', tookMs: 1, ok: true }]);
  });

  it('names file, line and column of a cell that does not fit', () => {
    const bad = `${formatHeader(table)}a,,fast,,true,\n`;
    expect(() => parseRows(table, bad)).toThrow(ArchiveError);
    expect(() => parseRows(table, bad)).toThrow('t.csv line 2: tookMs reads "fast", expected a number');
  });

  it('says which columns a file of another version lacks', () => {
    expect(() => parseRows(table, 'name,ok\na,true\n')).toThrow('t.csv lacks the columns tookMs');
  });

  it('refuses to write a number that is none', () => {
    expect(() => formatRows(table, [{ name: 'a', tookMs: Number.NaN, ok: true }])).toThrow(RangeError);
  });
});
