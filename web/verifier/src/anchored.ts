// Who else vouches for the checkpoint: receipts of anchors (docs/spec/anchor.md; evidencekit/verify/anchored.py).
//
// A receipt is pending, failed or confirmed. Only a time-stamp can be checked offline; what an API answered is its own
// word as the operator kept it, and whoever wants to rely on it asks the API.

import { FormatError, fromBase64, fromHex, Text } from './bytes';
import { parseCanonical } from './canonical';
import type { Case } from './case';
import { Digests, DualHasher } from './digest';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import { PATH } from './paths';
import type { Outcome } from './steps';
import { checkpointText } from './tlog';
import { shownTime } from './time';
import { checkToken } from './token';

export const MAX_RECEIPT_BYTES = 1 << 20;
export const MAX_RECEIPTS = 64;
const WORD_CHARS = 512;

const STATES: ReadonlyMap<string, Text> = new Map([
  ['pending', { en: 'pending, which is no anchor yet', zh: '待定，尚非锚定' }],
  ['failed', { en: 'failed, which is no anchor', zh: '失败，不是锚定' }],
  ['confirmed', { en: 'confirmed', zh: '已确认' }],
]);

export interface Receipt {
  readonly anchor: string;
  readonly digests: Digests;
  readonly state: string;
  readonly number: string | null;
  readonly transaction: string | null;
  readonly evidence: Uint8Array;
  readonly reason: Text | null;
}

/** Throws FormatError: it is none, or its state does not fit what it holds. */
export function parseReceipt(data: Uint8Array): Receipt {
  const fields = new Fields(parseCanonical(data, MAX_RECEIPT_BYTES, 'anchor receipt'), 'anchor receipt');
  checkVersion(fields, 'anchor');
  const word = (name: string): string | null => fields.optional(name, (each) => fields.text(each, WORD_CHARS));
  const anchor = fields.text('anchor', 64);
  const digests = fields.digests();
  fields.text('origin', 255);
  fields.integer('size');
  const state = fields.choice('state', [...STATES.keys()]);
  fields.time('submitted');
  word('block');
  word('anchored_at');
  const receipt = {
    anchor, digests, state, number: word('number'), transaction: word('transaction'),
    evidence: fromBase64(fields.text('evidence')), reason: fields.optional('reason', (name) => fields.bilingual(name)),
  };
  if (!/^[a-z0-9][a-z0-9.-]{0,63}$/.test(anchor)) fields.refuse('anchor', 'is not a name', '不是名称');
  if (state === 'confirmed' && !(receipt.transaction && receipt.evidence.length)) throw new FormatError('A confirmed anchor receipt holds no transaction or evidence.', '已确认的锚定回执缺少交易或凭据。');
  return receipt;
}

const enclosedNames = (kase: Case): string[] => kase.names.filter((name) => name.startsWith(PATH.anchors)).sort();
export const hasReceipts = (kase: Case): boolean => enclosedNames(kase).length > 0;

function digestsOf(text: Uint8Array): Digests {
  const hasher = new DualHasher();
  hasher.update(text);
  return hasher.digests();
}

const alike = (left: Digests, right: Digests): boolean => left.sha256 === right.sha256 && left.sm3 === right.sm3;

/** A third party that the user trusts vouches for the checkpoint; `given` are receipts that came later, beside the bundle. */
export function checkAnchored(kase: Case, given: readonly Receipt[]): Finding {
  const tally = new Tally('ledger.anchored', PATH.entryProof);
  const digests = digestsOf(checkpointText(kase.data(PATH.entryProof)));
  const receipts = new Map(enclosed(kase, digests, tally).map((one) => [one.anchor, one]));
  const fitting = given.filter((one) => alike(one.digests, digests));
  if (given.length && !fitting.length) tally.doubt(`none of the ${given.length} receipts given is for the checkpoint of this bundle`, `所提供的 ${given.length} 份回执均不对应本证据包的检查点`);
  // What was once confirmed is not taken back by a receipt of an earlier or failed attempt.
  for (const one of fitting) if (!receipts.has(one.anchor) || one.state === 'confirmed') receipts.set(one.anchor, one);
  const judged = [...receipts.keys()].sort().map((name) => [name, ...judge(receipts.get(name)!, kase)] as const);
  const vouching = judged.some(([, outcome]) => outcome === 'PASSED');
  for (const [name, outcome, reason] of judged) {
    // One that vouches is enough; what the others are stands in the reason.
    if (outcome === 'FAILED' || !vouching) tally.note(outcome, { en: `${name}: ${reason.en}`, zh: `${name}：${reason.zh}` });
  }
  return tally.close(
    judged.map(([name, , reason]) => `${name}: ${reason.en}`).join('; ') || 'no receipt',
    judged.map(([name, , reason]) => `${name}：${reason.zh}`).join('；') || '没有回执',
  );
}

function enclosed(kase: Case, digests: Digests, tally: Tally): Receipt[] {
  const names = enclosedNames(kase);
  if (names.length > MAX_RECEIPTS) throw new FormatError(`the bundle holds ${names.length} anchor receipts, more than ${MAX_RECEIPTS}`, `证据包含 ${names.length} 份锚定回执，超过 ${MAX_RECEIPTS} 份`);
  const receipts = names.map((name) => parseReceipt(kase.data(name, MAX_RECEIPT_BYTES)));
  names.forEach((name, at) => {
    const fits = name === `${PATH.anchors}${receipts[at].anchor}.json` && alike(receipts[at].digests, digests);
    if (!fits) tally.fail(`${name} is no receipt of that anchor for this checkpoint`, `${name} 不是该锚定方对本检查点的回执`);
  });
  return receipts.filter((one) => alike(one.digests, digests));
}

function judge(receipt: Receipt, kase: Case): [Outcome, Text] {
  if (receipt.state !== 'confirmed') {
    const [said, why] = [STATES.get(receipt.state)!, receipt.reason];
    return ['INDETERMINATE', { en: said.en + (why ? ` (${why.en})` : ''), zh: said.zh + (why ? `（${why.zh}）` : '') }];
  }
  if (receipt.evidence[0] !== 0x30) {
    const [number, transaction] = [receipt.number ?? '–', receipt.transaction];
    return ['INDETERMINATE', {
      en: `confirmed as number ${number}, transaction ${transaction}, by an answer that is not signed: ask the anchor whether it holds this digest`,
      zh: `已确认（编号 ${number}，交易 ${transaction}），但应答未经签名：请向锚定方核实其是否存有该摘要`,
    }];
  }
  const check = checkToken(receipt.evidence, { digest: fromHex(receipt.digests.sha256), anchors: kase.trust.tsas, revocations: kase.revocations(), at: kase.at });
  if (check.integrity !== 'PASSED') return ['FAILED', check.reason];
  if (check.selfIssued) return ['INDETERMINATE', { en: 'the time-stamp is self-issued: no third party vouches', zh: '时间戳为自行签发：没有第三方作证' }];
  if (check.trusted !== 'PASSED') return [check.trusted, check.reason];
  // The token's own time: what whoever kept the receipt wrote beside it is not looked at.
  const stamped = check.genTime === null ? '' : shownTime(check.genTime);
  return ['PASSED', { en: `confirmed by a trusted time-stamp of ${stamped}`, zh: `已由受信任的时间戳确认（${stamped}）` }];
}
