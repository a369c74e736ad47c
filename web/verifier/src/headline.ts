// The sentence beside the verdict, tied to what verified and to nothing else (R33): evidencekit/verify/wording.py.

import { Finding, foreign, REGISTRY } from './findings';
import { Outcome, weakest } from './steps';
import type { Language, Words } from './words';

const TIED = [
  { ids: ['seal.identity', 'seal.validity'], word: 'who' },
  { ids: ['time.open', 'time.capture', 'time.seal', 'time.order', 'outer.timestamp'], word: 'when' },
  { ids: ['ledger.checkpoint', 'ledger.open'], word: 'logWord' },
] as const;
const INTACT_WITHOUT_ANCHORS = ['seal.signature', 'ledger.entry', 'ledger.inclusion'];
const INTEGRITY = ['container', 'outer seal', 'record'];

export function outcomesById(findings: readonly Finding[]): Map<string, Outcome> {
  const grouped = new Map<string, Outcome[]>();
  for (const one of findings) grouped.set(one.id, [...(grouped.get(one.id) ?? []), one.outcome]);
  return new Map([...grouped].map(([id, outcomes]) => [id, weakest(outcomes)]));
}

export function headline(overall: Outcome, findings: readonly Finding[], asked: readonly string[], words: Words, lang: Language): string {
  const outcomes = outcomesById(findings);
  const deposit = outcomes.has('deposit.items');
  const open = findings.filter((one) => one.id.startsWith('corroboration.') && one.outcome === 'INDETERMINATE' && outcomes.get('manifest.form') === 'PASSED');
  const disagreement = open.length ? [words.disagreement + open.map((one) => one.id).join(words.comma)] : [];
  if (overall === 'PASSED') return [words.passedSentence, ...(deposit ? [words.outside] : disagreement)].join(words.semicolon);
  if (overall === 'FAILED') {
    const failed = findings.filter((one) => one.outcome === 'FAILED');
    return `${[...new Set(failed.map((one) => one.id))].join(words.comma)}${words.colon}${failed[0].reason[lang]}`;
  }
  const undecided = REGISTRY.filter((kind) => kind.required !== 'no' && (outcomes.get(kind.id) ?? 'PASSED') !== 'PASSED').map((kind) => kind.id);
  const strict = [...REGISTRY.filter((kind) => !foreign(kind.id, deposit)).filter((kind) => kind.required === 'yes' && INTEGRITY.includes(kind.layer)).map((kind) => kind.id), ...INTACT_WITHOUT_ANCHORS];
  const parts: string[] = [];
  if (strict.every((id) => outcomes.get(id) === 'PASSED' || id === 'outer.timestamp' || id === 'container.form')) parts.push(words.integrity);
  const untied = TIED.filter(({ ids }) => undecided.some((id) => (ids as readonly string[]).includes(id))).map(({ word }) => words[word]);
  if (untied.length) parts.push(`${lang === 'zh' ? untied.join(words.comma) : `${all(untied)} `}${words.untied}`);
  // No time-stamp is trusted: that is what "when" says.
  const rest = undecided.filter((id) => !(id === 'time.lasting' && outcomes.get(id) === 'NOT_PERFORMED')).filter((id) => !TIED.some(({ ids }) => (ids as readonly string[]).includes(id)));
  if (rest.length) parts.push(words.undecided + rest.join(words.comma));
  if (outcomes.has('trust.self')) parts.push(words.selfNote);
  const missed = asked.filter((id) => outcomes.get(id) !== 'PASSED' && REGISTRY.some((kind) => kind.id === id && kind.required === 'no'));
  if (missed.length) parts.push(words.askedNote + missed.join(words.comma));
  return [...parts, ...disagreement, ...(deposit ? [words.outside] : [])].join(words.semicolon);
}

/** A list of English words: "who signed, when, and the log". */
function all(words: readonly string[]): string {
  if (words.length < 2) return words.join();
  return `${words.slice(0, -1).join(', ')}${words.length > 2 ? ',' : ''} and ${words[words.length - 1]}`;
}

/** The rule of the overall verdict, applied to one layer (evidencekit/report/wording.py). */
export function layerOutcome(layer: string, findings: readonly Finding[]): Outcome {
  const required = new Map(REGISTRY.filter((kind) => kind.layer === layer).map((kind) => [kind.id, kind.required === 'yes']));
  const own = findings.filter((one) => required.has(one.id));
  if (own.some((one) => one.outcome === 'FAILED')) return 'FAILED';
  const bounding = own.filter((one) => required.get(one.id));
  const deciding = new Set((bounding.length ? bounding : own).map((one) => one.outcome));
  if ([...deciding].every((one) => one === 'NOT_PERFORMED')) return 'NOT_PERFORMED';
  return [...deciding].every((one) => one === 'PASSED') ? 'PASSED' : 'INDETERMINATE';
}
