// Which signatures the user demands over the whole bundle (docs/spec/policy.md).

import { FormatError } from './bytes';
import type { Json } from './canonical';
import type { Case } from './case';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import type { OuterChecks } from './outer';
import { buildPath } from './path';

export interface Policy {
  readonly signers: number;
  readonly certificates: readonly string[];
}

/** Reads a pasted policy; an empty box demands nothing. */
export function readPolicy(text: string): Policy | null {
  if (!text.trim()) return null;
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError('The policy is not JSON.', '策略不是 JSON。');
  }
  const fields = new Fields(value, 'policy');
  checkVersion(fields, 'policy');
  const certificates = fields.has('certificates') ? fields.texts('certificates') : [];
  if (certificates.some((one) => !/^[0-9a-f]{64}$/.test(one))) fields.refuse('certificates', 'holds something else than SHA-256 in lower-case hex', '含有非小写十六进制 SHA-256 的内容');
  const signers = fields.has('signers') ? fields.integer('signers', 0, 100) : 0;
  return signers > 0 || certificates.length ? { signers, certificates } : null;
}

/** Enough different certificates signed, and the demanded ones are among them. */
export function checkPolicy(kase: Case, outer: OuterChecks, policy: Policy): Finding {
  const tally = new Tally('policy.signatures', 'META-INF/signature*.p7s');
  const counted = new Set<string>();
  for (const { check } of outer.signatures()) {
    const { certificate } = check;
    if (!certificate || !check.intact) continue;
    if (buildPath(certificate, check.embedded, kase.trust.signers, outer.moment(), 'sealing').outcome === 'PASSED') counted.add(certificate.fingerprint);
  }
  if (counted.size < policy.signers) tally.doubt(`${counted.size} signers you trust, ${policy.signers} are demanded`, `您信任的签署人有 ${counted.size} 个，要求 ${policy.signers} 个`);
  for (const wanted of policy.certificates) if (!counted.has(wanted)) tally.doubt(`no counted signature by ${wanted}`, `没有 ${wanted} 的有效签名`);
  return tally.close(`${counted.size} signers, as demanded`, `${counted.size} 个签署人，符合要求`);
}
