// What the user demands beside the required findings (docs/spec/policy.md; evidencekit/verify/policy.py).

import { FormatError } from './bytes';
import type { Json } from './canonical';
import type { Case } from './case';
import { checkVersion, Fields } from './fields';
import { Finding, REGISTRY, Tally } from './findings';
import type { LedgerChecks } from './ledger';
import type { OuterChecks } from './outer';
import { buildPath } from './path';
import { ROLES } from './roles';
import { MAX_ANCHORS, Trust } from './trust';
import type { TimeChecks } from './times';
import { parseVkey, VerifierKey } from './tlog';

const MAX_BYTES = 1 << 20;
const MAX_COUNT = 100;

export interface Policy {
  readonly signers: number;
  readonly certificates: readonly string[];
  readonly roles: readonly string[];
  readonly tsas: number;
  readonly witnesses: number;
  readonly findings: readonly string[];
  /** Anchors by SHA-256, and logs by key. */
  readonly signerPrints: readonly string[];
  readonly tsaPrints: readonly string[];
  readonly logs: readonly VerifierKey[];
  /** The time to judge at, microseconds since 1970, or null. */
  readonly at: number | null;
}

export const NO_POLICY: Policy = { signers: 0, certificates: [], roles: [], tsas: 0, witnesses: 0, findings: [], signerPrints: [], tsaPrints: [], logs: [], at: null };

/** Reads a pasted policy; an empty box demands nothing. */
export function readPolicy(text: string): Policy {
  if (!text.trim()) return NO_POLICY;
  if (text.length > MAX_BYTES) throw new FormatError('The policy is over 1 MiB.', '策略超过 1 MiB。');
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError('The policy is not JSON.', '策略不是 JSON。');
  }
  const fields = new Fields(value, 'policy');
  checkVersion(fields, 'policy');
  const count = (name: string): number => (fields.has(name) ? fields.integer(name, 0, MAX_COUNT) : 0);
  const known = (name: string, names: readonly string[]): string[] => {
    const found = fields.has(name) ? fields.texts(name) : [];
    if (found.some((one) => !names.includes(one))) fields.refuse(name, 'holds one that is not known', '含有未知的取值');
    return found;
  };
  return {
    signers: count('signers'), certificates: digests(fields, 'certificates'), roles: known('roles', ROLES), tsas: count('tsas'), witnesses: count('witnesses'),
    findings: known('findings', REGISTRY.map((kind) => kind.id)), ...readAnchors(fields), at: fields.has('at') ? fields.time('at') : null,
  };
}

function digests(fields: Fields, name: string): string[] {
  const found = fields.has(name) ? fields.texts(name) : [];
  if (found.some((one) => !/^[0-9a-f]{64}$/.test(one))) fields.refuse(name, 'holds something else than SHA-256 in lower-case hex', '含有非小写十六进制 SHA-256 的内容');
  return found;
}

function readAnchors(fields: Fields): Pick<Policy, 'signerPrints' | 'tsaPrints' | 'logs'> {
  if (!fields.has('anchors')) return { signerPrints: [], tsaPrints: [], logs: [] };
  const anchors = fields.object('anchors');
  const found = { signerPrints: digests(anchors, 'signers'), tsaPrints: digests(anchors, 'tsas'), logs: (anchors.has('logs') ? anchors.texts('logs') : []).map(parseVkey) };
  if (found.signerPrints.length + found.tsaPrints.length + found.logs.length > MAX_ANCHORS) fields.refuse('anchors', `are more than ${MAX_ANCHORS}`, `超过 ${MAX_ANCHORS} 个`);
  return found;
}

/** The user's anchors and those that the policy names. */
export function withAnchors(trust: Trust, policy: Policy): Trust {
  const logs = new Map([...trust.logs, ...policy.logs].map((key) => [key.text, key]));
  return { ...trust, signerPrints: [...trust.signerPrints, ...policy.signerPrints], tsaPrints: [...trust.tsaPrints, ...policy.tsaPrints], logs: [...logs.values()] };
}

/** The ids that the policy makes required. */
export function demandsOf(policy: Policy): string[] {
  return [...ownChecks(policy), ...policy.findings];
}

/** Those of the policy's own checks that it asks for. */
export function ownChecks({ signers, certificates, roles, tsas, witnesses }: Policy): string[] {
  const asked: Record<string, boolean> = {
    'policy.signatures': signers > 0 || certificates.length > 0 || roles.length > 0, 'policy.timestamps': tsas > 0, 'policy.witnesses': witnesses > 0,
  };
  return Object.keys(asked).filter((id) => asked[id]);
}

/** Enough different certificates signed, and the demanded ones and roles are among them. */
export function checkSignatures(kase: Case, outer: OuterChecks, policy: Policy): Finding {
  const tally = new Tally('policy.signatures', 'META-INF/signature*.p7s');
  const [counted, claimed] = [new Set<string>(), new Set<string>()];
  for (const signature of outer.signatures()) {
    const { certificate, intact, embedded, roles } = signature.check;
    if (!certificate || !intact) continue;
    if (buildPath(certificate, embedded, kase.trust.signers, outer.momentOf(signature), 'sealing').outcome !== 'PASSED') continue;
    counted.add(certificate.fingerprint);
    roles.forEach((role) => claimed.add(role));
  }
  if (counted.size < policy.signers) tally.doubt(`${counted.size} signers you trust, ${policy.signers} are demanded`, `您信任的签署人有 ${counted.size} 个，要求 ${policy.signers} 个`);
  for (const role of policy.roles) if (!claimed.has(role)) tally.doubt(`nobody you trust signed as ${role}`, `没有您信任的人以 ${role} 身份签名`);
  for (const wanted of policy.certificates) if (!counted.has(wanted)) tally.doubt(`no counted signature by ${wanted}`, `没有 ${wanted} 的有效签名`);
  return tally.close(`${counted.size} signers, as demanded`, `${counted.size} 个签署人，符合要求`);
}

/** Enough time-stamp authorities vouch for the sealed record: by different anchors, none of them the issuer's own. */
export function checkTimestamps(times: TimeChecks, outer: OuterChecks, { tsas }: Policy): Finding {
  const tally = new Tally('policy.timestamps', 'seal/seal-*.tsr, META-INF/');
  const stamps = [...times.seals(), ...outer.readableStamps()].filter((stamp) => stamp.trusted && !stamp.check.selfIssued);
  const counted = new Set(stamps.map(({ check: { chain } }) => chain[chain.length - 1].fingerprint));
  if (counted.size < tsas) tally.doubt(`${counted.size} time-stamp authorities you trust vouch for the sealed record, ${tsas} are demanded`, `为已封存记录作证的、您信任的时间戳机构有 ${counted.size} 家，要求 ${tsas} 家`);
  return tally.close(`${counted.size} time-stamp authorities, as demanded`, `${counted.size} 家时间戳机构，符合要求`);
}

/** Enough witnesses cosigned the checkpoint that holds the entry. */
export function checkWitnesses(ledger: LedgerChecks, { witnesses }: Policy): Finding {
  const tally = new Tally('policy.witnesses', 'proof/entry.tlog-proof');
  const counted = ledger.witnesses().size;
  if (counted < witnesses) tally.doubt(`${counted} witnesses you trust cosigned the checkpoint, ${witnesses} are demanded`, `您信任的见证人中有 ${counted} 个联署了检查点，要求 ${witnesses} 个`);
  return tally.close(`${counted} witnesses, as demanded`, `${counted} 个见证人，符合要求`);
}
