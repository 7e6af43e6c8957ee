import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeTables } from '../../lib/archive/describe.js';
import { tables } from '../../lib/archive/tables.js';

describe('data/README.md', () => {
  it('is what the declared tables say', () => {
    expect(readFileSync('data/README.md', 'utf8')).toBe(describeTables());
  });

  it('gives every number a unit and every column a meaning', () => {
    for (const table of Object.values(tables)) {
      for (const [name, column] of Object.entries(table.columns)) {
        expect(column.meaning, `${table.file} ${name}`).toMatch(/\S.*\.$/);
        if (column.kind === 'number') expect(column.unit, `${table.file} ${name}`).toMatch(/\S/);
      }
    }
  });

  it('names instants and durations by the rule', () => {
    for (const table of Object.values(tables)) {
      for (const [name, column] of Object.entries(table.columns)) {
        if (/(?:AtMs|Ms)$/.test(name)) expect('unit' in column && column.unit, `${table.file} ${name}`).toBe('ms');
      }
    }
  });
});
