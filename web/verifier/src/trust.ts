// Anchors: PEM, ledger keys or fingerprints that the user pastes. They are never taken from the bundle unasked.

import { FormatError, toAscii, toText } from './bytes';
import { Certificate, parseCertificate, pemBlocks, unique } from './certificate';
import { parseCrl } from './revocation';
import { parseVkey, VerifierKey } from './tlog';
import { parseWitnessPolicy, WitnessPolicy } from './witnesspolicy';

export const MAX_ANCHORS = 200;

export interface Trust {
  readonly signers: readonly Certificate[];
  readonly tsas: readonly Certificate[];
  readonly logs: readonly VerifierKey[];
  readonly crls: readonly Uint8Array[];
  /** Who must have cosigned a checkpoint before it counts as witnessed. */
  readonly policies: readonly WitnessPolicy[];
  /** SHA-256 fingerprints by which a certificate found in the bundle becomes an anchor. */
  readonly signerPrints: readonly string[];
  readonly tsaPrints: readonly string[];
}

export const STRANGER: Trust = { signers: [], tsas: [], logs: [], crls: [], policies: [], signerPrints: [], tsaPrints: [] };

const printsOf = (text: string): string[] => text.replace(/-----BEGIN[\s\S]*?-----END[^-]*-----/g, '\n').split('\n')
  .map((line) => line.replace(/^(?:SHA-?256|sha256)?[\s:=]*/i, '').replace(/[\s:]/g, '').toLowerCase()).filter(Boolean);

/** Reads what stands in the boxes; each kind of anchor in its own, because one CA in both roles would let a TSA vouch for a signer. */
export function readTrust(signers: string, tsas: string, logs: string): Trust {
  const certificates = (text: string) => pemBlocks(text, 'CERTIFICATE').map(parseCertificate);
  const crls = [...pemBlocks(signers, 'X509 CRL'), ...pemBlocks(tsas, 'X509 CRL')];
  crls.forEach(parseCrl);
  const [signerPrints, tsaPrints] = [printsOf(signers), printsOf(tsas)];
  const strange = [...signerPrints, ...tsaPrints].find((one) => !/^[0-9a-f]{64}$/.test(one));
  if (strange) throw new FormatError('An anchor is neither a PEM block nor a SHA-256 fingerprint of 64 hexadecimal digits.', '有信任锚既不是 PEM，也不是 64 位十六进制的 SHA-256 指纹。');
  // A box with a `quorum` line holds a witness policy, whose logs are trusted as well.
  const policy = /^[ \t]*quorum[ \t]/m.test(logs) ? parseWitnessPolicy(logs) : null;
  const keys = policy ? policy.logs : linesOf(logs).map(parseVkey);
  const policies = policy && policy.quorum !== 'none' ? [policy] : [];
  const trust = { policies, signers: unique(certificates(signers)), tsas: unique(certificates(tsas)), logs: keys, crls, signerPrints, tsaPrints };
  if (trust.signers.length + trust.tsas.length + keys.length + signerPrints.length + tsaPrints.length > MAX_ANCHORS) throw new FormatError(`More than ${MAX_ANCHORS} anchors.`, `信任锚超过 ${MAX_ANCHORS} 个。`);
  return trust;
}

const linesOf = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));

/** The anchors of both. */
export function merged(first: Trust, second: Partial<Trust>): Trust {
  const logs = new Map([...first.logs, ...(second.logs ?? [])].map((key) => [key.text, key]));
  return {
    ...first, signers: unique([...first.signers, ...(second.signers ?? [])]), tsas: unique([...first.tsas, ...(second.tsas ?? [])]), logs: [...logs.values()],
    crls: [...first.crls, ...(second.crls ?? [])],
  };
}

/** The anchors in the bundle's own `trust/`, by the names of the files; others are passed over. A bad file gives none at all. */
export function ownTrust(files: ReadonlyMap<string, Uint8Array>): Partial<Trust> {
  const own = { signers: [] as Certificate[], tsas: [] as Certificate[], logs: [] as VerifierKey[], crls: [] as Uint8Array[] };
  try {
    for (const [name, data] of files) {
      const base = name.slice(name.lastIndexOf('/') + 1);
      const certificates = () => pemBlocks(toText(data, name), 'CERTIFICATE').map(parseCertificate);
      if (base.endsWith('.vkey')) own.logs.push(...linesOf(toAscii(data, name)).map(parseVkey));
      else if (base.endsWith('.crl') || base.endsWith('.crl.pem')) own.crls.push(...(data[0] === 0x30 ? [data] : pemBlocks(toText(data, name), 'X509 CRL')));
      else if (base.endsWith('.pem') && base.startsWith('signer')) own.signers.push(...certificates());
      else if (base.endsWith('.pem') && base.startsWith('tsa')) own.tsas.push(...certificates());
    }
  } catch (error) {
    if (error instanceof FormatError) return {};
    throw error;
  }
  return own;
}
