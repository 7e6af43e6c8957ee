import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { absolutePaths, hidePaths, lastNameOf } from '../../lib/report/paths.js';
import { escapeMarkdown, plainBlock, plainLine } from '../../lib/report/text.js';

const escape = '\u001b';
const rightToLeft = '\u202e';

describe('escapeMarkdown', () => {
  it('shows a tag, a pipe, backticks and a link letter by letter', () => {
    expect(escapeMarkdown('<script>alert(1)</script> | `x` [a](javascript:b) & $1$')).toBe(
      '&lt;script>alert(1)&lt;/script> \\| \\`x\\` \\[a\\](javascript:b) &amp; \\$1\\$',
    );
  });
  it('puts several lines into one, because a table cell has one', () => {
    expect(escapeMarkdown('a\r\nb\u2028c\td')).toBe('a b c d');
  });
  it('removes colour codes and spells out control characters and direction marks', () => {
    expect(escapeMarkdown(`${escape}[31mred${escape}[0m ${escape}]0;title\u0007x\u0000${rightToLeft}y`)).toBe(
      'red x\\\\u0000\\\\u202ey',
    );
  });
  it('keeps underscores inside names readable and breaks those that would emphasise', () => {
    expect(escapeMarkdown('max_model_len _a_ *b*')).toBe('max_model_len \\_a\\_ \\*b\\*');
  });
  it('does not begin a list, a quote or a heading', () => {
    expect(['# a', '> a', '- a', '44. a', '44.5 ms'].map((text) => escapeMarkdown(text))).toEqual([
      '\\# a',
      '\\> a',
      '\\- a',
      '44\\. a',
      '44.5 ms',
    ]);
  });
  it('cuts by characters, not inside one', () => {
    expect(escapeMarkdown('😀😀😀😀', 3)).toBe('😀😀…');
  });
  it('never lets a raw angle bracket, pipe or line end through, whatever comes in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeMarkdown(text);
        expect(escaped).not.toMatch(/[<\n\r\u0000-\u001f\u202a-\u202e\u2066-\u2069]/);
        expect(escaped.replace(/\\[\s\S]/g, '')).not.toMatch(/[|`*[\]~$]/);
      }),
    );
  });
});

describe('plain text', () => {
  it('keeps the lines and indentation of a block, and no escape sequence', () => {
    expect(plainBlock(`a\r\n  b${escape}[2K\n\tc\u0007`)).toBe('a\n  b\n    c\\u0007');
  });
  it('survives a lone surrogate and an unfinished escape', () => {
    expect(plainLine(`\ud800x${escape}`)).toBe('\ufffdx');
  });
});

describe('hidePaths', () => {
  it.each([
    ['loading /home/carol/models/qwen now', 'loading <path>/qwen now'],
    ["model='/srv/m/qwen', x", "model='<path>/qwen', x"],
    ['file:///tmp/vllm/dist_1', 'file://<path>/dist_1'],
    ['{"a":"\\/tmp\\/vllm\\/x"}', '{"a":"<path>/x"}'],
    ['a\\n/tmp/vllm/x', 'a\\n<path>/x'],
    ['q=%2Fhome%2Fcarol%2Fx', 'q=<path>/x'],
    ['-I/usr/include/x', '-I<path>/x'],
    [`${escape}[1m/opt/env/bin`, `${escape}[1m<path>/bin`],
  ])('cuts %s', (text, expected) => {
    expect(hidePaths(text)).toBe(expected);
  });
  it.each([
    'POST /v1/completions',
    'http://127.0.0.1:8000/v1/models',
    '12 tokens/s and MB/s',
    '/proc/1/environ',
    '/health',
    'on /dev/vda',
    '</b></i>',
    '#!/usr/bin/env bash',
    '(max-min)/median',
  ])('leaves %s alone', (text) => {
    expect(hidePaths(text)).toBe(text);
  });
  it('changes nothing the second time', () => {
    const once = hidePaths('a /home/carol/x/y b <project>/data/runs/1');
    expect(hidePaths(once)).toBe(once);
  });
  it('lists what it would cut, each once', () => {
    expect(absolutePaths('/a/b /a/b /c/d /v1/models')).toEqual(['/a/b', '/c/d']);
  });
  it('names the last part of a path however it is written', () => {
    expect(['/a/b', '\\/a\\/b', '%2Fa%2fb', '/'].map(lastNameOf)).toEqual(['b', 'b', 'b', 'path']);
  });
});
