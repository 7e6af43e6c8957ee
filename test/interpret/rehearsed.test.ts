/** Of a rehearsal nothing may be said as if a real server had been measured. */
import { describe, expect, it } from 'vitest';
import { judgeAppendices } from '../../lib/interpret/appendices.js';
import { interpret } from '../../lib/interpret/interpret.js';
import { buildRun } from './run-builder.js';

const options = { loadingReadMiB: 1000, residentBeforeFraction: 0, jitLines: 3 } as const;
const real = buildRun(options);
const rehearsal = buildRun({ ...options, engineKind: 'rehearsal' });

describe('findings of a rehearsal', () => {
  it('say so themselves', () => {
    expect(interpret(rehearsal)).toMatchObject({
      engineKind: 'rehearsal',
      rehearsal: expect.stringMatching(/^REHEARSAL: /),
    });
    expect(interpret(real)).not.toHaveProperty('rehearsal');
  });

  it('recommend no knob and no anchor for a real server', () => {
    const { knobs, sloAnchor, answers, conclusions } = interpret(rehearsal);
    for (const { knob } of knobs) expect(knob).toMatch(/^rehearsed, no advice for a real server: /);
    expect(sloAnchor?.rule).toMatch(/^rehearsed, an anchor for no real server: /);
    for (const { lines } of answers) expect(lines[0]).toMatch(/^Rehearsed: /);
    for (const { text } of conclusions) expect(text).toMatch(/^rehearsed: /);
  });

  it('are otherwise those of the same observations of a real engine', () => {
    const [one, other] = [interpret(rehearsal), interpret(real)];
    for (const part of ['timings', 'penalties', 'verdicts', 'warmTtftMs', 'flags', 'launches'] as const)
      expect(one[part]).toEqual(
        JSON.parse(
          JSON.stringify(other[part]).replaceAll('no GPU', 'no GPU (rehearsal)'),
          (_key, value: unknown) => value,
        ),
      );
    expect(one.knobs.map(({ rule, fired }) => [rule, fired])).toEqual(
      other.knobs.map(({ rule, fired }) => [rule, fired]),
    );
  });

  it('speak of a GPU only to say that there is none', () => {
    const { bands, interference, signals } = interpret(rehearsal);
    const reasons = [
      ...bands.filter(({ quantity }) => quantity.startsWith('GPU')).map(({ absentBecause }) => absentBecause),
      ...interference.filter(({ kind }) => /gpu|sm-clock/.test(kind)).map(({ evidence }) => evidence),
      ...signals.filter(({ signal }) => /GPU util|PCIe/.test(signal)).map(({ reading }) => reading),
    ];
    expect(reasons.length).toBeGreaterThan(5);
    expect(new Set(reasons)).toEqual(new Set(['no GPU (rehearsal)']));
  });

  it('neither confirm nor contradict a claim about vLLM', () => {
    const verdictsOf = (data: typeof real) => judgeAppendices(data, interpret(data)).map(({ verdict }) => verdict);
    expect(new Set(verdictsOf(real)).size).toBeGreaterThan(1);
    expect(new Set(verdictsOf(rehearsal))).toEqual(new Set(['not measured here']));
    for (const { because } of judgeAppendices(rehearsal, interpret(rehearsal))) expect(because).toMatch(/^rehearsed; /);
  });
});
