// The servers' signatures over the TLS 1.3 handshakes of the capture (docs/spec/tls.md; RFC 8446 §4.4.3).

import { concat, FormatError, fromBase64, same, toHex, utf8 } from './bytes';
import { parseCanonical } from './canonical';
import type { Case } from './case';
import { Certificate, MAX_CERTIFICATE_BYTES, parseCertificate } from './certificate';
import { children, parse } from './der';
import { digestBy } from './digest';
import { checkVersion, Fields } from './fields';
import { Finding, Tally } from './findings';
import { Inflater, ZLIB } from './inflate';
import { checkTlsSignature } from './signature';

const FOLDER = 'capture/tls/';
const SUFFIX = '.handshake.json';
const FILE_LIMIT = 4 << 20;
const MAX_FILES = 400;
const CHAIN_LIMIT = 20;
const TYPE = { clientHello: 1, serverHello: 2, encryptedExtensions: 8, certificate: 11, certificateRequest: 13, certificateVerify: 15, compressed: 25, messageHash: 254 } as const;
const RETRY_RANDOM = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';
const SUITES = new Map([[0x1301, 'sha256'], [0x1302, 'sha384'], [0x1303, 'sha256']]);
const CONTEXT = utf8.encode(`${' '.repeat(64)}TLS 1.3, server CertificateVerify\0`);

/** A handshake that carries no server signature to check, or one of an unknown algorithm. */
class Unsupported extends FormatError {}

interface Message {
  readonly sender: string;
  readonly data: Uint8Array;
}

export function checkTls(kase: Case): Finding {
  const tally = new Tally('tls.handshake', FOLDER);
  const names = kase.names.filter((name) => name.startsWith(FOLDER) && name.endsWith(SUFFIX));
  if (!names.length) {
    tally.skip('the bundle holds no TLS 1.3 handshake: plain HTTP, HTTP/3, TLS 1.2, or fast mode', '证据包中没有 TLS 1.3 握手：明文 HTTP、HTTP/3、TLS 1.2 或快速模式');
    return tally.close('', '');
  }
  const { captureId } = kase.manifest;
  for (const name of names.slice(0, MAX_FILES)) {
    try {
      checkFile(tally, name, kase.data(name, FILE_LIMIT), captureId);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      tally.note(error instanceof Unsupported ? 'INDETERMINATE' : 'FAILED', { en: `${name}: ${error.en}`, zh: `${name}：${error.zh}` });
    }
  }
  if (names.length > MAX_FILES) tally.doubt(`only the first ${MAX_FILES} handshakes were checked`, `只核验了前 ${MAX_FILES} 个握手`);
  return tally.close(
    `in ${names.length} TLS 1.3 handshakes the holder of the certificate's key took part; this says neither when (a handshake can be replayed) nor what bytes the page had, and behind a CDN the key holder is the CDN`,
    `在 ${names.length} 次 TLS 1.3 握手中，证书私钥的持有者确曾参与；这不证明握手的时间（握手可被重放），也不证明网页的字节，经 CDN 访问时私钥持有者为 CDN`,
  );
}

function checkFile(tally: Tally, name: string, data: Uint8Array, captureId: string): void {
  const fields = new Fields(parseCanonical(data, FILE_LIMIT, name), name);
  checkVersion(fields, 'tls-handshake');
  const [items, received] = [fields.items('messages'), fields.texts('certificates')];
  if (items.length > 16 || received.length > CHAIN_LIMIT) fields.refuse('messages', 'holds more than a handshake has', '条数超过一次握手所有');
  const host = fields.text('host', 253);
  if (!/^[A-Za-z0-9.:_-]{1,253}$/.test(host)) fields.refuse('host', 'is no host', '不是主机名');
  const owner = fields.hex('capture_id', 16);
  [fields.integer('port', 1, 65_535), fields.optional('address', (field) => fields.text(field, 64)), fields.time('time')];
  const messages = items.map((item): Message => ({ sender: item.choice('sender', ['client', 'server']), data: fromBase64(item.text('bytes')) }));
  const proof = checkHandshake(messages, received.map(fromBase64));
  if (owner !== captureId) tally.fail(`${name} is of another capture`, `${name} 属于另一次取证`);
  if (!proof.valid) tally.fail(`${name}: the server's signature is not over this handshake`, `${name}：服务器签名与此次握手的字节不符`);
  const asked = plain(proof.serverName);
  if (asked !== (addressBytes(host) ? '' : plain(host))) tally.fail(`${name}: the browser asked for '${asked || 'no name'}', not for '${host}'`, `${name}：浏览器请求的主机为 '${asked || '（无）'}'，而非 '${host}'`);
  if (!namesHost(proof.leaf, host)) tally.doubt(`${name}: the certificate does not name ${host}`, `${name}：证书中没有 ${host} 这一名称`);
}

const plain = (host: string): string => host.toLowerCase().replace(/\.+$/, '');

function checkHandshake(messages: readonly Message[], received: readonly Uint8Array[]): { valid: boolean; leaf: Certificate; serverName: string } {
  for (const { data } of messages) {
    if (data.length < 4 || data[1] * 65_536 + data[2] * 256 + data[3] !== data.length - 4) throw new FormatError('a handshake message does not have the length that it states', '握手消息的长度与声明不符');
  }
  const rest = [...messages];
  const first = take(rest, 'client', TYPE.clientHello);
  let hello = first;
  let answer = take(rest, 'server', TYPE.serverHello);
  const retry = toHex(answer.data.subarray(6, 38)) === RETRY_RANDOM ? answer : null;
  if (retry) {
    hello = take(rest, 'client', TYPE.clientHello);
    answer = take(rest, 'server', TYPE.serverHello);
  }
  const { suite, extensions } = readServerHello(answer.data);
  const hash = SUITES.get(suite);
  if (!hash) throw new Unsupported(`cipher suite 0x${suite.toString(16)} is not one of TLS 1.3`, '不是 TLS 1.3 的密码套件');
  if (extensions.includes(41)) throw new Unsupported('the connection was resumed: the server signed nothing', '连接为恢复会话：服务器未作签名');
  const serverName = readServerName(hello.data);
  const after = [take(rest, 'server', TYPE.encryptedExtensions)];
  if (rest[0]?.data[0] === TYPE.certificateRequest) after.push(rest.shift()!);
  const certificate = take(rest, 'server', TYPE.certificate, TYPE.compressed);
  after.push(certificate);
  const verify = new Reader(take(rest, 'server', TYPE.certificateVerify).data.subarray(4));
  const leaf = parseCertificate(readChain(certificate, received)[0]);
  const [scheme, signature] = [verify.integer(2), verify.vector(2)];
  const opening = retry ? [Uint8Array.of(TYPE.messageHash, 0, 0, digestBy(hash, first.data).length), digestBy(hash, first.data), retry.data] : [];
  const transcript = digestBy(hash, ...opening, ...[hello, answer, ...after].map((one) => one.data));
  const valid = checkTlsSignature(leaf, scheme, signature, concat(CONTEXT, transcript));
  if (valid === null) throw new Unsupported(`signature scheme 0x${scheme.toString(16)} cannot be checked by this page`, '本页面无法核验该签名方案');
  return { valid, leaf, serverName };
}

function take(rest: Message[], sender: string, ...kinds: number[]): Message {
  const found = rest.shift();
  if (!found || found.sender !== sender || !kinds.includes(found.data[0])) throw new Unsupported(`no full TLS 1.3 handshake with a certificate: the ${sender}'s message of type ${kinds[0]} is not in its place`, '不是带证书的完整 TLS 1.3 握手');
  return found;
}

/** TLS presentation language (RFC 8446 §3). */
class Reader {
  private at = 0;

  constructor(private readonly data: Uint8Array) {}

  get more(): boolean {
    return this.at < this.data.length;
  }

  take(size: number): Uint8Array {
    if (this.at + size > this.data.length) throw new FormatError('a handshake message ends too early', '握手消息过早结束');
    this.at += size;
    return this.data.subarray(this.at - size, this.at);
  }

  integer(size: number): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  vector(prefix: number): Uint8Array {
    return this.take(this.integer(prefix));
  }

  extensions(): [number, Uint8Array][] {
    const found: [number, Uint8Array][] = [];
    if (!this.more) return found;
    const body = new Reader(this.vector(2));
    while (body.more) found.push([body.integer(2), body.vector(2)]);
    return found;
  }
}

function readServerHello(data: Uint8Array): { suite: number; extensions: number[] } {
  const reader = new Reader(data.subarray(4));
  reader.take(34);
  reader.vector(1);
  const suite = reader.integer(2);
  reader.take(1);
  return { suite, extensions: reader.extensions().map(([kind]) => kind) };
}

/** The host name in a ClientHello (RFC 6066 §3); empty when there is none. */
function readServerName(data: Uint8Array): string {
  const reader = new Reader(data.subarray(4));
  reader.take(34);
  for (const prefix of [1, 2, 1]) reader.vector(prefix);
  const found = reader.extensions().find(([kind]) => kind === 0);
  if (!found) return '';
  const names = new Reader(new Reader(found[1]).vector(2));
  names.take(1);
  return String.fromCharCode(...names.vector(2));
}

function readChain(message: Message, received: readonly Uint8Array[]): Uint8Array[] {
  if (message.data[0] === TYPE.certificate) return readCertificates(message.data.subarray(4));
  const body = new Reader(message.data.subarray(4));
  const [algorithm, length, packed] = [body.integer(2), body.integer(3), body.vector(3)];
  if (algorithm !== 1) {
    if (!received.length) throw new Unsupported('the certificate message is compressed, and its content is not there', '证书消息已压缩，且缺少其内容');
    return [...received];
  }
  const inflater = new Inflater(ZLIB);
  inflater.feed(packed);
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let out = inflater.step(); out.length && size <= length; out = inflater.step()) {
    parts.push(out);
    size += out.length;
  }
  if (size !== length) throw new FormatError('the compressed certificate message does not have the length that it states', '压缩的证书消息长度与声明不符');
  return readCertificates(concat(...parts));
}

/** The certificates of a Certificate message (RFC 8446 §4.4.2), leaf first. */
function readCertificates(body: Uint8Array): Uint8Array[] {
  const reader = new Reader(body);
  reader.vector(1);
  const entries = new Reader(reader.vector(3));
  const chain: Uint8Array[] = [];
  while (entries.more && chain.length < CHAIN_LIMIT) {
    chain.push(entries.vector(3));
    entries.vector(2);
  }
  if (!chain.length || chain[0].length > MAX_CERTIFICATE_BYTES) throw new FormatError('the certificate message holds no usable certificate', '证书消息中没有可用的证书');
  return chain;
}

/** Whether the subjectAltName holds a host (RFC 9525 §6); one leading `*` stands for one label. */
function namesHost(certificate: Certificate, host: string): boolean {
  const extension = certificate.extensions.find((one) => one.oid === '2.5.29.17');
  if (!extension) return false;
  const names = children(parse(extension.value), 0x30);
  const address = addressBytes(host);
  if (address) return names.some((name) => name.tag === 0x87 && same(name.content, address));
  const wanted = plain(host);
  const parent = `*.${wanted.split('.').slice(1).join('.')}`;
  return names.filter((name) => name.tag === 0x82).map((name) => plain(String.fromCharCode(...name.content))).some((name) => name === wanted || name === parent);
}

/** An IP address literal as network bytes; null for a name. */
function addressBytes(host: string): Uint8Array | null {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host);
  if (four) {
    const parts = four.slice(1);
    return parts.every((part) => Number(part) < 256 && String(Number(part)) === part) ? Uint8Array.from(parts, Number) : null;
  }
  if (!/^[0-9a-fA-F:]+$/.test(host) || !host.includes(':') || host.split('::').length > 2) return null;
  const [left, right] = host.split('::').map((half) => half.split(':').filter(Boolean));
  const groups = right ? [...left, ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'), ...right] : left;
  if (groups.length !== 8 || groups.some((group) => group.length > 4)) return null;
  return Uint8Array.from(groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]));
}
