// Every member name of a bundle, and which names are lawful (docs/spec/bundle.md; evidencekit/bundle/paths.py).

export const PATH = {
  mimetype: 'mimetype', verifyEn: 'VERIFY.md', verifyZh: 'VERIFY.zh-CN.md', certificatePdf: 'certificate.pdf', certificateHtml: 'certificate.html',
  reportHtml: 'report.html', verifyHtml: 'verify.html', sha256Sums: 'SHA256SUMS', sm3Sums: 'SM3SUMS', manifest: 'manifest.json', seal: 'seal/manifest.p7s', postQuantumSeal: 'seal/manifest.ml-dsa-65.p7s', trustPostQuantum: 'trust/signer.ml-dsa-65.pem',
  open: 'seal/open.json', records: 'capture/records.jsonl', exchanges: 'capture/exchanges.jsonl', worklog: 'capture/worklog.jsonl',
  environment: 'capture/environment.json', network: 'capture/network.json', items: 'deposit/items.jsonl',
  archiveEdition: 'capture/page.redacted.wacz', exchangesEdition: 'capture/exchanges.redacted.jsonl', redaction: 'redaction.json', archive: 'capture/page.wacz', entry: 'proof/entry.json', entryProof: 'proof/entry.tlog-proof',
  openEntry: 'proof/open.json', openProof: 'proof/open.tlog-proof', policy: 'proof/policy.txt', custody: 'proof/custody.jsonl',
  trustSigner: 'trust/signer.pem', trustTsa: 'trust/tsa.pem', trustLedger: 'trust/ledger.vkey', metaInf: 'META-INF/', anchors: 'proof/anchors/', corroboration: 'capture/corroboration.json',
} as const;

export const MIMETYPE = 'application/vnd.etsi.asic-e+zip';
export const asicManifest = (n: number): string => `META-INF/ASiCManifest${String(n).padStart(3, '0')}.xml`;
export const asicSignature = (n: number): string => `META-INF/signature${String(n).padStart(3, '0')}.p7s`;
export const asicTimestamp = (n: number): string => `META-INF/timestamp${String(n).padStart(3, '0')}.tst`;
export const recordManifest = (n: number): string => `META-INF/ASiCEvidenceRecordManifest${String(n).padStart(3, '0')}.xml`;
export const evidenceRecord = (n: number): string => `META-INF/evidencerecord${String(n).padStart(3, '0')}.ers`;
export const linkEntry = (n: number): string => `proof/links/${String(n).padStart(4, '0')}.json`;
export const linkProof = (n: number): string => `proof/links/${String(n).padStart(4, '0')}.tlog-proof`;
/** The request that a reply answers: `proof/tsa/open-1.tsq` for `seal/open-1.tsr`. */
export const queryOf = (token: string): string => `proof/tsa/${token.slice(token.lastIndexOf('/') + 1).replace(/\.[a-z]+$/, '')}.tsq`;
export const sealToken = (n: number): string => `seal/seal-${n}.tsr`;

/** Windows opens these as devices in every folder, with any extension. */
const DEVICES = /^(?:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(?:\.|$)/i;

/** Safe to unpack on every system, and written one way only. */
export function lawfulName(name: string): boolean {
  if (name.length > 240 || !/^[A-Za-z0-9._/-]+$/.test(name)) return false;
  // A final dot is dropped by Windows, so two names would become one; `.` and `..` fall under it.
  return name.split('/').every((segment) => segment !== '' && !segment.endsWith('.') && !DEVICES.test(segment));
}

export const inSums = (name: string): boolean => name !== PATH.mimetype && name !== PATH.sha256Sums && name !== PATH.sm3Sums && !name.startsWith(PATH.metaInf);

const byCode = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
/** `mimetype` first, then by bytes. */
export const containerOrder = (left: string, right: string): number => Number(left !== PATH.mimetype) - Number(right !== PATH.mimetype) || byCode(left, right);
