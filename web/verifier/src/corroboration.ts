// The record compared with itself, as far as this page does it (docs/spec/corroboration.md; evidencekit/corroboration/).
//
// Addresses, redirects, status, titles and the pictures of every page are judged as the library judges them. Texts,
// pixels and the network's witnesses are left to it, NOT_PERFORMED by name. No comparison here is required or FAILED,
// so the verdict is the same.

import { FormatError, Text, UnknownVersionError } from './bytes';
import { Json, parseCanonical } from './canonical';
import type { Case } from './case';
import { Dom, readDom, squeeze } from './domtext';
import { Fields } from './fields';
import { Finding, finding, InputMissing, Tally } from './findings';
import type { Page } from './manifest';
import { Image, Painted, parsePainted } from './painted';
import { PATH } from './paths';
import type { Outcome } from './steps';

const MAX_LINE = 8 << 20;
const MAX_DOM = 32 << 20;
const MASK = '[withheld:';
const WEB = ['http://', 'https://'];
const OWN = ['data:', 'blob:', 'about:'];
const OUTCOMES: readonly Outcome[] = ['PASSED', 'INDETERMINATE', 'FAILED', 'NOT_PERFORMED'];

const LEFT: Readonly<Record<string, Text>> = {
  'corroboration.text': { en: 'this page does not compare the texts shown with the answers recorded: use evidencekit verify', zh: '本页面不比对所显示的文字与所记录的响应：请使用 evidencekit verify' },
  'corroboration.pictures': { en: 'this page does not compare the pixels of the screenshots: use evidencekit verify', zh: '本页面不比对各截图的像素：请使用 evidencekit verify' },
  'corroboration.network': { en: 'this page does not compare peers, certificates and DNS answers of the several logs: use evidencekit verify', zh: '本页面不比对各日志中的对端地址、证书与域名解析：请使用 evidencekit verify' },
};

/** What this page does not compare. */
export const leftToLibrary = (id: string): Finding => finding(id, 'NOT_PERFORMED', LEFT[id]);

interface Line {
  readonly id: string;
  readonly page: string;
  readonly url: string;
  readonly kind: string;
  readonly redirectedTo: string;
  readonly status: number;
  readonly cached: boolean;
}

/** Runs a comparison; what cannot be read was not compared, and the finding about that file says why. */
function compared(judge: () => Finding): Finding {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof FormatError) || error instanceof UnknownVersionError) throw error;
    throw new InputMissing('NOT_PERFORMED', { en: `what is compared cannot be read: ${error.en}`, zh: `待比对的内容无法读取：${error.zh}` });
  }
}

function jsonObject(data: Uint8Array): { [key: string]: Json } | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as { [key: string]: Json }) : null;
  } catch {
    return null;
  }
}

function linesOf(kase: Case): Line[] {
  return [...kase.exchangeLines()].slice(1).filter((line) => line.length).map((line, at) => {
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

function paintedOf(kase: Case, page: Page): Painted | null {
  const name = `capture/pages/${page.id}/painted.json`;
  const data = kase.keptData(name);
  return data && parsePainted(data, name);
}

function domOf(kase: Case, page: Page, name: string): Dom | null {
  const data = kase.keptData(`capture/pages/${page.id}/${name}`);
  return data && data.length <= MAX_DOM ? readDom(new TextDecoder().decode(data)) : null;
}

// --- location ------------------------------------------------------------------------------------

/** Address, redirects, status and title of every page, as log, DOM and manifest have them. */
export const checkLocation = (kase: Case): Finding => compared(() => {
  const [tally, lines] = [new Tally('corroboration.location', 'capture'), linesOf(kase)];
  const { pages } = kase.manifest;
  if (!pages.length) tally.skip('the record has no page', '记录中没有网页');
  // What contradicts itself is named before what is merely not accounted for.
  const [contradictions, open]: [Text[], Text[]] = [[], []];
  for (const page of pages) {
    const chain = chainOf(page, lines);
    if (chain.length) compareLocation(kase, page, lines, chain, contradictions, open);
    else open.push({ en: `page ${page.id}: no recorded request asked for ${page.requestedUrl.slice(0, 120)}`, zh: `第 ${page.id} 页：没有任何已记录的请求访问 ${page.requestedUrl.slice(0, 120)}` });
  }
  for (const one of [...contradictions.reverse(), ...open]) tally.doubt(one.en, one.zh);
  return tally.close('address, redirects, status and title of every page agree between manifest, request log and DOM', '各网页的网址、重定向、状态与标题在清单、请求记录与 DOM 之间一致');
});

/** The requests from the address asked for to the document: the redirects, each once. */
function chainOf(page: Page, lines: readonly Line[]): Line[] {
  const isDocument = (line: Line): boolean => line.kind === 'Document' || line.kind === '';
  const own = lines.filter((line) => line.page === page.id && isDocument(line));
  const wanted = bare(page.requestedUrl);
  // The log may show the address with its secrets masked; a shot may be of what an earlier part of the session opened.
  const isBefore = (line: Line): boolean => line.page !== '' && (line.page.length - page.id.length || (line.page < page.id ? -1 : line.page > page.id ? 1 : 0)) < 0;
  let next = own.find((line) => bare(line.url) === wanted) ?? own.find((line) => line.url.includes(MASK) && originOf(line.url) === originOf(wanted))
    ?? lines.filter((line) => isBefore(line) && isDocument(line) && bare(line.url) === wanted).pop();
  const byId = new Map(lines.map((line) => [line.id, line]));
  const chain = new Set<Line>();
  for (; next && !chain.has(next); next = byId.get(next.redirectedTo)) chain.add(next);
  return [...chain];
}

function compareLocation(kase: Case, page: Page, lines: readonly Line[], chain: readonly Line[], contradictions: Text[], open: Text[]): void {
  const documents = lines.filter((line) => line.page === page.id && line.kind === 'Document');
  const [final, end] = [bare(page.finalUrl), chain[chain.length - 1]];
  const later = documents.filter((line) => bare(line.url) === final);
  const last = final !== bare(end.url) && later.length ? later[later.length - 1] : end;
  if (final !== bare(end.url) && !later.length && originOf(final) !== originOf(end.url)) {
    open.push({ en: `page ${page.id} ended at ${final.slice(0, 120)}, which no recorded request asked for`, zh: `第 ${page.id} 页最终网址为 ${final.slice(0, 120)}，没有任何已记录的请求访问过它` });
  }
  const logged = new Set((documents.length ? documents : chain).map((line) => `${line.status} ${bare(line.url)}`));
  const lost = page.redirects.find((hop) => !logged.has(`${hop.status} ${bare(hop.url)}`));
  if (lost) contradictions.push({ en: `page ${page.id}: the manifest names the redirect ${lost.url.slice(0, 120)}, the log does not`, zh: `第 ${page.id} 页：清单所列重定向 ${lost.url.slice(0, 120)} 不在请求记录之中` });
  if (page.status !== null && last.status && page.status !== last.status && !last.cached) {
    contradictions.push({ en: `page ${page.id}: the manifest gives its status as ${page.status}, the log as ${last.status}`, zh: `第 ${page.id} 页：清单中的状态为 ${page.status}，请求记录中为 ${last.status}` });
  }
  compareRenderer(kase, page, open);
}

/** What the renderer itself says at the end, against what the manifest took before T_capture. */
function compareRenderer(kase: Case, page: Page, open: Text[]): void {
  const painted = paintedOf(kase, page);
  if (painted && originOf(painted.url) !== originOf(page.finalUrl)) {
    open.push({ en: `page ${page.id}: the renderer was at ${painted.url.slice(0, 120)}, the manifest says ${page.finalUrl.slice(0, 120)}`, zh: `第 ${page.id} 页：渲染进程位于 ${painted.url.slice(0, 120)}，清单记为 ${page.finalUrl.slice(0, 120)}` });
  }
  const doms = ['dom-initial.html', 'dom-initial.public.html', 'dom.html'].flatMap((name) => domOf(kase, page, name) ?? []);
  const titles = new Set([...doms.map((dom) => squeeze(dom.title)), ...(painted ? [squeeze(painted.title)] : [])]);
  const known = [...titles].some(Boolean);
  if (page.title && known && !titles.has(squeeze(page.title)) && !standsFor(page)) {
    open.push({ en: `page ${page.id}: the title '${page.title.slice(0, 80)}' is not that of its source`, zh: `第 ${page.id} 页：标题“${page.title.slice(0, 80)}”与源码中的标题不符` });
  }
}

/** A page without a title is shown under its address. */
function standsFor(page: Page): boolean {
  const at = page.finalUrl.indexOf('://');
  const [address, title] = [squeeze(at < 0 ? '' : page.finalUrl.slice(at + 3)), squeeze(page.title)];
  return title === address || title === squeeze(page.finalUrl) || address.startsWith(title.replace(/\/+$/, ''));
}

function bare(url: string): string {
  const head = url.split('#')[0];
  return head.split('/').length > 3 || !head.includes('://') ? head : `${head}/`;
}

function originOf(url: string): string {
  const found = /^([a-zA-Z][a-zA-Z0-9+.-]*):(?:\/\/([^/?#]*))?/.exec(url);
  return found ? `${found[1].toLowerCase()}://${found[2] ?? ''}` : '';
}

// --- pictures drawn --------------------------------------------------------------------------------

/** Every picture that a page drew has its recorded exchange, or needs none. */
export const checkImages = (kase: Case): Finding => compared(() => {
  const [tally, lines] = [new Tally('corroboration.images', 'capture'), linesOf(kase)];
  const { pages } = kase.manifest;
  const asked = new Set(lines.map((line) => line.url.split('#')[0]));
  const masked = lines.some((line) => line.url.includes(MASK));
  const isWeb = ({ url }: Image): boolean => WEB.some((start) => url.startsWith(start));
  const isExplained = (image: Image): boolean => {
    const url = image.url.split('#')[0];
    return !image.url || OWN.some((start) => image.url.startsWith(start)) || (isWeb(image) && (asked.has(url) || (masked && url.includes(MASK))));
  };
  for (const page of pages) {
    const images = new Map(imagesOf(kase, page).map((image) => [`${image.kind} ${image.url}`, image]));
    const missing = [...images.values()].filter((image) => !isExplained(image));
    if (missing.length) noteMissing(tally, page, missing, missing.filter((image) => !isWeb(image)).length);
  }
  if (!pages.length) tally.skip('the record has no page', '记录中没有网页');
  return tally.close('every picture that the pages drew has its recorded exchange, or was carried in a page or drawn by its scripts', '网页所显示的每幅图像均有对应的网络记录，或由网页自身携带，或由脚本绘制');
});

function noteMissing(tally: Tally, page: Page, missing: readonly Image[], foreign: number): void {
  const shown = missing.slice(0, 3).map((image) => image.url.slice(0, 120)).join(', ');
  if (foreign) tally.doubt(`page ${page.id} shows ${foreign} pictures that no server sent: ${shown}`, `第 ${page.id} 页有 ${foreign} 幅图像并非来自任何服务器：${shown}`);
  else tally.doubt(`page ${page.id} shows ${missing.length} pictures without a recorded exchange: ${shown}`, `第 ${page.id} 页有 ${missing.length} 幅图像没有对应的网络记录：${shown}`);
}

/** The pictures that the layout had; without that list, those that the source names. */
function imagesOf(kase: Case, page: Page): readonly Image[] {
  const painted = paintedOf(kase, page);
  if (painted) return painted.images;
  const dom = domOf(kase, page, 'dom.html');
  if (!dom) return [];
  const base = joined(page.finalUrl, dom.base);
  return dom.images.map((source) => ({ kind: 'img', url: joined(base, source) }));
}

function joined(base: string, source: string): string {
  try {
    return new URL(source, base).href;
  } catch {
    return source;
  }
}

// --- a re-render that the capture made itself ------------------------------------------------------

/** What the capture says of its own re-render, to be repeated by `evidencekit verify --rerender`; null when it made none. */
export function sealedRerender(kase: Case): Finding | null {
  const data = kase.keptData(PATH.corroboration);
  if (!data) return null;
  try {
    const checks = new Fields(parseCanonical(data, data.length, PATH.corroboration), PATH.corroboration).items('checks');
    const check = checks.filter((one) => one.text('id') === 'corroboration.rerender')[0];
    if (!check) return null;
    const [outcome, reason] = [check.choice('outcome', OUTCOMES) as Outcome, check.bilingual('reason')];
    check.object('details');
    return finding('corroboration.rerender', outcome, {
      en: `as the capture itself says, to be repeated with --rerender: ${reason.en}`, zh: `据取证时自行重现的结果（可用 --rerender 复验）：${reason.zh}`,
    }, 'capture');
  } catch (error) {
    if (error instanceof FormatError) return null; // the file is for readers; nothing but this hangs on it
    throw error;
  }
}
