// A detached CAdES-B-B signature over content known by its digests (ETSI EN 319 122-1 §6).

import { FormatError, Text } from './bytes';
import { claimedRoles } from './roles';
import type { Certificate } from './certificate';
import { parseSignedData } from './cms';
import { OID } from './oids';
import { unaccounted } from './protection';
import { checkSignerInfo, ContentDigest } from './signerinfo';
import { failed, firstNotPassed, Step } from './steps';

const MAX_SEAL_BYTES = 1 << 18;

export interface SealCheck {
  readonly intact: boolean;
  readonly flaw: Step | null;
  readonly certificate: Certificate | null;
  readonly embedded: readonly Certificate[];
  readonly unaccounted: readonly Text[];
  /** Revocation lists that it brings along: each is believed for its issuer's signature. */
  readonly crls: readonly Uint8Array[];
  /** The roles that the signer claims. */
  readonly roles: readonly string[];
  /** What the one signer says that it was made with; '' when that cannot be read. */
  readonly algorithm: string;
}

/** Malformed input is a FAILED step, not an error; intact says nothing about who signed. */
export function checkDetached(seal: Uint8Array, content: ContentDigest, known: readonly Certificate[]): SealCheck {
  try {
    if (seal.length > MAX_SEAL_BYTES) throw new FormatError(`signature is ${seal.length} bytes, the limit is ${MAX_SEAL_BYTES}`, '签名过大');
    const signed = parseSignedData(seal);
    if (signed.content) throw new FormatError('the signature holds content of its own; a detached one belongs here', '此处应为分离式签名');
    if (signed.contentType !== OID.data && signed.contentType !== OID.gmData) throw new FormatError(`the signature is over content of type ${signed.contentType}, not data`, '所签内容类型不是 data');
    const signer = checkSignerInfo(signed, content, known);
    const flaw = firstNotPassed(signer.steps);
    return { intact: !flaw, flaw, certificate: signer.certificate, embedded: signer.embedded, unaccounted: unaccounted(signed, signer, known), crls: signed.crls, roles: claimedRoles(signed), algorithm: signed.signers[0]?.signatureAlgorithm.oid ?? '' };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { intact: false, flaw: failed('structure', `malformed: ${error.en}`, `格式错误：${error.zh}`), certificate: null, embedded: [], unaccounted: [], crls: [], roles: [], algorithm: '' };
  }
}
