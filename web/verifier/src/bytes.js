// Bytes, text, hexadecimal, base64, canonical JSON (RFC 8785), foreign text made visible.

/** Foreign bytes that are not what they claim to be. */
class FormatError extends Error {}

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function toText(bytes) {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new FormatError('not UTF-8');
  }
}

function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(text) {
  if (typeof text !== 'string' || !/^(?:[0-9a-f]{2})*$/.test(text)) throw new FormatError('not lower-case hexadecimal');
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) throw new FormatError('not base64');
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  if (btoa(String.fromCharCode(...bytes)) !== text) throw new FormatError('base64 is not canonical');
  return bytes;
}

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function same(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** RFC 8785: sorted keys, ECMAScript numbers and strings. */
function canonical(value, depth = 0) {
  if (depth > 64) throw new FormatError('JSON is nested too deep');
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key], depth + 1)}`);
    return `{${members.join(',')}}`;
  }
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) throw new FormatError('number out of range');
  return JSON.stringify(value);
}

/** Reads JSON that must be its own canonical form: duplicate keys and other spellings fail. */
function parseCanonical(bytes) {
  const text = toText(bytes);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError('not JSON');
  }
  if (canonical(value) !== text) throw new FormatError('not canonical JSON (RFC 8785)');
  return value;
}

/** A member of a parsed object; never one that the object inherits. */
function field(object, name, kind) {
  if (object === null || typeof object !== 'object' || !Object.hasOwn(object, name)) {
    throw new FormatError(`field ${name} is missing`);
  }
  const value = object[name];
  const fits = kind === 'array' ? Array.isArray(value) : typeof value === kind && value !== null;
  if (kind && !fits) throw new FormatError(`field ${name} is not of type ${kind}`);
  return value;
}

/** Lines of a JSON-lines file: every line canonical, every line ended by LF. */
function parseLines(bytes) {
  if (bytes.length === 0 || bytes[bytes.length - 1] !== 10) throw new FormatError('the last line is not ended');
  const lines = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(10, start);
    lines.push(bytes.subarray(start, end));
    start = end + 1;
    if (lines.length > 1 << 20) throw new FormatError('too many lines');
  }
  return lines;
}

/** Foreign text on one line, with nothing hidden in it (Unicode TR 36, TR 55). */
function visible(text, limit = 600) {
  const kept = text.length > limit ? `${text.slice(0, limit)} … [${limit}/${text.length}]` : text;
  return kept.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu, (char) => {
    return `⟨U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}
