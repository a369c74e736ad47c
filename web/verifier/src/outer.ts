// The outer seal: ASiC manifests, the signatures and time-stamps over them, and the rule of growth (docs/spec/bundle.md).

import { FormatError, same } from './bytes';
import { AsicManifest, parseAsic, RECORD_TYPE, SIGNATURE_TYPE, TIMESTAMP_TYPE } from './asic';
import type { Case } from './case';
import { Finding, InputMissing, Tally } from './findings';
import { asicManifest, asicSignature, asicTimestamp, evidenceRecord, PATH, recordManifest } from './paths';
import { checkRecord, RecordCheck } from './renewal';
import { checkDetached, SealCheck } from './seal';
import type { SealChecks } from './seals';
import { noteStamps, Stamp, stampOf, TimeChecks } from './times';
import { once } from './once';

export interface OuterSignature {
  readonly path: string;
  readonly over: string;
  readonly check: SealCheck;
}

/** One evidence record (RFC 4998) over the members that its manifest lists. */
export interface OuterRecord {
  readonly path: string;
  readonly check: RecordCheck;
}

/** How the manifests and the proofs of each kind are named, by number. */
const NAMES: Readonly<Record<string, readonly [(n: number) => string, (n: number) => string]>> = {
  [SIGNATURE_TYPE]: [asicManifest, asicSignature], [TIMESTAMP_TYPE]: [asicManifest, asicTimestamp], [RECORD_TYPE]: [recordManifest, evidenceRecord],
};

const listedProofs = (manifest: AsicManifest): number => [...manifest.members.keys()].filter((name) => name.startsWith(PATH.metaInf)).length;

export class OuterChecks {
  /** In the order in which they were added: each lists more of META-INF than those before. Throws when one is not in its fixed form. */
  readonly manifests = once((): AsicManifest[] => {
    const names = this.kase.names.filter((name) => /^META-INF\/ASiC(?:EvidenceRecord)?Manifest[0-9]{3}\.xml$/.test(name)).sort();
    if (!names.length) throw new InputMissing('FAILED', { en: 'there is no ASiC manifest', zh: '没有 ASiC 清单' });
    return names.map((name) => parseAsic(this.kase.data(name), name)).sort((left, right) => listedProofs(left) - listedProofs(right));
  });

  readonly signatures = once((): OuterSignature[] => this.manifests().filter((one) => one.type === SIGNATURE_TYPE).map((one) => (
    { path: one.reference, over: one.path, check: checkDetached(this.kase.data(one.reference), this.kase.content(one.path), this.kase.trust.signers) }
  )));

  readonly stamps = once((): Stamp[] => this.manifests().filter((one) => one.type === TIMESTAMP_TYPE).map((one) => this.times.stampOf(one.reference, this.kase.sha256(one.path))));

  readonly records = once((): OuterRecord[] => this.manifests().filter((one) => one.type === RECORD_TYPE).map((one) => {
    const { trust, at } = this.kase;
    const digestsOf = (algorithm: string) => [...one.members.keys()].map((name) => this.kase.digestWith(name, algorithm));
    return { path: one.reference, check: checkRecord(this.kase.data(one.reference), digestsOf, { anchors: trust.tsas, revocations: this.kase.revocations(), at }) };
  }));

  /** All time-stamps over the bundle, those of evidence records among them; each covers all before it. */
  readonly proofs = once((): Stamp[] => {
    const found = new Map(this.stamps().map((stamp) => [stamp.path, [stamp]]));
    for (const { path, check } of this.records()) found.set(path, check.integrity === 'PASSED' ? check.stamps.map((one) => stampOf(path, one)) : []);
    return this.manifests().flatMap((one) => found.get(one.reference) ?? []);
  });

  constructor(private readonly kase: Case, private readonly times: TimeChecks) {}

  checkManifest(): Finding {
    const tally = new Tally('outer.manifest', 'META-INF/ASiCManifest*.xml');
    const covered = new Set(this.kase.names.filter((name) => !name.startsWith(PATH.metaInf) && name !== PATH.mimetype));
    const counts = new Map<(n: number) => string, number>();
    const next = (name: (n: number) => string): string => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return name(counts.get(name)!);
    };
    for (const manifest of this.manifests()) {
      const [path, expected] = NAMES[manifest.type].map(next);
      if (manifest.path !== path) tally.fail(`${manifest.path} is out of sequence`, `${manifest.path} 编号不连续`);
      if (manifest.reference !== expected) tally.fail(`${manifest.path} names ${manifest.reference}`, `${manifest.path} 引用 ${manifest.reference}`);
      this.compare(tally, manifest, covered);
      covered.add(manifest.path).add(manifest.reference);
    }
    const [first, second] = this.manifests();
    if (first.type !== SIGNATURE_TYPE || second?.type !== TIMESTAMP_TYPE) tally.fail('the first two manifests are not for a signature and a stamp', '前两份清单应分别为签名与时间戳');
    this.noteStrays(tally, covered);
    return tally.close('every member is listed with the right digest', '所有成员均已列出且摘要正确');
  }

  checkSignature(): Finding {
    const tally = new Tally('outer.signature', asicSignature(1));
    if (!this.signatures().length) tally.fail('no signature over an ASiC manifest', '没有对 ASiC 清单的签名');
    for (const { path, over, check } of this.signatures()) {
      if (check.flaw) tally.note(check.flaw.outcome, { en: `${path}: ${check.flaw.reason.en}`, zh: `${path}：${check.flaw.reason.zh}` });
      // A later, intact time-stamp is over a manifest with the digest of the signature's every byte.
      for (const loose of this.covered(over) ? [] : check.unaccounted) tally.doubt(`${path} holds ${loose.en}, unprotected`, `${path} 含未受保护的内容：${loose.zh}`);
    }
    return tally.close('the signature over the ASiC manifest is intact', '对 ASiC 清单的签名完整');
  }

  checkSigner(seals: SealChecks): Finding {
    const tally = new Tally('outer.signer', asicSignature(1));
    const outer = this.signatures()[0]?.check.certificate;
    const inner = seals.inner().certificate;
    if (!outer || !inner) throw new InputMissing('INDETERMINATE', { en: 'one of the seals does not tell whose it is', zh: '有签名未指明签署人' });
    if (this.kase.names.includes(PATH.redaction)) {
      // A redacted edition may be made by somebody else than the record; then only he answers for its form.
      if (outer.fingerprint !== this.kase.namedSigner) tally.doubt(`the redacted edition was sealed by ${outer.name}, not by the signer of the record`, `遮盖版由 ${outer.name} 封缄，并非记录的签署人`);
      return tally.close(`signed by ${outer.name}, as the record is`, `由 ${outer.name} 签署，与记录一致`);
    }
    if (outer.fingerprint !== inner.fingerprint) tally.fail('the outer signer is not the inner signer', '外层签署人与内层签署人不同');
    const named = this.kase.namedSigner;
    if (named === null) tally.doubt('the manifest does not tell who should have signed', '清单不可读，无法得知应由谁签署');
    else if (outer.fingerprint !== named) tally.fail('the outer signer is not the one whom the manifest names', '外层签署人不是清单所载明者');
    return tally.close(`signed by ${outer.name}, as the record is`, `由 ${outer.name} 签署，与记录一致`);
  }

  checkTimestamp(): Finding {
    const tally = new Tally('outer.timestamp', asicTimestamp(1));
    const stamps = this.stamps();
    noteStamps(tally, stamps);
    for (const { path, check } of stamps) if (check.bare && !same(check.bare, this.kase.data(path))) tally.fail(`${path} is not a bare token`, `${path} 不是裸时间戳凭证`);
    const last = stamps[stamps.length - 1];
    for (const loose of !last || this.covered(last.path) ? [] : last.check.unaccounted) tally.doubt(`the time-stamp holds ${loose.en}, unprotected`, `时间戳含未受保护的内容：${loose.zh}`);
    return tally.close('the outer time-stamp is intact and trusted', '外层时间戳完整且受信任');
  }

  /** The time-stamps as far as they can be read; `outer.timestamp` says why when they cannot. */
  readableStamps(): Stamp[] {
    try {
      return this.proofs();
    } catch (error) {
      if (error instanceof FormatError || error instanceof InputMissing) return [];
      throw error;
    }
  }

  /** The evidence records, none where the manifests that name them cannot be read; `outer.manifest` says why. */
  readableRecords(): OuterRecord[] {
    try {
      return this.records();
    } catch (error) {
      if (error instanceof FormatError || error instanceof InputMissing) return [];
      throw error;
    }
  }

  /** When this signature provably existed: the earliest trusted stamp over it, else the time of verification. */
  momentOf(signature: OuterSignature): number {
    const over = new Set(this.manifests().filter((one) => one.members.has(signature.path)).map((one) => one.reference));
    const times = this.readableStamps().filter((stamp) => over.has(stamp.path) && stamp.trusted).map((stamp) => stamp.check.genTime!);
    return times.length ? Math.min(...times) : this.kase.at;
  }

  /** Whether an intact time-stamp is over a manifest that lists `name`. */
  private covered(name: string): boolean {
    const intact = new Set(this.proofs().filter((stamp) => stamp.intact).map((stamp) => stamp.path));
    return this.manifests().some((manifest) => intact.has(manifest.reference) && manifest.members.has(name));
  }

  private compare(tally: Tally, manifest: AsicManifest, covered: ReadonlySet<string>): void {
    for (const name of covered) {
      const listed = manifest.members.get(name);
      if (!listed) tally.fail(`${manifest.path} does not list ${name}`, `${manifest.path} 未列出 ${name}`);
      else if (!this.kase.has(name) || !same(this.kase.sha256(name), listed)) tally.fail(`${manifest.path} has another digest of ${name}`, `${manifest.path} 中 ${name} 的摘要不符`);
    }
    for (const name of manifest.members.keys()) if (!covered.has(name)) tally.fail(`${manifest.path} lists ${name}, which it may not`, `${manifest.path} 列出了不应列出的 ${name}`);
  }

  private noteStrays(tally: Tally, covered: ReadonlySet<string>): void {
    for (const name of this.kase.names.filter((one) => one.startsWith(PATH.metaInf) && !covered.has(one))) {
      tally.fail(`${name} belongs to no manifest`, `${name} 不属于任何清单`);
    }
  }
}
