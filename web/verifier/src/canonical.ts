// RFC 8785 canonical JSON: what is read is byte for byte what would be written (docs/spec/README.md).

import { FormatError, same, toText, utf8 } from './bytes';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const MAX_DEPTH = 64;
const MAX_CONTAINERS = 1 << 20;

/** Sorted keys, ECMAScript numbers and strings. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

/** Bounds depth and number of containers before anything recurses or allocates. */
function checkStructure(bytes: Uint8Array, what: string): void {
  let depth = 0;
  let containers = 0;
  let inside = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === 0x22) inside = !inside;
    else if (inside) at += byte === 0x5c ? 1 : 0;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      containers += 1;
      if (depth > MAX_DEPTH) throw new FormatError(`${what}: nested deeper than ${MAX_DEPTH} levels`, `${what}：嵌套超过 ${MAX_DEPTH} 层`);
      if (containers > MAX_CONTAINERS) throw new FormatError(`${what}: more than ${MAX_CONTAINERS} objects and lists`, `${what}：对象与列表过多`);
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
}

/** Surrogates without their other half are no text: JSON.parse and JSON.stringify would carry them through. */
function checkText(value: string, what: string): void {
  if (/[\ud800-\udfff]/u.test(value)) throw new FormatError(`${what}: a lone surrogate`, `${what}：含有不成对的代理字符`);
}

/** Integers beyond 2^53 - 1 have no exact value here; RFC 8785 §3.2.2.3 writes numbers from 1e21 with an exponent. */
function checkValue(value: Json, what: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) {
    throw new FormatError(`${what}: an integer beyond 2^53`, `${what}：整数超过 2^53`);
  }
  if (typeof value === 'string') checkText(value, what);
  if (value === null || typeof value !== 'object') return;
  for (const [key, item] of Object.entries(value)) {
    checkText(key, what);
    checkValue(item, what);
  }
}

/** Reads RFC 8785 bytes, and nothing that differs from them by a byte. */
export function parseCanonical(bytes: Uint8Array, limit: number, what: string): Json {
  if (bytes.length > limit) throw new FormatError(`${what}: ${bytes.length} bytes, more than the ${limit} allowed`, `${what}：${bytes.length} 字节，超过上限 ${limit}`);
  checkStructure(bytes, what);
  let value: Json;
  try {
    value = JSON.parse(toText(bytes, what));
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${what}: not JSON`, `${what}：不是 JSON`);
  }
  checkValue(value, what);
  // Duplicate keys do not survive the way back, so they show here.
  if (!same(utf8.encode(canonical(value)), bytes)) throw new FormatError(`${what}: not in the canonical form of RFC 8785`, `${what}：不是 RFC 8785 规定的规范形式`);
  return value;
}
