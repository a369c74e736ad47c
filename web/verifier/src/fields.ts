// Typed reading of parsed JSON objects: every refusal names the document and the field; types are never converted.

import { FormatError, fromHex, Text, UnknownVersionError, visible } from './bytes';
import type { Json } from './canonical';
import type { Digests } from './digest';
import { parseTime } from './time';

const MAX_TEXT = 1 << 20;

export class Fields {
  readonly members: { [key: string]: Json };
  readonly what: string;

  constructor(value: Json, what: string) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new FormatError(`${what}: must be a JSON object`, `${what}：须为 JSON 对象`);
    this.members = value;
    this.what = what;
  }

  refuse(name: string, en: string, zh: string): never {
    throw new FormatError(`${this.what}: field '${name}' ${en}`, `${this.what}：字段 '${name}' ${zh}`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.members, name);
  }

  value(name: string): Json {
    if (!this.has(name)) this.refuse(name, 'is missing', '缺失');
    return this.members[name];
  }

  optional<T>(name: string, read: (name: string) => T): T | null {
    return this.value(name) === null ? null : read.call(this, name);
  }

  text(name: string, limit = MAX_TEXT): string {
    const value = this.value(name);
    if (typeof value !== 'string') this.refuse(name, 'must be text', '须为文本');
    // Python counts code points.
    if (value.length > limit && Array.from(value).length > limit) this.refuse(name, `is longer than ${limit} characters`, `超过 ${limit} 个字符`);
    return value;
  }

  integer(name: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) this.refuse(name, 'must be an integer', '须为整数');
    if (value < minimum || value > maximum) this.refuse(name, `must lie between ${minimum} and ${maximum}`, `须在 ${minimum} 与 ${maximum} 之间`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.value(name);
    if (typeof value !== 'boolean') this.refuse(name, 'must be true or false', '须为 true 或 false');
    return value;
  }

  hex(name: string, size: number): string {
    const value = this.text(name, 2 * size);
    if (value.length !== 2 * size || !/^[0-9a-f]*$/.test(value)) this.refuse(name, `must be ${size} bytes in lower-case hexadecimal`, `须为 ${size} 字节的小写十六进制`);
    return value;
  }

  octets(name: string, size: number): Uint8Array {
    return fromHex(this.hex(name, size));
  }

  digests(): Digests {
    return { sha256: this.hex('sha256', 32), sm3: this.hex('sm3', 32) };
  }

  /** Microseconds since 1970. */
  time(name: string): number {
    return parseTime(this.text(name), `${this.what}: field '${name}'`);
  }

  choice(name: string, choices: readonly string[]): string {
    const value = this.text(name);
    if (!choices.includes(value)) this.refuse(name, `is '${visible(value, 40)}', not one of: ${choices.join(', ')}`, `为 '${visible(value, 40)}'，应为：${choices.join('、')}`);
    return value;
  }

  object(name: string): Fields {
    return new Fields(this.value(name), `${this.what}: ${name}`);
  }

  list(name: string): Json[] {
    const value = this.value(name);
    if (!Array.isArray(value)) throw new FormatError(`${this.what}: ${name}: must be a list`, `${this.what}：${name}：须为列表`);
    return value;
  }

  items(name: string): Fields[] {
    return this.list(name).map((value, index) => new Fields(value, `${this.what}: ${name}[${index}]`));
  }

  texts(name: string): string[] {
    return this.list(name).map((value) => {
      if (typeof value !== 'string') this.refuse(name, 'must hold texts only', '只能包含文本');
      return value;
    });
  }

  counts(name: string): Map<string, number> {
    const fields = this.object(name);
    return new Map(Object.keys(fields.members).map((key) => [key, fields.integer(key)]));
  }

  bilingual(name: string): Text {
    return bilingualOf(this.object(name));
  }

  bilinguals(name: string): Text[] {
    return this.items(name).map(bilingualOf);
  }
}

const bilingualOf = (fields: Fields): Text => ({ en: fields.text('en'), zh: fields.text('zh') });

/** This is `evidencekit/<name>` of a major version that is known here. */
export function checkVersion(fields: Fields, name: string, major = 1): void {
  const wanted = `evidencekit/${name}`;
  const found = fields.text('format');
  if (found !== wanted) fields.refuse('format', `is '${visible(found, 60)}', not '${wanted}'`, `为 '${visible(found, 60)}'，应为 '${wanted}'`);
  const version = fields.integer('version', 1);
  if (version > major) throw new UnknownVersionError(`${fields.what}: version ${version} of ${wanted} needs a newer verifier`, `${fields.what}：${wanted} 第 ${version} 版需要更新版本的验证程序`);
}
