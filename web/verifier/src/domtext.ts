// Texts of a serialised DOM, cut as evidencekit/corroboration/domtext.py cuts them.

const TAG = /<(?:(!--)|(\/?)([a-zA-Z][a-zA-Z0-9:._-]*)([^<>]*)>|[!?][^<>]*>)/g;
const RAW = new Set(['script', 'style', 'noscript', 'iframe', 'noembed', 'noframes', 'xmp']);
const BLANK = /[\s\u001c-\u001f\u0085]+/g;
const IGNORED = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;

/** Every text between tags but for those of raw elements: the library's texts, and some that no page shows. */
export function* textsOf(source: string): Generator<string> {
  const tag = new RegExp(TAG);
  for (let at = 0; at < source.length;) {
    tag.lastIndex = at;
    const found = tag.exec(source);
    yield plain(source.slice(at, found ? found.index : source.length));
    if (!found) return;
    at = found.index + found[0].length;
    if (found[1]) at = endOf(source, '-->', at, 3);
    else if (found[3] && !found[2] && RAW.has(found[3].toLowerCase())) at = endOf(source, `</${found[3].toLowerCase()}`, at, 0);
  }
}

function endOf(source: string, mark: string, from: number, length: number): number {
  const close = source.indexOf(mark, from);
  return close < 0 ? source.length : close + length;
}

/** Character references decoded, by an inert parser. */
export function plain(text: string): string {
  if (!text.includes('&')) return text;
  const area = new DOMParser().parseFromString(`<!doctype html><textarea>\n${text.replaceAll('<', '&lt;')}</textarea>`, 'text/html').querySelector('textarea');
  return area?.textContent ?? text;
}

/** White space and invisible characters out, letters small: what is left must agree. */
export const squeeze = (text: string): string => text.replace(BLANK, '').replace(IGNORED, '').toLowerCase();
