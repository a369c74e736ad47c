// CMS SignedData (RFC 5652 §5), read liberally; whatever is looser than what evidencekit writes stays visible.

import { FormatError, fromHex } from './bytes';
import { Algorithm, readAlgorithm } from './certificate';
import { children, Cursor, encodeSet, Node, normalise, parse, readInteger, readOctets, readOid, TAG } from './der';
import { OID } from './oids';

const MAX_CERTIFICATES = 64;
const MAX_SIGNERS = 8;
const MAX_ATTRIBUTES = 64;

export interface Attribute {
  readonly oid: string;
  readonly values: readonly Node[];
}

export interface SignerInfo {
  readonly version: bigint;
  readonly issuer: Uint8Array | null;
  readonly serial: bigint | null;
  readonly keyIdentifier: Uint8Array | null;
  readonly digestAlgorithm: Algorithm;
  readonly signedAttributes: readonly Attribute[] | null;
  /** The signed attributes with the tag of a SET, which is what the signature is over (§5.4). */
  readonly signedOctets: Uint8Array;
  readonly signatureAlgorithm: Algorithm;
  readonly signature: Uint8Array;
  readonly unsignedAttributes: readonly Attribute[];
}

export interface SignedData {
  readonly version: bigint;
  readonly digestAlgorithms: readonly Algorithm[];
  readonly contentType: string;
  readonly content: Uint8Array | null;
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly signers: readonly SignerInfo[];
  /** The input was DER as far as lengths and pieces go. */
  readonly canonical: boolean;
}

function bounded(node: Node | null, limit: number, what: string): Node[] {
  const nodes = node ? children(node) : [];
  if (nodes.length > limit) throw new FormatError(`CMS holds ${nodes.length} ${what}, the limit is ${limit}`, `CMS 含 ${nodes.length} 个 ${what}，上限为 ${limit}`);
  return nodes;
}

export function parseSignedData(data: Uint8Array): SignedData {
  const encoded = normalise(data);
  const outer = new Cursor(parse(encoded), 'ContentInfo');
  const kind = readOid(outer.take());
  if (kind !== OID.signedData && kind !== OID.gmSignedData) throw new FormatError(`CMS content type ${kind} is not SignedData`, `CMS 内容类型 ${kind} 不是 SignedData`);
  const wrapped = outer.take(0xa0);
  outer.end();
  const body = new Cursor(parse(wrapped.content), 'SignedData');
  const version = readInteger(body.take());
  const digestAlgorithms = bounded(body.take(TAG.set), MAX_SIGNERS, 'digest algorithms').map((node) => readAlgorithm(node));
  const inner = new Cursor(body.take(TAG.sequence), 'EncapsulatedContentInfo');
  const contentType = readOid(inner.take());
  const content = inner.optional(0xa0);
  inner.end();
  const certificates = body.optional(0xa0);
  const crls = body.optional(0xa1);
  const signers = bounded(body.take(TAG.set), MAX_SIGNERS, 'signers');
  body.end();
  return {
    version, digestAlgorithms, contentType, content: content ? readOctets(parse(content.content)) : null,
    certificates: bounded(certificates, MAX_CERTIFICATES, 'certificates').map((node) => node.raw),
    crls: bounded(crls, MAX_CERTIFICATES, 'CRLs').map((node) => node.raw),
    signers: signers.map(parseSigner), canonical: encoded === data,
  };
}

function parseSigner(node: Node): SignerInfo {
  const cursor = new Cursor(node, 'SignerInfo');
  const version = readInteger(cursor.take());
  const sid = cursor.take();
  const digestAlgorithm = readAlgorithm(cursor.take());
  const signed = cursor.optional(0xa0);
  const signatureAlgorithm = readAlgorithm(cursor.take());
  const signature = readOctets(cursor.take());
  const unsigned = cursor.optional(0xa1);
  cursor.end();
  return {
    version, ...parseIdentifier(sid), digestAlgorithm, signatureAlgorithm, signature,
    signedAttributes: signed ? parseAttributes(signed) : null, signedOctets: signed ? encodeSet(signed.content) : fromHex(''),
    unsignedAttributes: unsigned ? parseAttributes(unsigned) : [],
  };
}

function parseIdentifier(node: Node): { issuer: Uint8Array | null; serial: bigint | null; keyIdentifier: Uint8Array | null } {
  if (node.tag === 0x80) return { issuer: null, serial: null, keyIdentifier: node.content };
  const cursor = new Cursor(node, 'IssuerAndSerialNumber');
  const [issuer, serial] = [cursor.take(TAG.sequence).raw, readInteger(cursor.take())];
  cursor.end();
  return { issuer, serial, keyIdentifier: null };
}

function parseAttributes(node: Node): Attribute[] {
  return bounded(node, MAX_ATTRIBUTES, 'attributes').map((one) => {
    const cursor = new Cursor(one, 'Attribute');
    const [oid, values] = [readOid(cursor.take()), children(cursor.take(TAG.set))];
    cursor.end();
    return { oid, values };
  });
}
