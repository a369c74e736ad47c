// The ledger: what was entered, that it is in the tree, who signed the tree, and that the attempt was announced.

import { FormatError, same, visible } from './bytes';
import type { Case } from './case';
import { Finding, Tally } from './findings';
import { openCommitment, parseEntry } from './manifest';
import { once } from './once';
import { PATH, sealToken } from './paths';
import type { Stamp } from './times';
import { checkProof, parseVkey, ProofCheck } from './tlog';

interface Judged {
  readonly proof: ProofCheck;
  /** The key that decides is one that the user gave. */
  readonly given: boolean;
}

export class LedgerChecks {
  private readonly ownKey = once(() => parseVkey(this.kase.manifest.ledger.key));
  private readonly entered = once(() => this.proofOf(PATH.entryProof, PATH.entry));

  constructor(private readonly kase: Case) {}

  /** With the user's keys, or with the manifest's own when none of theirs is the log's. */
  private proofOf(proof: string, entry: string): Judged {
    const { at, trust: { logs, policies } } = this.kase;
    const [data, body] = [this.kase.data(proof), this.kase.data(entry)];
    const byUser = checkProof(data, body, logs, policies, at);
    if (logs.some((key) => key.name === byUser.checkpoint.origin)) return { proof: byUser, given: true };
    return { proof: checkProof(data, body, [...logs, this.ownKey()], policies, at), given: false };
  }

  checkEntry(): Finding {
    const { kase } = this;
    const tally = new Tally('ledger.entry', PATH.entry);
    const entry = parseEntry(kase.data(PATH.entry));
    const { manifest } = kase;
    if (entry.kind !== 'capture' && entry.kind !== 'deposit') throw new FormatError(`${PATH.entry} is no capture entry`, `${PATH.entry} 不是取证条目`);
    if (entry.kind !== manifest.kind) tally.fail('the entry is of another kind of record', '条目对应另一类记录');
    for (const [held, member] of [[entry.manifest, PATH.manifest], [entry.seal, PATH.seal]] as const) {
      const found = kase.digestOf(member);
      if (held.sha256 !== found.sha256 || held.sm3 !== found.sm3) tally.fail(`the entry holds other digests of ${member}`, `条目中 ${member} 的摘要不符`);
    }
    if (entry.number !== manifest.number) tally.fail('the entry is for another certificate number', '条目对应另一个证书编号');
    if (entry.keyId !== manifest.signer) tally.fail('the entry names another signer', '条目载明另一签署人');
    if (entry.open !== manifest.open.index) tally.fail('the entry names another open entry', '条目引用另一条开始登记');
    const first = sealToken(1);
    const held = kase.has(first) ? kase.digestOf(first).sha256 : null;
    if (entry.timestamp === 'pending' || entry.timestamp === 'none') {
      if (held !== null) tally.fail(`the entry says '${entry.timestamp}', but there is ${first}`, `条目记为 '${entry.timestamp}'，但存在 ${first}`);
    } else if (entry.timestamp !== held) tally.fail(`the entry holds another digest of ${first}`, `条目中 ${first} 的摘要不符`);
    return tally.close('the entry holds the digests of this manifest, seal and token', '条目载有本清单、签名与时间戳的摘要');
  }

  checkInclusion(): Finding {
    const tally = new Tally('ledger.inclusion', PATH.entryProof);
    const { proof } = this.entered();
    if (!proof.included) tally.fail('the entry is not in the tree of the checkpoint', '条目不在检查点所述的树中');
    if (proof.extra) tally.fail('the proof holds data that nothing authenticates', '证明中含有未经认证的数据');
    return tally.close(`entry ${proof.index} is in the tree of ${proof.checkpoint.size}`, `第 ${proof.index} 条在大小为 ${proof.checkpoint.size} 的树中`);
  }

  checkCheckpoint(): Finding {
    const tally = new Tally('ledger.checkpoint', PATH.entryProof);
    const entered = this.entered();
    this.noteSignature(tally, entered);
    const origin = visible(entered.proof.checkpoint.origin, 120);
    return tally.close(`the checkpoint of ${origin} is signed by a log key you trust`, `${origin} 的检查点由您信任的日志密钥签署`);
  }

  checkOpen(): Finding {
    const { manifest } = this.kase;
    const tally = new Tally('ledger.open', PATH.openProof);
    const entry = parseEntry(this.kase.data(PATH.openEntry));
    if (entry.kind !== 'open') throw new FormatError(`${PATH.openEntry} is no open entry`, `${PATH.openEntry} 不是开始登记`);
    if (entry.commitment !== openCommitment(manifest.open.salt, manifest.captureId)) tally.fail('the open entry announces another capture', '开始登记对应另一次取证');
    if (entry.keyId !== manifest.signer) tally.fail('the open entry names another signer', '开始登记载明另一签署人');
    const opened = this.proofOf(PATH.openProof, PATH.openEntry);
    const { proof } = opened;
    if (!same(proof.leaf, manifest.open.entry) || proof.index !== BigInt(manifest.open.index)) tally.fail('the manifest names another open entry', '清单引用另一条开始登记');
    if (!proof.included || proof.extra) tally.fail('the open entry is not in the tree of the checkpoint', '开始登记不在检查点所述的树中');
    this.noteSignature(tally, opened);
    this.noteSameLog(tally, proof);
    return tally.close(`announced as entry ${proof.index}, before the capture was entered`, `先于取证登记为第 ${proof.index} 条`);
  }

  /** Who cosigned: by the user's witness policies, whose quorum must be met, else by the user's keys. */
  witnesses(): Set<string> {
    const { proof } = this.entered();
    if (!proof.logSigned) return new Set();
    return new Set(this.kase.trust.policies.length ? proof.quorums.flat() : proof.witnesses);
  }

  /** A witness whose key the user gave, or a trusted foreign stamp over the proof. */
  checkIndependent(outer: readonly Stamp[]): Finding {
    const tally = new Tally('ledger.independent', PATH.entryProof);
    const { proof } = this.entered();
    const witnesses = this.witnesses();
    if (proof.logSigned) for (const name of proof.ahead) tally.doubt(`${name} cosigned at a time that has not come; it is not counted`, `${name} 的共签时间晚于核验时间，不予计入`);
    // The outer time-stamp is over a manifest that lists the proof, checkpoint included.
    const stamped = outer.some((stamp) => stamp.trusted && !stamp.check.selfIssued);
    if (!proof.logSigned) tally.fail('the checkpoint is not signed by its log', '检查点没有其日志的签名');
    else if (!witnesses.size && !stamped) {
      tally.doubt("no witness or third-party stamp that you trust vouches for the checkpoint: it proves nothing against the log's own operator", '没有您信任的见证人或第三方时间戳为检查点作证：对日志运营者自身不构成证明');
    }
    return tally.close('a third party vouches for the checkpoint', '有第三方为检查点作证');
  }

  private noteSignature(tally: Tally, { proof, given }: Judged): void {
    const { origin } = this.kase.manifest.ledger;
    if (proof.checkpoint.origin !== origin || this.ownKey().name !== origin) tally.fail('the checkpoint is of another log than the manifest names', '检查点所属日志与清单所载不符');
    if (!proof.logSigned) tally.fail("the checkpoint's signature is not the log's", '检查点的签名不是该日志的签名');
    else if (!given) tally.doubt('the checkpoint is signed by the key that the bundle itself names; you gave no key of this log', '检查点由证据包自身载明的密钥签署；您未提供该日志的密钥');
  }

  private noteSameLog(tally: Tally, opened: ProofCheck): void {
    const { proof } = this.entered();
    if (opened.index >= proof.index) tally.fail('the attempt was announced after it was entered', '开始登记晚于取证登记');
    if (opened.checkpoint.origin !== proof.checkpoint.origin) tally.fail('the open entry is in another log', '开始登记在另一日志中');
    if (opened.checkpoint.size === proof.checkpoint.size && !same(opened.checkpoint.root, proof.checkpoint.root)) tally.fail('the log signed two trees of one size: a fork', '日志对同一大小签署了两棵不同的树：分叉');
  }
}
