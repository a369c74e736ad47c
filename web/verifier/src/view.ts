// What the page shows of a report. Foreign text only as textContent; foreign HTML is read by an inert parser for its words alone.

import { visible } from './bytes';
import { DEPOSIT_LAYERS, Finding, LAYERS, REGISTRY } from './findings';
import { headline, layerOutcome } from './headline';
import type { Report } from './verify';
import { beijingTime, shownTime } from './time';
import type { Language, Words } from './words';

const MAX_CERTIFICATE_CHARS = 200_000;
const SILENT = new Set(['STYLE', 'SCRIPT', 'TEMPLATE', 'NOSCRIPT', 'TITLE', 'IFRAME', 'OBJECT', 'WBR', 'svg']);
const INLINE = new Set(['SPAN', 'B', 'I', 'STRONG', 'EM', 'CODE', 'A', 'SMALL', 'ABBR', 'BDI', 'SUB', 'SUP', 'TIME', 'MARK']);

export function element<K extends keyof HTMLElementTagNameMap>(tag: K, text?: string, css?: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (css) made.className = css;
  return made;
}

function row(one: Finding, words: Words, lang: Language): HTMLElement {
  const made = element('tr');
  made.dataset.id = one.id;
  made.dataset.outcome = one.outcome;
  const name = element('td');
  const kind = REGISTRY.find((each) => each.id === one.id);
  name.append(element('div', kind?.name[lang] ?? one.id, 'name'), element('code', one.id));
  const reason = element('td', visible(one.reason[lang]));
  if (one.notes.length) {
    const more = element('details');
    more.append(element('summary', words.notes.replace('%d', String(one.notes.length))));
    const list = element('ul');
    list.append(...one.notes.map((note) => element('li', visible(note[lang]), note.outcome)));
    more.append(list);
    reason.append(more);
  }
  made.append(name, element('td', words[one.outcome], `outcome ${one.outcome}`), reason);
  return made;
}

function layers(report: Report, words: Words, lang: Language): HTMLElement[] {
  const deposit = report.findings.some((one) => one.id === 'deposit.items');
  return (deposit ? DEPOSIT_LAYERS : LAYERS).map((layer) => {
    const ids = new Set(REGISTRY.filter((kind) => kind.layer === layer.id).map((kind) => kind.id));
    const own = report.findings.filter((one) => ids.has(one.id));
    const outcome = layerOutcome(layer.id, own);
    const made = element('section', undefined, 'layer');
    made.dataset.layer = layer.id;
    made.dataset.outcome = outcome;
    const head = element('h2', layer.name[lang]);
    head.append(element('span', words[outcome], `badge ${outcome}`));
    const table = element('table');
    table.createTBody().append(...own.map((one) => row(one, words, lang)));
    const proved = outcome === 'PASSED' ? layer.proves[lang] : words.nothing;
    made.append(head, table, element('p', `${words.proves}${words.colon}${proved}${words.dot}${words.limits}${words.colon}${layer.limits[lang]}`, 'limits'));
    return made;
  });
}

function facts(report: Report, digest: string, at: number, words: Words): HTMLElement {
  const list = element('dl', undefined, 'facts');
  let number = '–';
  try {
    number = report.kase.manifest.number;
  } catch {
    number = '–'; // manifest.form says why
  }
  for (const [name, value] of [[words.number, number], [words.file, visible(report.kase.fileName, 120)], [words.digest, digest], [words.at, `${shownTime(at)} (${beijingTime(at).slice(0, 19).replace('T', ' ')} +08:00)`]]) list.append(element('dt', name), element('dd', value));
  return list;
}

function seen(report: Report, words: Words): HTMLElement[] {
  const list = element('dl', undefined, 'seen');
  for (const { role, name, fingerprint } of report.certificates) list.append(element('dt', `${words[role]}${words.colon}${name}`), element('dd', fingerprint));
  try {
    list.append(element('dt', words.logKey), element('dd', visible(report.kase.manifest.ledger.key, 300)));
  } catch {
    list.append(element('dd', '–')); // manifest.form says why
  }
  return [element('h2', words.seen), list];
}

function screenshot(report: Report, words: Words): HTMLElement[] {
  const names = report.kase.names.filter((name) => /^capture\/pages\/\d+\/screenshot\.png$/.test(name)).slice(0, 20);
  return names.flatMap((name) => {
    const bytes = report.kase.keptData(name);
    if (!bytes) return [];
    const image = element('img');
    image.src = URL.createObjectURL(new Blob([bytes.slice()], { type: 'image/png' }));
    image.alt = name;
    const figure = element('figure');
    figure.append(image, element('figcaption', name));
    return [element('h2', words.screenshot), figure];
  });
}

/** Lines of text, cut where a block begins or ends; cells of a row are kept apart by a bar. */
class Lines {
  readonly found: { heading: boolean; text: string }[] = [];
  private text = '';
  private left = MAX_CERTIFICATE_CHARS;

  walk(node: Node, heading: boolean): void {
    if (this.left <= 0) return;
    if (node.nodeType === Node.TEXT_NODE) this.text += node.textContent ?? '';
    if (!(node instanceof Element) || SILENT.has(node.tagName)) return;
    const inline = INLINE.has(node.tagName);
    const cell = node.tagName === 'TD' || node.tagName === 'TH';
    const isHeading = /^H[1-6]$/.test(node.tagName);
    if (!inline && !cell) this.cut(heading);
    for (const child of node.childNodes) this.walk(child, isHeading);
    if (cell) this.text += ' | ';
    else if (inline) this.text += ' ';
    else this.cut(isHeading);
  }

  private cut(heading: boolean): void {
    const text = this.text.replace(/\s+/g, ' ').replace(/^[ |]+|[ |]+$/g, '');
    this.text = '';
    this.left -= text.length;
    if (text) this.found.push({ heading, text });
  }
}

/** The words of certificate.html, block by block; its markup, styles, pictures and scripts stay behind. */
function certificate(report: Report, words: Words): HTMLElement[] {
  const bytes = report.kase.keptData('certificate.html');
  if (!bytes) return [];
  const parsed = new DOMParser().parseFromString(new TextDecoder().decode(bytes.subarray(0, 4 << 20)), 'text/html');
  const lines = new Lines();
  lines.walk(parsed.body, false);
  const box = element('div', undefined, 'certificate');
  box.append(...lines.found.map(({ heading, text }) => element(heading ? 'h3' : 'p', visible(text, 4000))));
  return [element('h2', words.certificate), box];
}

export function showReport(report: Report, digest: string, at: number, words: Words, lang: Language): HTMLElement[] {
  const verdict = element('div', undefined, `verdict ${report.overall}`);
  verdict.id = 'overall';
  verdict.dataset.outcome = report.overall;
  verdict.append(element('strong', words[report.overall]), element('span', visible(headline(report.overall, report.findings, report.asked, words, lang), 1200)));
  const columns = element('div', undefined, 'columns');
  const [left, right] = [element('div'), element('aside')];
  left.append(...layers(report, words, lang));
  right.append(...seen(report, words), ...screenshot(report, words), ...certificate(report, words));
  columns.append(left, right);
  return [verdict, facts(report, digest, at, words), columns, element('p', words.footer, 'hint')];
}
