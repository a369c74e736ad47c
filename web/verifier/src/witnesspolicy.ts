// Who must have cosigned a checkpoint before it counts as witnessed (C2SP tlog-policy).

import { FormatError } from './bytes';
import { parseVkey, VerifierKey } from './tlog';

interface Group {
  readonly name: string;
  readonly threshold: number;
  readonly members: readonly string[];
}

export interface WitnessPolicy {
  readonly logs: readonly VerifierKey[];
  readonly witnesses: readonly { readonly name: string; readonly key: VerifierKey }[];
  readonly groups: readonly Group[];
  readonly quorum: string;
}

const COSIGNATURE = 4;

/** Reads a policy; ML-DSA keys are not read by this page. */
export function parseWitnessPolicy(text: string): WitnessPolicy {
  const policy = { logs: [] as VerifierKey[], witnesses: [] as { name: string; key: VerifierKey }[], groups: [] as Group[] };
  const names = new Map<string, boolean>();
  const keys = new Set<string>();
  let quorum: string | null = null;
  const refuse = (number: number, why: string): never => {
    throw new FormatError(`Line ${number} of the witness policy: ${why}.`, `见证策略第 ${number} 行有误。`);
  };
  const lines = text.split('\n');
  if (lines.length > 10_000) refuse(10_001, 'too many lines');
  lines.forEach((line, at) => {
    const number = at + 1;
    const [kind, ...words] = line.split(/[ \t]+/).filter(Boolean);
    if (kind === undefined || kind.startsWith('#')) return;
    const key = (vkey: string, type: number): VerifierKey => {
      const found = parseVkey(vkey);
      const material = found.key.join();
      if (found.type !== type || keys.has(material)) refuse(number, 'a key that cannot stand there, or stands there twice');
      keys.add(material);
      return found;
    };
    const define = (name: string): void => {
      if (name === 'none' || names.has(name)) refuse(number, 'the name is taken');
      names.set(name, false);
    };
    if (kind === 'log' && (words.length === 1 || words.length === 2)) policy.logs.push(key(words[0], 1));
    else if (kind === 'witness' && (words.length === 2 || words.length === 3)) {
      const found = key(words[1], COSIGNATURE);
      define(words[0]);
      policy.witnesses.push({ name: words[0], key: found });
    } else if (kind === 'group' && words.length >= 3) {
      const [name, rule, ...members] = words;
      const counted = /^[1-9][0-9]{0,4}$/.test(rule) && Number(rule) <= members.length;
      if (rule !== 'all' && rule !== 'any' && !counted) refuse(number, 'the rule is not all, any or a count');
      for (const member of members) {
        if (names.get(member) !== false) refuse(number, 'a member is not defined or used already');
        names.set(member, true);
      }
      define(name);
      policy.groups.push({ name, threshold: rule === 'all' ? members.length : rule === 'any' ? 1 : Number(rule), members });
    } else if (kind === 'quorum' && words.length === 1 && quorum === null) {
      if (words[0] !== 'none' && !names.has(words[0])) refuse(number, 'the quorum is not defined');
      [quorum] = words;
    } else refuse(number, 'it is none of log, witness, group and one quorum');
  });
  return quorum === null ? refuse(lines.length, 'there is no quorum line') : { ...policy, quorum };
}

/** The policy's names of those who cosigned, when a log of the policy signed and the quorum is met; else none. */
export function quorumOf(policy: WitnessPolicy, isVerified: (key: VerifierKey) => boolean, origin: string, anyInvalid: boolean): string[] {
  const cosigned = policy.witnesses.filter((one) => isVerified(one.key)).map((one) => one.name);
  const met = new Set(cosigned);
  // A group's members stand above it in the file, so one pass settles them all.
  for (const group of policy.groups) if (group.members.filter((member) => met.has(member)).length >= group.threshold) met.add(group.name);
  const signed = policy.logs.some((key) => key.name === origin && isVerified(key));
  return signed && met.has(policy.quorum) && !anyInvalid ? cosigned : [];
}
