// What a manifest says of a deposit, and deposit/items.jsonl (docs/spec/deposit.md; evidencekit/hashing/deposit.py).

import type { Text } from './bytes';
import type { Digests } from './digest';
import { checkVersion, Fields } from './fields';

export const MAX_FILES = 100_000;
export const MAX_ITEM_LINE = 1 << 16;
export const MAX_ITEMS_BYTES = 256 << 20;
const MAX_LINKS = 64;
const MAX_NAME_CHARS = 4096;
const MAX_FIELD_CHARS = 2000;

/** The label of every deposit. */
export const OUTSIDE: Text = {
  en: 'captured outside evidencekit: how, when and by whom the files were made was not observed',
  zh: '在 evidencekit 之外形成：文件如何、何时、由何人形成，未经观察',
};
const WARRANTY = 'The depositor warrants that these statements are true and the work is original. 存证人保证所述真实、作品为原创。';

/** By kind: what it must state, and what it may. */
const KINDS: ReadonlyMap<string, readonly [readonly string[], readonly string[]]> = new Map([
  ['file', [[], ['title']]], ['original-work', [['creator', 'right_type', 'completed', 'warranty'], ['first_published', 'title']]],
  ['licence', [['grantor', 'grantee'], ['scope', 'title']]], ['transfer', [['grantor', 'grantee'], ['scope', 'title']]], ['pledge', [['grantor', 'grantee'], ['scope', 'title']]],
  ['forensic', [['medium', 'device', 'cleanliness'], ['recorded', 'title']]], ['object', [['order_number', 'custodian'], ['seal_number', 'title', 'waybill']]],
]);
const LIFECYCLE = ['licence', 'transfer', 'pledge'];
const CHOICES: ReadonlyMap<string, readonly string[]> = new Map([
  ['medium', ['phone_screen', 'call_audio', 'site_audio', 'photo', 'phone_video', 'pc_screen']], ['right_type', ['copyright', 'patent', 'trademark', 'trade_secret', 'other']], ['warranty', [WARRANTY]],
]);
const DATES = ['completed', 'first_published', 'recorded'];

export interface Link {
  readonly number: string;
  readonly origin: string;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly manifestSha256: string;
}

export interface Deposit {
  readonly kind: string;
  readonly hashOnly: boolean;
  readonly files: number;
  readonly size: number;
  readonly links: readonly Link[];
}

export interface Item {
  readonly n: number;
  readonly name: string | null;
  readonly path: string | null;
  readonly size: number;
  readonly digests: Digests;
}

export function readDeposit(fields: Fields): Deposit {
  const kind = fields.choice('kind', [...KINDS.keys()]);
  checkStatement(fields, kind);
  const links = fields.items('links').map(readLink);
  if (links.length > MAX_LINKS || (LIFECYCLE.includes(kind) && !links.length)) fields.refuse('links', 'are too many, or name no work', '过多，或未指明作品');
  return { kind, hashOnly: fields.flag('hash_only'), files: fields.integer('files', 1, MAX_FILES), size: fields.integer('bytes'), links };
}

function checkStatement(fields: Fields, kind: string): void {
  const body = fields.object('statement');
  const [required, optional] = KINDS.get(kind)!;
  const names = Object.keys(body.members);
  const refuse = (en: string, zh: string) => fields.refuse('statement', en, zh);
  const missing = required.find((name) => !names.includes(name));
  if (missing) refuse(`must state ${missing}`, `须载明 ${missing}`);
  for (const name of names) {
    const value = body.text(name, MAX_FIELD_CHARS);
    if (!required.includes(name) && !optional.includes(name)) refuse('holds a field that its kind has no place for', '含有该类存证不应有的字段');
    // Python's idea of blank: str.strip knows U+001C to U+001F and U+0085, and not U+FEFF.
    if (!/[^\s\u001c-\u001f\u0085]|\ufeff/.test(value)) refuse(`says nothing in ${name}`, `的 ${name} 为空`);
    const choices = CHOICES.get(name);
    if (choices && !choices.includes(value)) refuse(`takes another value for ${name}`, `的 ${name} 取值有误`);
    if (DATES.includes(name) && !/^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$/.test(value)) refuse(`needs a date like 2026-11-23 in ${name}`, `的 ${name} 应为形如 2026-11-23 的日期`);
  }
}

function readLink(fields: Fields): Link {
  const number = fields.text('number', 64);
  if (!/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/.test(number)) fields.refuse('number', 'is not a certificate number', '不是证书编号');
  fields.text('kind', 64);
  return { number, origin: fields.text('origin', 255), index: fields.integer('index'), leaf: fields.octets('leaf', 32), manifestSha256: fields.hex('manifest_sha256', 32) };
}

/** The first line: of which deposit, and how many items. */
export function readItemsHeader(fields: Fields): { captureId: string; count: number } {
  checkVersion(fields, 'items');
  return { captureId: fields.hex('capture_id', 16), count: fields.integer('count', 1, MAX_FILES) };
}

export function readItem(fields: Fields): Item {
  return {
    n: fields.integer('n', 1, MAX_FILES), name: fields.optional('name', (name) => fields.text(name, MAX_NAME_CHARS)),
    path: fields.optional('path', (name) => fields.text(name, 240)), size: fields.integer('size'), digests: fields.digests(),
  };
}
