// Finding ids and how they add up to one verdict; the registry is the library's own, put in when the page is built.

import { FormatError, Text, UnknownVersionError } from './bytes';
import { Outcome, weakest } from './steps';

export interface Kind {
  readonly id: string;
  readonly layer: string;
  readonly required: 'yes' | 'no' | 'when a policy asks';
  readonly name: Text;
}

export interface Layer {
  readonly id: string;
  readonly name: Text;
  readonly proves: Text;
  readonly limits: Text;
}

declare const __REGISTRY__: { readonly kinds: readonly Kind[]; readonly layers: readonly Layer[]; readonly deposit_layers: readonly Layer[] };
export const REGISTRY = __REGISTRY__.kinds;
export const LAYERS = __REGISTRY__.layers;
export const DEPOSIT_LAYERS = __REGISTRY__.deposit_layers;

/** Ids that a report holds only when the caller asked for them. */
const ON_REQUEST = new Set([
  'corroboration.rerender', 'deposit.file', 'ledger.anchored', 'outer.roles', 'policy.signatures', 'policy.timestamps', 'policy.witnesses',
  'redaction.edition', 'seal.post_quantum', 'time.film', 'trust.self',
]);

export interface Finding {
  readonly id: string;
  readonly outcome: Outcome;
  readonly subject: string;
  readonly reason: Text;
  readonly notes: readonly (Text & { readonly outcome: Outcome })[];
}

/** A check cannot run because what it reads is not there or is broken. */
export class InputMissing extends Error {
  constructor(readonly outcome: Outcome, readonly reason: Text) {
    super(reason.en);
  }
}

const MAX_NOTES = 20;

/** Collects the notes of one check, which never stops at the first, and closes as the worst of them. */
export class Tally {
  private readonly notes: (Text & { outcome: Outcome })[] = [];
  private readonly first = new Map<Outcome, Text>();

  constructor(readonly id: string, readonly subject: string) {}

  note(outcome: Outcome, reason: Text): void {
    if (!this.first.has(outcome)) this.first.set(outcome, reason);
    if (this.notes.length < MAX_NOTES) this.notes.push({ ...reason, outcome });
  }

  /** The worst that was noted so far. */
  get outcome(): Outcome {
    return weakest(['PASSED', ...this.first.keys()]);
  }

  fail(en: string, zh: string): void {
    this.note('FAILED', { en, zh });
  }

  doubt(en: string, zh: string): void {
    this.note('INDETERMINATE', { en, zh });
  }

  skip(en: string, zh: string): void {
    this.note('NOT_PERFORMED', { en, zh });
  }

  close(en: string, zh: string): Finding {
    const { outcome } = this;
    return { id: this.id, outcome, subject: this.subject, reason: this.first.get(outcome) ?? { en, zh }, notes: this.notes.length > 1 ? this.notes : [] };
  }
}

export const finding = (id: string, outcome: Outcome, reason: Text, subject = ''): Finding => ({ id, outcome, subject, reason, notes: [] });

/** Runs one check; what stops it becomes its finding, and nothing stops the next. */
export async function run(id: string, check: () => Finding | Promise<Finding>): Promise<Finding> {
  try {
    return { ...(await check()), id };
  } catch (error) {
    if (error instanceof InputMissing) return finding(id, error.outcome, error.reason);
    if (error instanceof UnknownVersionError) return finding(id, 'INDETERMINATE', error);
    if (error instanceof FormatError) return finding(id, 'FAILED', error);
    if (error instanceof RangeError) return finding(id, 'FAILED', { en: 'the data are too deep or too large to read', zh: '数据嵌套过深或过大，无法读取' });
    throw error;
  }
}

const OF_PAGES = ['archive.', 'corroboration.', 'devtools.', 'environment.', 'exchanges.', 'manifest.minimum', 'time.capture', 'time.film', 'tls.'];

/** An id that only the report of a deposit holds; `deposit.file` is there whenever the user gave files. */
export const ofDeposit = (id: string): boolean => id.startsWith('deposit.') && id !== 'deposit.file';

/** Whether an id is about the other kind of record: a deposit has no pages, a capture no deposited files. */
export const foreign = (id: string, deposit: boolean): boolean => (deposit ? OF_PAGES.some((start) => id.startsWith(start)) : ofDeposit(id));

/** What this page does not check might have FAILED, so it caps the verdict, required or not. */
export const NOT_HERE: Text = { en: 'this page does not check it; use evidencekit verify', zh: '本页面不核验此项，请使用 evidencekit verify' };

/** Every registered id once, in the registry's order; what this page does not check is NOT_PERFORMED by name. */
export function complete(found: readonly Finding[], deposit = false): Finding[] {
  return REGISTRY.flatMap(({ id }) => {
    const own = found.filter((one) => one.id === id);
    if (own.length || ON_REQUEST.has(id) || foreign(id, deposit)) return own;
    return [finding(id, 'NOT_PERFORMED', NOT_HERE)];
  });
}

/** The verdict; `asked` are further ids that the user's policy makes required. */
export function overall(found: readonly Finding[], asked: readonly string[] = []): Outcome {
  if (found.some((one) => one.outcome === 'FAILED')) return 'FAILED';
  if (found.some((one) => one.id === 'trust.self' || one.reason === NOT_HERE)) return 'INDETERMINATE';
  const deposit = found.some((one) => ofDeposit(one.id));
  const required = REGISTRY.filter((kind) => kind.required === 'yes' && !foreign(kind.id, deposit)).map((kind) => kind.id);
  const passed = [...required, ...asked].every((id) => weakest(found.filter((one) => one.id === id).map((one) => one.outcome)) === 'PASSED');
  return passed ? 'PASSED' : 'INDETERMINATE';
}
