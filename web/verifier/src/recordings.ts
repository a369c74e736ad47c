// What was recorded: the web archive, the list of exchanges, the two logs and the environment report.

import { FormatError, toHex } from './bytes';
import { parseCanonical } from './canonical';
import type { Case } from './case';
import { ChainCheck, checkChain, MAX_LOG_BYTES } from './chainlog';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import type { Completeness, Opening } from './manifest';
import { PATH } from './paths';
import type { Outcome } from './steps';
import { readBlocks } from './warc';
import { checkPackage, isWaczSigned, Wacz } from './wacz';

const MAX_LINES = 1 << 20;
/** So many addresses of blocks are compared, as in evidencekit/verify/archive.py. */
const MAX_ADDRESSES = 1 << 18;
const MAX_LINE_BYTES = 8 << 20;
const MAX_REPORT_BYTES = 16 << 20;
const ENDINGS = ['recorded', 'partial', 'failed', 'withheld', 'not-retrievable'];
const OUTCOMES: Record<string, Outcome> = { PASS: 'PASSED', WARN: 'INDETERMINATE', FAIL: 'FAILED', NOT_PERFORMED: 'NOT_PERFORMED' };

/** The blocks of the archive and the opened records are the same, each once. */
export async function checkArchiveRecords(kase: Case): Promise<Finding> {
  const tally = new Tally('archive.records', kase.archive);
  const opened = new Map(kase.records.records.filter((line) => line.opened).map((line) => [line.name, line]));
  const wacz = await kase.openWacz();
  let blocks = 0;
  for (const name of wacz.archives) {
    try {
      blocks += await takeBlocks(wacz, name, opened, tally, kase);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      tally.fail(`${name}: ${error.en}`, `${name}：${error.zh}`);
    }
  }
  for (const id of opened.keys()) tally.fail(`record ${id} was committed, but the archive lacks it`, `记录 ${id} 已承诺，但归档中没有`);
  return tally.close(`${blocks} blocks equal the records that were committed`, `${blocks} 个块与所承诺的记录一致`);
}

/** Strikes every block of one WARC file off the opened records, and notes those that are not there to strike. */
async function takeBlocks(wacz: Wacz, name: string, opened: Map<string, Opening>, tally: Tally, kase: Case): Promise<number> {
  let count = 0;
  for await (const { recordId, warcId, address, declared, size, digests } of readBlocks(wacz.stream(name))) {
    const shown = recordId ?? warcId;
    if (declared !== null && declared !== digests.sha256) tally.fail(`record ${shown} has another digest than it states`, `记录 ${shown} 与其声明的摘要不符`);
    if (recordId === null) continue;
    count += 1;
    if (count <= MAX_ADDRESSES) kase.addresses.set(recordId, address);
    const line = opened.get(recordId);
    opened.delete(recordId);
    if (!line?.opened) tally.fail(`record ${shown} was never committed`, `记录 ${shown} 未经承诺`);
    else if (line.opened.size !== size || line.opened.digests.sha256 !== digests.sha256 || line.opened.digests.sm3 !== digests.sm3) tally.fail(`record ${shown} does not equal what was committed`, `记录 ${shown} 与承诺不符`);
  }
  return count;
}

export async function checkArchiveWacz(kase: Case): Promise<Finding> {
  const tally = new Tally('archive.wacz', kase.archive);
  const { problems, signed } = await checkPackage(await kase.openWacz());
  for (const problem of problems) tally.fail(problem, `WACZ 不自洽：${problem}`);
  if (signed && !isWaczSigned(signed)) tally.fail("the WACZ's own signature is wrong", 'WACZ 自带的签名不正确');
  return tally.close("the WACZ's own digests agree", 'WACZ 自带摘要一致');
}

class Seen {
  readonly ids = new Set<string>();
  readonly records = new Map<string, number>();
  readonly endings = new Map<string, number>();
  readonly links: [string, string][] = [];
  readonly cameFrom = new Map<string, string>();
  readonly elsewhere: string[] = [];
  lines = 0;
  repeated = 0;
  afterCapture = 0;

  add(row: Fields): void {
    const [id, ending] = [row.text('id', 64), row.text('outcome', 64)];
    if (!ENDINGS.includes(ending)) row.refuse('outcome', `is not one of ${ENDINGS.join(', ')}`, '不是规定的结果之一');
    if (this.ids.has(id)) this.repeated += 1;
    this.ids.add(id);
    this.lines += 1;
    this.endings.set(ending, (this.endings.get(ending) ?? 0) + 1);
    if (row.flag('after_t_capture')) this.afterCapture += 1;
    const [origin, target] = [row.optional('redirected_from', row.text), row.optional('redirected_to', row.text)];
    if (origin !== null) {
      this.links.push([origin, id]);
      this.cameFrom.set(id, origin);
    }
    if (target !== null) this.links.push([id, target]);
    for (const name of row.texts('records')) {
      if (name.split('.')[0] !== id) row.refuse('records', 'names a record of another request', '包含其他请求的记录');
      this.records.set(name, (this.records.get(name) ?? 0) + 1);
    }
  }
}

/** What replays at an address was asked for there. A redacted list masks addresses. */
function compareAddresses(kase: Case, row: Fields, seen: Seen): void {
  if (kase.exchanges !== PATH.exchanges) return;
  const address = row.text('url', MAX_LINE_BYTES).replace(/[\x00-\x1f\x7f]/g, '');
  for (const name of row.texts('records')) if ((kase.addresses.get(name) ?? address) !== address) seen.elsewhere.push(name);
}

/** Every request of the session ends in exactly one line (docs/spec/exchanges.md). */
export function checkExchanges(kase: Case): Finding {
  const tally = new Tally('exchanges.complete', kase.exchanges);
  const seen = new Seen();
  if (kase.exchanges !== PATH.exchanges) tally.doubt('the list is that of a redacted edition: the list that was committed is WITHHELD(redacted)', '该列表属于遮盖版：所承诺的原列表不公开（WITHHELD：redacted）');
  let stated = 0;
  let number = 0;
  for (const line of kase.exchangeLines()) {
    if (number > MAX_LINES) throw new FormatError(`${kase.exchanges} has over ${MAX_LINES} lines`, `${kase.exchanges} 行数超过上限`);
    const what = `${kase.exchanges} line ${number}`;
    const row = new Fields(parseCanonical(line, MAX_LINE_BYTES, what), what);
    if (number) {
      seen.add(row);
      compareAddresses(kase, row, seen);
    } else {
      checkVersion(row, 'exchanges');
      stated = row.integer('count');
      if (row.text('capture_id') !== kase.manifest.captureId) tally.fail('the list is of another capture', '该列表属于另一次取证');
    }
    number += 1;
  }
  if (seen.lines !== stated) tally.fail(`the header announces ${stated} requests, ${seen.lines} are there`, `表头声明 ${stated} 个请求，实有 ${seen.lines} 个`);
  if (seen.repeated) tally.fail(`${seen.repeated} ids occur more than once`, `${seen.repeated} 个编号重复`);
  checkCounts(tally, seen, kase.manifest.completeness);
  checkLinks(tally, seen);
  for (const name of seen.elsewhere) tally.fail(`record ${name} stands at another address than was asked for`, `记录 ${name} 的网址与所请求的不符`);
  const committed = new Set(kase.records.records.map((line) => line.name));
  for (const name of committed) if (!seen.records.has(name)) tally.fail(`record ${name} was committed, but no request names it`, `记录 ${name} 已承诺，但没有请求引用它`);
  for (const [name, times] of seen.records) if (!committed.has(name) || times > 1) tally.fail(`record ${name} is named more often than it was committed`, `记录 ${name} 的引用次数多于承诺次数`);
  return tally.close(`each of ${seen.lines} requests ends once, as the manifest counts`, `${seen.lines} 个请求各有且仅有一个结果，与清单计数一致`);
}

function checkCounts(tally: Tally, seen: Seen, stated: Completeness): void {
  const count = (ending: string) => seen.endings.get(ending) ?? 0;
  const found: Partial<Completeness> = {
    requests: seen.lines, recorded: count('recorded'), partial: count('partial'), failed: count('failed'), withheld: count('withheld'),
    not_retrievable: count('not-retrievable'), after_t_capture: seen.afterCapture,
  };
  for (const [name, counted] of Object.entries(found)) {
    const wanted = stated[name as keyof Completeness];
    if (wanted !== counted) tally.fail(`the manifest counts ${name} ${wanted}, the lines give ${counted}`, `清单中 ${name} 为 ${wanted}，逐行统计为 ${counted}`);
  }
}

/** A redirect leads to a request that is there, and does not contradict what that one says of itself. */
function checkLinks(tally: Tally, seen: Seen): void {
  for (const [origin, target] of seen.links) {
    const from = seen.cameFrom.get(target) ?? origin;
    if (!seen.ids.has(origin) || !seen.ids.has(target)) tally.fail(`the redirect ${origin} to ${target} names a request that is not there`, `重定向 ${origin} → ${target} 指向不存在的请求`);
    else if (from !== origin) tally.fail(`${origin} and ${from} both lead to ${target}`, `${target} 的重定向来源矛盾`);
  }
}

export function checkWorklog(kase: Case): Finding {
  const tally = new Tally('worklog.chain', PATH.worklog);
  const { worklog, captureId } = kase.manifest;
  const chain = checkChain(kase.data(PATH.worklog, MAX_LOG_BYTES), { format: 'worklog', captureId, previous: new Uint8Array(32), firstN: 1 });
  noteBreak(tally, chain);
  if (chain.ok && toHex(chain.head) !== toHex(worklog.head)) tally.fail('the log does not end where the manifest says', '日志结尾与清单所载不符');
  if (chain.ok && chain.lines !== worklog.lines) tally.fail(`the log has ${chain.lines} lines, the manifest says ${worklog.lines}`, `日志有 ${chain.lines} 行，清单记为 ${worklog.lines} 行`);
  return tally.close(`${chain.lines} lines, chained without a break`, `${chain.lines} 行，链条完整`);
}

/** Continues the work log that the manifest fixes, in hash and in count. */
export function checkCustody(kase: Case): Finding {
  const tally = new Tally('custody.chain', PATH.custody);
  const { worklog, captureId } = kase.manifest;
  const chain = checkChain(kase.data(PATH.custody, MAX_LOG_BYTES), { format: 'custody', captureId, previous: worklog.head, firstN: worklog.lines });
  noteBreak(tally, chain);
  if (chain.ok && chain.lines < 2) tally.fail('the custody log holds no event', '保管日志没有任何事件');
  return tally.close(`${chain.lines} lines continue the work log`, `${chain.lines} 行，与工作日志衔接`);
}

function noteBreak(tally: Tally, chain: ChainCheck): void {
  if (!chain.ok) tally.fail(`line ${chain.brokenAt}: ${chain.reason.en}`, `第 ${chain.brokenAt} 行：${chain.reason.zh}`);
}

function openReport(kase: Case): Fields {
  const report = new Fields(parseCanonical(kase.data(PATH.environment, MAX_REPORT_BYTES), MAX_REPORT_BYTES, PATH.environment), PATH.environment);
  checkVersion(report, 'environment');
  return report;
}

const resultOf = (probe: Fields): string => probe.choice('result', Object.keys(OUTCOMES));

export function checkEnvironment(kase: Case): Finding {
  const tally = new Tally('environment.report', PATH.environment);
  const report = openReport(kase);
  const probes = report.items('checks');
  const results = new Map(probes.map((probe) => [probe.text('id'), resultOf(probe)]));
  if (results.size !== probes.length) tally.fail('a probe is listed twice', '有检查项重复');
  const named = (result: string) => [...results].filter(([, found]) => found === result).map(([name]) => name);
  const stated = report.counts('counts');
  if (Object.keys(OUTCOMES).some((result) => (stated.get(result) ?? 0) !== named(result).length)) tally.fail('the counts are not those of the probes listed', '计数与所列检查项不符');
  if (report.text('capture_id') !== kase.manifest.captureId) tally.fail('the report is of another capture', '该报告属于另一次取证');
  if (!results.size) tally.skip('no probe ran', '没有执行任何检查');
  if (named('FAIL').length) tally.fail(`${named('FAIL').join(', ')} saw signs of forgery`, `${named('FAIL').join('、')} 发现伪造迹象`);
  if (named('WARN').length) tally.doubt(`${named('WARN').join(', ')} saw something to look at`, `${named('WARN').join('、')} 发现需要注意的情况`);
  if (named('NOT_PERFORMED').length) tally.doubt(`not performed: ${named('NOT_PERFORMED').join(', ')}`, `未执行：${named('NOT_PERFORMED').join('、')}`);
  return tally.close(`${named('PASS').length} probes ran and saw no sign of forgery`, `${named('PASS').length} 项检查已执行，未发现伪造迹象`);
}

export function checkDevtools(kase: Case): Finding {
  const tally = new Tally('devtools.exclusive', PATH.environment);
  const found = openReport(kase).items('checks').filter((probe) => probe.text('id') === 'devtools.exclusive');
  if (found.length !== 1) tally.skip('the environment report says nothing about other DevTools clients', '环境报告未说明是否有其他 DevTools 客户端');
  for (const probe of found.slice(0, 1)) {
    const outcome = OUTCOMES[resultOf(probe)];
    if (outcome !== 'PASSED') tally.note(outcome, probe.bilingual('reason'));
  }
  return tally.close('no sign of another DevTools client was seen', '未发现其他 DevTools 客户端接入的迹象');
}
