// Certificates from strangers (RFC 5280 §4.1): read whole, with everything that checks use, or refused.

import { FormatError, fromBase64, toHex } from './bytes';
import { children, Cursor, Node, parse, readBits, readBoolean, readInteger, readOctets, readOid, readTime, TAG } from './der';
import { sha256 } from './digest';
import { exactName, nameText } from './names';
import { OID } from './oids';

export const MAX_CERTIFICATE_BYTES = 1 << 16;

export interface Algorithm {
  readonly oid: string;
  readonly parameters: Uint8Array;
  readonly raw: Uint8Array;
  /** Parameters are absent or NULL. */
  readonly plain: boolean;
}

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export interface Certificate {
  readonly der: Uint8Array;
  readonly fingerprint: string;
  readonly tbs: Uint8Array;
  readonly innerAlgorithm: Algorithm;
  readonly algorithm: Algorithm;
  readonly signature: Uint8Array;
  readonly serial: bigint;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Extension[];
  readonly isCa: boolean | null;
  readonly pathLength: number | null;
  readonly keyUsage: readonly number[] | null;
  readonly purposes: readonly string[] | null;
  readonly purposesCritical: boolean;
  readonly keyIdentifier: Uint8Array | null;
}

export const USAGE = { digitalSignature: 0, contentCommitment: 1, keyEncipherment: 2, dataEncipherment: 3, keyAgreement: 4, keyCertSign: 5, crlSign: 6 } as const;

export function readAlgorithm(node: Node, tag: number = TAG.sequence): Algorithm {
  const cursor = new Cursor(node, 'AlgorithmIdentifier', tag);
  const oid = readOid(cursor.take());
  const parameters = cursor.more ? cursor.take().raw : new Uint8Array();
  cursor.end();
  const plain = !parameters.length || (parameters.length === 2 && parameters[0] === TAG.nothing);
  return { oid, parameters, raw: node.raw, plain };
}

export function readExtensions(node: Node): Extension[] {
  const found: Extension[] = [];
  for (const child of children(node, TAG.sequence)) {
    const cursor = new Cursor(child, 'Extension');
    const oid = readOid(cursor.take());
    const critical = cursor.optional(TAG.boolean);
    const value = readOctets(cursor.take());
    cursor.end();
    if (found.some((one) => one.oid === oid)) throw new FormatError('certificate has an extension twice', '证书扩展重复');
    found.push({ oid, critical: critical !== null && readBoolean(critical), value });
  }
  return found;
}

function readConstraints(extension: Extension | undefined): { isCa: boolean | null; pathLength: number | null } {
  if (!extension) return { isCa: null, pathLength: null };
  const cursor = new Cursor(parse(extension.value), 'BasicConstraints');
  const flag = cursor.optional(TAG.boolean);
  const length = cursor.optional(TAG.integer);
  cursor.end();
  const limit = length ? readInteger(length) : null;
  if (limit !== null && limit < 0n) throw new FormatError('path length is negative', '路径长度为负');
  return { isCa: flag !== null && readBoolean(flag), pathLength: limit === null ? null : Number(limit) };
}

export function parseCertificate(der: Uint8Array): Certificate {
  const outer = new Cursor(parse(der, MAX_CERTIFICATE_BYTES), 'Certificate');
  const tbsNode = outer.take(TAG.sequence);
  const algorithm = readAlgorithm(outer.take());
  const bits = outer.take(TAG.bits).content;
  outer.end();
  if (bits[0] !== 0) throw new FormatError('Certificate: the signature does not fill whole octets', '证书签名不是整字节');
  const body = new Cursor(tbsNode, 'TBSCertificate');
  const version = body.optional(0xa0);
  const serial = readInteger(body.take());
  const innerAlgorithm = readAlgorithm(body.take());
  const issuer = body.take(TAG.sequence).raw;
  const validity = children(body.take(TAG.sequence));
  const subject = body.take(TAG.sequence).raw;
  const publicKey = body.take(TAG.sequence).raw;
  body.optional(0x81, 0xa1);
  body.optional(0x82, 0xa2);
  const wrapped = body.optional(0xa3);
  body.end();
  if (validity.length !== 2 || (version && ![0n, 2n, 1n].includes(readInteger(parse(version.content))))) throw new FormatError('certificate cannot be read', '证书无法读取');
  const extensions = wrapped ? readExtensions(parse(wrapped.content)) : [];
  const find = (oid: string) => extensions.find((one) => one.oid === oid);
  const [usage, purposes, identifier] = [find(OID.keyUsage), find(OID.extendedKeyUsage), find(OID.subjectKeyIdentifier)];
  return {
    der, fingerprint: toHex(sha256(der)), tbs: tbsNode.raw, innerAlgorithm, algorithm, signature: bits.subarray(1), serial, issuer, subject,
    name: nameText(subject), from: readTime(validity[0]), to: readTime(validity[1]), publicKey, extensions,
    ...readConstraints(find(OID.basicConstraints)),
    keyUsage: usage ? readBits(parse(usage.value)) : null,
    purposes: purposes ? children(parse(purposes.value), TAG.sequence).map(readOid) : null,
    purposesCritical: purposes?.critical ?? false,
    keyIdentifier: identifier ? readOctets(parse(identifier.value)) : null,
  };
}

/** Certificates that can be read; the others cannot be anyone's. */
export function readableCertificates(encoded: readonly Uint8Array[]): Certificate[] {
  return encoded.flatMap((der) => {
    try {
      return [parseCertificate(der)];
    } catch (error) {
      if (error instanceof FormatError) return [];
      throw error;
    }
  });
}

export function namesAsIssuer(child: Certificate, issuer: Certificate): boolean {
  try {
    return exactName(child.issuer, issuer.subject);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

export function unique(certificates: readonly Certificate[]): Certificate[] {
  return [...new Map(certificates.map((one) => [one.fingerprint, one])).values()];
}

/** The DER inside PEM blocks of that label, in order (RFC 7468). */
export function pemBlocks(text: string, label: string): Uint8Array[] {
  const blocks = text.match(new RegExp(`-----BEGIN ${label}-----[A-Za-z0-9+/=\\s]+-----END ${label}-----`, 'g')) ?? [];
  return blocks.map((block) => fromBase64(block.replace(/-----[A-Z0-9 ]+-----|\s/g, '')));
}
