// One signer of a SignedData, step by step (RFC 5652 §5.4 and §5.6, RFC 5035, RFC 6211).

import { FormatError, same } from './bytes';
import { Algorithm, Certificate, readableCertificates, readAlgorithm, unique } from './certificate';
import type { SignedData, SignerInfo } from './cms';
import { children, Cursor, Node, readInteger, readOctets, readOid, TAG } from './der';
import { digestBy } from './digest';
import { HASH_NAMES, OID, STRONG } from './oids';
import { checkSignature } from './signature';
import { failed, notPerformed, passed, Step, undecided } from './steps';

/** The digest of the signed content with the named hash, or null when it is not known. */
export type ContentDigest = (name: string) => Uint8Array | null;

export interface SignerCheck {
  readonly steps: readonly Step[];
  /** The certificate that the signed attributes bind, if any. */
  readonly certificate: Certificate | null;
  readonly embedded: readonly Certificate[];
}

interface EssIdentifier {
  readonly hash: string;
  readonly value: Uint8Array;
  readonly issuer: Uint8Array | null;
  readonly serial: bigint | null;
}

export function checkSignerInfo(signed: SignedData, contentDigest: ContentDigest, others: readonly Certificate[] = []): SignerCheck {
  const embedded = readableCertificates(signed.certificates);
  if (signed.signers.length !== 1) {
    const count = signed.signers.length;
    return { steps: [failed('signer-count', `${count} signers where one belongs`, `应有一个签名者，实有 ${count} 个`)], certificate: null, embedded };
  }
  const [signer] = signed.signers;
  const named = unique([...embedded, ...others]).filter((one) => isNamed(signer, one));
  let bound: Certificate | null = null;
  const ess = guard('signing-certificate', () => {
    const [certificate, step] = checkEss(signer, named);
    bound = certificate;
    return step;
  });
  const steps = [
    passed('signer-count', 'exactly one signer', '恰有一个签名者'),
    named.length ? passed('signer-certificate', `signer: ${named[0].name}`, `签名者：${named[0].name}`)
      : undecided('signer-certificate', "the signer's certificate is neither embedded nor given", '未嵌入也未提供签名者证书'),
    guard('signed-attributes', () => checkAttributes(signed, signer)),
    guard('message-digest', () => checkDigest(signer, contentDigest)),
    ess,
    guard('algorithm-protection', () => checkProtection(signer)),
    checkValue(signer, bound ?? (named.length === 1 ? named[0] : null)),
  ];
  return { steps, certificate: bound, embedded };
}

function guard(id: string, run: () => Step): Step {
  try {
    return run();
  } catch (error) {
    if (error instanceof FormatError) return failed(id, `malformed: ${error.en}`, `格式错误：${error.zh}`);
    throw error;
  }
}

export function isNamed(signer: SignerInfo, certificate: Certificate): boolean {
  if (signer.keyIdentifier) return certificate.keyIdentifier !== null && same(signer.keyIdentifier, certificate.keyIdentifier);
  return signer.serial === certificate.serial && same(signer.issuer!, certificate.issuer);
}

/** The one value of a signed attribute, null when it is absent (RFC 5652 §11). */
export function singleValue(signer: SignerInfo, oid: string): Node | null {
  const found = (signer.signedAttributes ?? []).filter((one) => one.oid === oid);
  if (!found.length) return null;
  if (found.length > 1 || found[0].values.length !== 1) throw new FormatError(`signed attribute ${oid} must occur once with one value`, `签名属性 ${oid} 须出现一次且仅有一值`);
  return found[0].values[0];
}

function checkAttributes(signed: SignedData, signer: SignerInfo): Step {
  const id = 'signed-attributes';
  if (!signer.signedAttributes) return failed(id, 'there are no signed attributes', '没有签名属性');
  const kinds = signer.signedAttributes.map((one) => one.oid);
  if (new Set(kinds).size !== kinds.length) return failed(id, 'a signed attribute occurs twice', '签名属性重复');
  const type = singleValue(signer, OID.contentType);
  if (!type || readOid(type) !== signed.contentType) return failed(id, 'the content-type attribute does not name the content', '内容类型属性与内容不符');
  return passed(id, 'each once, content type agrees', '各出现一次，内容类型一致');
}

function checkDigest(signer: SignerInfo, contentDigest: ContentDigest): Step {
  const id = 'message-digest';
  const value = singleValue(signer, OID.messageDigest);
  if (!value) return failed(id, 'there is no message-digest attribute', '没有消息摘要属性');
  const name = HASH_NAMES.get(signer.digestAlgorithm.oid);
  if (!name || !signer.digestAlgorithm.plain) return undecided(id, `hash function ${signer.digestAlgorithm.oid} is not known`, `不支持的杂凑算法 ${signer.digestAlgorithm.oid}`);
  if (!STRONG.has(name)) return failed(id, `hash function ${name} proves nothing any more`, `杂凑算法 ${name} 已不安全`);
  const expected = contentDigest(name);
  if (!expected) return undecided(id, `the ${name} digest of the content is not known`, `未提供内容的 ${name} 摘要`);
  if (!same(readOctets(value), expected)) return failed(id, 'the signature is over other content', '所签内容与此内容不符');
  return passed(id, `equals the ${name} digest of the content`, `与内容的 ${name} 摘要一致`);
}

function checkEss(signer: SignerInfo, named: readonly Certificate[]): [Certificate | null, Step] {
  const id = 'signing-certificate';
  const identifiers: EssIdentifier[] = [];
  for (const oid of [OID.signingCertificateV2, OID.signingCertificate]) {
    const value = singleValue(signer, oid);
    if (value) identifiers.push(parseEss(value, oid === OID.signingCertificateV2));
  }
  if (!identifiers.length) return [null, failed(id, 'no signing-certificate attribute binds the certificate', '没有绑定证书的 signing-certificate 属性')];
  if (!named.length) return [null, undecided(id, 'no certificate to compare with', '没有可比对的证书')];
  const bound = named.find((one) => identifiers.every((identifier) => matches(identifier, one)));
  return bound ? [bound, passed(id, 'binds the certificate', '已绑定证书')] : [null, failed(id, 'binds another certificate', '绑定的是另一张证书')];
}

/** The first identifier of SigningCertificate or SigningCertificateV2: the signer's (RFC 5035 §3, §4). */
function parseEss(value: Node, versioned: boolean): EssIdentifier {
  const cursor = new Cursor(value, 'SigningCertificate');
  const identifiers = children(cursor.take(TAG.sequence));
  cursor.optional(TAG.sequence);
  cursor.end();
  if (identifiers.length < 1 || identifiers.length > 64) throw new FormatError(`SigningCertificate lists ${identifiers.length} certificates`, 'SigningCertificate 列出的证书数量有误');
  const first = new Cursor(identifiers[0], 'ESSCertID');
  const algorithm = versioned ? first.optional(TAG.sequence) : null;
  const hash = algorithm ? strongHash(readAlgorithm(algorithm)) : versioned ? 'sha256' : 'sha1';
  const hashed = readOctets(first.take());
  const issuerSerial = first.optional(TAG.sequence);
  first.end();
  return { hash, value: hashed, ...(issuerSerial ? parseIssuerSerial(issuerSerial) : { issuer: null, serial: null }) };
}

function strongHash(algorithm: Algorithm): string {
  const name = HASH_NAMES.get(algorithm.oid) ?? '';
  if (!STRONG.has(name) || !algorithm.plain) throw new FormatError(`certificate is bound by hash function ${name || algorithm.oid}`, '绑定证书所用的杂凑算法不可接受');
  return name;
}

function parseIssuerSerial(node: Node): { issuer: Uint8Array; serial: bigint } {
  const cursor = new Cursor(node, 'IssuerSerial');
  const [names, serial] = [children(cursor.take(TAG.sequence)), readInteger(cursor.take())];
  cursor.end();
  if (names.length !== 1 || names[0].tag !== 0xa4) throw new FormatError('IssuerSerial does not name one directory name', 'IssuerSerial 应恰含一个目录名称');
  return { issuer: names[0].content, serial };
}

function matches(identifier: EssIdentifier, certificate: Certificate): boolean {
  if (!same(digestBy(identifier.hash, certificate.der), identifier.value)) return false;
  return identifier.serial === null || (identifier.serial === certificate.serial && same(identifier.issuer!, certificate.issuer));
}

function checkProtection(signer: SignerInfo): Step {
  const id = 'algorithm-protection';
  const value = singleValue(signer, OID.algorithmProtection);
  if (!value) return notPerformed(id, 'the signer did not protect the algorithm names', '签名者未保护算法标识');
  const cursor = new Cursor(value, 'CMSAlgorithmProtection');
  const digest = readAlgorithm(cursor.take(TAG.sequence));
  const signature = readAlgorithm(cursor.take(0xa1), 0xa1);
  cursor.end();
  const agrees = same(digest.raw, signer.digestAlgorithm.raw) && same(signature.raw.subarray(1), signer.signatureAlgorithm.raw.subarray(1));
  return agrees ? passed(id, 'the algorithm names are those that were signed', '算法标识与所签一致') : failed(id, 'the algorithm names are not those that were signed', '算法标识与所签不符');
}

function checkValue(signer: SignerInfo, certificate: Certificate | null): Step {
  if (!certificate) return undecided('signature', 'no certificate to check the signature with', '没有可用于核验签名的证书');
  if (!signer.signedAttributes) return failed('signature', 'there are no signed attributes', '没有签名属性');
  return checkSignature(certificate, signer.signatureAlgorithm, HASH_NAMES.get(signer.digestAlgorithm.oid) ?? '', signer.signature, signer.signedOctets);
}
