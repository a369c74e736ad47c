// Time: T_open over the request, T_capture over every page's capture root, T_seal over the seal, and their order.
//
// One trusted token a role is enough; a broken one fails the role, because nobody stores a broken token by accident.

import { same, Text, toHex } from './bytes';
import { canonical, parseCanonical } from './canonical';
import type { Case } from './case';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import type { CaptureStamp } from './manifest';
import { rootOf } from './merkle';
import { once } from './once';
import { PATH, queryOf } from './paths';
import { MINUTE, SECOND, shownTime } from './time';
import { answers, checkToken, TokenCheck } from './token';

const CLOCK_TOLERANCE = 5 * MINUTE;
const MAX_DOCUMENT = 1 << 20;

export interface Stamp {
  readonly path: string;
  readonly check: TokenCheck;
  readonly intact: boolean;
  /** False where a request is kept that the token does not answer. */
  readonly asked: boolean;
  readonly trusted: boolean;
  /** The moments that the token can mean: its genTime and the accuracy it claims, a second without. */
  readonly earliest: number;
  readonly latest: number;
}

export function stampOf(path: string, check: TokenCheck): Stamp {
  const intact = check.integrity === 'PASSED';
  const [spread, at] = [check.accuracy ?? SECOND, check.genTime ?? 0];
  return { path, check, intact, asked: true, trusted: intact && check.trusted === 'PASSED', earliest: at - spread, latest: at + spread };
}

type Side = 'earliest' | 'latest';
export const times = (stamps: readonly Stamp[], side: Side): number[] => stamps.filter((stamp) => stamp.intact).map((stamp) => stamp[side]);
export const minOf = (values: readonly number[]): number | null => (values.length ? Math.min(...values) : null);
export const maxOf = (values: readonly number[]): number | null => (values.length ? Math.max(...values) : null);

export class TimeChecks {
  readonly opens = once((): Stamp[] => {
    const { document, tokens } = this.kase.manifest.tOpen;
    const digest = this.kase.sha256(document);
    return tokens.filter((token) => this.kase.has(token.path)).map((token) => this.stampOf(token.path, digest));
  });

  readonly captures = once((): Map<string, Stamp[]> => new Map(this.kase.manifest.tCapture.map(({ page, document }) => {
    const digest = this.kase.sha256(document);
    return [page, this.kase.numbered(document.replace(/\.json$/, '')).map((path) => this.stampOf(path, digest))];
  })));

  readonly seals = once((): Stamp[] => {
    const digest = this.kase.sha256(PATH.seal);
    return this.kase.numbered('seal/seal').map((path) => this.stampOf(path, digest));
  });

  constructor(private readonly kase: Case) {}

  stampOf(path: string, digest: Uint8Array): Stamp {
    const { trust, at } = this.kase;
    const check = checkToken(this.kase.data(path), { digest, anchors: trust.tsas, revocations: this.kase.revocations(), at });
    return { ...stampOf(path, check), asked: this.asked(path, digest, check.nonce) };
  }

  /** Whether the request that is kept beside a token, if it is, is another one than the token answers. */
  private asked(path: string, digest: Uint8Array, nonce: bigint | null): boolean {
    const name = queryOf(path);
    return !this.kase.has(name) || answers(this.kase.data(name), digest, nonce);
  }

  /** The earliest time at which a trusted token proves the signature, or null. */
  provedSealTime(): number | null {
    if (!this.kase.has(PATH.seal)) return null;
    return minOf(this.seals().filter((stamp) => stamp.trusted).map((stamp) => stamp.check.genTime!));
  }

  checkOpen(): Finding {
    const record = this.kase.manifest.tOpen;
    const tally = new Tally('time.open', record.document);
    this.checkOpenDocument(tally);
    for (const token of record.tokens) {
      if (!this.kase.has(token.path)) tally.fail(`the token ${token.path} is missing`, `缺少时间戳 ${token.path}`);
      else if (this.kase.digestOf(token.path).sha256 !== token.sha256) tally.fail(`${token.path} is not the token that was signed`, `${token.path} 不是已签名清单所载的时间戳`);
    }
    const declared = new Map(record.tokens.map((token) => [token.path, token.selfIssued]));
    for (const { path, intact, check } of this.opens()) {
      if (intact && check.selfIssued !== declared.get(path)) tally.fail(`the manifest is wrong about who issued ${path}`, `清单对 ${path} 的签发者记载有误`);
    }
    noteStamps(tally, this.opens());
    return tally.close('T_open is proved by a TSA you trust', 'T_open 由您信任的时间戳机构证明');
  }

  checkCapture(): Finding {
    const { manifest } = this.kase;
    const tally = new Tally('time.capture', 'seal/capture-*.json');
    const pages = new Set(manifest.pages.map((page) => page.id));
    const roots = manifest.tCapture.map((record) => record.page);
    if (roots.length !== pages.size || roots.some((page) => !pages.has(page))) tally.fail('not every page has exactly one capture root', '并非每个页面恰有一个取证根');
    for (const record of manifest.tCapture) this.checkCaptureDocument(record, tally);
    for (const [page, stamps] of this.captures()) noteStamps(tally, stamps, { en: `page ${page}`, zh: `第 ${page} 页` });
    return tally.close('T_capture is proved for every page by a TSA you trust', '每个页面的 T_capture 均由您信任的时间戳机构证明');
  }

  checkSeal(): Finding {
    const tally = new Tally('time.seal', PATH.seal);
    noteStamps(tally, this.seals());
    return tally.close('T_seal is proved by a TSA you trust', 'T_seal 由您信任的时间戳机构证明');
  }

  /** T_open ≤ T_capture ≤ T_seal within what the tokens claim, and the record's own times between. */
  checkOrder(): Finding {
    const tally = new Tally('time.order', 'T_open, T_capture, T_seal');
    const captures = [...this.captures().values()].flat();
    for (const [name, stamps] of [['T_open', this.opens()], ['T_capture', captures], ['T_seal', this.seals()]] as const) {
      // The files of a deposit existed before; nothing is captured.
      if (name === 'T_capture' && this.kase.manifest.kind === 'deposit') continue;
      if (!stamps.some((stamp) => stamp.intact)) tally.doubt(`${name} is pending`, `${name} 待补`);
      else if (!stamps.some((stamp) => stamp.trusted)) tally.doubt(`${name} comes from no TSA you trust`, `${name} 并非来自您信任的时间戳机构`);
    }
    const lastOpen = maxOf(times(this.opens(), 'earliest'));
    noteOrder(tally, 'T_open', lastOpen, 'T_seal', minOf(times(this.seals(), 'latest')));
    for (const stamps of this.captures().values()) {
      noteOrder(tally, 'T_open', lastOpen, 'T_capture', minOf(times(stamps, 'latest')));
      // A second TSA may have answered late; the first answer is what T_capture rests on.
      noteOrder(tally, 'T_capture', minOf(times(stamps, 'earliest')), 'T_seal', maxOf(times(this.seals(), 'latest')));
    }
    this.noteOwnTimes(tally);
    return tally.close("T_open ≤ T_capture ≤ T_seal, the record's times between", 'T_open ≤ T_capture ≤ T_seal，记录时间居于其间');
  }

  checkIndependent(outer: readonly Stamp[]): Finding {
    const tally = new Tally('time.independent', 'time-stamps');
    const stamps = [...this.opens(), ...[...this.captures().values()].flat(), ...this.seals(), ...outer];
    const foreign = stamps.filter((stamp) => stamp.intact && !stamp.check.selfIssued);
    if (!stamps.length) tally.skip('there is no time-stamp', '没有时间戳');
    else if (!foreign.length) tally.doubt('every token is self-issued, not independent', '所有时间戳均为自行签发，不具独立性');
    else if (!foreign.some((stamp) => stamp.trusted)) tally.doubt('no token of another TSA leads to an anchor you gave', '其他时间戳机构的凭证均无法追溯至您提供的信任锚');
    return tally.close("a TSA other than the issuer's own vouches for a time", '制作方以外的时间戳机构为时间作证');
  }

  private open(path: string, name: string): Fields {
    const document = new Fields(parseCanonical(this.kase.data(path, MAX_DOCUMENT), MAX_DOCUMENT, path), path);
    checkVersion(document, name);
    return document;
  }

  private checkOpenDocument(tally: Tally): void {
    const { manifest } = this.kase;
    const path = manifest.tOpen.document;
    const document = this.open(path, 'open');
    if (this.kase.digestOf(path).sha256 !== manifest.tOpen.sha256) tally.fail(`${path} is not the document that was signed`, `${path} 不是已签名清单所载的文件`);
    if (document.text('capture_id') !== manifest.captureId) tally.fail(`${path} is of another capture`, `${path} 属于另一次取证`);
    if (canonical(document.object('request').members) !== canonical(manifest.request)) tally.fail("the request that was stamped is not the manifest's", '所盖时间戳的请求与清单不符');
  }

  private checkCaptureDocument(record: CaptureStamp, tally: Tally): void {
    const { manifest, records } = this.kase;
    const path = record.document;
    const document = this.open(path, 'capture-root');
    if (this.kase.digestOf(path).sha256 !== record.sha256) tally.fail(`${path} is not the document that was signed`, `${path} 不是已签名清单所载的文件`);
    if (document.text('capture_id') !== manifest.captureId || document.text('page') !== record.page) tally.fail(`${path} is of another capture or page`, `${path} 属于另一次取证或另一页面`);
    const leaves = records.records.map((line) => line.leaf);
    const count = document.integer('records');
    if (count > leaves.length) tally.fail(`${path} counts ${count} records, there are ${leaves.length}`, `${path} 记 ${count} 条记录，实有 ${leaves.length} 条`);
    const initial = [['initial_screenshot', 'screenshot.initial'], ['initial_dom', 'dom.initial']].map(([name, role]) => {
      const leaf = document.octets(name, 32);
      const own = manifest.artifacts.some((one) => one.page === record.page && one.role === role && same(one.leaf, leaf));
      if (!own) tally.fail(`${path}: ${name} is not the page's ${role}`, `${path}：${name} 不是该页面的 ${role}`);
      return leaf;
    });
    if (toHex(rootOf([...leaves.slice(0, count), ...initial])) !== toHex(document.octets('root', 32))) tally.fail(`${path}: the root is not that of the records`, `${path}：根与记录不符`);
  }

  /** The manifest's own times come from a clock that nobody verified: a contradiction leaves doubt. */
  private noteOwnTimes(tally: Tally): void {
    const { manifest } = this.kase;
    const after = maxOf(times(this.opens(), 'earliest'));
    const before = minOf(times(this.seals(), 'latest'));
    for (const page of manifest.pages) {
      const shown = minOf(times(this.captures().get(page.id) ?? [], 'latest')) ?? before;
      noteClock(tally, { en: `page ${page.id} began`, zh: `第 ${page.id} 页的开始时间` }, page.started, after, before);
      noteClock(tally, { en: `page ${page.id} was first shown`, zh: `第 ${page.id} 页的初始画面时间` }, page.initial, after, shown);
    }
    const ended = manifest.deposit ? { en: 'the deposit ended', zh: '存证结束时间' } : { en: 'the capture ended', zh: '取证结束时间' };
    noteClock(tally, ended, manifest.finished, after, before);
  }
}

/** Notes what one role's tokens come to. */
export function noteStamps(tally: Tally, stamps: readonly Stamp[], of: Text | null = null): void {
  const [en, zh] = of ? [` (${of.en})`, `（${of.zh}）`] : ['', ''];
  const trusted = stamps.some((stamp) => stamp.trusted);
  for (const { path, check, asked } of stamps) {
    if (!asked) tally.fail(`${queryOf(path)} is not the request that ${path} answers`, `${queryOf(path)} 不是 ${path} 所答复的请求`);
    if (check.integrity === 'FAILED' || (check.trusted === 'FAILED' && !trusted)) tally.fail(`${path}: ${check.reason.en}`, `${path}：${check.reason.zh}`);
  }
  if (!stamps.length) tally.doubt(`the time-stamp is pending${en}`, `时间戳待补${zh}`);
  else if (!trusted) tally.doubt(`intact, but no token leads to a TSA you trust${en}: ${stamps[0].check.reason.en}`, `时间戳完整，但无法追溯至您信任的时间戳机构${zh}：${stamps[0].check.reason.zh}`);
}

/** Notes where two named moments, if both are known, contradict their order. */
export function noteOrder(tally: Tally, first: string, early: number | null, second: string, late: number | null): void {
  if (early !== null && late !== null && early > late) tally.fail(`${first} lies after ${second}`, `${first} 晚于 ${second}`);
}

function noteClock(tally: Tally, what: Text, own: number, after: number | null, before: number | null): void {
  if (after !== null && own < after - CLOCK_TOLERANCE) tally.doubt(`by the system clock ${what.en} at ${shownTime(own)}, before T_open`, `按系统时钟，${what.zh}（${shownTime(own)}）早于 T_open`);
  if (before !== null && own > before + CLOCK_TOLERANCE) tally.doubt(`by the system clock ${what.en} at ${shownTime(own)}, after the time-stamp over it`, `按系统时钟，${what.zh}（${shownTime(own)}）晚于对应时间戳`);
}
