// Title and pictures of a serialised DOM, read as evidencekit/corroboration/domtext.py reads them.

const TAG = /<(?:(!--)|(\/?)([a-zA-Z][a-zA-Z0-9:._-]*)([^<>]*)>|[!?][^<>]*>)/g;
const ATTRIBUTE = /([^\s"'=<>/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g;
const RAW = new Set(['script', 'style', 'title', 'noscript', 'iframe', 'noembed', 'noframes', 'xmp']);
const VOID = new Set(['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'param', 'source', 'track', 'wbr', 'basefont', 'bgsound', 'frame', 'keygen']);
const MAX_DEPTH = 2000;
const MAX_BACK = 40;
const MAX_RUNS = 200_000;
const MAX_TITLE = 20_000;
const MAX_TAGS = 1_000_000;
const BLANK = /[\s\u001c-\u001f\u0085]+/g;
const IGNORED = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;

export interface Dom {
  readonly title: string;
  readonly images: readonly string[];
  readonly base: string;
}

interface Open {
  readonly tag: string;
  readonly hidden: boolean;
}

/** Linear in its length, whatever it holds; after as many texts as the library reads it stops as the library does. */
export function readDom(source: string): Dom {
  const images: string[] = [];
  const stack: Open[] = [];
  let [title, base, runs, tags, at, svgs] = ['', '', 0, 0, 0, 0];
  const tagAt = new RegExp(TAG);
  while (at < source.length && runs <= MAX_RUNS && tags <= MAX_TAGS) {
    tagAt.lastIndex = at;
    const found = tagAt.exec(source);
    const top = stack[stack.length - 1];
    if (!top?.hidden && /\S/.test(source.slice(at, found ? found.index : source.length))) runs += 1;
    if (!found || runs > MAX_RUNS) break;
    at = found.index + found[0].length;
    const [, comment, closing, written, attributes] = found;
    if (comment) at = endOf(source, '-->', at, 3);
    if (!written) continue;
    tags += 1;
    const tag = written.toLowerCase();
    if (closing) svgs -= close(stack, tag);
    else if (RAW.has(tag)) {
      const end = endOf(source, `</${tag}`, at, 0);
      if (tag === 'title' && !title && !svgs) title = plain(source.slice(at, end)).trim().slice(0, MAX_TITLE);
      at = end;
    } else {
      const own = ['img', 'base', 'template'].includes(tag) ? attributesOf(attributes) : new Map<string, string>();
      if (tag === 'img' && own.get('src')) images.push(own.get('src')!);
      else if (tag === 'base' && !base) base = own.get('href') ?? '';
      if (VOID.has(tag) || attributes.endsWith('/') || stack.length >= MAX_DEPTH) continue;
      svgs += Number(tag === 'svg');
      stack.push({ tag, hidden: Boolean(top?.hidden) || tag === 'head' || (tag === 'template' && !own.has('shadowrootmode')) });
    }
  }
  return { title, images, base };
}

/** Closes the nearest open element of the name, a stray end tag nothing; gives how many `svg` are thereby closed. */
function close(stack: Open[], tag: string): number {
  for (let back = 1; back <= Math.min(stack.length, MAX_BACK); back += 1) {
    if (stack[stack.length - back].tag === tag) {
      return stack.splice(-back).filter((one) => one.tag === 'svg').length;
    }
  }
  return 0;
}

function attributesOf(written: string): Map<string, string> {
  return new Map([...written.matchAll(ATTRIBUTE)].map((one) => [one[1].toLowerCase(), plain(one[2] || one[3] || one[4] || '')]));
}

function endOf(source: string, mark: string, from: number, length: number): number {
  const found = source.indexOf(mark, from);
  return found < 0 ? source.length : found + length;
}

/** Character references decoded, by an inert parser. */
function plain(text: string): string {
  if (!text.includes('&')) return text;
  const area = new DOMParser().parseFromString(`<!doctype html><textarea>\n${text.replaceAll('<', '&lt;')}</textarea>`, 'text/html').querySelector('textarea');
  return area?.textContent ?? text;
}

/** White space and invisible characters out, letters small: what is left must agree. */
export const squeeze = (text: string): string => text.replace(BLANK, '').replace(IGNORED, '').toLowerCase();
