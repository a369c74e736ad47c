// ASN.1 DER (ITU-T X.690): a strict, lazy reader that keeps the bytes it read, because signatures are over bytes.
//
// Refused: tags above 30, indefinite and non-minimal lengths, bytes after the value, too many parts. BER from foreign
// time-stamp authorities goes through `normalise` first, which changes the encoding of lengths and nothing else.

import { concat, FormatError, toHex, toText } from './bytes';
import { moment } from './time';

export const TAG = { boolean: 1, integer: 2, bits: 3, octets: 4, nothing: 5, oid: 6, sequence: 0x30, set: 0x31, utcTime: 0x17, generalizedTime: 0x18 } as const;

const MAX_BYTES = 1 << 20;
const MAX_CHILDREN = 1 << 14;
const MAX_DEPTH = 32;
const MAX_VALUES = 1 << 15;

export interface Node {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly raw: Uint8Array;
}

const fault = (en: string, zh = 'ASN.1 编码不合规定'): FormatError => new FormatError(en, zh);

function readAt(data: Uint8Array, start: number): Node {
  if (data.length - start < 2) throw fault('ASN.1 value is cut off in its header');
  const tag = data[start];
  let length = data[start + 1];
  let position = start + 2;
  if ((tag & 0x1f) === 0x1f) throw fault('ASN.1 tag over 30');
  if (length & 0x80) {
    const size = length & 0x7f;
    if (size < 1 || size > 4) throw fault('ASN.1 length is indefinite or over four bytes; DER has neither');
    if (position + size > data.length) throw fault('ASN.1 value is cut off in its length');
    length = 0;
    for (let i = 0; i < size; i += 1) length = length * 256 + data[position + i];
    if (data[position] === 0 || length < 0x80) throw fault('ASN.1 length is not in its shortest form');
    position += size;
  }
  if (length > data.length - position) throw fault('ASN.1 value is cut off in its contents');
  const stop = position + length;
  return { tag, content: data.subarray(position, stop), raw: data.subarray(start, stop) };
}

/** Reads exactly one value. */
export function parse(data: Uint8Array, limit = MAX_BYTES): Node {
  if (data.length > limit) throw fault(`ASN.1 input is ${data.length} bytes, the limit is ${limit}`);
  const node = readAt(data, 0);
  if (node.raw.length !== data.length) throw fault(`${data.length - node.raw.length} bytes follow the ASN.1 value`);
  return node;
}

function readAll(data: Uint8Array, limit: number): Node[] {
  const found: Node[] = [];
  for (let at = 0; at < data.length; at += found[found.length - 1].raw.length) {
    if (found.length === limit) throw fault(`ASN.1 value has more than ${limit} parts`);
    found.push(readAt(data, at));
  }
  return found;
}

/** The values inside a constructed value. */
export function children(node: Node, tag?: number, limit = MAX_CHILDREN): Node[] {
  if (tag !== undefined) expect(node, tag);
  if (!(node.tag & 0x20)) throw fault(`ASN.1 value with tag 0x${node.tag.toString(16)} has no parts`);
  return readAll(node.content, limit);
}

function expect(node: Node, tag: number): void {
  if (node.tag !== tag) throw fault(`ASN.1 tag 0x${node.tag.toString(16)} where 0x${tag.toString(16)} belongs`);
}

/** Walks the parts of one constructed value in the order of its schema. */
export class Cursor {
  private readonly nodes: Node[];
  private position = 0;

  constructor(node: Node, private readonly what: string, tag: number = TAG.sequence, limit = MAX_CHILDREN) {
    if (node.tag !== tag) throw fault(`${what}: tag 0x${node.tag.toString(16)} where 0x${tag.toString(16)} belongs`);
    this.nodes = children(node, undefined, limit);
  }

  get more(): boolean {
    return this.position < this.nodes.length;
  }

  take(tag?: number): Node {
    if (!this.more) throw fault(`${this.what}: a part is missing`);
    const node = this.nodes[this.position];
    if (tag !== undefined && node.tag !== tag) throw fault(`${this.what}: tag 0x${node.tag.toString(16)} where 0x${tag.toString(16)} belongs`);
    this.position += 1;
    return node;
  }

  optional(...tags: number[]): Node | null {
    return this.more && tags.includes(this.nodes[this.position].tag) ? this.take() : null;
  }

  end(): void {
    if (this.more) throw fault(`${this.what}: an unknown part with tag 0x${this.nodes[this.position].tag.toString(16)}`);
  }
}

/** A signed integer in its shortest form (X.690 §8.3.2). */
export function readInteger(node: Node, tag: number = TAG.integer): bigint {
  expect(node, tag);
  const { content } = node;
  if (content.length < 1 || content.length > 128) throw fault(`INTEGER of ${content.length} bytes`);
  if (content.length > 1 && ((content[0] === 0 && content[1] < 0x80) || (content[0] === 0xff && content[1] >= 0x80))) throw fault('INTEGER is not in its shortest form');
  return BigInt.asIntN(8 * content.length, BigInt(`0x${toHex(content)}`));
}

export function readBoolean(node: Node): boolean {
  expect(node, TAG.boolean);
  if (node.content.length !== 1 || ![0, 0xff].includes(node.content[0])) throw fault('BOOLEAN is neither 00 nor FF');
  return node.content[0] === 0xff;
}

export function readOctets(node: Node): Uint8Array {
  expect(node, TAG.octets);
  return node.content;
}

/** The numbers of the bits that are set; bit 0 is the first (X.690 §8.6). */
export function readBits(node: Node, tag: number = TAG.bits): number[] {
  expect(node, tag);
  const { content } = node;
  if (!content.length || content[0] > 7 || content.length > 128 || (content.length === 1 && content[0])) throw fault('BIT STRING has a wrong count of unused bits');
  if (content.length > 1 && content[content.length - 1] & ((1 << content[0]) - 1)) throw fault('BIT STRING has unused bits that are set');
  return [...content.subarray(1)].flatMap((byte, i) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (0x80 >> bit)).map((bit) => 8 * i + bit));
}

export function readOid(node: Node): string {
  expect(node, TAG.oid);
  const { content } = node;
  if (content.length < 1 || content.length > 128 || content[content.length - 1] & 0x80) throw fault('OBJECT IDENTIFIER is empty, cut off or too long');
  const arcs: bigint[] = [];
  let value = 0n;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw fault('OBJECT IDENTIFIER is not in its shortest form');
    value = (value << 7n) | BigInt(byte & 0x7f);
    fresh = !(byte & 0x80);
    if (fresh) {
      arcs.push(value);
      value = 0n;
    }
  }
  const top = arcs[0] / 40n < 2n ? arcs[0] / 40n : 2n;
  return [top, arcs[0] - 40n * top, ...arcs.slice(1)].join('.');
}

/** UTCTime or GeneralizedTime as microseconds since 1970; finer fractions are cut. */
export function readTime(node: Node): number {
  const text = toText(node.content, 'time');
  const form = node.tag === TAG.utcTime ? /^(\d{2})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,18}))?Z$/;
  const found = node.tag === TAG.utcTime || node.tag === TAG.generalizedTime ? form.exec(text) : null;
  if (!found) throw fault('time is not YYMMDDhhmmssZ or YYYYMMDDhhmmss[.f]Z');
  let [year] = found.slice(1).map(Number);
  const [month, day, hour, minute, second] = found.slice(2, 7).map(Number);
  if (node.tag === TAG.utcTime) year += year >= 50 ? 1900 : 2000;
  const time = moment(year, month, day, hour, minute, second, Number((found[7] ?? '').padEnd(6, '0').slice(0, 6)));
  if (time === undefined) throw fault('time does not exist');
  return time;
}

function encode(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  if (content.length < 0x80) return concat(Uint8Array.of(tag, content.length), content);
  const size: number[] = [];
  for (let rest = content.length; rest; rest = Math.floor(rest / 256)) size.unshift(rest % 256);
  return concat(Uint8Array.of(tag, 0x80 | size.length, ...size), content);
}

export const encodeSet = (content: Uint8Array): Uint8Array => encode(TAG.set, content);
export const encodeSequence = (...parts: Uint8Array[]): Uint8Array => encode(TAG.sequence, ...parts);

/** One BER value with definite, shortest lengths; DER comes back as it is. */
export function normalise(data: Uint8Array, limit = MAX_BYTES): Uint8Array {
  if (data.length > limit) throw fault(`ASN.1 input is ${data.length} bytes, the limit is ${limit}`);
  if (isDefinite(data)) return data;
  const walk = new Walk(data);
  const [encoded, end] = walk.value(0, data.length, 0);
  if (end !== data.length) throw fault(`${data.length - end} bytes follow the ASN.1 value`);
  return encoded;
}

/** Whether all lengths are definite and shortest, without copying: most tokens are DER. */
function isDefinite(data: Uint8Array): boolean {
  const ends = [data.length];
  let position = 0;
  for (let budget = 1; position < data.length; budget += 1) {
    const header = definiteHeader(data, position, ends[ends.length - 1]);
    if (!header || budget > MAX_VALUES || ends.length > MAX_DEPTH + 1) return false;
    const [start, end] = header;
    if (data[position] & 0x20 && end > start) {
      ends.push(end);
      position = start;
    } else position = end;
    while (ends.length > 1 && position === ends[ends.length - 1]) ends.pop();
    if (ends.length === 1 && position < data.length) return false;
  }
  return data.length > 0;
}

function definiteHeader(data: Uint8Array, position: number, limit: number): [number, number] | null {
  if (limit - position < 2 || (data[position] & 0x1f) === 0x1f || data[position] === 0x24) return null;
  let length = data[position + 1];
  let start = position + 2;
  if (length >= 0x80) {
    const size = length & 0x7f;
    if (size < 1 || size > 4 || start + size > limit || data[start] === 0) return null;
    length = 0;
    for (let i = 0; i < size; i += 1) length = length * 256 + data[start + i];
    if (length < 0x80) return null;
    start += size;
  }
  return length > limit - start ? null : [start, start + length];
}

class Walk {
  private budget = MAX_VALUES;

  constructor(private readonly data: Uint8Array) {}

  value(position: number, end: number, depth: number): [Uint8Array, number] {
    this.budget -= 1;
    if (this.budget < 0 || depth > MAX_DEPTH) throw fault('ASN.1 values are too many or too deep');
    if (end - position < 2) throw fault('ASN.1 value is cut off in its header');
    const tag = this.data[position];
    if ((tag & 0x1f) === 0x1f) throw fault('ASN.1 tag over 30');
    const [length, start] = this.length(position + 1, end);
    if (length !== null && length > end - start) throw fault('ASN.1 value is cut off in its contents');
    if (!(tag & 0x20)) return [encode(tag, this.data.subarray(start, start + length!)), start + length!];
    const [parts, after] = this.parts(start, length === null ? end : start + length, depth, length === null);
    if (tag === 0x24) return [encode(TAG.octets, ...parts.map((part) => readOctets(parse(part)))), after];
    return [encode(tag, ...parts), after];
  }

  private length(position: number, end: number): [number | null, number] {
    const first = this.data[position];
    if (first < 0x80) return [first, position + 1];
    const size = first & 0x7f;
    if (size === 0) {
      if (!(this.data[position - 1] & 0x20)) throw fault('primitive ASN.1 value of indefinite length');
      return [null, position + 1];
    }
    if (size > 8 || position + 1 + size > end) throw fault('ASN.1 length is cut off or over eight bytes');
    let length = 0;
    for (let i = 0; i < size; i += 1) length = length * 256 + this.data[position + 1 + i];
    return [length, position + 1 + size];
  }

  private parts(start: number, end: number, depth: number, openEnd: boolean): [Uint8Array[], number] {
    const parts: Uint8Array[] = [];
    let position = start;
    while (position < end) {
      if (openEnd && this.data[position] === 0 && this.data[position + 1] === 0) return [parts, position + 2];
      const [encoded, after] = this.value(position, end, depth + 1);
      parts.push(encoded);
      position = after;
    }
    if (openEnd) throw fault('ASN.1 value of indefinite length has no end');
    return [parts, end];
  }
}
