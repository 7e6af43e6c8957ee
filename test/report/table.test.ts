import { describe, expect, it } from 'vitest';
import { fixed, renderTable } from '../../lib/report/table.js';

describe('renderTable', () => {
  it('aligns numbers right with the same decimals, and prints a dash for what was not observed', () => {
    const table = renderTable({
      title: 'Times',
      columns: [{ header: 'run' }, { header: 'wall_s (s)', decimals: 2 }],
      rows: [
        ['cold_1', 1.005],
        ['warm_1', undefined],
        ['x', 0],
      ],
      notes: ['n = 3'],
    });
    expect(table).toBe(
      '**Times**\n\n| run | wall_s (s) |\n| :- | -: |\n| cold_1 | 1.00 |\n| warm_1 | – |\n| x | 0.00 |\n\nn = 3',
    );
  });
  it('keeps hostile text inside its cell', () => {
    const table = renderTable({ columns: [{ header: 'a|b' }], rows: [['x | y\n| z |'], ['<img src=x onerror=y>']] });
    expect(table.split('\n')).toEqual(['| a\\|b |', '| :- |', '| x \\| y \\| z \\| |', '| &lt;img src=x onerror=y> |']);
  });
  it('says that nothing was observed instead of drawing an empty table', () => {
    expect(renderTable({ columns: [{ header: 'a' }], rows: [] })).toBe('Nothing was observed.');
  });
});

describe('fixed', () => {
  it('has no negative zero', () => {
    expect([fixed(-0.001, 2), fixed(-0.01, 2), fixed(-0.4, 0)]).toEqual(['0.00', '-0.01', '0']);
  });
});
