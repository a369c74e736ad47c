// Distinguished names: compared across string types, case and spacing (RFC 5280 §7.1), and shown to people.

import { FormatError, same, toHex, visible } from './bytes';
import { children, Cursor, parse, readOid, TAG } from './der';

const DECODERS = new Map<number, string>([[0x0c, 'utf-8'], [0x12, 'ascii'], [0x13, 'ascii'], [0x14, 'latin1'], [0x16, 'ascii'], [0x1a, 'ascii'], [0x1e, 'utf-16be']]);
const SHORT = new Map(Object.entries({ '2.5.4.3': 'CN', '2.5.4.6': 'C', '2.5.4.7': 'L', '2.5.4.8': 'ST', '2.5.4.10': 'O', '2.5.4.11': 'OU', '2.5.4.5': '2.5.4.5' }));

interface Attribute {
  readonly kind: string;
  readonly text: string | null;
  readonly raw: Uint8Array;
}

function decode(tag: number, content: Uint8Array): string | null {
  const encoding = DECODERS.get(tag);
  if (!encoding) return null;
  if (encoding === 'latin1') return String.fromCharCode(...content);
  if (encoding === 'ascii') {
    if (content.some((byte) => byte > 0x7f)) throw new FormatError('name holds text outside its alphabet', '名称含有字符集以外的内容');
    return String.fromCharCode(...content);
  }
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new FormatError('name holds text outside its alphabet', '名称含有字符集以外的内容');
  }
}

function read(encoded: Uint8Array): Attribute[][] {
  const relative = children(parse(encoded), TAG.sequence);
  if (relative.length > 64) throw new FormatError(`name of ${relative.length} parts`, '名称的组成部分过多');
  return relative.map((part) => children(part, TAG.set).map((node) => {
    const cursor = new Cursor(node, 'AttributeTypeAndValue');
    const kind = readOid(cursor.take());
    const value = cursor.take();
    cursor.end();
    return { kind, text: decode(value.tag, value.content), raw: value.raw };
  }));
}

const folded = (one: Attribute): string => {
  const text = one.text === null ? toHex(one.raw) : one.text.normalize('NFKC').toLowerCase().split(/\s+/).filter(Boolean).join(' ');
  return `${one.kind}=${text}`;
};

/** Equal by RFC 5280 §7.1; names that cannot be read equal only themselves. */
export function sameName(first: Uint8Array, second: Uint8Array): boolean {
  if (same(first, second)) return true;
  try {
    const [left, right] = [first, second].map((one) => JSON.stringify(read(one).map((part) => [...new Set(part.map(folded))].sort())));
    return left === right;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Equal in types and text, whatever the string type: how certificates are chained here, as in the library. */
export function exactName(first: Uint8Array, second: Uint8Array): boolean {
  if (same(first, second)) return true;
  const shape = (one: Uint8Array) => JSON.stringify(read(one).map((part) => part.map((each) => `${each.kind}=${each.text ?? toHex(each.raw)}`).sort()));
  return shape(first) === shape(second);
}

/** As RFC 4514 writes it, last part first. */
export function nameText(encoded: Uint8Array): string {
  const parts = read(encoded).reverse().map((part) => part.map((one) => `${SHORT.get(one.kind) ?? one.kind}=${one.text ?? toHex(one.raw)}`).join('+'));
  return visible(parts.join(','), 300) || '(no subject)';
}
