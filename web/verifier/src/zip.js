// The ZIP of docs/spec/bundle.md. What a reader needs is checked hard; what only the form fixes goes into `form`.

const MAX_MEMBERS = 65536;
const MAX_DIRECTORY = 64 << 20;
const MAX_KEPT = 256 << 20;

async function slice(file, start, end) {
  if (start < 0 || end > file.size || start > end) throw new FormatError('the ZIP points outside of itself');
  return new DataView(await file.slice(start, end).arrayBuffer());
}

function number64(view, at) {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError('a ZIP64 number is too large');
  return Number(value);
}

async function findDirectory(file, form) {
  const tail = await slice(file, Math.max(0, file.size - 65557), file.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at -= 1;
  if (at < 0) throw new FormatError('not a ZIP: no end of central directory');
  if (at !== tail.byteLength - 22 || tail.getUint16(at + 20, true)) form.push('bytes or a comment after the end record');
  let found = { count: tail.getUint16(at + 10, true), size: tail.getUint32(at + 12, true), start: tail.getUint32(at + 16, true) };
  let end = file.size - tail.byteLength + at;
  if (at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50) {
    const where = number64(tail, at - 12);
    const record = await slice(file, where, where + 56);
    if (record.getUint32(0, true) !== 0x06064b50) throw new FormatError('the ZIP64 end record is missing');
    found = { count: number64(record, 32), size: number64(record, 40), start: number64(record, 48) };
    end = where;
  }
  if (found.count > MAX_MEMBERS || found.size > MAX_DIRECTORY) throw new FormatError('the ZIP has too many members');
  if (found.start + found.size !== end) form.push('the central directory does not end where the end record begins');
  return found;
}

function readZip64(extra, entry) {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    const size = extra.getUint16(at + 2, true);
    if (at + 4 + size > extra.byteLength) throw new FormatError('an extra field is cut');
    if (extra.getUint16(at, true) !== 1) {
      entry.foreignExtra = true;
      continue;
    }
    let from = at + 4;
    for (const key of ['size', 'packed', 'offset']) {
      if (entry[key] !== 0xffffffff) continue;
      if (from + 8 > at + 4 + size) throw new FormatError('a ZIP64 field is cut');
      entry[key] = number64(extra, from);
      from += 8;
    }
  }
}

function readEntry(view, at) {
  if (at + 46 > view.byteLength || view.getUint32(at, true) !== 0x02014b50) throw new FormatError('the central directory is damaged');
  const lengths = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)];
  const next = at + 46 + lengths[0] + lengths[1] + lengths[2];
  if (next > view.byteLength) throw new FormatError('the central directory is cut');
  const name = toText(new Uint8Array(view.buffer, view.byteOffset + at + 46, lengths[0]));
  const entry = {
    name, next, comment: lengths[2], flags: view.getUint16(at + 8, true), method: view.getUint16(at + 10, true),
    date: view.getUint32(at + 12, true), crc: view.getUint32(at + 16, true), packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true), attributes: view.getUint32(at + 38, true), offset: view.getUint32(at + 42, true),
    foreignExtra: false,
  };
  readZip64(new DataView(view.buffer, view.byteOffset + at + 46 + lengths[0], lengths[1]), entry);
  if (entry.flags & 0x2041) throw new FormatError(`${visible(name, 80)} is encrypted`);
  if (entry.method !== 0 && entry.method !== 8) throw new FormatError(`${visible(name, 80)} is packed in an unknown way`);
  return entry;
}

async function locate(file, entry, form) {
  const head = await slice(file, entry.offset, entry.offset + 30);
  if (head.getUint32(0, true) !== 0x04034b50) throw new FormatError(`${visible(entry.name, 80)} has no local header`);
  const nameLength = head.getUint16(26, true);
  const extraLength = head.getUint16(28, true);
  const name = await slice(file, entry.offset + 30, entry.offset + 30 + nameLength);
  if (!same(new Uint8Array(name.buffer), utf8.encode(entry.name))) throw new FormatError('a local header has another name');
  entry.data = entry.offset + 30 + nameLength + extraLength;
  if (entry.data + entry.packed > file.size) throw new FormatError(`${visible(entry.name, 80)} reaches beyond the file`);
  const big = entry.size >= 0xffffffff || entry.packed >= 0xffffffff;
  if (!big && (head.getUint32(14, true) !== entry.crc || head.getUint32(18, true) !== entry.packed || head.getUint32(22, true) !== entry.size)) {
    throw new FormatError('a local header disagrees with the central directory');
  }
  const plain = !entry.flags && entry.date === 0x00210000 && !entry.attributes && !entry.comment && !entry.foreignExtra;
  if (!plain || (!big && extraLength) || entry.method !== 0) form.push(`${entry.name}: flags, date, extra field or method`);
}

/** Lists the members of a ZIP. Throws FormatError when it cannot be read without guessing. */
async function openZip(file) {
  const form = [];
  const directory = await findDirectory(file, form);
  const view = await slice(file, directory.start, directory.start + directory.size);
  const members = new Map();
  const folded = new Set();
  let at = 0;
  for (let i = 0; i < directory.count; i += 1) {
    const entry = readEntry(view, at);
    at = entry.next;
    if (folded.has(entry.name.toLowerCase())) throw new FormatError(`${visible(entry.name, 80)} is there twice`);
    folded.add(entry.name.toLowerCase());
    members.set(entry.name, entry);
  }
  if (at !== directory.size) throw new FormatError('the central directory has bytes to spare');
  let due = 0;
  for (const entry of [...members.values()].sort((a, b) => a.offset - b.offset)) {
    await locate(file, entry, form);
    if (entry.offset < due) throw new FormatError('members overlap');
    if (entry.offset !== due) form.push(`a gap before ${entry.name}`);
    due = entry.data + entry.packed;
  }
  if (due > directory.start) throw new FormatError('members overlap the central directory');
  if (due !== directory.start) form.push('a gap before the central directory');
  checkOrder([...members.values()], form);
  return { file, members, form };
}

function checkOrder(entries, form) {
  const names = entries.map((entry) => entry.name);
  const wanted = ['mimetype', ...names.filter((name) => name !== 'mimetype').sort((a, b) => (a < b ? -1 : 1))];
  if (names.join('\n') !== wanted.join('\n')) form.push('the order of the members');
  if (entries.some((entry, i) => i && entry.offset < entries[i - 1].offset)) form.push('the order of the data');
}

/** Streams one member through both hashes; `keep` also returns its bytes. */
async function readMember(zip, entry, keep) {
  const packed = zip.file.slice(entry.data, entry.data + entry.packed).stream();
  const reader = (entry.method === 8 ? packed.pipeThrough(new DecompressionStream('deflate-raw')) : packed).getReader();
  const hashes = [newSha256(), newSm3()];
  const kept = [];
  let size = 0;
  let crc = 0;
  if (keep && entry.size > MAX_KEPT) throw new FormatError(`${entry.name} is too large`);
  for (;;) {
    let step;
    try {
      step = await reader.read();
    } catch {
      throw new FormatError(`${visible(entry.name, 80)}: the packed data are damaged`);
    }
    if (step.done) break;
    size += step.value.length;
    if (size > entry.size) {
      await reader.cancel();
      throw new FormatError(`${visible(entry.name, 80)} unpacks to more than it says`);
    }
    hashes.forEach((hasher) => hasher.update(step.value));
    crc = crc32(step.value, crc);
    if (keep) kept.push(step.value);
  }
  if (size !== entry.size || crc !== entry.crc) throw new FormatError(`${visible(entry.name, 80)}: size or CRC-32 does not agree`);
  return { size, sha256: toHex(hashes[0].digest()), sm3: toHex(hashes[1].digest()), bytes: keep ? concat(...kept) : null };
}
