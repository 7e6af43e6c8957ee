/**
 * Findings of a rehearsal -> the same findings, with the word in every sentence that a reader might act on. A stand-in
 * was measured: its rules are read, and advise nobody.
 */
import type { Judgement } from './appendices.js';
import type { Findings, KnobFinding } from './findings.js';

/** What stands in findings.json of a rehearsal, and in none other. */
export function rehearsalStamp(replays: string | undefined): string {
  const recorded = replays === undefined ? '' : `; it replays the start of ${replays}`;
  return `REHEARSAL: a stand-in answered, no model ran${recorded}. Nothing here is a measurement of a real server.`;
}

/** The rule as it fired on the stand-in. What it would do to a real server was not measured. */
export function rehearsedKnob(knob: KnobFinding): KnobFinding {
  return {
    ...knob,
    knob: `rehearsed, no advice for a real server: ${knob.knob}`,
    expectedEffect: `none here; said of a real server: ${knob.expectedEffect}`,
    howToCheck: `on a real server: ${knob.howToCheck}`,
  };
}

/** A number to hold a service to cannot come from a stand-in. */
export function rehearsedAnchor(anchor: Findings['sloAnchor']): Findings['sloAnchor'] {
  return anchor && { ...anchor, rule: `rehearsed, an anchor for no real server: ${anchor.rule}` };
}

/** Each answer says at its beginning that it was rehearsed. */
export function rehearsedAnswers(answers: Findings['answers']): Findings['answers'] {
  return answers.map(({ question, lines }) => ({
    question,
    lines: lines.map((line, index) => (index === 0 ? `Rehearsed: ${line}` : line)),
  }));
}

export function rehearsedConclusions(conclusions: Findings['conclusions']): Findings['conclusions'] {
  return conclusions.map(({ label, text }) => ({ label, text: `rehearsed: ${text}` }));
}

/** A claim about vLLM can be neither confirmed nor contradicted by what is not vLLM. */
export function rehearsedJudgement(judgement: Judgement): Judgement {
  const { verdict, because } = judgement;
  const shown = verdict === 'not measured here' ? because : `the stand-in would say "${verdict}": ${because}`;
  return { ...judgement, verdict: 'not measured here', because: `rehearsed; ${shown}` };
}
