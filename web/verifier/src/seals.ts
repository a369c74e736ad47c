// The inner seal over manifest.json: is it intact, whose is it, was the certificate good when it signed.

import type { Case } from './case';
import type { Certificate } from './certificate';
import { Finding, InputMissing, Tally } from './findings';
import { same } from './bytes';
import { OID } from './oids';
import { once } from './once';
import { buildPath } from './path';
import { PATH } from './paths';
import { checkRevocation } from './revocation';
import { checkDetached } from './seal';
import { shownTime } from './time';
import type { Stamp, TimeChecks } from './times';

export class SealChecks {
  readonly inner = once(() => checkDetached(this.kase.data(PATH.seal), this.kase.content(PATH.manifest), this.kase.trust.signers));

  private readonly path = once(() => {
    const certificate = this.certificate();
    // Whether it was valid then is `seal.validity`'s question; the way to the anchor is judged inside its validity.
    const at = Math.max(Math.min(this.moment().at, certificate.to), certificate.from);
    return buildPath(certificate, this.inner().embedded, this.kase.trust.signers, at, 'sealing');
  });

  constructor(private readonly kase: Case, private readonly times: TimeChecks, private readonly outer: () => readonly Stamp[]) {}

  /** When the signature provably existed, and whether a trusted time-stamp says so. */
  private moment(): { at: number; stamped: boolean } {
    const outer = this.outer().filter((stamp) => stamp.trusted).map((stamp) => stamp.check.genTime);
    const proved = [this.times.provedSealTime(), ...outer].filter((time) => time !== null);
    return proved.length ? { at: Math.min(...proved), stamped: true } : { at: this.kase.at, stamped: false };
  }

  private certificate(): Certificate {
    const { certificate } = this.inner();
    if (!certificate) throw new InputMissing('INDETERMINATE', { en: 'the seal does not tell whose it is', zh: '封缄签名未指明签署人证书' });
    return certificate;
  }

  checkSignature(): Finding {
    const tally = new Tally('seal.signature', PATH.seal);
    const { flaw, certificate } = this.inner();
    if (flaw) tally.note(flaw.outcome, flaw.reason);
    const named = this.kase.namedSigner;
    if (certificate && named === null) tally.doubt('the manifest does not tell who should have signed it', '清单不可读，无法得知应由谁签署');
    else if (certificate && certificate.fingerprint !== named) tally.fail('the signer is not the one whom the manifest names', '签署人不是清单所载明的签署人');
    return tally.close('the signature over manifest.json is intact', '对 manifest.json 的签名完整');
  }

  checkIdentity(): Finding {
    const certificate = this.certificate();
    const path = this.path();
    const tally = new Tally('seal.identity', certificate.name);
    if (!this.inner().intact) tally.fail("the signature is not intact, so it is nobody's", '签名不完整，不能归于任何人');
    if (!this.kase.trust.signers.length) {
      const [en, zh] = same(certificate.subject, certificate.issuer) ? ['self-signed', '自签名'] : ['not anchored', '无信任锚'];
      tally.doubt(`no anchor for signers was given; the certificate is ${en}: integrity only`, `未提供签署人的信任锚；该证书为${zh}，仅能证明完整性`);
    } else if (path.outcome !== 'PASSED') tally.note(path.outcome, path.reason);
    return tally.close(path.reason.en, path.reason.zh);
  }

  checkValidity(): Finding {
    const certificate = this.certificate();
    const { at, stamped } = this.moment();
    const tally = new Tally('seal.validity', certificate.name);
    const [from, to] = [shownTime(certificate.from), shownTime(certificate.to)];
    if (at < certificate.from && stamped) tally.fail(`the certificate became valid at ${from}, after the signature`, `证书自 ${from} 起有效，晚于签名`);
    else if (at < certificate.from) tally.doubt(`the certificate is not valid before ${from}`, `证书在 ${from} 之前无效`);
    else if (at > certificate.to) tally.doubt(`the certificate expired at ${to}; no trusted time-stamp proves that the signature is older`, `证书已于 ${to} 到期；没有受信任的时间戳证明签名早于该时间`);
    const [en, zh] = stamped ? ['at the time-stamp', '时间戳时刻'] : ['at the time of verification', '核验时刻'];
    return tally.close(`the certificate was valid ${en}`, `证书在${zh}有效`);
  }

  /** Whether there is a second signature, or the manifest says that there should be one. */
  hasPostQuantum(): boolean {
    return this.kase.names.includes(PATH.postQuantumSeal) || this.namedPostQuantum() !== null;
  }

  private namedPostQuantum(): string | null {
    return this.kase.namedSigner === null ? null : this.kase.manifest.postQuantum;
  }

  checkPostQuantum(): Finding {
    const tally = new Tally('seal.post_quantum', PATH.postQuantumSeal);
    if (!this.kase.has(PATH.postQuantumSeal)) {
      tally.fail('the manifest names a second signature, which is missing', '清单载明有第二签名，但已缺失');
      return tally.close('', '');
    }
    const { trust } = this.kase;
    const { flaw, certificate, embedded, algorithm } = checkDetached(this.kase.data(PATH.postQuantumSeal), this.kase.content(PATH.manifest), trust.signers);
    if (flaw) tally.note(flaw.outcome, flaw.reason);
    if (certificate) {
      if (this.kase.namedSigner === null) tally.doubt('the manifest does not tell who should have signed it', '清单不可读，无法得知应由谁签署');
      else if (certificate.fingerprint !== this.namedPostQuantum()) tally.fail('the signer is not the one whom the manifest names', '签署人不是清单所载明的签署人');
      if (!flaw && algorithm !== OID.mlDsa65) tally.fail('it is not made with ML-DSA-65', '该签名并非以 ML-DSA-65 作出');
      if (!trust.signers.length) tally.doubt(`no anchor for signers was given; ${certificate.name} proves integrity only`, `未提供签署人的信任锚；${certificate.name} 仅能证明完整性`);
      else {
        // The outer time-stamp covers every member, this one among them.
        const outer = this.outer().filter((stamp) => stamp.trusted).map((stamp) => stamp.check.genTime).filter((time) => time !== null);
        const path = buildPath(certificate, embedded, trust.signers, outer.length ? Math.min(...outer) : this.kase.at, 'sealing');
        if (path.outcome !== 'PASSED') tally.note(path.outcome, path.reason);
      }
    }
    return tally.close('the second signature, with ML-DSA-65, is intact and by a signer you trust', '以 ML-DSA-65 作出的第二签名完整，且签署人受您信任');
  }

  checkRevocation(): Finding {
    const { chain } = this.path();
    const tally = new Tally('seal.revocation', this.certificate().name);
    const step = checkRevocation(chain, this.moment().at, 'sealing', this.kase.revocations(this.inner().crls), this.inner().embedded);
    if (step.outcome !== 'PASSED') tally.note(step.outcome, step.reason);
    return tally.close(step.reason.en, step.reason.zh);
  }
}
