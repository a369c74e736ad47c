// Certification paths at a time (RFC 5280 §6), from a leaf to an anchor that the user gave.
//
// FAILED says that a certificate may not be used so; INDETERMINATE that no path was found.

import { FormatError, Text } from './bytes';
import { Certificate, namesAsIssuer, unique, USAGE } from './certificate';
import { OID } from './oids';
import { isSignedBy } from './signature';
import type { Outcome } from './steps';
import { exactName } from './names';
import { shownTime } from './time';

const MAX_PATH = 8;
const MAX_SIGNATURE_CHECKS = 64;
const UNDERSTOOD = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.32', '2.5.29.36', '2.5.29.54', '2.5.29.17', '2.5.29.14', '2.5.29.35', '2.5.29.30']);
const OTHER_TRADES = new Set(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.3', '1.3.6.1.5.5.7.3.8', '1.3.6.1.5.5.7.3.9']);

export type Purpose = 'timestamping' | 'sealing';

export interface PathResult {
  readonly outcome: Outcome;
  readonly chain: readonly Certificate[];
  readonly reason: Text;
}

interface Fault extends Text {
  readonly open?: boolean;
}

const has = (list: readonly Certificate[], one: Certificate): boolean => list.some((each) => each.fingerprint === one.fingerprint);

export function buildPath(leaf: Certificate, intermediates: readonly Certificate[], anchors: readonly Certificate[], at: number, purpose: Purpose): PathResult {
  const pinned = has(anchors, leaf);
  const fault = leafFault(leaf, at, purpose, pinned);
  if (fault) return result(fault, leaf);
  if (pinned) return { outcome: 'PASSED', chain: [leaf], reason: { en: 'the certificate itself is trusted', zh: '该证书本身即为信任锚' } };
  if (!anchors.length) return result({ en: 'no trust anchor was given', zh: '未提供信任锚', open: true }, leaf);
  const search = new Search(unique([...anchors, ...intermediates]), anchors, at, purpose);
  const chain = search.extend([leaf]);
  if (!chain) return result(search.fault(), leaf);
  const anchor = chain[chain.length - 1].name;
  return { outcome: 'PASSED', chain, reason: { en: `leads to the anchor ${anchor}`, zh: `可追溯至信任锚 ${anchor}` } };
}

const result = (fault: Fault, leaf: Certificate): PathResult => ({ outcome: fault.open ? 'INDETERMINATE' : 'FAILED', chain: [leaf], reason: fault });

/** Depth-first with a budget of signature checks; anchors are tried first. */
class Search {
  private budget = MAX_SIGNATURE_CHECKS;
  private readonly faults: Fault[] = [];

  constructor(private readonly pool: readonly Certificate[], private readonly anchors: readonly Certificate[], private readonly at: number, private readonly purpose: Purpose) {}

  extend(chain: readonly Certificate[]): readonly Certificate[] | null {
    if (chain.length >= MAX_PATH) return null;
    for (const issuer of this.pool) {
      if (!this.issued(chain, issuer)) continue;
      const fault = issuerFault(issuer, chain, this.at, this.purpose);
      if (fault) {
        this.faults.push(fault);
        continue;
      }
      const longer = [...chain, issuer];
      const found = has(this.anchors, issuer) ? longer : this.extend(longer);
      if (found) return found;
    }
    return null;
  }

  fault(): Fault {
    if (this.faults.length) return this.faults[0];
    if (this.budget <= 0) return { en: 'too many certificates to search', zh: '证书过多，无法逐一查找', open: true };
    return { en: 'no path leads to a given anchor', zh: '无法追溯至所给的信任锚', open: true };
  }

  private issued(chain: readonly Certificate[], candidate: Certificate): boolean {
    const child = chain[chain.length - 1];
    if (has(chain, candidate) || this.budget <= 0 || !namesAsIssuer(child, candidate)) return false;
    this.budget -= 1;
    return isSignedBy(child, candidate);
  }
}

function leafFault(leaf: Certificate, at: number, purpose: Purpose, pinned: boolean): Fault | null {
  if (leaf.isCa && !pinned) return { en: 'a CA certificate signed instead of its leaf', zh: '以 CA 证书直接签名' };
  return (purpose === 'timestamping' ? timestampingFault(leaf) : sealingFault(leaf)) ?? commonFault(leaf, at);
}

/** RFC 3161 §2.3; no key usage beside the two, as OpenSSL asks. */
function timestampingFault(leaf: Certificate): Fault | null {
  if (!leaf.purposes || !leaf.purposesCritical || leaf.purposes.length !== 1 || leaf.purposes[0] !== OID.timeStamping) {
    return { en: 'extended key usage is not critical and only timeStamping', zh: '扩展密钥用法并非关键且仅限时间戳' };
  }
  const others = [USAGE.keyEncipherment, USAGE.dataEncipherment, USAGE.keyAgreement, USAGE.keyCertSign, USAGE.crlSign] as readonly number[];
  if (leaf.keyUsage && (leaf.keyUsage.some((bit) => others.includes(bit)) || !maySign(leaf.keyUsage))) {
    return { en: 'key usage is not digitalSignature or nonRepudiation alone', zh: '密钥用法并非仅限数字签名或抗抵赖' };
  }
  return null;
}

function sealingFault(leaf: Certificate): Fault | null {
  if (leaf.keyUsage && !maySign(leaf.keyUsage)) return { en: 'key usage allows no signing of documents', zh: '密钥用法不允许签名' };
  if (leaf.purposes && leaf.purposes.every((one) => OTHER_TRADES.has(one))) return { en: 'extended key usage is for other purposes only', zh: '扩展密钥用法仅限其他用途' };
  return null;
}

const maySign = (usage: readonly number[]): boolean => usage.includes(USAGE.digitalSignature) || usage.includes(USAGE.contentCommitment);

function selfIssued(one: Certificate): boolean {
  try {
    return exactName(one.subject, one.issuer);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function issuerFault(issuer: Certificate, below: readonly Certificate[], at: number, purpose: Purpose): Fault | null {
  const { name } = issuer;
  if (!issuer.isCa) return { en: `issuer ${name} is not a CA`, zh: `签发者 ${name} 不是 CA` };
  if (issuer.keyUsage && !issuer.keyUsage.includes(USAGE.keyCertSign)) return { en: `issuer ${name} may not sign certificates`, zh: `签发者 ${name} 无权签发证书` };
  if (issuer.pathLength !== null && below.slice(1).filter((one) => !selfIssued(one)).length > issuer.pathLength) return { en: `path below ${name} is longer than it allows`, zh: `${name} 之下的证书链超长` };
  if (purpose === 'timestamping' && issuer.purposes && !issuer.purposes.some((one) => one === OID.timeStamping || one === OID.anyExtendedKeyUsage)) {
    return { en: `issuer ${name} may not issue for time-stamping`, zh: `签发者 ${name} 不得签发时间戳证书` };
  }
  return commonFault(issuer, at);
}

function commonFault(certificate: Certificate, at: number): Fault | null {
  const { name } = certificate;
  if (at < certificate.from || at > certificate.to) {
    const [from, to] = [certificate.from, certificate.to].map((one) => shownTime(one).slice(0, 10));
    return { en: `${name} is valid ${from} – ${to}, not at ${shownTime(at)}`, zh: `${name} 有效期为 ${from} – ${to}，在 ${shownTime(at)} 无效` };
  }
  const unknown = certificate.extensions.find((one) => one.critical && !UNDERSTOOD.has(one.oid));
  if (unknown) return { en: `${name} has the unknown critical extension ${unknown.oid}`, zh: `${name} 含未知关键扩展 ${unknown.oid}` };
  if (certificate.extensions.some((one) => one.oid === OID.nameConstraints)) return { en: `${name} has name constraints, not evaluated here`, zh: `未评估 ${name} 的名称约束`, open: true };
  return null;
}
