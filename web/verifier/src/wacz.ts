// What a WACZ says of itself: members, datapackage.json, its digest and its own signature (WACZ 1.1.1, wacz-auth 0.1.0).

import { FormatError, fromBase64, toHex, toText, utf8, visible } from './bytes';
import { readAlgorithm, parseCertificate, pemBlocks } from './certificate';
import { Cursor, parse, readOid, TAG } from './der';
import { crc32, newSha256, sha256 } from './digest';
import { Fields } from './fields';
import { inflateRaw } from './inflate';
import { OID } from './oids';
import { curveOf, verifyEcdsa } from './publickeys';
import { RandomFile } from './randomfile';
import { concat, fromBigInt, toBigInt } from './bytes';

const MAX_MEMBERS = 10_000;
const MAX_JSON_BYTES = 64 << 20;
const PACKAGE = 'datapackage.json';
const PACKAGE_DIGEST = 'datapackage-digest.json';

interface Member {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

const bad = (en: string, zh = 'WACZ 无法读取'): never => {
  throw new FormatError(en, zh);
};

/** An open WACZ: an ordinary ZIP, read as ordinary readers do, but bounded and with every size and CRC-32 checked. */
export class Wacz {
  readonly members = new Map<string, Member>();

  private constructor(private readonly file: RandomFile) {}

  static async open(blob: Blob): Promise<Wacz> {
    const wacz = new Wacz(new RandomFile(blob));
    await wacz.list();
    return wacz;
  }

  get archives(): string[] {
    return [...this.members.keys()].filter((name) => /^archive\/.*\.warc(?:\.gz)?$/s.test(name)).sort();
  }

  async* stream(name: string): AsyncGenerator<Uint8Array> {
    const member = this.members.get(name) ?? bad(`The WACZ has no member '${visible(name, 120)}'.`);
    const head = new DataView((await this.file.read(member.offset, member.offset + 30)).slice().buffer);
    if (head.getUint32(0, true) !== 0x04034b50) bad(`'${visible(name, 120)}' of the WACZ has no local header.`);
    const [nameSize, extraSize] = [head.getUint16(26, true), head.getUint16(28, true)];
    const start = member.offset + 30 + nameSize + extraSize;
    const stated = await this.file.read(member.offset + 30, member.offset + 30 + nameSize);
    if (latin(stated) !== latin(utf8.encode(name)) && latin(stated) !== name) bad(`'${visible(name, 120)}' of the WACZ has another name in its local header.`);
    const packed = this.file.pieces(start, start + member.packed);
    let [crc, size] = [0, 0];
    for await (const piece of member.method === 8 ? inflateRaw(packed, member.size, name) : packed) {
      crc = crc32(piece, crc);
      size += piece.length;
      yield piece;
    }
    if (crc !== member.crc || size !== member.size) bad(`'${visible(name, 120)}' of the WACZ does not have the size and CRC-32 that are stated.`);
  }

  async readSmall(name: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this.stream(name)) {
      size += piece.length;
      if (size > MAX_JSON_BYTES) bad(`'${visible(name, 120)}' of the WACZ is over ${MAX_JSON_BYTES} bytes.`);
      parts.push(piece.slice());
    }
    return concat(...parts);
  }

  async digest(name: string): Promise<{ size: number; sha256: string }> {
    const hasher = newSha256();
    let size = 0;
    for await (const piece of this.stream(name)) {
      hasher.update(piece);
      size += piece.length;
    }
    return { size, sha256: toHex(hasher.digest()) };
  }

  private async list(): Promise<void> {
    const base = Math.max(0, this.file.size - 65_557);
    const tail = (await this.file.read(base, this.file.size)).slice();
    const view = new DataView(tail.buffer);
    let at = tail.length - 22;
    while (at >= 0 && !(view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) <= tail.length)) at -= 1;
    if (at < 0) bad('The WACZ is no ZIP.');
    let [count, size, offset] = [view.getUint16(at + 10, true), view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    let end = base + at;
    if (at >= 76 && view.getUint32(at - 20, true) === 0x07064b50 && view.getUint32(at - 76, true) === 0x06064b50) {
      [count, size, offset] = [32, 40, 48].map((each) => Number(view.getBigUint64(at - 76 + each, true)));
      end -= 76;
    }
    const shift = end - size - offset;
    if (count > MAX_MEMBERS || size > MAX_JSON_BYTES || shift < 0) bad(`The WACZ has over ${MAX_MEMBERS} members, or its directory lies elsewhere.`);
    const directory = (await this.file.read(end - size, end)).slice();
    let position = 0;
    for (let i = 0; i < count; i += 1) {
      const { member, next } = readMember(directory, position, shift);
      position = next;
      if (member.name.endsWith('/')) continue;
      if (this.members.has(member.name)) bad('The WACZ has two members of one name.');
      this.members.set(member.name, member);
    }
  }
}

const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

function readMember(directory: Uint8Array, at: number, shift: number): { member: Member; next: number } {
  if (at + 46 > directory.length) bad("The WACZ's directory is cut.");
  const view = new DataView(directory.buffer, at);
  const [nameSize, extraSize, commentSize] = [28, 30, 32].map((each) => view.getUint16(each, true));
  const next = at + 46 + nameSize + extraSize + commentSize;
  if (view.getUint32(0, true) !== 0x02014b50 || next > directory.length) bad("The WACZ's directory is damaged.");
  const [flags, method] = [view.getUint16(8, true), view.getUint16(10, true)];
  if (flags & 1 || (method !== 0 && method !== 8)) bad('The WACZ holds a member that is encrypted or neither stored nor deflated.');
  const raw = directory.subarray(at + 46, at + 46 + nameSize);
  const name = flags & 0x800 ? toText(raw, 'a name in the WACZ') : latin(raw);
  if (!name) bad('The WACZ holds a member without a name.');
  const values = { size: view.getUint32(24, true), packed: view.getUint32(20, true), offset: view.getUint32(42, true) };
  const extra = new DataView(directory.buffer, at + 46 + nameSize, extraSize);
  for (let here = 0; here + 4 <= extraSize; here += 4 + extra.getUint16(here + 2, true)) {
    if (extra.getUint16(here, true) !== 1) continue;
    let from = here + 4;
    for (const key of ['size', 'packed', 'offset'] as const) {
      if (values[key] !== 0xffffffff) continue;
      if (from + 8 > extraSize) bad('A ZIP64 field of the WACZ is cut.');
      values[key] = Number(extra.getBigUint64(from, true));
      from += 8;
    }
  }
  return { member: { name, method, crc: view.getUint32(16, true), size: values.size, packed: values.packed, offset: values.offset + shift }, next };
}

function parseJson(data: Uint8Array, what: string): Fields {
  try {
    return new Fields(JSON.parse(toText(data, what)), `${what} of the WACZ`);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    return bad(`${what} of the WACZ is not JSON.`);
  }
}

function readResource(item: Fields): { path: string; sha256: string; size: number } {
  const [algorithm, digest] = item.text('hash').split(/:(.*)/s);
  if (algorithm !== 'sha256') bad('A WACZ resource has no SHA-256 digest.');
  return { path: item.text('path'), sha256: digest ?? '', size: item.integer('bytes') };
}

/** Checks the WACZ's own digests; gives what is wrong, and the `signedData` object when there is one. */
export async function checkPackage(wacz: Wacz): Promise<{ problems: string[]; signed: Fields | null }> {
  const data = await wacz.readSmall(PACKAGE);
  const pack = parseJson(data, PACKAGE);
  if (pack.text('profile') !== 'data-package' || !pack.text('wacz_version').startsWith('1.')) bad("The WACZ's datapackage.json is not of WACZ 1.x.");
  const resources = pack.items('resources').map(readResource);
  const names = [...wacz.members.keys()];
  const problems: string[] = [];
  if (!wacz.archives.length) problems.push('there is no WARC file under archive/');
  if (!names.some((name) => /^indexes\/.*\.(?:cdx|cdxj|idx)$/s.test(name))) problems.push('there is no index under indexes/');
  if (!names.includes('pages/pages.jsonl')) problems.push('there is no pages/pages.jsonl');
  const listed = new Set(resources.map((one) => one.path));
  if (listed.size !== resources.length) problems.push('datapackage.json lists a resource twice');
  for (const name of [...listed].sort()) if (!wacz.members.has(name)) problems.push(`${visible(name, 120)} is listed but not there`);
  for (const name of names.sort()) if (!listed.has(name) && name !== PACKAGE && name !== PACKAGE_DIGEST) problems.push(`${visible(name, 120)} is there but not listed`);
  for (const one of resources) {
    if (!wacz.members.has(one.path)) continue;
    const found = await wacz.digest(one.path);
    if (found.size !== one.size || found.sha256 !== one.sha256) problems.push(`${visible(one.path, 120)} does not have the size and digest that datapackage.json states`);
  }
  const stated = parseJson(await wacz.readSmall(PACKAGE_DIGEST), PACKAGE_DIGEST);
  const own = `sha256:${toHex(sha256(data))}`;
  if (stated.text('path') !== PACKAGE || stated.text('hash') !== own) problems.push('datapackage-digest.json does not hold the digest of datapackage.json');
  const signed = stated.has('signedData') ? stated.object('signedData') : null;
  if (signed && signed.text('hash') !== own) problems.push("the WACZ's signature is over another datapackage.json");
  return { problems, signed };
}

/** Whether `signedData` holds a signature over its own `hash` by the key it names: DER or r ‖ s, P-256 or P-384. */
export function isWaczSigned(signed: Fields): boolean {
  const digest = sha256(utf8.encode(signed.text('hash')));
  const signature = fromBase64(signed.text('signature'));
  const { curve, point } = signingKey(signed);
  const half = Math.ceil(curve.bits / 8);
  if (verifyEcdsa(curve, point, digest, signature)) return true;
  if (signature.length !== 2 * half) return false;
  return verifyEcdsa(curve, point, digest, encodePair(toBigInt(signature.subarray(0, half)), toBigInt(signature.subarray(half)), half));
}

function encodePair(r: bigint, s: bigint, size: number): Uint8Array {
  const integer = (value: bigint) => {
    let bytes = fromBigInt(value, size + 1);
    while (bytes.length > 1 && bytes[0] === 0 && bytes[1] < 0x80) bytes = bytes.subarray(1);
    return concat(Uint8Array.of(2, bytes.length), bytes);
  };
  const body = concat(integer(r), integer(s));
  return concat(body.length < 0x80 ? Uint8Array.of(0x30, body.length) : Uint8Array.of(0x30, 0x81, body.length), body);
}

function signingKey(signed: Fields) {
  const encoded = signed.has('domainCert') ? parseCertificate(pemBlocks(signed.text('domainCert'), 'CERTIFICATE')[0] ?? new Uint8Array()).publicKey : fromBase64(signed.text('publicKey'));
  const cursor = new Cursor(parse(encoded), 'SubjectPublicKeyInfo');
  const algorithm = readAlgorithm(cursor.take());
  const bits = cursor.take(TAG.bits).content;
  const curve = algorithm.oid === OID.ecPublicKey && algorithm.parameters[0] === TAG.oid ? curveOf(readOid(parse(algorithm.parameters))) : undefined;
  if (!curve) return bad("The WACZ's signing key is not an elliptic curve key.");
  return { curve, point: bits.subarray(1) };
}
