// Outcomes, and the result of one step of a check.

import type { Text } from './bytes';

export type Outcome = 'PASSED' | 'INDETERMINATE' | 'FAILED' | 'NOT_PERFORMED';

/** From worst to best (evidencekit/verify/outcome.py). */
export const SEVERITY: readonly Outcome[] = ['FAILED', 'NOT_PERFORMED', 'INDETERMINATE', 'PASSED'];

export const weakest = (outcomes: Iterable<Outcome>): Outcome => {
  const found = new Set(outcomes);
  return SEVERITY.find((one) => found.has(one)) ?? 'NOT_PERFORMED';
};

export interface Step {
  readonly id: string;
  readonly outcome: Outcome;
  readonly reason: Text;
}

const make = (outcome: Outcome) => (id: string, en: string, zh: string): Step => ({ id, outcome, reason: { en, zh } });

export const passed = make('PASSED');
export const failed = make('FAILED');
export const undecided = make('INDETERMINATE');
export const notPerformed = make('NOT_PERFORMED');

/** The first FAILED step, else the first INDETERMINATE one; steps that did not run do not count. */
export function firstNotPassed(steps: readonly Step[]): Step | null {
  return steps.find((one) => one.outcome === 'FAILED') ?? steps.find((one) => one.outcome === 'INDETERMINATE') ?? null;
}

export const summary = (steps: readonly Step[]): Outcome => firstNotPassed(steps)?.outcome ?? 'PASSED';
