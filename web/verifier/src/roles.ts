// Who signed a bundle beside its issuer, in which claimed role (signer-attributes-v2, ETSI EN 319 122-1 §5.2.6.1).

import { FormatError, toText } from './bytes';
import type { Case } from './case';
import type { SignedData } from './cms';
import { children, Cursor, Node, parse, readOid, TAG } from './der';
import { Finding, Tally } from './findings';
import { OID } from './oids';
import type { OuterChecks, OuterSignature } from './outer';
import { buildPath } from './path';
import { checkRevocation } from './revocation';
import { singleValue } from './signerinfo';

export const ROLES: readonly string[] = ['operator', 'assistant', 'notary', 'witness'];
const MAX_ROLE_BYTES = 256;
const UTF8_STRING = 0x0c;

/** The roles that the first signer claims; none when the attribute cannot be read. */
export function claimedRoles(signed: SignedData): string[] {
  try {
    const value = signed.signers.length ? singleValue(signed.signers[0], OID.signerAttributes) : null;
    return value ? readRoles(value) : [];
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

/** Attributes of other kinds are passed over. */
function readRoles(value: Node): string[] {
  const claimed = children(value).filter((choice) => choice.tag === 0xa0).flatMap((choice) => children(parse(choice.content)));
  return claimed.flatMap((node) => {
    const cursor = new Cursor(node, 'claimed attribute');
    const [oid, values] = [readOid(cursor.take()), cursor.take(TAG.set)];
    cursor.end();
    return oid === OID.name ? children(values).map(roleText) : [];
  });
}

function roleText(node: Node): string {
  if (node.tag !== UTF8_STRING || node.content.length > MAX_ROLE_BYTES) throw new FormatError('a claimed role is not a short UTF-8 text', '所声明的角色不是短文本');
  return toText(node.content, 'claimed role');
}

/** Every later signature is intact, claims a role, and its certificate leads to an anchor. */
export function checkRoles(kase: Case, outer: OuterChecks): Finding {
  const tally = new Tally('outer.roles', 'META-INF/signature*.p7s');
  const later = outer.signatures().slice(1);
  for (const signature of later) judge(tally, kase, outer, signature);
  return tally.close(`${later.length} further signatures by signers you trust`, `另有 ${later.length} 个您信任的签署人的签名`);
}

function judge(tally: Tally, kase: Case, outer: OuterChecks, signature: OuterSignature): void {
  const { check, path: where } = signature;
  const { certificate } = check;
  if (!certificate || !check.intact) {
    tally.note(check.flaw!.outcome, check.flaw!.reason);
    return;
  }
  if (check.roles.length !== 1 || !ROLES.includes(check.roles[0])) tally.doubt(`${where} claims no role that is known`, `${where} 未声明已知的角色`);
  const at = outer.momentOf(signature);
  const path = buildPath(certificate, check.embedded, kase.trust.signers, at, 'sealing');
  if (path.outcome !== 'PASSED') tally.note(path.outcome, path.reason);
  else if (path.chain.length > 1) {
    const step = checkRevocation(path.chain, at, 'sealing', kase.revocations(check.crls), check.embedded);
    if (step.outcome === 'FAILED') tally.note(step.outcome, step.reason);
  }
}
