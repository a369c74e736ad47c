// Checks evidence records (RFC 4998): a record holds if every time-stamp was trusted when the next one was made, and the
// last one is now (evidencekit/timestamp/renewal.py).

import { FormatError, Text, toHex } from './bytes';
import type { Certificate } from './certificate';
import { encodeSequence } from './der';
import { digestBy } from './digest';
import { ArchiveTimeStamp, EvidenceRecord, parseRecord, treeRoot } from './records';
import type { Sources } from './revocation';
import { failed, Outcome, passed, Step, summary, firstNotPassed } from './steps';
import { checkToken, imprintHashOf, TokenCheck } from './token';

/** The digests of the archived objects with the named hash function. */
export type DigestsOf = (algorithm: string) => readonly Uint8Array[];

export interface RecordTerms {
  readonly anchors: readonly Certificate[];
  readonly revocations: Sources;
  readonly at: number;
}

export interface RecordCheck {
  readonly integrity: Outcome;
  readonly reason: Text;
  /** Oldest first. */
  readonly stamps: readonly TokenCheck[];
  readonly unaccounted: readonly Text[];
}

/** Malformed input is a FAILED result, not an error. */
export function checkRecord(record: Uint8Array, digestsOf: DigestsOf, terms: RecordTerms): RecordCheck {
  try {
    const parsed = parseRecord(record);
    const { stamps, steps } = checkStamps(parsed, digestsOf, terms);
    const reason = firstNotPassed(steps)?.reason ?? { en: 'it covers what it must', zh: '已覆盖应覆盖的内容' };
    return { integrity: summary(steps), reason, stamps, unaccounted: loose(parsed, stamps[stamps.length - 1]) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { integrity: 'FAILED', reason: { en: `malformed: ${error.en}`, zh: error.zh }, stamps: [], unaccounted: [] };
  }
}

/** The hash functions that a record needs of the members; none when it cannot be read. */
export function algorithmsOf(record: Uint8Array): readonly string[] {
  try {
    return parseRecord(record).chains.map((chain) => algorithmOf(chain[0]));
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

const algorithmOf = (stamp: ArchiveTimeStamp): string => stamp.algorithm ?? imprintHashOf(stamp.token);

function checkStamps(record: EvidenceRecord, digestsOf: DigestsOf, { anchors, revocations, at }: RecordTerms): { stamps: TokenCheck[]; steps: Step[] } {
  const [stamps, steps]: [TokenCheck[], Step[]] = [[], []];
  record.chains.forEach((chain, number) => {
    const algorithm = algorithmOf(chain[0]);
    const before = record.encodedChains.slice(0, number);
    let covered = before.length ? renewed(algorithm, digestsOf, before) : digestsOf(algorithm);
    chain.forEach((stamp, place) => {
      const name = `${number + 1}.${place + 1}`;
      steps.push(checkTree(`tree.${name}`, stamp, covered, algorithm));
      const digest = treeRoot(stamp.tree.length ? stamp.tree : [covered], algorithm);
      const found = checkToken(stamp.token, { digest, algorithm, anchors, revocations, at });
      steps.push(checkOrder(`token.${name}`, found, stamps[stamps.length - 1]));
      stamps.push(found);
      covered = [digestBy(algorithm, stamp.token)];
    });
  });
  return { stamps, steps };
}

/** H(H(object) ‖ H(chains so far)) each; the chains as they stand in the record, in one SEQUENCE (§5.2). */
function renewed(algorithm: string, digestsOf: DigestsOf, before: readonly Uint8Array[]): Uint8Array[] {
  const chains = digestBy(algorithm, encodeSequence(...before));
  return digestsOf(algorithm).map((each) => digestBy(algorithm, each, chains));
}

/** The first list holds what must be covered; for a group nothing else may stand there (§4.3). */
function checkTree(id: string, stamp: ArchiveTimeStamp, covered: readonly Uint8Array[], algorithm: string): Step {
  if (algorithmOf(stamp) !== algorithm) return failed(id, 'the hash function changes within a chain', '同一链内杂凑算法改变');
  const wanted = new Set(covered.map(toHex));
  const first = new Set((stamp.tree[0] ?? []).map(toHex));
  const within = [...wanted].every((one) => first.has(one));
  if (!wanted.size || (stamp.tree.length && !within) || (wanted.size > 1 && !(within && first.size === wanted.size))) return failed(id, 'what it must cover is not in its hash tree', '应覆盖的摘要不在杂凑树中');
  return passed(id, `covers it (${algorithm})`, `已覆盖（${algorithm}）`);
}

function checkOrder(id: string, found: TokenCheck, previous: TokenCheck | undefined): Step {
  const earlier = previous?.genTime ?? null;
  if (found.genTime !== null && earlier !== null && found.genTime < earlier) return failed(id, 'time-stamps are not in the order of time', '时间戳次序与时间不符');
  if (found.integrity !== 'PASSED') return { id, outcome: found.integrity, reason: found.reason };
  return passed(id, 'intact', '完整');
}

/** Earlier tokens are covered by later ones; the last one and the record's own labels are not. */
function loose(record: EvidenceRecord, last: TokenCheck): Text[] {
  const found = [...last.unaccounted];
  const used = [...new Set(record.chains.flat().map(algorithmOf))];
  if (record.extras || record.chains.flat().some((stamp) => stamp.attributes)) found.push({ en: 'attributes of the evidence record', zh: '证据记录的附加属性' });
  if (record.algorithms.join() !== used.join()) found.push({ en: 'hash functions listed that are not those used', zh: '所列杂凑算法与实际不符' });
  return found;
}
