// One verification from a File to findings: every check by name, none skipped, in the order of docs/spec/findings.md.

import type { Text } from './bytes';
import { checkAnchored, hasReceipts, Receipt } from './anchored';
import { Case } from './case';
import { Certificate, pemBlocks, readableCertificates, unique } from './certificate';
import { checkForm, checkMembers, checkSha256Sums, checkSm3Sums, checkVersions } from './container';
import { checkImages, checkLocation, leftToLibrary, sealedRerender } from './corroboration';
import { complete, Finding, finding, foreign, overall, run } from './findings';
import { checkCopies, checkItems, checkLinks, checkStatement, Held } from './deposit';
import { checkFilm, hasFilm } from './film';
import { checkLasting } from './lasting';
import { LedgerChecks } from './ledger';
import { checkNetwork } from './network';
import { OuterChecks } from './outer';
import { checkSignatures, checkTimestamps, checkWitnesses, demandsOf, ownChecks, Policy, withAnchors } from './policy';
import { checkArtifacts, checkManifestForm, checkMinimum, checkRecords } from './record';
import { checkArchiveRecords, checkArchiveWacz, checkCustody, checkDevtools, checkEnvironment, checkExchanges, checkWorklog } from './recordings';
import { SealChecks } from './seals';
import type { Outcome } from './steps';
import { PATH } from './paths';
import { checkRedaction } from './redaction';
import { algorithmsOf } from './renewal';
import { checkRoles } from './roles';
import { checkTls } from './tls';
import { TimeChecks } from './times';
import { merged, Trust } from './trust';

export interface Options {
  readonly trust: Trust;
  readonly self: boolean;
  readonly policy: Policy;
  readonly beside: Beside;
  /** Microseconds since 1970. */
  readonly at: number;
  readonly onProgress: (done: number, of: number) => void;
}

/** What the user has beside the bundle: copies of deposited files, receipts of anchors that came later. */
export interface Beside {
  readonly copies: readonly Held[];
  readonly receipts: readonly Receipt[];
}

/** A certificate that the bundle shows, for the user to compare its fingerprint with one obtained elsewhere. */
export interface Shown {
  readonly role: 'signer' | 'tsa';
  readonly name: string;
  readonly fingerprint: string;
}

export interface Report {
  readonly overall: Outcome;
  readonly findings: readonly Finding[];
  /** Ids that the user's policy made required. */
  readonly asked: readonly string[];
  readonly kase: Case;
  readonly certificates: readonly Shown[];
}

type Check = readonly [string, () => Finding | Promise<Finding>];

class Checks {
  readonly times: TimeChecks;
  readonly outer: OuterChecks;
  readonly seals: SealChecks;
  readonly ledger: LedgerChecks;

  constructor(readonly kase: Case, private readonly beside: Beside) {
    this.times = new TimeChecks(kase);
    this.outer = new OuterChecks(kase, this.times);
    this.seals = new SealChecks(kase, this.times, () => this.outer.readableStamps());
    this.ledger = new LedgerChecks(kase);
  }

  /** What no anchor changes; each reads the members once. */
  content(): Check[] {
    const { kase, beside: { copies } } = this;
    const rerender = sealedRerender(kase);
    return [
      ['container.form', () => checkForm(kase)], ['container.members', () => checkMembers(kase)], ['format.version', () => checkVersions(kase)],
      ['sums.sha256', () => checkSha256Sums(kase)], ['sums.sm3', () => checkSm3Sums(kase)],
      ['outer.manifest', () => this.outer.checkManifest()], ['manifest.form', () => checkManifestForm(kase)], ['manifest.artifacts', () => checkArtifacts(kase)],
      ['manifest.records', () => checkRecords(kase)], ['manifest.minimum', () => checkMinimum(kase)],
      ['archive.records', () => checkArchiveRecords(kase)], ['archive.wacz', () => checkArchiveWacz(kase)], ['exchanges.complete', () => checkExchanges(kase)],
      ['exchanges.corroborated', () => checkNetwork(kase)], ['worklog.chain', () => checkWorklog(kase)], ['custody.chain', () => checkCustody(kase)],
      ['environment.report', () => checkEnvironment(kase)], ...(kase.names.includes(PATH.redaction) ? [['redaction.edition', () => checkRedaction(kase)] as const] : []),
      ['corroboration.images', () => checkImages(kase)], ['corroboration.location', () => checkLocation(kase)],
      ...['corroboration.text', 'corroboration.pictures', 'corroboration.network'].map((id) => [id, () => leftToLibrary(id)] as const),
      ...(rerender ? [['corroboration.rerender', () => rerender] as const] : []),
      ['deposit.items', () => checkItems(kase)], ['deposit.statement', () => checkStatement(kase)],
      ...(copies.length ? [['deposit.file', () => checkCopies(kase, copies)] as const] : []),
      ['devtools.exclusive', () => checkDevtools(kase)], ['tls.handshake', () => checkTls(kase)],
    ];
  }

  /** What depends on whom the user trusts. */
  anchored(policy: Policy): Check[] {
    const { times, outer, seals, ledger, kase, beside: { receipts } } = this;
    return [
      ['outer.signature', () => outer.checkSignature()], ['outer.signer', () => outer.checkSigner(seals)], ['outer.timestamp', () => outer.checkTimestamp()],
      ...(kase.names.some((name) => name.startsWith('META-INF/signature') && name !== 'META-INF/signature001.p7s') ? [['outer.roles', () => checkRoles(kase, outer)] as const] : []),
      ['seal.signature', () => seals.checkSignature()], ['seal.identity', () => seals.checkIdentity()], ['seal.validity', () => seals.checkValidity()],
      ['seal.revocation', () => seals.checkRevocation()], ...(seals.hasPostQuantum() ? [['seal.post_quantum', () => seals.checkPostQuantum()] as const] : []),
      ['time.open', () => times.checkOpen()], ['time.capture', () => times.checkCapture()], ...(hasFilm(kase) ? [['time.film', () => checkFilm(kase, times)] as const] : []), ['time.seal', () => times.checkSeal()], ['time.order', () => times.checkOrder()],
      ['time.independent', () => times.checkIndependent(outer.readableStamps())], ['time.lasting', () => checkLasting(kase, times, outer)],
      ['ledger.entry', () => ledger.checkEntry()], ['ledger.inclusion', () => ledger.checkInclusion()], ['ledger.checkpoint', () => ledger.checkCheckpoint()],
      ['ledger.open', () => ledger.checkOpen()], ['ledger.independent', () => ledger.checkIndependent(outer.readableStamps())],
      ...(receipts.length || hasReceipts(kase) ? [['ledger.anchored', () => checkAnchored(kase, receipts)] as const] : []),
      ['deposit.links', () => checkLinks(kase)], ...this.demanded(policy),
    ];
  }

  private demanded(policy: Policy): Check[] {
    const { times, outer, ledger, kase } = this;
    const checks: Record<string, () => Finding> = {
      'policy.signatures': () => checkSignatures(kase, outer, policy), 'policy.timestamps': () => checkTimestamps(times, outer, policy), 'policy.witnesses': () => checkWitnesses(ledger, policy),
    };
    return ownChecks(policy).map((id) => [id, checks[id]]);
  }

  /** The certificates that the bundle shows: embedded in seals and tokens, or in its own `trust/`. */
  certificates(): { signers: Certificate[]; tsas: Certificate[] } {
    const quiet = <T>(read: () => T[]): T[] => {
      try {
        return read();
      } catch {
        return []; // the check of that part says why
      }
    };
    const pem = (name: string) => quiet(() => readableCertificates(pemBlocks(new TextDecoder().decode(this.kase.keptData(name) ?? new Uint8Array()), 'CERTIFICATE')));
    const stamps = [() => this.times.opens(), () => [...this.times.captures().values()].flat(), () => this.times.seals(), () => this.outer.proofs()].flatMap((read) => quiet(read));
    return {
      signers: unique([...quiet(() => [...this.seals.inner().embedded]), ...quiet(() => this.outer.signatures().flatMap((one) => [...one.check.embedded])), ...pem(PATH.trustSigner), ...pem(PATH.trustPostQuantum)]),
      tsas: unique([...stamps.flatMap((stamp) => [...stamp.check.embedded]), ...pem('trust/tsa.pem')]),
    };
  }
}

function isDeposit(kase: Case): boolean {
  try {
    return kase.manifest.kind === 'deposit';
  } catch {
    return false; // the check of the manifest says why
  }
}

async function runAll(checks: readonly Check[], deposit: boolean): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [id, check] of checks) if (!foreign(id, deposit)) found.push(await run(id, check));
  return found;
}

const ONLY_OWN: Text = { en: 'it holds against the anchors in the bundle itself, which prove nothing', zh: '仅依证据包自带的信任锚成立，不具证明力' };
const SELF: Text = { en: 'the anchors came from the bundle itself: nothing was checked against the outside', zh: '信任锚取自证据包自身：未与任何外部依据核对' };
const STATUS: Text = { en: 'whether it was corrected or revoked later needs a newer ledger', zh: '其后是否被更正或撤销，需要更新的日志才能判断' };

/** What only the bundle's own anchors made PASSED is INDETERMINATE: origin and time need an anchor from elsewhere. */
function capped(own: readonly Finding[], given: readonly Finding[]): Finding[] {
  const passed = new Set(given.filter((one) => one.outcome === 'PASSED').map((one) => one.id));
  return own.map((one) => (one.outcome === 'PASSED' && !passed.has(one.id) ? { ...one, outcome: 'INDETERMINATE', reason: ONLY_OWN } : one));
}

/** The hash functions that the bundle's evidence records need of its members. */
function recordHashes(kase: Case): string[] {
  return kase.names.filter((name) => name.endsWith('.ers')).flatMap((name) => algorithmsOf(kase.keptData(name) ?? new Uint8Array()));
}

export async function verifyBundle(file: File, { trust: given, self, policy, beside, at, onProgress }: Options): Promise<Report> {
  const [trust, asked] = [withAnchors(given, policy), demandsOf(policy)];
  let kase = await Case.open(file, trust, at, onProgress);
  await kase.prepare(recordHashes(kase));
  let checks = new Checks(kase, beside);
  const shown = checks.certificates();
  // A fingerprint that the user obtained elsewhere makes the certificate that has it an anchor.
  const picked = {
    signers: shown.signers.filter((one) => trust.signerPrints.includes(one.fingerprint)), tsas: shown.tsas.filter((one) => trust.tsaPrints.includes(one.fingerprint)),
  };
  kase = kase.with(merged(trust, picked));
  checks = new Checks(kase, beside);
  const deposit = isDeposit(kase);
  const content = await runAll(checks.content(), deposit);
  let anchored = await runAll(checks.anchored(policy), deposit);
  if (self) anchored = [...capped(await runAll(new Checks(kase.withOwnAnchors(), beside).anchored(policy), deposit), anchored), finding('trust.self', 'INDETERMINATE', SELF)];
  const findings = complete([...content, ...anchored, finding('status.current', 'NOT_PERFORMED', STATUS)], deposit);
  const certificates = (['signer', 'tsa'] as const).flatMap((role) => shown[`${role}s`].map(({ name, fingerprint }): Shown => ({ role, name, fingerprint })));
  return { overall: overall(findings, asked), findings, asked, kase, certificates };
}
