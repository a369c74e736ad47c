// What in a SignedData no signature and no digest protects, so that nobody says "intact" of it.

import { same, Text, toHex } from './bytes';
import { Certificate, namesAsIssuer, unique } from './certificate';
import type { SignedData, SignerInfo } from './cms';
import { OID } from './oids';
import { isSignedBy } from './signature';
import type { SignerCheck } from './signerinfo';

const MAX_SIGNATURE_CHECKS = 128;

/** One sentence a thing; empty when every byte is accounted for. */
export function unaccounted(signed: SignedData, signer: SignerCheck, known: readonly Certificate[] = []): Text[] {
  const found: Text[] = [];
  if (!signed.canonical) found.push({ en: 'the encoding is not DER', zh: '编码不是 DER' });
  if (signed.signers.length !== 1) found.push({ en: 'signers beyond the first', zh: '多余的签名者' });
  else found.push(...looseLabels(signed, signed.signers[0]));
  found.push(...looseCertificates(signed, signer, known));
  if (signed.crls.length) found.push({ en: `${signed.crls.length} revocation lists`, zh: `${signed.crls.length} 个吊销列表` });
  return found;
}

/** The fields that RFC 5652 §5.1 and §5.3 derive from others. */
function looseLabels(signed: SignedData, signer: SignerInfo): Text[] {
  const found: Text[] = [];
  if (signed.digestAlgorithms.length !== 1 || !same(signed.digestAlgorithms[0].raw, signer.digestAlgorithm.raw)) {
    found.push({ en: "digest algorithms beside the signer's own", zh: '与签名者不符的摘要算法列表' });
  }
  const byKey = signer.keyIdentifier !== null;
  const plain = signed.contentType === OID.data || signed.contentType === OID.gmData;
  if (signed.version !== (byKey || !plain ? 3n : 1n) || signer.version !== (byKey ? 3n : 1n)) found.push({ en: 'a version number that does not follow from the contents', zh: '版本号与内容不符' });
  for (const one of signer.unsignedAttributes) found.push({ en: `unsigned attribute ${one.oid}`, zh: `未签名属性 ${one.oid}` });
  return found;
}

function looseCertificates(signed: SignedData, signer: SignerCheck, known: readonly Certificate[]): Text[] {
  const trusted = new Set([...(signer.certificate ? [signer.certificate] : []), ...known].map((one) => one.fingerprint));
  const found: Text[] = [];
  if (new Set(signed.certificates.map(toHex)).size !== signed.certificates.length) found.push({ en: 'a certificate that is there twice', zh: '重复的证书' });
  if (signer.embedded.length !== signed.certificates.length) found.push({ en: 'a certificate that cannot be read', zh: '无法读取的证书' });
  const loose = signer.embedded.filter((one) => !trusted.has(one.fingerprint));
  const vouched = loose.length ? vouchedOf(unique([...signer.embedded, ...known])) : new Set<string>();
  for (const one of loose) if (!vouched.has(one.fingerprint)) found.push({ en: `certificate of ${one.name}: its issuer is not here`, zh: `证书 ${one.name} 无签发者` });
  return found;
}

/** Certificates whose bytes another one's key protects, or their own key if they issued another one. */
function vouchedOf(pool: readonly Certificate[]): Set<string> {
  const pairs = pool.flatMap((child) => pool.filter((issuer) => namesAsIssuer(child, issuer)).map((issuer) => [child, issuer] as const));
  const valid = pairs.slice(0, MAX_SIGNATURE_CHECKS).filter(([child, issuer]) => isSignedBy(child, issuer));
  const issuers = new Set(valid.filter(([child, issuer]) => child !== issuer).map(([, issuer]) => issuer.fingerprint));
  return new Set(valid.filter(([child, issuer]) => child !== issuer || issuers.has(child.fingerprint)).map(([child]) => child.fingerprint));
}
