// painted.json of a page: every picture drawn, as the browser's layout has them (evidencekit/corroboration/painted.py).

import { FormatError } from './bytes';
import type { Json } from './canonical';
import { checkVersion, Fields } from './fields';

const MAX_IMAGES = 20_000;

export interface Image {
  readonly kind: string;
  readonly url: string;
}

export interface Painted {
  readonly url: string;
  readonly title: string;
  readonly images: readonly Image[];
}

/** Masking may have changed its texts, so it need not be canonical. Throws FormatError: it is no such file. */
export function parsePainted(data: Uint8Array, what: string): Painted {
  let value: Json;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)) as Json;
  } catch (error) {
    throw new FormatError(`${what} is no JSON: ${String(error)}`, `${what} 不是 JSON：${String(error)}`);
  }
  const fields = new Fields(value, what);
  checkVersion(fields, 'painted');
  const images = fields.items('images').map((item) => ({ kind: item.text('kind', 40), url: item.text('url') }));
  const made = { url: fields.text('url'), title: fields.text('title'), images: images.slice(0, MAX_IMAGES) };
  for (const name of ['texts', 'frames']) fields.texts(name);
  fields.integer('unread');
  return made;
}
