// Revocation from lists and OCSP responses at hand (RFC 5280 §5 and §6.3; RFC 6960; RFC 3161 §4); nothing is fetched.

import { FormatError, Text, toHex } from './bytes';
import { Certificate, Extension, namesAsIssuer, readExtensions, USAGE } from './certificate';
import { Cursor, Node, parse, readBits, readInteger, readTime, TAG, children } from './der';
import { exactName } from './names';
import { askOcsp } from './ocsp';
import type { Purpose } from './path';
import { checkSignature, isSignedBy, outerParts } from './signature';
import { failed, notPerformed, passed, Step, undecided } from './steps';
import { shownTime } from './time';

const MAX_CRL_BYTES = 32 << 20;
const MAX_SOURCES = 64;
const MAX_ENTRIES = 1 << 20;
/** Reasons that leave earlier time-stamps valid (RFC 3161 §4): unspecified, affiliationChanged, superseded, cessationOfOperation. */
const HARMLESS = new Set([0, 3, 4, 5]);
const REASONS = ['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'certificateHold', '', 'removeFromCRL', 'privilegeWithdrawn', 'aACompromise'];

export interface Revocation {
  readonly time: number;
  readonly reason: number | null;
  readonly invalidSince: number | null;
}

export interface Answer {
  readonly source: string;
  readonly revocation: Revocation | null;
  readonly conclusive: boolean;
}

/** What is at hand: lists, and OCSP responses. */
export interface Sources {
  readonly crls: readonly Uint8Array[];
  readonly ocsp: readonly Uint8Array[];
}

interface Crl {
  readonly der: Uint8Array;
  readonly issuer: Uint8Array;
  readonly issued: number;
  readonly renewed: number | null;
  readonly entries: readonly Node[];
  readonly extensions: readonly Extension[];
}

export function parseCrl(der: Uint8Array): Crl {
  const { tbs } = outerParts(der, MAX_CRL_BYTES);
  const body = new Cursor(parse(tbs, MAX_CRL_BYTES), 'TBSCertList');
  const version = body.optional(TAG.integer);
  if (version && readInteger(version) !== 1n) throw new FormatError('revocation list is of another version', '吊销列表版本不符');
  body.take(TAG.sequence);
  const issuer = body.take(TAG.sequence).raw;
  const issued = readTime(body.take());
  const next = body.optional(TAG.utcTime, TAG.generalizedTime);
  const entries = body.optional(TAG.sequence);
  const wrapped = body.optional(0xa0);
  body.end();
  return {
    der, issuer, issued, renewed: next ? readTime(next) : null, entries: entries ? children(entries, TAG.sequence, MAX_ENTRIES) : [],
    extensions: wrapped ? readExtensions(parse(wrapped.content)) : [],
  };
}

function entryOf(crl: Crl, serial: bigint): Revocation | null {
  for (const node of crl.entries) {
    const cursor = new Cursor(node, 'revokedCertificate');
    if (readInteger(cursor.take()) !== serial) continue;
    const time = readTime(cursor.take());
    const wrapped = cursor.optional(TAG.sequence);
    cursor.end();
    const extensions = wrapped ? readExtensions(wrapped) : [];
    const reason = extensions.find((one) => one.oid === '2.5.29.21');
    const since = extensions.find((one) => one.oid === '2.5.29.24');
    return { time, reason: reason ? Number(readInteger(parse(reason.value), 0x0a)) : null, invalidSince: since ? readTime(parse(since.value)) : null };
  }
  return null;
}

/** Whether the list is complete for the kind and the distribution point of this certificate. */
function covers(crl: Crl, certificate: Certificate): boolean {
  if (crl.extensions.some((one) => one.critical && one.oid !== '2.5.29.28' && one.oid !== '2.5.29.35')) return false;
  const scope = crl.extensions.find((one) => one.oid === '2.5.29.28');
  if (!scope) return true;
  const cursor = new Cursor(parse(scope.value), 'IssuingDistributionPoint');
  const [point, users, cas, reasons, indirect, attributes] = [0xa0, 0x81, 0x82, 0x83, 0x84, 0x85].map((tag) => cursor.optional(tag));
  cursor.end();
  const isSet = (node: Node | null) => node !== null && node.content[0] !== 0;
  const ca = certificate.isCa === true;
  if ((reasons && readBits(reasons, 0x83).length) || isSet(indirect) || isSet(attributes) || (isSet(users) && ca) || (isSet(cas) && !ca)) return false;
  if (!point) return true;
  const [name] = children(point);
  if (!name || name.tag !== 0xa0) return false;
  const own = new Set(distributionPoints(certificate));
  return children(name).some((one) => own.has(toHex(one.raw)));
}

function distributionPoints(certificate: Certificate): string[] {
  const extension = certificate.extensions.find((one) => one.oid === '2.5.29.31');
  if (!extension) return [];
  return children(parse(extension.value), TAG.sequence).flatMap((point) => {
    const [name] = children(point, TAG.sequence).filter((one) => one.tag === 0xa0);
    const full = name ? children(name).filter((one) => one.tag === 0xa0) : [];
    return full.flatMap((one) => children(one).map((each) => toHex(each.raw)));
  });
}

function isSigned(crl: Crl, issuer: Certificate): boolean {
  if (issuer.keyUsage && !issuer.keyUsage.includes(USAGE.crlSign)) return false;
  const { tbs, algorithm, signature } = outerParts(crl.der, MAX_CRL_BYTES);
  return checkSignature(issuer, algorithm, 'sha256', signature, tbs).outcome === 'PASSED';
}

function askCrl(der: Uint8Array, certificate: Certificate, issuer: Certificate, at: number): Answer | null {
  try {
    const crl = parseCrl(der);
    if (!exactName(crl.issuer, issuer.subject) || !isSigned(crl, issuer) || !covers(crl, certificate)) return null;
    const keepsExpired = crl.extensions.some((one) => one.oid === '2.5.29.60');
    const fresh = crl.issued >= at || (crl.renewed !== null && crl.renewed >= at);
    return {
      source: `CRL of ${shownTime(crl.issued).slice(0, 10)}`, revocation: entryOf(crl, certificate.serial),
      conclusive: (crl.issued <= certificate.to || keepsExpired) && fresh,
    };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function pairs(chain: readonly Certificate[], issuers: readonly Certificate[]): (readonly [Certificate, Certificate])[] {
  if (chain.length !== 1) return chain.slice(1).map((issuer, at) => [chain[at], issuer] as const);
  const [leaf] = chain;
  const found = issuers.filter((one) => one.fingerprint !== leaf.fingerprint && namesAsIssuer(leaf, one)).slice(0, MAX_SOURCES).find((one) => isSignedBy(leaf, one));
  return found ? [[leaf, found] as const] : [];
}

function voids(revocation: Revocation, at: number, purpose: Purpose): boolean {
  if (purpose === 'timestamping' && !(revocation.reason !== null && HARMLESS.has(revocation.reason))) return true;
  return at >= Math.min(revocation.time, revocation.invalidSince ?? revocation.time);
}

/** Whether a certificate of the path was revoked in a way that voids what it did at `at`. */
export function checkRevocation(chain: readonly Certificate[], at: number, purpose: Purpose, { crls, ocsp }: Sources, issuers: readonly Certificate[]): Step {
  const said: (Answer | null)[] = [];
  for (const [certificate, issuer] of pairs(chain, issuers)) {
    const lists = crls.slice(0, MAX_SOURCES).map((der) => askCrl(der, certificate, issuer, at));
    const answers = [...lists, ...ocsp.slice(0, MAX_SOURCES).map((der) => askOcsp(der, certificate, issuer, at))].filter((one) => one !== null);
    const bad = answers.find((one) => one.revocation && voids(one.revocation, at, purpose));
    if (bad) return failed('revocation', ...revoked(certificate, bad));
    said.push(answers.find((one) => one.conclusive) ?? answers[0] ?? null);
  }
  if (!said.some(Boolean)) return notPerformed('revocation', 'no revocation data about this path', '没有与该证书链有关的吊销信息');
  if (said.every((one) => one?.conclusive)) {
    const sources = said.map((one) => one!.source).join(', ');
    return passed('revocation', `not revoked (${sources})`, `未被吊销（${sources}）`);
  }
  return undecided('revocation', 'revocation data does not cover the whole path and time', '吊销信息未覆盖整条证书链或该时间');
}

function revoked(certificate: Certificate, answer: Answer): [Text['en'], Text['zh']] {
  const { time, reason } = answer.revocation!;
  const why = reason === null ? 'no reason given' : REASONS[reason] ?? String(reason);
  const day = shownTime(time).slice(0, 10);
  return [`${certificate.name} was revoked ${day}: ${why} (${answer.source})`, `${certificate.name} 已于 ${day} 吊销：${why}`];
}
