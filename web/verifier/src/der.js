// A small DER reader (ITU-T X.690): definite lengths, no copying; every node keeps its own bytes.

function derNode(bytes, start, limit) {
  if (start + 2 > limit) throw new FormatError('DER is cut');
  const tag = bytes[start];
  if ((tag & 0x1f) === 0x1f) throw new FormatError('DER tag too large');
  let at = start + 2;
  let length = bytes[start + 1];
  if (length & 0x80) {
    const count = length & 0x7f;
    if (count === 0 || count > 4 || at + count > limit) throw new FormatError('DER length');
    length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + bytes[at + i];
    at += count;
  }
  if (at + length > limit) throw new FormatError('DER is cut');
  return { tag, raw: bytes.subarray(start, at + length), body: bytes.subarray(at, at + length) };
}

/** Reads bytes that hold exactly one node. */
function derRead(bytes) {
  const node = derNode(bytes, 0, bytes.length);
  if (node.raw.length !== bytes.length) throw new FormatError('bytes after the DER value');
  return node;
}

function derChildren(node, tag) {
  if (tag !== undefined) derExpect(node, tag);
  const children = [];
  for (let at = 0; at < node.body.length; ) {
    const child = derNode(node.body, at, node.body.length);
    children.push(child);
    at += child.raw.length;
    if (children.length > 4096) throw new FormatError('too many DER values');
  }
  return children;
}

function derExpect(node, tag) {
  if (!node || node.tag !== tag) throw new FormatError(`DER tag 0x${tag.toString(16)} is missing`);
  return node;
}

function derOid(node) {
  derExpect(node, 0x06);
  if (!node.body.length || node.body.length > 128 || node.body[node.body.length - 1] & 0x80) throw new FormatError('not an OID');
  const parts = [];
  let value = 0n; // an arc under 2.25 is a UUID of 128 bits
  for (const byte of node.body) {
    value = value * 128n + BigInt(byte & 0x7f);
    if (!(byte & 0x80)) {
      parts.push(value);
      value = 0n;
    }
  }
  const first = parts[0] < 80n ? parts[0] / 40n : 2n;
  return [first, parts[0] - first * 40n, ...parts.slice(1)].join('.');
}

/** UTCTime or GeneralizedTime as milliseconds since 1970. */
function derTime(node) {
  const text = toText(node.body);
  const short = /^(\d{2})(\d{10})Z$/.exec(text);
  const full = node.tag === 0x17 && short ? `${Number(short[1]) < 50 ? 20 : 19}${text}` : text;
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(full);
  if (!found || (node.tag !== 0x17 && node.tag !== 0x18)) throw new FormatError('not a time');
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) + Number(`0.${found[7] ?? 0}`) * 1000;
}
