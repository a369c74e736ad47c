// A deposit: its items, what its depositor states, and the records that it rests on (evidencekit/verify/deposit.py).
//
// What a statement says is its depositor's word: it is checked for form, never for truth.

import { FormatError, same, splitLines } from './bytes';
import { parseCanonical } from './canonical';
import type { Case } from './case';
import { Deposit, Item, Link, MAX_FILES, MAX_ITEM_LINE, MAX_ITEMS_BYTES, OUTSIDE, readItem, readItemsHeader } from './depositfile';
import type { Digests } from './digest';
import { Fields } from './fields';
import { Finding, InputMissing, Tally } from './findings';
import { Opening, parseEntry } from './manifest';
import { linkEntry, linkProof, PATH } from './paths';
import { checkProof, parseVkey } from './tlog';

/** A file that the user has, as hashed by this page. */
export interface Held {
  readonly size: number;
  readonly digests: Digests;
}

function depositOf(kase: Case): Deposit {
  const { deposit } = kase.manifest;
  if (!deposit) throw new InputMissing('NOT_PERFORMED', OUTSIDE);
  return deposit;
}

/** One line a file; each stored file is a committed artifact of the same size and digests. */
export function checkItems(kase: Case): Finding {
  const [tally, deposit] = [new Tally('deposit.items', PATH.items), depositOf(kase)];
  const stored = new Map(kase.records.artifacts.map((line) => [line.name, line]));
  const files = new Set(kase.manifest.artifacts.filter((one) => one.role === 'deposit').map((one) => one.path));
  if (!stored.has(PATH.items)) tally.fail('the list of items is not committed to', '条目清单未纳入承诺');
  let [count, size] = [0, 0];
  for (const item of itemsOf(kase, deposit, tally)) {
    count += 1;
    size += item.size;
    if (item.n !== count) tally.fail(`item ${item.n} stands at place ${count}`, `第 ${count} 项的序号为 ${item.n}`);
    if (deposit.hashOnly && (item.name !== null || item.path !== null)) tally.fail(`item ${item.n} names a file in a hash-only deposit`, `仅存摘要的存证中第 ${item.n} 项出现文件名`);
    if (!deposit.hashOnly && item.path === null) tally.fail(`item ${item.n} has no file`, `第 ${item.n} 项没有文件`);
    if (item.path === null) continue;
    checkFile(tally, item, files.has(item.path) ? stored.get(item.path) : undefined);
    files.delete(item.path);
  }
  for (const path of [...files].sort().slice(0, 3)) tally.fail(`${path} is no item`, `${path} 不在条目清单中`);
  if (count !== deposit.files || size !== deposit.size) {
    tally.fail(`${count} items of ${size} bytes where the manifest says ${deposit.files} of ${deposit.size}`, `共 ${count} 项、${size} 字节，清单记为 ${deposit.files} 项、${deposit.size} 字节`);
  }
  if (!deposit.hashOnly) return tally.close(`${count} deposited files as listed`, `${count} 个存证文件与清单一致`);
  return tally.close(`digests of ${count} files; the files are not in the bundle: compare them with your own copy`, `${count} 个文件的摘要；文件不在证据包内，请与您手中的文件比对`);
}

/** What the user holds beside the bundle: each file, by size and digests, must be an item. Names are not looked at. */
export function checkCopies(kase: Case, held: readonly Held[]): Finding {
  const [tally, { deposit }] = [new Tally('deposit.file', PATH.items), kase.manifest];
  if (!deposit) {
    tally.skip('this is a capture, not a deposit: there are no deposited files to compare with', '这是取证而非存证：没有可比对的存证文件');
    return tally.close('', '');
  }
  const keyOf = (size: number, digests: Digests): string => `${size} ${digests.sha256} ${digests.sm3}`;
  const items = new Map<string, number>();
  for (const { n, size, digests } of itemsOf(kase, deposit, tally)) if (!items.has(keyOf(size, digests))) items.set(keyOf(size, digests), n);
  const found = held.map(({ size, digests }) => items.get(keyOf(size, digests)));
  found.forEach((n, at) => {
    const { sha256 } = held[at].digests;
    if (n === undefined) tally.fail(`file ${at + 1} of the ${held.length} given (SHA-256 ${sha256}) is not what was deposited`, `所提供的第 ${at + 1} 个文件（SHA-256 ${sha256}）不是所存证的文件`);
  });
  const named = found.slice(0, 20);
  return tally.close(`the ${held.length} files given are deposited items, to the byte: ${named.join(', ')}`, `所提供的 ${held.length} 个文件与存证条目逐字节一致：第 ${named.join('、')} 项`);
}

function checkFile(tally: Tally, item: Item, line: Opening | undefined): void {
  if (!line) {
    tally.fail(`item ${item.n}: ${item.path} is no deposited file`, `第 ${item.n} 项：${item.path} 不是存证文件`);
    return;
  }
  const { opened } = line;
  const agrees = !opened || (opened.size === item.size && opened.digests.sha256 === item.digests.sha256 && opened.digests.sm3 === item.digests.sm3);
  if (!agrees) tally.fail(`item ${item.n} has another size or digest`, `第 ${item.n} 项的大小或摘要不符`);
}

function* itemsOf(kase: Case, deposit: Deposit, tally: Tally): Generator<Item> {
  const data = kase.data(PATH.items, MAX_ITEMS_BYTES);
  let number = 0;
  for (const line of splitLines(data)) {
    const what = `${PATH.items} line ${number}`;
    if (number > MAX_FILES) throw new FormatError(`${PATH.items} has over ${MAX_FILES} lines`, `${PATH.items} 超过 ${MAX_FILES} 行`);
    const row = new Fields(parseCanonical(line, MAX_ITEM_LINE, what), what);
    if (number) yield readItem(row);
    else {
      const { captureId, count } = readItemsHeader(row);
      if (captureId !== kase.manifest.captureId || count !== deposit.files) tally.fail('the list of items is of another deposit', '条目清单属于另一次存证');
    }
    number += 1;
  }
  if (data.length && data[data.length - 1] !== 10) throw new FormatError(`${PATH.items}: the last line is torn`, `${PATH.items}：最后一行不完整`);
}

/** All that its kind must state, and the label that nothing of it was observed. */
export function checkStatement(kase: Case): Finding {
  const [tally, deposit] = [new Tally('deposit.statement', PATH.manifest), depositOf(kase)];
  const { notPerformed, pages, tCapture, records } = kase.manifest;
  if (!notPerformed.some(({ en, zh }) => en === OUTSIDE.en && zh === OUTSIDE.zh)) tally.fail('the label that the files were made elsewhere is missing', '缺少“在外部形成”的标注');
  if (pages.length || tCapture.length || records.count) tally.fail('a deposit holds no pages and no requests', '存证不应含有网页与请求');
  return tally.close(`complete for ${deposit.kind}; it is the depositor's word, nothing of it was observed`, `${deposit.kind} 类存证的陈述完整；陈述为存证人单方所述，未经观察`);
}

/**
 * Each record that this one rests on was entered before it: the manifest names its leaf, so it existed before; in the same
 * log, it was entered before this one was announced. Both orders run one way, so links cannot form a circle.
 */
export function checkLinks(kase: Case): Finding {
  const [tally, deposit] = [new Tally('deposit.links', PATH.manifest), depositOf(kase)];
  deposit.links.forEach((link, at) => {
    try {
      checkLink(kase, at + 1, link, tally);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      tally.fail(`link ${at + 1}: ${error.en}`, `第 ${at + 1} 项关联：${error.zh}`);
    }
  });
  if (!deposit.links.length) return tally.close('it rests on no other record', '未关联其他记录');
  return tally.close(`${deposit.links.length} earlier records, entered before this one`, `${deposit.links.length} 项在先记录，均先于本次登记`);
}

function checkLink(kase: Case, place: number, link: Link, tally: Tally): void {
  const [entryName, proofName, { number }] = [linkEntry(place), linkProof(place), link];
  if (!kase.has(entryName) || !kase.has(proofName)) {
    tally.fail(`the proof of ${number} is missing`, `缺少 ${number} 的证明`);
    return;
  }
  const { ledger, open } = kase.manifest;
  const entry = parseEntry(kase.data(entryName));
  if ((entry.kind !== 'capture' && entry.kind !== 'deposit') || entry.number !== number) tally.fail(`the entry is not that of ${number}`, `该条目不是 ${number} 的条目`);
  else if (entry.manifest.sha256 !== link.manifestSha256) tally.fail(`the entry of ${number} holds another manifest`, `${number} 的条目对应另一份清单`);
  if (link.origin === ledger.origin && link.index >= open.index) tally.fail(`${number} was entered after this deposit was announced`, `${number} 晚于本次存证的登记`);
  // The user's key of the link's log decides; without one, the manifest's own, if the log is the same.
  let keys = kase.trust.logs.filter((key) => key.name === link.origin);
  if (!keys.length && link.origin === ledger.origin) keys = [parseVkey(ledger.key)];
  const proof = checkProof(kase.data(proofName), kase.data(entryName), keys, [], kase.at);
  if (!same(proof.leaf, link.leaf) || proof.index !== BigInt(link.index) || proof.checkpoint.origin !== link.origin) tally.fail(`the proof is not that of ${number}`, `该证明不是 ${number} 的证明`);
  if (!proof.included || proof.extra) tally.fail(`${number} is not in the tree of its checkpoint`, `${number} 不在其检查点的树中`);
  if (!keys.length) tally.doubt(`${number} is in another log (${link.origin}); give that log's key`, `${number} 在另一日志（${link.origin}）中；请提供该日志的公钥`);
  else if (!proof.logSigned) tally.fail(`the checkpoint of ${number} is not signed by its log`, `${number} 的检查点没有其日志的签名`);
}
