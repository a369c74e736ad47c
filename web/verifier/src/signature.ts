// One signature by its algorithm identifier. What is not known is INDETERMINATE and never passes; what is weak is FAILED.

import { FormatError, same } from './bytes';
import { Algorithm, Certificate, readAlgorithm } from './certificate';
import { children, Cursor, parse, readInteger, readOid, TAG } from './der';
import { digestBy } from './digest';
import { ECDSA_SIGNATURES, HASH_NAMES, OID, RSA_SIGNATURES, STRONG } from './oids';
import { curveOf, isMlDsa, readRsaKey, RsaKey, verifyEcdsa, verifyEd25519, verifyMlDsa, verifyPkcs1, verifyPss, verifySm2 } from './publickeys';
import { failed, passed, Step, undecided } from './steps';

const MIN_RSA_BITS = 2048;

/** An algorithm that this page does not know. */
class Unsupported extends Error {}

interface Key {
  readonly kind: string;
  readonly curve: string;
  readonly bits: Uint8Array;
}

function readKey(encoded: Uint8Array): Key {
  const cursor = new Cursor(parse(encoded), 'SubjectPublicKeyInfo');
  const algorithm = readAlgorithm(cursor.take());
  const { content } = cursor.take(TAG.bits);
  cursor.end();
  if (content[0] !== 0) throw new FormatError('public key does not fill whole octets', '公钥不是整字节');
  const named = algorithm.parameters.length && algorithm.parameters[0] === TAG.oid;
  return { kind: algorithm.oid, curve: named ? readOid(parse(algorithm.parameters)) : '', bits: content.subarray(1) };
}

/** The bits of a certificate's public key, as its identifiers hash them. */
export const keyBits = (certificate: Certificate): Uint8Array => readKey(certificate.publicKey).bits;

function strong(name: string): string {
  if (!STRONG.has(name)) throw new FormatError(`hash function ${name || 'unknown'} proves nothing`, `杂凑算法 ${name || '未知'} 不具证明力`);
  return name;
}

function namedHash(table: ReadonlyMap<string, string | null>, algorithm: Algorithm, digest: string): string {
  if (!table.has(algorithm.oid)) throw new Unsupported(`algorithm ${algorithm.oid} with this kind of key`);
  if (!algorithm.plain && algorithm.oid !== OID.ecPublicKey) throw new Unsupported(`parameters of ${algorithm.oid}`);
  return strong(table.get(algorithm.oid) ?? digest);
}

function hashName(algorithm: Algorithm): string {
  const name = HASH_NAMES.get(algorithm.oid);
  if (!name || !algorithm.plain) throw new Unsupported(`hash function ${algorithm.oid}`);
  return name;
}

/** RSASSA-PSS-params (RFC 4055 §3.1); defaults are SHA-1 and 20 octets of salt. */
function verifyWithPss(key: RsaKey, parameters: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const cursor = new Cursor(parse(parameters), 'RSASSA-PSS parameters');
  const [hashNode, maskNode, saltNode, trailer] = [0xa0, 0xa1, 0xa2, 0xa3].map((tag) => cursor.optional(tag));
  cursor.end();
  if (trailer && readInteger(parse(trailer.content)) !== 1n) throw new FormatError('RSASSA-PSS trailer field is not 1', 'RSASSA-PSS 尾部字段不为 1');
  let maskHash = 'sha1';
  if (maskNode) {
    const mask = readAlgorithm(parse(maskNode.content));
    if (mask.oid !== OID.mgf1) throw new Unsupported(`mask generation function ${mask.oid}`);
    maskHash = hashName(readAlgorithm(parse(mask.parameters)));
  }
  const salt = saltNode ? readInteger(parse(saltNode.content)) : 20n;
  if (salt < 0n || salt > 512n) throw new FormatError(`RSASSA-PSS salt of ${salt} octets`, 'RSASSA-PSS 盐长度有误');
  const hash = strong(hashNode ? hashName(readAlgorithm(parse(hashNode.content))) : 'sha1');
  return verifyPss(key, hash, strong(maskHash), Number(salt), digestBy(hash, data), signature);
}

function verifyRsa(key: RsaKey, algorithm: Algorithm, digest: string, signature: Uint8Array, data: Uint8Array): boolean {
  if (key.bits < MIN_RSA_BITS) throw new FormatError(`RSA key of ${key.bits} bits`, `RSA 密钥仅 ${key.bits} 位`);
  if (algorithm.oid === OID.pss) return verifyWithPss(key, algorithm.parameters, data, signature);
  const hash = namedHash(RSA_SIGNATURES, algorithm, digest);
  const valid = verifyPkcs1(key, hash, digestBy(hash, data), signature);
  if (valid === null) throw new Unsupported(`RSA with ${hash}`);
  return valid;
}

function verify(signer: Certificate, algorithm: Algorithm, digest: string, signature: Uint8Array, data: Uint8Array): boolean {
  const key = readKey(signer.publicKey);
  if (algorithm.oid === OID.sm2Sm3 || algorithm.oid === OID.sm2Sign) {
    if (!algorithm.plain) throw new Unsupported('SM2 with parameters');
    if (key.kind !== OID.ecPublicKey || key.curve !== OID.sm2Curve) throw new FormatError('not an SM2 key', '不是 SM2 公钥');
    return verifySm2(key.bits, signature, data);
  }
  if (key.kind === OID.rsa) return verifyRsa(readRsaKey(key.bits), algorithm, digest, signature, data);
  if (key.kind === OID.ecPublicKey) {
    const curve = curveOf(key.curve);
    if (!curve) throw new Unsupported(`elliptic curve ${key.curve}`);
    const hash = namedHash(ECDSA_SIGNATURES, algorithm, digest);
    return verifyEcdsa(curve, key.bits, digestBy(hash, data), signature);
  }
  if (key.kind === OID.ed25519 && algorithm.oid === OID.ed25519 && !algorithm.parameters.length) return verifyEd25519(key.bits, signature, data);
  if (isMlDsa(key.kind) && algorithm.oid === key.kind && !algorithm.parameters.length) return verifyMlDsa(key.kind, key.bits, signature, data);
  throw new Unsupported(`algorithm ${algorithm.oid} with this kind of key`);
}

/** Checks `signature` over `data` with the signer's key; `digest` is used where the identifier names none (RFC 3370 §3.2). */
export function checkSignature(signer: Certificate, algorithm: Algorithm, digest: string, signature: Uint8Array, data: Uint8Array): Step {
  try {
    return verify(signer, algorithm, digest, signature, data)
      ? passed('signature', `signature valid (${algorithm.oid})`, `签名有效（${algorithm.oid}）`)
      : failed('signature', 'the signature does not belong to these bytes and this key', '签名与所签字节及公钥不符');
  } catch (error) {
    if (error instanceof Unsupported) return undecided('signature', `cannot be checked here: ${error.message}`, `本页面无法核验：${error.message}`);
    if (error instanceof FormatError) return failed('signature', `signature refused: ${error.en}`, `签名不予接受：${error.zh}`);
    throw error;
  }
}

/** Schemes of TLS 1.3 (RFC 8446 §4.2.3): hash, and the curve or kind of key. */
const TLS_SCHEMES = new Map<number, readonly [string, string]>([
  [0x0403, ['sha256', '1.2.840.10045.3.1.7']], [0x0503, ['sha384', '1.3.132.0.34']], [0x0603, ['sha512', '1.3.132.0.35']],
  [0x0804, ['sha256', 'pss']], [0x0805, ['sha384', 'pss']], [0x0806, ['sha512', 'pss']],
  [0x0809, ['sha256', 'pss']], [0x080a, ['sha384', 'pss']], [0x080b, ['sha512', 'pss']], [0x0807, ['', 'ed25519']],
]);

/** A server's CertificateVerify; null when this page does not know the scheme. */
export function checkTlsSignature(leaf: Certificate, scheme: number, signature: Uint8Array, data: Uint8Array): boolean | null {
  const found = TLS_SCHEMES.get(scheme);
  if (!found) return null;
  const [hash, kind] = found;
  const key = readKey(leaf.publicKey);
  if (kind === 'ed25519') return key.kind === OID.ed25519 && verifyEd25519(key.bits, signature, data);
  const digest = digestBy(hash, data);
  if (kind === 'pss') {
    // An id-RSASSA-PSS key holds the same numbers; its salt is as long as the hash.
    if (key.kind !== OID.rsa && key.kind !== OID.pss) return false;
    const rsa = readRsaKey(key.bits);
    return rsa.bits >= MIN_RSA_BITS && verifyPss(rsa, hash, hash, digest.length, digest, signature);
  }
  const curve = curveOf(kind)!;
  return key.kind === OID.ecPublicKey && key.curve === kind && verifyEcdsa(curve, key.bits, digest, signature);
}

const cache = new Map<string, boolean>();

/** Whether the issuer's key signed the certificate, whatever the names say. */
export function isSignedBy(child: Certificate, issuer: Certificate): boolean {
  const key = `${child.fingerprint} ${issuer.fingerprint}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const valid = same(child.innerAlgorithm.raw, child.algorithm.raw) && checkSignature(issuer, child.algorithm, 'sha256', child.signature, child.tbs).outcome === 'PASSED';
  cache.set(key, valid);
  return valid;
}

/** A list of revoked certificates is signed in the same way as a certificate. */
export function outerParts(der: Uint8Array, limit: number): { tbs: Uint8Array; algorithm: Algorithm; signature: Uint8Array } {
  const [tbs, algorithm, signature] = children(parse(der, limit), TAG.sequence);
  if (!signature || signature.tag !== TAG.bits || signature.content[0] !== 0) throw new FormatError('the signed structure cannot be read', '签名结构无法读取');
  return { tbs: tbs.raw, algorithm: readAlgorithm(algorithm), signature: signature.content.subarray(1) };
}
