// OCSP responses that a bundle keeps (RFC 6960): asked about a certificate, never fetched (evidencekit/x509/ocsp.py).

import { FormatError, same } from './bytes';
import { Certificate, Extension, readAlgorithm, readableCertificates, readExtensions, USAGE } from './certificate';
import { children, Cursor, Node, parse, readInteger, readOctets, readOid, readTime, TAG } from './der';
import { digestBy } from './digest';
import { exactName } from './names';
import { HASH_NAMES, OID, STRONG } from './oids';
import { checkSignature, isSignedBy, keyBits } from './signature';
import type { Answer, Revocation } from './revocation';
import { shownTime } from './time';

const MAX_OCSP_BYTES = 1 << 18;
const MAX_RESPONSES = 256;
const MAX_DELEGATES = 4;
const ENUMERATED = 0x0a;

interface Basic {
  readonly tbs: Node;
  readonly algorithm: ReturnType<typeof readAlgorithm>;
  readonly signature: Uint8Array;
  readonly certificates: readonly Certificate[];
  readonly responder: Node;
  readonly produced: number;
  readonly responses: readonly Node[];
}

/** What the response says about `certificate` at `at`; null when it is not about it, malformed, or not signed as it must be. */
export function askOcsp(data: Uint8Array, certificate: Certificate, issuer: Certificate, at: number): Answer | null {
  try {
    const basic = readResponse(data);
    return basic && isSigned(basic, issuer) ? find(basic, certificate, issuer, at) : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function readResponse(data: Uint8Array): Basic | null {
  const outer = new Cursor(parse(data, MAX_OCSP_BYTES), 'OCSPResponse');
  const status = readInteger(outer.take(), ENUMERATED);
  const wrapped = outer.optional(0xa0);
  outer.end();
  if (status !== 0n || !wrapped) return null;
  const bytes = new Cursor(parse(wrapped.content), 'ResponseBytes');
  if (readOid(bytes.take()) !== '1.3.6.1.5.5.7.48.1.1') return null;
  const body = new Cursor(parse(readOctets(bytes.take())), 'BasicOCSPResponse');
  const tbs = body.take(TAG.sequence);
  const algorithm = readAlgorithm(body.take());
  const bits = body.take(TAG.bits).content;
  const embedded = body.optional(0xa0);
  body.end();
  const cursor = new Cursor(tbs, 'ResponseData');
  cursor.optional(0xa0);
  const responder = cursor.take();
  const produced = readTime(cursor.take(TAG.generalizedTime));
  const responses = children(cursor.take(TAG.sequence));
  const certificates = embedded ? readableCertificates(children(parse(embedded.content), TAG.sequence).slice(0, MAX_DELEGATES).map((node) => node.raw)) : [];
  return { tbs, algorithm, signature: bits.subarray(1), certificates, responder, produced, responses: responses.slice(0, MAX_RESPONSES) };
}

/** By the issuer itself, or by a certificate it issued for OCSP signing (RFC 6960 §4.2.2.2). */
function isSigned(basic: Basic, issuer: Certificate): boolean {
  return [issuer, ...basic.certificates.filter((one) => isDelegate(one, basic, issuer))]
    .filter((one) => isNamed(basic.responder, one))
    .some((one) => checkSignature(one, basic.algorithm, 'sha256', basic.signature, basic.tbs.raw).outcome === 'PASSED');
}

function isDelegate(one: Certificate, { produced }: Basic, issuer: Certificate): boolean {
  if (!one.purposes?.includes(OID.ocspSigning) || !exactName(one.issuer, issuer.subject)) return false;
  if (one.keyUsage && !one.keyUsage.includes(USAGE.digitalSignature)) return false;
  return one.from <= produced && produced <= one.to && isSignedBy(one, issuer);
}

/** ResponderID: the signer's name, or the SHA-1 of its key's bits. */
function isNamed(responder: Node, certificate: Certificate): boolean {
  if (responder.tag === 0xa1) return exactName(parse(responder.content).raw, certificate.subject);
  return responder.tag === 0xa2 && same(readOctets(parse(responder.content)), digestBy('sha1', keyBits(certificate)));
}

function find({ responses }: Basic, certificate: Certificate, issuer: Certificate, at: number): Answer | null {
  for (const node of responses) {
    const cursor = new Cursor(node, 'SingleResponse');
    const [id, status] = [cursor.take(TAG.sequence), cursor.take()];
    const issued = readTime(cursor.take(TAG.generalizedTime));
    const [next, extensions] = [cursor.optional(0xa0), cursor.optional(0xa1)];
    cursor.end();
    if (status.tag === 0x82 || !isAbout(id, certificate, issuer)) continue;
    const renewed = next ? readTime(parse(next.content)) : null;
    const keeps = responses.length === 1 && extensions !== null && keepsExpired(readExtensions(parse(extensions.content)), certificate);
    return {
      source: `OCSP of ${shownTime(issued).slice(0, 10)}`, revocation: readStatus(status),
      conclusive: (issued <= certificate.to || keeps) && (issued >= at || (renewed !== null && renewed >= at)),
    };
  }
  return null;
}

/** CertID: hashes of the issuer's name and of its key's bits (RFC 6960 §4.1.1). */
function isAbout(id: Node, certificate: Certificate, issuer: Certificate): boolean {
  const cursor = new Cursor(id, 'CertID');
  const hash = HASH_NAMES.get(readAlgorithm(cursor.take()).oid) ?? '';
  const [name, key] = [readOctets(cursor.take()), readOctets(cursor.take())];
  const serial = readInteger(cursor.take());
  cursor.end();
  if (serial !== certificate.serial || (hash !== 'sha1' && !STRONG.has(hash))) return false;
  return same(name, digestBy(hash, issuer.subject)) && same(key, digestBy(hash, keyBits(issuer)));
}

function readStatus(node: Node): Revocation | null {
  if (node.tag !== 0xa1) return null;
  const [when, wrapped] = children(node);
  const reason = wrapped ? Number(readInteger(parse(wrapped.content), ENUMERATED)) : null;
  return { time: readTime(when), reason, invalidSince: null };
}

/** Whether the responder still answers for a certificate that expired: archive cutoff (RFC 6960 §4.4.4). */
function keepsExpired(extensions: readonly Extension[], certificate: Certificate): boolean {
  const found = extensions.find((one) => one.oid === '1.3.6.1.5.5.7.48.1.6');
  return found !== undefined && readTime(parse(found.value)) <= certificate.to;
}
