// The one ZIP form that docs/spec/bundle.md fixes: headers built again from what was read, to be compared byte by byte.

import { concat, utf8 } from './bytes';

export interface Entry {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly size: number;
  readonly packed: number;
  readonly offset: number;
  /** Set when the local header was read. */
  headerStart: number;
  dataStart: number;
}

const MAX32 = 0xffffffff;

/** Little-endian fields: [bytes, value] each. */
function pack(...fields: [number, number][]): Uint8Array {
  const out = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return out;
}

const zip64 = (values: number[]): Uint8Array => (values.length ? pack([2, 1], [2, 8 * values.length], ...values.map((one): [number, number] => [8, one])) : new Uint8Array());

export function localHeader(entry: Entry): Uint8Array {
  const large = entry.size >= MAX32 || entry.packed >= MAX32;
  const extra = zip64(large ? [entry.size, entry.packed] : []);
  const name = utf8.encode(entry.name);
  const head = pack([4, 0x04034b50], [2, large ? 45 : 20], [2, 0], [2, entry.method], [2, 0], [2, 0x21], [4, entry.crc],
    [4, large ? MAX32 : entry.packed], [4, large ? MAX32 : entry.size], [2, name.length], [2, extra.length]);
  return concat(head, name, extra);
}

export function centralHeader(entry: Entry): Uint8Array {
  const values = [entry.size, entry.packed, entry.offset];
  const extra = zip64(values.filter((one) => one >= MAX32));
  const [size, packed, offset] = values.map((one) => Math.min(one, MAX32));
  const version = extra.length ? 45 : 20;
  const name = utf8.encode(entry.name);
  const head = pack([4, 0x02014b50], [2, version], [2, version], [2, 0], [2, entry.method], [2, 0], [2, 0x21], [4, entry.crc],
    [4, packed], [4, size], [2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]);
  return concat(head, name, extra);
}

export interface Directory {
  readonly members: number;
  readonly size: number;
  readonly offset: number;
}

export function endRecords({ members, size, offset }: Directory): Uint8Array {
  const overflows = members >= 0xffff || size >= MAX32 || offset >= MAX32;
  const count = Math.min(members, 0xffff);
  const end = pack([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, Math.min(size, MAX32)], [4, Math.min(offset, MAX32)], [2, 0]);
  if (!overflows) return end;
  const long = pack([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, members], [8, members], [8, size], [8, offset]);
  return concat(long, pack([4, 0x07064b50], [4, 0], [8, offset + size], [4, 1]), end);
}
