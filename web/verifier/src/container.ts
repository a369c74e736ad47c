// The container: its form, which members may be there, document versions, and the two lists of digests.

import { FormatError, toAscii, toText, visible } from './bytes';
import type { Case } from './case';
import { Finding, InputMissing, Tally } from './findings';
import { asicManifest, asicSignature, asicTimestamp, inSums, lawfulName, MIMETYPE, PATH } from './paths';

const REQUIRED: readonly string[] = [
  PATH.mimetype, PATH.verifyEn, PATH.verifyZh, PATH.sha256Sums, PATH.sm3Sums, PATH.manifest, PATH.seal, PATH.open, PATH.records,
  PATH.entry, PATH.entryProof, PATH.openEntry, PATH.openProof, PATH.custody, asicManifest(1), asicSignature(1), asicManifest(2), asicTimestamp(1),
];
const OPTIONAL: readonly string[] = [
  PATH.certificatePdf, PATH.certificateHtml, PATH.reportHtml, PATH.verifyHtml, PATH.policy, PATH.trustSigner, PATH.trustTsa, PATH.trustLedger,
  PATH.postQuantumSeal, PATH.trustPostQuantum,
];
const TOKEN = /^seal\/(?:seal|capture-[0-9]{4,9})-[1-9][0-9]{0,2}\.tsr$/;
/** What stands in META-INF is judged one by one by `outer.manifest`. */
const GROWTH = /^META-INF\/(?:ASiCManifest[0-9]{3}\.xml|signature[0-9]{3}\.p7s|timestamp[0-9]{3}\.tst|ASiCEvidenceRecordManifest[0-9]{3}\.xml|evidencerecord[0-9]{3}\.ers)$/;

export function checkForm(kase: Case): Finding {
  const tally = new Tally('container.form', kase.fileName);
  for (const one of kase.zip.deviations) tally.doubt(`not in the fixed form: ${one.en}`, `不是规定的形式：${one.zh}`);
  for (const name of kase.broken.keys()) {
    const { en, zh } = kase.whyBroken(name);
    tally.fail(en, zh);
  }
  return tally.close('in the fixed form', '符合规定形式');
}

export function checkMembers(kase: Case): Finding {
  const tally = new Tally('container.members', kase.fileName);
  for (const name of REQUIRED) if (!kase.has(name)) tally.fail(`${name} is missing`, `缺少 ${name}`);
  if (kase.has(PATH.mimetype) && toText(kase.data(PATH.mimetype), PATH.mimetype) !== MIMETYPE) tally.fail('the mimetype is another', 'mimetype 内容不符');
  const named = namedByManifest(kase, tally);
  for (const name of kase.names) {
    if (!lawfulName(name)) tally.fail(`'${visible(name, 80)}' is not a lawful name`, `'${visible(name, 80)}' 不是合法名称`);
    else if (!named.has(name) && !mayStand(name)) tally.fail(`${name} does not belong there`, `${name} 不应存在`);
  }
  return tally.close(`${kase.names.length} members, all of which belong there`, `${kase.names.length} 个成员，均属应有`);
}

function namedByManifest(kase: Case, tally: Tally): Set<string> {
  try {
    const { tOpen, tCapture, artifacts } = kase.manifest;
    const edition = kase.has(PATH.redaction) ? [PATH.redaction, PATH.archiveEdition, PATH.exchangesEdition] : [];
    return new Set<string>([...edition, tOpen.document, ...tOpen.tokens.map((one) => one.path), ...tCapture.map((one) => one.document), ...artifacts.map((one) => one.path)]);
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof InputMissing)) throw error;
    tally.skip('without a readable manifest nobody knows what may be there', '清单不可读，无法判断应有哪些成员');
    return new Set(kase.names);
  }
}

function mayStand(name: string): boolean {
  if (OPTIONAL.includes(name) || REQUIRED.includes(name)) return true;
  return name.startsWith('proof/anchors/') || name.startsWith('proof/links/') || name.startsWith('proof/checkpoints/') || name.startsWith('proof/seal/') || name.startsWith('proof/tsa/') || TOKEN.test(name) || GROWTH.test(name);
}

export function checkVersions(kase: Case): Finding {
  const tally = new Tally('format.version', kase.fileName);
  for (const [name, reason] of kase.newer()) tally.doubt(`${name}: ${reason.en}`, `${name}：${reason.zh}`);
  return tally.close('every document is of version 1', '所有文件均为第 1 版');
}

/** Name and digest of one line of a list. */
type Line = (line: string) => readonly [string, string] | null;

const SHA256_LINE: Line = (line) => {
  const found = /^([0-9a-f]{64})  (.+)$/.exec(line);
  return found && [found[2], found[1]];
};
const SM3_LINE: Line = (line) => {
  const found = /^SM3 \((.+)\) = ([0-9a-f]{64})$/.exec(line);
  return found && [found[1], found[2]];
};

export const checkSha256Sums = (kase: Case): Finding => checkSums(kase, 'sums.sha256', PATH.sha256Sums, 'sha256', SHA256_LINE);
export const checkSm3Sums = (kase: Case): Finding => checkSums(kase, 'sums.sm3', PATH.sm3Sums, 'sm3', SM3_LINE);

function checkSums(kase: Case, id: string, path: string, algorithm: 'sha256' | 'sm3', read: Line): Finding {
  const tally = new Tally(id, path);
  const stated = parseSums(kase.data(path, 64 << 20), path, read);
  const wanted = new Set(kase.names.filter(inSums));
  for (const name of wanted) {
    if (!stated.has(name)) tally.fail(`${name} is not listed`, `未列出 ${name}`);
    else if (kase.digests.get(name)?.[algorithm] !== stated.get(name)) tally.fail(`${name} has another digest`, `${name} 摘要不符`);
  }
  for (const name of stated.keys()) if (!wanted.has(name)) tally.fail(`${name} is listed, but it is not there`, `已列出 ${name}，但不存在`);
  return tally.close(`${stated.size} digests agree`, `${stated.size} 个摘要一致`);
}

function parseSums(data: Uint8Array, what: string, read: Line): Map<string, string> {
  const text = toAscii(data, what);
  if (text && !text.endsWith('\n')) throw new FormatError(`${what}: the last line is torn`, `${what}：最后一行不完整`);
  const sums = new Map<string, string>();
  let last = '';
  text.split('\n').slice(0, -1).forEach((line, at) => {
    const found = read(line);
    if (!found) throw new FormatError(`${what} line ${at + 1}: not a checksum line`, `${what} 第 ${at + 1} 行：不是校验和行`);
    const [name, digest] = found;
    if (!lawfulName(name)) throw new FormatError(`${what} line ${at + 1}: not a lawful name`, `${what} 第 ${at + 1} 行：不是合法名称`);
    if (at && name <= last) throw new FormatError(`${what} line ${at + 1}: out of order or twice`, `${what} 第 ${at + 1} 行：次序有误或重复`);
    sums.set(name, digest);
    last = name;
  });
  return sums;
}
