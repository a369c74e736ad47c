// The structure of a ZIP that anyone may have made. Refused: whatever could make two programs see different members.
// Recorded as a deviation: every other difference from the form of docs/spec/bundle.md.

import { concat, FormatError, same, Text, toHex, visible } from './bytes';
import { crc32 } from './digest';
import { inflateRaw } from './inflate';
import { containerOrder, lawfulName } from './paths';
import { RandomFile } from './randomfile';
import { centralHeader, Directory, endRecords, Entry, localHeader } from './zipform';

/** A page reads fewer members than the library (2^20): each costs it a round trip. */
const MAX_MEMBERS = 1 << 16;
const MAX_DIRECTORY = 64 << 20;
const MAX_DEVIATIONS = 64;
const MAX_MEMBER = 16 * 2 ** 30;
const MAX_TOTAL = 64 * 2 ** 30;
const MAX_INFLATED = 4 * 2 ** 30;
const MAX_INFLATED_TOTAL = 16 * 2 ** 30;
const MAX_RATIO = 1032;
const MAX32 = 0xffffffff;
const DESCRIPTOR = 8;
const KNOWN_FLAGS = 0b110 | DESCRIPTOR | (1 << 11);

const refuse = (en: string, zh: string): never => {
  throw new FormatError(en, zh);
};

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function big(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? refuse('a ZIP64 number is too large', 'ZIP64 数值过大') : Number(value);
}

export class Zip {
  readonly deviations: Text[] = [];
  readonly members = new Map<string, Entry>();
  private more = 0;

  private constructor(readonly file: RandomFile) {}

  static async open(file: RandomFile): Promise<Zip> {
    const zip = new Zip(file);
    await zip.read();
    if (zip.more) zip.deviations.push({ en: `and ${zip.more} more`, zh: `另有 ${zip.more} 处` });
    return zip;
  }

  /** A member in pieces; damage shows at the latest after the last one. */
  async* stream(entry: Entry): AsyncGenerator<Uint8Array> {
    const packed = this.file.pieces(entry.dataStart, entry.dataStart + entry.packed);
    let crc = 0;
    for await (const piece of entry.method === 8 ? inflateRaw(packed, entry.size, entry.name) : packed) {
      crc = crc32(piece, crc);
      yield piece;
    }
    if (crc !== entry.crc) refuse(`${entry.name}: its CRC-32 does not fit its data`, `${entry.name}：CRC-32 与数据不符`);
  }

  private deviate(en: string, zh: string): void {
    if (this.deviations.length < MAX_DEVIATIONS) this.deviations.push({ en, zh });
    else this.more += 1;
  }

  private async read(): Promise<void> {
    const { directory, start, end, shift } = await this.findEnd();
    const bytes = await this.file.read(start, end);
    const entries: Entry[] = [];
    const names = new Names();
    const totals = new Totals();
    let at = 0;
    for (let i = 0; i < directory.members; i += 1) {
      const { entry, header } = readCentral(bytes, at);
      at += header.length;
      names.add(entry.name);
      totals.add(entry);
      if (!same(header, centralHeader(entry))) this.deviate(`the directory entry of ${entry.name} is not in the fixed form`, `不是规定的形式：${entry.name} 的目录项`);
      entries.push(entry);
    }
    if (at !== bytes.length) refuse('ZIP: its directory has another size than it declares', 'ZIP：目录大小与声明不符');
    for (const entry of entries) await this.readLocal(entry, shift);
    this.checkLayout(entries, start);
    this.checkPlaces(entries);
    for (const entry of entries) if (!entry.name.endsWith('/')) this.members.set(entry.name, entry);
  }

  private async findEnd(): Promise<{ directory: Directory; start: number; end: number; shift: number }> {
    const { file } = this;
    const base = Math.max(0, file.size - 65_557);
    const tail = concat(await file.read(base, file.size));
    const view = viewOf(tail);
    const at = findEndRecord(view);
    const position = base + at;
    const [disk, directoryDisk, here, members] = [4, 6, 8, 10].map((each) => view.getUint16(at + each, true));
    const comment = view.getUint16(at + 20, true);
    if (disk || directoryDisk || here !== members) refuse('ZIP: consists of several volumes', 'ZIP：由多个分卷组成');
    let directory: Directory = { members, size: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
    let end = position;
    if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
      end = position - 76;
      directory = readZip64End(viewOf(await file.read(end, position)), directory);
    }
    if (directory.members > MAX_MEMBERS || directory.size > MAX_DIRECTORY) refuse(`ZIP: lists ${directory.members} members; this page reads ${MAX_MEMBERS} at most, use evidencekit verify`, `ZIP：列出 ${directory.members} 个成员；本页面至多读取 ${MAX_MEMBERS} 个，请使用 evidencekit verify`);
    if (directory.size < directory.members * 46) refuse('ZIP: lists more members than fit', 'ZIP：列出的成员超出目录大小');
    const start = end - directory.size;
    const shift = start - directory.offset;
    if (start < 0 || shift < 0) refuse('ZIP: its directory lies outside the file', 'ZIP：目录位于文件之外');
    if (shift) this.deviate(`${shift} bytes stand before the ZIP`, `ZIP 之前有 ${shift} 字节`);
    const trailing = file.size - position - 22;
    if (comment || trailing) this.deviate(`${trailing} bytes stand after the ZIP`, `ZIP 之后有 ${trailing} 字节`);
    if (!same(await file.read(end, position + 22), endRecords(directory))) this.deviate('the end records are not in the fixed form', '结尾记录不是规定的形式');
    return { directory, start, end, shift };
  }

  /** The header before a member's data must say what the directory says. */
  private async readLocal(entry: Entry, shift: number): Promise<void> {
    const start = entry.offset + shift;
    const fixed = viewOf(await this.file.read(start, start + 30));
    const differs = (): never => refuse(`${entry.name}: differs between directory and local header`, `${entry.name}：目录与本地文件头的记载不一致`);
    if (fixed.getUint32(0, true) !== 0x04034b50) refuse(`${entry.name}: has no local header where the directory says`, `${entry.name}：目录所指处没有本地文件头`);
    const [flags, method] = [fixed.getUint16(6, true), fixed.getUint16(8, true)];
    const [nameSize, extraSize] = [fixed.getUint16(26, true), fixed.getUint16(28, true)];
    const header = await this.file.read(start, start + 30 + nameSize + extraSize);
    if (!same(header.subarray(30, 30 + nameSize), new TextEncoder().encode(entry.name))) refuse(`${entry.name}: has another name in its local header`, `${entry.name}：本地文件头中的名称不同`);
    const view = viewOf(header);
    const [size, packed] = resolveZip64(header.subarray(30 + nameSize), [view.getUint32(22, true), view.getUint32(18, true)], entry.name);
    const described = entry.flags & DESCRIPTOR;
    const agrees = [[view.getUint32(14, true), entry.crc], [size, entry.size], [packed, entry.packed]].every(([found, wanted]) => found === wanted || (described && !found));
    if (!agrees || method !== entry.method || (flags ^ entry.flags) & DESCRIPTOR || flags & ~KNOWN_FLAGS) differs();
    if (!same(header, localHeader(entry))) this.deviate(`the local header of ${entry.name} is not in the fixed form`, `不是规定的形式：${entry.name} 的本地文件头`);
    if (entry.name.endsWith('/') && entry.size) refuse(`${entry.name}: is a folder with content`, `${entry.name}：是带有内容的文件夹`);
    entry.headerStart = start;
    entry.dataStart = start + header.length;
  }

  private checkLayout(entries: readonly Entry[], directoryStart: number): void {
    let position = 0;
    for (const entry of [...entries].sort((a, b) => a.headerStart - b.headerStart)) {
      if (entry.headerStart < position) refuse('ZIP: its members overlap', 'ZIP：成员相互重叠');
      if (entry.headerStart > position) this.deviate(`${entry.headerStart - position} bytes at ${position} belong to no member`, `偏移 ${position} 处有 ${entry.headerStart - position} 字节不属于任何成员`);
      position = entry.dataStart + entry.packed;
    }
    if (position > directoryStart) refuse('ZIP: a member overlaps the directory', 'ZIP：有成员与目录重叠');
    if (position < directoryStart) this.deviate(`${directoryStart - position} bytes before the directory belong to no member`, `目录之前有 ${directoryStart - position} 字节不属于任何成员`);
  }

  private checkPlaces(entries: readonly Entry[]): void {
    if (entries.some((entry, i) => i && containerOrder(entries[i - 1].name, entry.name) > 0)) this.deviate('members are not in the fixed order', '成员次序不是规定的次序');
    if (entries.some((entry, i) => i && entries[i - 1].offset > entry.offset)) this.deviate('members lie in another order than the directory lists', '成员存放次序与目录次序不同');
    for (const entry of entries) {
      if (entry.name.endsWith('/')) this.deviate(`a folder has an entry: ${entry.name}`, `文件夹有独立条目：${entry.name}`);
      else if (entry.method !== 0) this.deviate(`${entry.name} is not compressed as fixed`, `${entry.name} 的压缩方法不是规定的方法`);
    }
  }
}

/** The last end record whose comment fits into the file, as all unpackers find it. */
function findEndRecord(view: DataView): number {
  for (let at = view.byteLength - 22; at >= 0; at -= 1) {
    if (view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) <= view.byteLength) return at;
  }
  return refuse('this is not a ZIP file', '这不是 ZIP 文件');
}

function readZip64End(view: DataView, declared: Directory): Directory {
  const bad = (): never => refuse('ZIP: its ZIP64 records are damaged or contradict each other', 'ZIP：ZIP64 记录已损坏或相互矛盾');
  if (view.getUint32(0, true) !== 0x06064b50 || big(view, 4) !== 44 || view.getUint32(16, true) || view.getUint32(20, true) || big(view, 24) !== big(view, 32)) bad();
  const directory = { members: big(view, 32), size: big(view, 40), offset: big(view, 48) };
  if (view.getUint32(60, true) || view.getUint32(72, true) !== 1 || big(view, 64) !== directory.offset + directory.size) bad();
  const agrees = (short: number, long: number, sentinel: number) => short === long || short === sentinel;
  if (!agrees(declared.members, directory.members, 0xffff) || !agrees(declared.size, directory.size, MAX32) || !agrees(declared.offset, directory.offset, MAX32)) bad();
  return directory;
}

/** Replaces the fields that say 0xFFFFFFFF by their values in the ZIP64 extra field, in order (APPNOTE 4.5.3). */
function resolveZip64(extra: Uint8Array, fields: number[], name: string): number[] {
  let found: DataView | null = null;
  for (let at = 0; at < extra.length;) {
    const view = viewOf(extra);
    const size = at + 4 <= extra.length ? view.getUint16(at + 2, true) : Infinity;
    if (at + 4 + size > extra.length) refuse(`${name}: malformed extra field`, `${name}：扩展字段格式错误`);
    const kind = view.getUint16(at, true);
    if (kind === 0x7075) refuse(`${name}: a second name stands in an extra field`, `${name}：扩展字段中另有名称`);
    if (kind === 1 && found) refuse(`${name}: two ZIP64 fields`, `${name}：有两个 ZIP64 字段`);
    if (kind === 1) found = viewOf(extra.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  let next = 0;
  return fields.map((field) => {
    if (field !== MAX32) return field;
    if (!found || next + 8 > found.byteLength) return refuse(`${name}: a ZIP64 value is missing`, `${name}：缺少 ZIP64 数值`);
    next += 8;
    return big(found, next - 8);
  });
}

function readCentral(bytes: Uint8Array, at: number): { entry: Entry; header: Uint8Array } {
  if (at + 46 > bytes.length) refuse('ZIP: its directory ends too early', 'ZIP：目录过早结束');
  const view = viewOf(bytes.subarray(at));
  const [nameSize, extraSize, commentSize] = [28, 30, 32].map((each) => view.getUint16(each, true));
  const length = 46 + nameSize + extraSize + commentSize;
  if (view.getUint32(0, true) !== 0x02014b50 || at + length > bytes.length) refuse('ZIP: its directory is damaged', 'ZIP：目录已损坏');
  const header = bytes.subarray(at, at + length);
  const raw = header.subarray(46, 46 + nameSize);
  if (raw.some((byte) => byte > 0x7f)) refuse(`ZIP: the member name ${toHex(raw.subarray(0, 80))} (hex) is not lawful`, `ZIP：成员名称 ${toHex(raw.subarray(0, 80))}（十六进制）不合法`);
  const name = String.fromCharCode(...raw);
  const shown = visible(name, 80);
  const [size, packed, offset] = resolveZip64(header.subarray(46 + nameSize, 46 + nameSize + extraSize), [view.getUint32(24, true), view.getUint32(20, true), view.getUint32(42, true)], shown);
  const [flags, method, attributes] = [view.getUint16(8, true), view.getUint16(10, true), view.getUint32(38, true)];
  if (flags & ~KNOWN_FLAGS) refuse(`${shown}: is encrypted or of an unknown kind`, `${shown}：已加密或属未知类型`);
  if (method !== 0 && method !== 8) refuse(`${shown}: has the unknown compression method ${method}`, `${shown}：压缩方法 ${method} 未知`);
  const kind = (attributes >>> 16) & 0xf000;
  if (kind !== 0 && kind !== (name.endsWith('/') ? 0x4000 : 0x8000)) refuse(`${shown}: is a link or a special file`, `${shown}：是链接或特殊文件`);
  if (view.getUint16(34, true)) refuse(`${shown}: lies on another volume`, `${shown}：位于另一分卷`);
  return { entry: { name, method, flags, crc: view.getUint32(16, true), size, packed, offset, headerStart: 0, dataStart: 0 }, header };
}

/** Refuses names that are unlawful, double when case is folded, or file and folder at once. */
class Names {
  private readonly files = new Set<string>();
  private readonly folders = new Set<string>();

  add(name: string): void {
    const isFolder = name.endsWith('/');
    const path = isFolder ? name.slice(0, -1) : name;
    if (!lawfulName(path)) refuse(`ZIP: the member name '${visible(name, 80)}' is not lawful`, `ZIP：成员名称 '${visible(name, 80)}' 不合法`);
    const folded = path.toLowerCase();
    const parents = [...folded.matchAll(/\//g)].map((found) => folded.slice(0, found.index));
    if (isFolder) parents.push(folded);
    const taken = !isFolder && (this.files.has(folded) || this.folders.has(folded));
    if (taken || parents.some((parent) => this.files.has(parent))) refuse(`ZIP: '${name}' collides with another member`, `ZIP：'${name}' 与另一成员冲突`);
    for (const parent of parents) this.folders.add(parent);
    if (!isFolder) this.files.add(folded);
  }
}

/** Bounds what reading all members can cost. */
class Totals {
  private stored = 0;
  private inflated = 0;

  add({ name, method, size, packed }: Entry): void {
    this.stored += size;
    if (method === 8) this.inflated += size;
    const sane = method === 8 ? size <= MAX_RATIO * packed && size <= MAX_INFLATED : size === packed && size <= MAX_MEMBER;
    if (!sane) refuse(`${name}: declares an impossible or too large a size`, `${name}：声明的大小不可能或过大`);
    if (this.stored > MAX_TOTAL || this.inflated > MAX_INFLATED_TOTAL) refuse('ZIP: its members are larger than a verifier accepts', 'ZIP：成员总量超过可接受的大小');
  }
}
