// Time-stamps, offline (RFC 3161 §2.2 to §2.4.2). Two questions are kept apart: is the token intact, and is its TSA trusted.

import { FormatError, same, Text } from './bytes';
import { Certificate, readAlgorithm } from './certificate';
import { parseSignedData, SignedData } from './cms';
import { children, Cursor, Node, normalise, parse, readBits, readBoolean, readInteger, readOctets, readOid, readTime, TAG } from './der';
import { digestBy } from './digest';
import { sameName } from './names';
import { HASH_NAMES, OID, SELF_ISSUED_POLICY, STRONG } from './oids';
import { buildPath } from './path';
import { unaccounted } from './protection';
import { checkRevocation, Sources } from './revocation';
import { checkSignerInfo, SignerCheck } from './signerinfo';
import { failed, firstNotPassed, notPerformed, Outcome, passed, Step, summary, undecided } from './steps';
import { MINUTE, shownTime } from './time';

const MAX_TOKEN_BYTES = 1 << 18;
const MAX_SKEW = 5 * MINUTE;

interface Token {
  readonly version: bigint;
  readonly policy: string;
  readonly imprintHash: string;
  readonly imprint: Uint8Array;
  readonly serial: bigint;
  readonly genTime: number;
  readonly nonce: bigint | null;
  readonly accuracy: number | null;
  readonly tsa: Uint8Array | null;
  readonly criticalExtensions: readonly string[];
  readonly signed: SignedData;
}

export interface TokenCheck {
  readonly integrity: Outcome;
  readonly trusted: Outcome;
  readonly reason: Text;
  /** What the token states, microseconds; nothing unless it is intact. */
  readonly genTime: number | null;
  readonly nonce: bigint | null;
  readonly accuracy: number | null;
  readonly selfIssued: boolean;
  readonly bare: Uint8Array | null;
  readonly certificate: Certificate | null;
  readonly embedded: readonly Certificate[];
  /** From the TSA's certificate to the anchor, when it leads to one. */
  readonly chain: readonly Certificate[];
  readonly unaccounted: readonly Text[];
}

interface Opened {
  readonly steps: readonly Step[];
  readonly token: Token | null;
  readonly bare: Uint8Array | null;
  readonly loose: readonly Text[];
}

export interface Against {
  readonly digest: Uint8Array;
  /** The hash function that made `digest`; SHA-256 where nothing is said. */
  readonly algorithm?: string;
  readonly anchors: readonly Certificate[];
  readonly revocations: Sources;
  readonly at: number;
}

/** Checks a TimeStampToken or a whole TimeStampResp over a digest; malformed input is a FAILED step. */
export function checkToken(data: Uint8Array, { digest, algorithm = 'sha256', anchors, revocations, at }: Against): TokenCheck {
  const opened = open(data);
  const { token, bare } = opened;
  if (!token) {
    const { reason } = opened.steps[opened.steps.length - 1];
    return { integrity: 'FAILED', trusted: 'FAILED', reason, genTime: null, nonce: null, accuracy: null, selfIssued: false, bare, certificate: null, embedded: [], chain: [], unaccounted: opened.loose };
  }
  // A token need not embed what the user has.
  const signer = checkSignerInfo(token.signed, (name) => digestBy(name, token.signed.content!), anchors);
  const steps = [...opened.steps, ...checkInfo(token), ...signer.steps, ...checkImprint(token, digest, algorithm), checkName(token, signer), checkTime(token, at)];
  const integrity = summary(steps);
  const { decisive, chain } = checkTrust(token, signer, anchors, revocations);
  return {
    integrity, trusted: integrity === 'PASSED' ? summary(decisive) : integrity,
    reason: firstNotPassed([...steps, ...decisive])?.reason ?? { en: 'intact and trusted', zh: '完整且可信' },
    genTime: token.genTime, nonce: token.nonce, accuracy: token.accuracy, selfIssued: token.policy === SELF_ISSUED_POLICY, bare, certificate: signer.certificate, embedded: signer.embedded, chain,
    unaccounted: [...opened.loose, ...unaccounted(token.signed, signer, [...chain, ...anchors])],
  };
}

function open(data: Uint8Array): Opened {
  const none = { token: null, loose: [] };
  let bare = data;
  let steps: Step[] = [];
  let loose: Text[] = [];
  try {
    if (!isBare(data)) {
      const response = openResponse(data);
      if (!response.token) return { ...none, steps: [response.step], bare: null };
      ({ token: bare, loose } = response);
      steps = [response.step];
    }
    return { steps, token: parseToken(bare), bare, loose };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ...none, steps: [...steps, failed('structure', `malformed: ${error.en}`, `格式错误：${error.zh}`)], bare: steps.length ? bare : null };
  }
}

/** A TimeStampToken begins with an OBJECT IDENTIFIER, a TimeStampResp with a SEQUENCE. */
function isBare(data: Uint8Array): boolean {
  const start = data.length > 1 && data[1] <= 0x80 ? 2 : 2 + (data.length > 1 ? data[1] & 0x7f : 0);
  return data[start] === TAG.oid;
}

function openResponse(data: Uint8Array): { token: Uint8Array | null; loose: Text[]; step: Step } {
  const encoded = normalise(data, MAX_TOKEN_BYTES);
  const outer = new Cursor(parse(encoded), 'TimeStampResp');
  const info = new Cursor(outer.take(TAG.sequence), 'PKIStatusInfo');
  const token = outer.optional(TAG.sequence);
  outer.end();
  const status = readInteger(info.take());
  const [texts, bits] = [info.optional(TAG.sequence), info.optional(TAG.bits)];
  info.end();
  if (texts && children(texts).length > 16) throw new FormatError('PKIStatusInfo holds too many texts', 'PKIStatusInfo 文字过多');
  if (bits) readBits(bits);
  const loose: Text[] = [];
  if (status === 1n) loose.push({ en: 'the status grantedWithMods', zh: '状态 grantedWithMods' });
  if ((texts && texts.content.length) || (bits && readBits(bits).length)) loose.push({ en: 'status texts and failure bits', zh: '状态文字与失败位' });
  if (encoded !== data) loose.push({ en: 'the encoding of the response is not DER', zh: '响应编码不是 DER' });
  const granted = (status === 0n || status === 1n) && token !== null;
  const step = granted ? passed('status', 'the TSA granted the time-stamp', '时间戳机构已签发') : failed('status', `no time-stamp was issued: status ${status}`, `未签发时间戳：状态 ${status}`);
  return { token: granted ? token.raw : null, loose, step };
}

function parseToken(data: Uint8Array): Token {
  if (data.length > MAX_TOKEN_BYTES) throw new FormatError(`time-stamp token is ${data.length} bytes, the limit is ${MAX_TOKEN_BYTES}`, '时间戳凭证过大');
  const signed = parseSignedData(data);
  if (signed.contentType !== OID.tstInfo || !signed.content) throw new FormatError(`content of the SignedData is ${signed.contentType}, not an embedded TSTInfo`, '内容不是 TSTInfo');
  const cursor = new Cursor(parse(normalise(signed.content)), 'TSTInfo');
  const [version, policy] = [readInteger(cursor.take()), readOid(cursor.take())];
  const { imprintHash, imprint } = parseImprint(cursor.take());
  const serial = readInteger(cursor.take());
  const genTime = readTime(cursor.take(TAG.generalizedTime));
  const [accuracy, ordering] = [cursor.optional(TAG.sequence), cursor.optional(TAG.boolean)];
  const [nonce, tsa, extensions] = [cursor.optional(TAG.integer), cursor.optional(0xa0), cursor.optional(0xa1)];
  cursor.end();
  if (ordering) readBoolean(ordering);
  return {
    version, policy, imprintHash, imprint, serial, genTime, nonce: nonce ? readInteger(nonce) : null, accuracy: accuracy ? parseAccuracy(accuracy) : null,
    tsa: tsa ? parse(tsa.content).raw : null, criticalExtensions: extensions ? critical(extensions) : [], signed,
  };
}

const MAX_QUERY_BYTES = 4096;

/** Whether a TimeStampReq (RFC 3161 §2.4.1) is what a token over `digest` with this nonce answers. */
export function answers(query: Uint8Array, digest: Uint8Array, nonce: bigint | null): boolean {
  try {
    const cursor = new Cursor(parse(query, MAX_QUERY_BYTES), 'TimeStampReq');
    readInteger(cursor.take());
    const { imprint } = parseImprint(cursor.take());
    const [policy, own, flag] = [cursor.optional(TAG.oid), cursor.optional(TAG.integer), cursor.optional(TAG.boolean)];
    cursor.optional(0xa0);
    cursor.end();
    if (policy) readOid(policy);
    if (flag) readBoolean(flag);
    return same(imprint, digest) && (!own || readInteger(own) === nonce);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function parseImprint(node: Node): { imprintHash: string; imprint: Uint8Array } {
  const cursor = new Cursor(node, 'MessageImprint');
  const hash = readAlgorithm(cursor.take());
  const imprint = readOctets(cursor.take());
  cursor.end();
  if (!hash.plain) throw new FormatError('MessageImprint: the hash function has parameters', 'MessageImprint：杂凑算法带有参数');
  return { imprintHash: HASH_NAMES.get(hash.oid) ?? hash.oid, imprint };
}

function parseAccuracy(node: Node): number {
  const cursor = new Cursor(node, 'Accuracy');
  const parts = [TAG.integer as number, 0x80, 0x81].map((tag) => {
    const found = cursor.optional(tag);
    return found ? readInteger(found, tag) : 0n;
  });
  cursor.end();
  if (parts.some((one) => one < 0n) || parts[0] > 31_536_000n || parts[1] > 999n || parts[2] > 999n) throw new FormatError('Accuracy is out of range', '精度超出范围');
  return Number(parts[0] * 1_000_000n + parts[1] * 1000n + parts[2]);
}

function critical(node: Node): string[] {
  return children(node).flatMap((child) => {
    const cursor = new Cursor(child, 'Extension');
    const oid = readOid(cursor.take());
    const flag = cursor.optional(TAG.boolean);
    cursor.take(TAG.octets);
    cursor.end();
    return flag && readBoolean(flag) ? [oid] : [];
  });
}

function checkInfo(token: Token): Step[] {
  const names = token.criticalExtensions.join(', ');
  return [
    token.version === 1n ? passed('version', 'TSTInfo version 1', 'TSTInfo 版本 1') : failed('version', `TSTInfo version ${token.version}`, `TSTInfo 版本 ${token.version}`),
    names ? failed('extensions', `unknown critical extensions: ${names}`, `含未知关键扩展：${names}`) : passed('extensions', 'no unknown critical extension', '无未知关键扩展'),
  ];
}

/** The hash function with which a bare token's imprint was made. */
export const imprintHashOf = (token: Uint8Array): string => parseToken(token).imprintHash;

function checkImprint(token: Token, digest: Uint8Array, algorithm: string): Step[] {
  const name = token.imprintHash;
  const known = STRONG.has(name) ? passed('imprint-algorithm', `imprint by ${name}`, `摘要算法 ${name}`) : failed('imprint-algorithm', `hash function ${name} proves nothing`, `摘要算法 ${name} 不具证明力`);
  if (name !== algorithm) return [known, failed('imprint', `the stamp is over a ${name} digest, not ${algorithm}`, `所盖摘要为 ${name}，并非 ${algorithm}`)];
  return [known, same(token.imprint, digest) ? passed('imprint', 'the stamp is over this data', '时间戳针对此数据') : failed('imprint', 'the stamp is over other data', '时间戳针对的是其他数据')];
}

function checkName(token: Token, signer: SignerCheck): Step {
  const name = token.tsa ? parse(token.tsa) : null;
  if (!name || name.tag !== 0xa4 || !signer.certificate) return notPerformed('tsa-name', 'the token states no name to compare', '未声明可比对的机构名称');
  return sameName(name.content, signer.certificate.subject) ? passed('tsa-name', "the name stated is the certificate's", '所述机构名称与证书一致') : failed('tsa-name', "the name stated is not the certificate's", '所述机构名称与证书不符');
}

function checkTime(token: Token, at: number): Step {
  const stated = shownTime(token.genTime);
  return token.genTime - at > MAX_SKEW ? failed('gen-time', `${stated} lies in the future`, `${stated} 晚于核验时间`) : passed('gen-time', `${stated} is not in the future`, `${stated} 不晚于核验时间`);
}

/** Open questions about revocation do not decide: without data there would never be trust. */
function checkTrust(token: Token, signer: SignerCheck, anchors: readonly Certificate[], revocations: Sources): { decisive: Step[]; chain: readonly Certificate[] } {
  if (!signer.certificate) return { decisive: [undecided('path', 'no certificate is bound to the signature', '签名未绑定证书')], chain: [] };
  const path = buildPath(signer.certificate, signer.embedded, anchors, token.genTime, 'timestamping');
  const step: Step = { id: 'path', outcome: path.outcome, reason: path.reason };
  const revocation = checkRevocation(path.chain, token.genTime, 'timestamping', revocations, signer.embedded);
  return { decisive: revocation.outcome === 'FAILED' ? [step, revocation] : [step], chain: path.chain };
}
