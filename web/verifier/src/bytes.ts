// Bytes, text, hexadecimal and base64 from strangers: every function refuses what is not exactly its form.

/** Foreign bytes that are not what they claim to be, said in both languages. */
export class FormatError extends Error {
  readonly zh: string;

  constructor(en: string, zh: string = en) {
    super(en);
    this.zh = zh;
  }

  get en(): string {
    return this.message;
  }
}

/** A document of a newer major version: it is never guessed at. */
export class UnknownVersionError extends FormatError {}

/** One sentence in two languages. */
export interface Text {
  readonly en: string;
  readonly zh: string;
}

export const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toText(bytes: Uint8Array, what = 'text'): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new FormatError(`${what}: not UTF-8`, `${what}：不是 UTF-8`);
  }
}

/** Text of bytes that must all be below 0x80. */
export function toAscii(bytes: Uint8Array, what: string): string {
  if (bytes.some((byte) => byte > 0x7f)) throw new FormatError(`${what}: not ASCII text`, `${what}：不是 ASCII 文本`);
  return toText(bytes, what);
}

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

export function fromHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new FormatError('not lower-case hexadecimal', '不是小写十六进制');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** RFC 4648 §4 as an encoder writes it: no white space, no free padding bits. */
export function fromBase64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) throw new FormatError('not base64', '不是 base64');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  if (btoa(binary) !== text) throw new FormatError('base64 is not canonical', 'base64 不是规范形式');
  return bytes;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Big-endian bytes as a number that has no upper bound. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length ? BigInt(`0x${toHex(bytes)}`) : 0n;
}

export function fromBigInt(value: bigint, size: number): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * size, '0').slice(-2 * size));
}

/** Lines of a file without their LF; what stands after the last LF comes too, when it is not empty. */
export function* splitLines(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** Foreign text on one line, with nothing hidden in it (Unicode TR 36, TR 55). */
export function visible(text: string, limit = 600): string {
  const kept = text.length > limit ? `${text.slice(0, limit)} … [${limit}/${text.length}]` : text;
  return kept.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu, (char) => {
    return `⟨U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}
