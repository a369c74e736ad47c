// Do the time-stamps still stand? While a TSA's certificate is valid, or when a later time-stamp that stands covered it.

import type { Text } from './bytes';
import type { Case } from './case';
import { Finding, Tally } from './findings';
import type { OuterChecks } from './outer';
import { buildPath } from './path';
import { shownTime } from './time';
import type { Stamp, TimeChecks } from './times';

type Moment = readonly [Text, readonly Stamp[]];

export function checkLasting(kase: Case, times: TimeChecks, outer: OuterChecks): Finding {
  const tally = new Tally('time.lasting', 'time-stamps');
  noteRecords(tally, outer);
  const proofs = outer.readableStamps();
  const standing = standingOf(kase, proofs);
  const pages = [...times.captures()].map(([page, stamps]): Moment => [{ en: `T_capture of page ${page}`, zh: `第 ${page} 页的 T_capture` }, stamps]);
  const moments: Moment[] = [[{ en: 'T_open', zh: 'T_open' }, times.opens()], ...pages, [{ en: 'T_seal', zh: 'T_seal' }, times.seals()]];
  let stands = standing.length > 0;
  for (const [moment, stamps] of moments) {
    const trusted = stamps.filter((stamp) => stamp.trusted);
    if (trusted.some((stamp) => isStanding(kase, stamp, standing))) stands = true;
    else if (trusted.length) noteLapsed(tally, moment, trusted[0]);
  }
  const trusted = proofs.filter((stamp) => stamp.trusted);
  if (trusted.length && !standing.length) noteLapsed(tally, { en: 'the outer time-stamp', zh: '外层时间戳' }, trusted[trusted.length - 1]);
  if (!stands && tally.outcome === 'PASSED') tally.skip('there is no time-stamp that you trust', '没有您信任的时间戳');
  return tally.close('the certificates behind the time-stamps are valid, or were when a later one covered them', '时间戳机构证书有效，或在后续时间戳覆盖时有效');
}

/** From the last back, because each covers all before it. */
function standingOf(kase: Case, proofs: readonly Stamp[]): Stamp[] {
  const found: Stamp[] = [];
  for (const stamp of [...proofs].reverse()) if (stamp.trusted && isStanding(kase, stamp, found)) found.push(stamp);
  return found;
}

function isStanding(kase: Case, stamp: Stamp, covers: readonly Stamp[]): boolean {
  return holds(kase, stamp, kase.at) || covers.some(({ check: { genTime } }) => genTime !== null && genTime <= kase.at && holds(kase, stamp, genTime));
}

function holds(kase: Case, { check }: Stamp, moment: number): boolean {
  if (!check.certificate || check.genTime === null || moment < check.genTime) return false;
  return buildPath(check.certificate, check.embedded, kase.trust.tsas, moment, 'timestamping').outcome === 'PASSED';
}

function noteLapsed(tally: Tally, moment: Text, stamp: Stamp): void {
  const path = stamp.check.chain.length ? stamp.check.chain : [stamp.check.certificate!];
  const end = shownTime(Math.min(...path.map((one) => one.to)));
  tally.doubt(`${moment.en}: its TSA's certificate ended ${end} and no time-stamp renewed it before`, `${moment.zh}：时间戳机构证书已于 ${end} 到期，此前未续期`);
}

/** Evidence records; the one that ends the bundle is protected by nothing but itself. */
function noteRecords(tally: Tally, outer: OuterChecks): void {
  const records = outer.readableRecords();
  for (const { path, check } of records) {
    if (check.integrity !== 'PASSED') tally.note(check.integrity, { en: `${path}: ${check.reason.en}`, zh: `${path}：${check.reason.zh}` });
  }
  const last = records[records.length - 1];
  if (!last || outer.manifests()[outer.manifests().length - 1].reference !== last.path) return;
  for (const one of last.check.unaccounted) tally.doubt(`${last.path} holds ${one.en}, unprotected`, `${last.path} 含未受保护的内容：${one.zh}`);
}
