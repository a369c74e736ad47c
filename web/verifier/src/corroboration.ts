// The record compared with itself, as far as this page does it (docs/spec/corroboration.md).
//
// The comparison bounds no verdict, but where it finds a contradiction the library says FAILED. So this page looks for
// exactly that: redirects and status against the log, and texts of a page that ran no script against the recorded
// bodies. Where a contradiction is excluded, the rest is left to the library, NOT_PERFORMED by name; where it is not,
// the verdict is capped.

import { FormatError, splitLines, Text, toText } from './bytes';
import { canonical, Json } from './canonical';
import type { Case } from './case';
import { squeeze, plain, textsOf } from './domtext';
import { Finding, finding, NOT_HERE, Tally } from './findings';
import type { Page } from './manifest';

const MAX_BODY = 8 << 20;
const MAX_BODIES = 64 << 20;
const MAX_LINE = 8 << 20;
const MASK = '[withheld:';
const REST: Text = {
  en: 'nothing contradicts itself; how far the rest agrees, this page does not compare: use evidencekit verify',
  zh: '未见自相矛盾；其余是否一致，本页面不作比对：请使用 evidencekit verify',
};

/** The bodies of the archive that may hold text, taken while it is read for `archive.records`. */
export class Bodies {
  /** A body of script, or a document with scripts in it, was recorded. */
  scripts = false;
  readonly texts = new Set<string>();
  readonly whole: string[] = [];
  private left = MAX_BODIES;

  wants(recordId: string, size: number): boolean {
    return recordId.split('.')[1] === 'response' && size <= MAX_BODY && size <= this.left && !this.scripts;
  }

  take(block: Uint8Array): void {
    const end = headEnd(block);
    if (end < 0 || end + 4 === block.length) return;
    const head = new TextDecoder().decode(block.subarray(0, end)).split('\r\n').slice(1);
    const fields = new Map(head.map((line) => [line.slice(0, line.indexOf(':')).trim().toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
    const type = (fields.get('content-type') ?? '').split(';')[0].trim().toLowerCase();
    if (/javascript|ecmascript/.test(type.split('/')[1] ?? '')) {
      this.scripts = true;
      return;
    }
    if (/^(?:image\/(?!svg)|audio\/|video\/|font\/)/.test(type) || !['', 'identity'].includes(fields.get('content-encoding')?.toLowerCase() ?? '')) return;
    this.read(block.subarray(end + 4), type);
  }

  private read(body: Uint8Array, type: string): void {
    let text: string;
    try {
      text = toText(body);
    } catch (error) {
      if (error instanceof FormatError) return; // of another charset: the library reads it
      throw error;
    }
    this.left -= body.length;
    if (/html|xml/.test(type) && /<script\b[^<>]{0,4000}>/i.test(text)) this.scripts = true;
    for (const one of textsOf(text)) this.texts.add(squeeze(one));
    this.whole.push(squeeze(plain(text)));
  }

  /** Whether a text stands in a recorded body; numbers at its ends, and a number alone, must stand there whole. */
  has(key: string): boolean {
    if (this.texts.has(key)) return true;
    return /\p{L}/u.test(key) && this.whole.some((text) => holds(text, key));
  }
}

function headEnd(block: Uint8Array): number {
  for (let at = block.indexOf(13); at >= 0 && at < 1 << 20; at = block.indexOf(13, at + 1)) {
    if (block[at + 1] === 10 && block[at + 2] === 13 && block[at + 3] === 10) return at;
  }
  return -1;
}

function holds(text: string, key: string): boolean {
  const digit = (one: string | undefined): boolean => one !== undefined && /\p{Nd}/u.test(one);
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + 1)) {
    const cut = (digit(key[0]) && digit(text[at - 1])) || (digit(key[key.length - 1]) && digit(text[at + key.length]));
    if (!cut) return true;
  }
  return false;
}

/** FAILED is possible only where no script ran and every text is compared; else the library may at most doubt. */
export function checkTexts(kase: Case, bodies: Bodies): Finding {
  const id = 'corroboration.text';
  kase.sha256(kase.archive); // without the archive there is nothing to compare with
  if (bodies.scripts) return finding(id, 'NOT_PERFORMED', REST);
  const shown = kase.manifest.pages.every((page) => {
    const folder = `capture/pages/${page.id}/`;
    const doms = ['dom-initial.html', 'dom-initial.public.html', 'dom.html'].map((name) => folder + name).filter((name) => kase.has(name));
    const painted = `${folder}painted.json`;
    if ([...doms, painted].some((name) => kase.has(name) && !kase.keptData(name))) return false;
    const texts = doms.flatMap((name) => [...textsOf(new TextDecoder().decode(kase.keptData(name)!))]);
    return [...texts, ...paintedTexts(kase.keptData(painted))].map((text) => squeeze(text)).every((key) => !/[\p{L}\p{N}]/u.test(key) || bodies.has(key));
  });
  return finding(id, 'NOT_PERFORMED', shown ? REST : NOT_HERE);
}

function paintedTexts(data: Uint8Array | null): string[] {
  if (!data) return [];
  const value = jsonObject(data);
  const texts = value?.texts;
  return Array.isArray(texts) && texts.every((one) => typeof one === 'string') ? (texts as string[]) : ['?unreadable'];
}

function jsonObject(data: Uint8Array): { [key: string]: Json } | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as { [key: string]: Json }) : null;
  } catch {
    return null;
  }
}

interface Line {
  readonly id: string;
  readonly page: string;
  readonly url: string;
  readonly kind: string;
  readonly redirectedTo: string;
  readonly status: number;
  readonly cached: boolean;
}

function linesOf(kase: Case): Line[] {
  const data = kase.data(kase.exchanges, 256 << 20);
  return [...splitLines(data)].slice(1).filter((line) => line.length).map((line, at) => {
    const row = line.length <= MAX_LINE ? jsonObject(line) : null;
    if (!row) throw new FormatError(`exchanges.jsonl line ${at + 1} is no JSON object`, `exchanges.jsonl 第 ${at + 1} 行不是 JSON 对象`);
    const text = (name: string): string => (typeof row[name] === 'string' ? (row[name] as string) : '');
    const answer = row.response !== null && typeof row.response === 'object' && !Array.isArray(row.response) ? row.response : {};
    return {
      id: text('id'), page: text('page'), url: text('url'), kind: text('resource_type'), redirectedTo: text('redirected_to'),
      status: Number.isInteger(answer?.status) ? Number(answer.status) : 0, cached: row.from_cache === true || row.from_service_worker === true,
    };
  });
}

/** Redirects and status of every page are those of the log; whether the rest agrees is left to the library. */
export function checkLocation(kase: Case): Finding {
  const tally = new Tally('corroboration.location', 'capture');
  const lines = linesOf(kase);
  for (const page of kase.manifest.pages) compare(tally, page, lines, chainOf(page, lines));
  tally.note('NOT_PERFORMED', REST);
  return tally.close('', '');
}

/** The requests from the address asked for to the document: the redirects, each once. */
function chainOf(page: Page, lines: readonly Line[]): Line[] {
  const own = lines.filter((line) => line.page === page.id && (line.kind === 'Document' || line.kind === ''));
  const wanted = bare(page.requestedUrl);
  let next = own.find((line) => bare(line.url) === wanted) ?? own.find((line) => line.url.includes(MASK) && originOf(line.url) === originOf(wanted));
  const byId = new Map(lines.map((line) => [line.id, line]));
  const chain: Line[] = [];
  for (; next && !chain.includes(next); next = byId.get(next.redirectedTo)) chain.push(next);
  return chain;
}

function compare(tally: Tally, page: Page, lines: readonly Line[], chain: readonly Line[]): void {
  if (!chain.length) return; // an open question for the library, no contradiction
  const documents = lines.filter((line) => line.page === page.id && line.kind === 'Document');
  const [final, end] = [bare(page.finalUrl), chain[chain.length - 1]];
  const later = documents.filter((line) => bare(line.url) === final);
  const last = final !== bare(end.url) && later.length ? later[later.length - 1] : end;
  const logged = new Set((documents.length ? documents : chain).map((line) => `${line.status} ${bare(line.url)}`));
  const lost = page.redirects.find((hop) => !logged.has(`${hop.status} ${bare(hop.url)}`));
  if (lost) tally.doubt(`page ${page.id}: the manifest names the redirect ${lost.url.slice(0, 120)}, the log does not`, `第 ${page.id} 页：清单所列重定向 ${lost.url.slice(0, 120)} 不在请求记录之中`);
  if (page.status !== null && last.status && page.status !== last.status && !last.cached) {
    tally.doubt(`page ${page.id}: the manifest gives its status as ${page.status}, the log as ${last.status}`, `第 ${page.id} 页：清单中的状态为 ${page.status}，请求记录中为 ${last.status}`);
  }
}

function bare(url: string): string {
  const head = url.split('#')[0];
  return head.split('/').length > 3 || !head.includes('://') ? head : `${head}/`;
}

const originOf = (url: string): string => /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?#]*/.exec(url)?.[0] ?? url;

/** What this page does not compare, and no contradiction can come of, unless a file is none of its kind. */
export function leftToLibrary(kase: Case, id: string): Finding {
  const painted = kase.manifest.pages.map((page) => `capture/pages/${page.id}/painted.json`).filter((name) => kase.has(name));
  const broken = painted.some((name) => {
    const value = kase.keptData(name) ? jsonObject(kase.keptData(name)!) : null;
    return !value || value.format !== 'evidencekit/painted' || canonical(value.version ?? null) !== '1' || !Array.isArray(value.images) || !Array.isArray(value.texts);
  });
  return finding(id, 'NOT_PERFORMED', broken ? NOT_HERE : REST);
}
