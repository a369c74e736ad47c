// The page: two languages, anchors, a place to drop the bundle, progress, the result.

import { FormatError, Text, toBase64, toHex, utf8, visible } from './bytes';
import { MAX_RECEIPT_BYTES, MAX_RECEIPTS, parseReceipt, Receipt } from './anchored';
import type { Held } from './deposit';
import { DualHasher, sha256 } from './digest';
import { RandomFile } from './randomfile';
import { readPolicy } from './policy';
import { readTrust } from './trust';
import { Beside, Report, verifyBundle } from './verify';
import { element, showReport } from './view';
import { Language, WORDS, Words } from './words';

declare const __TEMPLATE__: string;
declare const __STYLE__: string;

const MAX_ANCHOR_FILE = 1 << 20;
const MAX_COPIES = 1000;

type Problem = Text & { readonly what: 'badAnchors' | 'unreadable' };
interface State {
  lang: Language;
  file: File | null;
  report: { readonly value: Report; readonly digest: string; readonly at: number } | null;
  problem: Problem | null;
  turn: number;
}

const state: State = { lang: navigator.language.startsWith('zh') ? 'zh' : 'en', file: null, report: null, problem: null, turn: 0 };
const script = document.currentScript!.textContent!;
const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const box = (id: string): string => byId<HTMLTextAreaElement>(id).value;

/** The digest of the file that this page was built as. Somebody who changed the page could change this too. */
function ownDigest(): string {
  const hashOf = (text: string) => `sha256-${toBase64(sha256(utf8.encode(text)))}`;
  const parts = { script_hash: hashOf(script), style_hash: hashOf(__STYLE__), style: __STYLE__, script };
  const page = Object.entries(parts).reduce((text, [name, value]) => text.replace(`@@${name}`, () => value), __TEMPLATE__);
  return toHex(sha256(utf8.encode(page)));
}

function render(): void {
  const words: Words = WORDS[state.lang];
  document.documentElement.lang = state.lang === 'zh' ? 'zh-CN' : 'en';
  document.title = words.title;
  for (const node of document.querySelectorAll<HTMLElement>('[data-word]')) node.textContent = words[node.dataset.word as keyof Words];
  const place = byId('result');
  for (const image of place.querySelectorAll('img')) URL.revokeObjectURL(image.src);
  place.replaceChildren();
  if (state.problem) {
    const made = element('div', undefined, 'verdict FAILED');
    made.id = 'problem';
    made.append(element('strong', words[state.problem.what]), element('span', visible(state.problem[state.lang])));
    place.append(made);
  }
  if (state.report) place.append(...showReport(state.report.value, state.report.digest, state.report.at, words, state.lang));
}

function progress(part: number | null): void {
  byId('working').hidden = part === null;
  byId<HTMLProgressElement>('progress').value = part ?? 0;
  byId('percent').textContent = part === null ? '' : `${Math.round(part * 100)} %`;
}

async function hashFile(file: File, onProgress: (done: number) => void): Promise<Held> {
  const hasher = new DualHasher();
  let done = 0;
  for await (const piece of new RandomFile(file).pieces(0, file.size)) {
    hasher.update(piece);
    onProgress(done += piece.length);
  }
  return { size: hasher.size, digests: hasher.digests() };
}

/** The files that the user holds beside the bundle, hashed; and later receipts, read. */
async function readBeside(turn: number): Promise<Beside> {
  const filesOf = (id: string): File[] => [...(byId<HTMLInputElement>(id).files ?? [])];
  const [copies, receipts]: [Held[], Receipt[]] = [[], []];
  const [held, given] = [filesOf('copies'), filesOf('receipts')];
  if (held.length > MAX_COPIES || given.length > MAX_RECEIPTS) throw new FormatError(`More than ${MAX_COPIES} files or ${MAX_RECEIPTS} receipts.`, `文件超过 ${MAX_COPIES} 个，或回执超过 ${MAX_RECEIPTS} 份。`);
  for (const file of given) {
    if (file.size > MAX_RECEIPT_BYTES) throw new FormatError(`The receipt is ${file.size} bytes, more than ${MAX_RECEIPT_BYTES}.`, `回执为 ${file.size} 字节，超过上限 ${MAX_RECEIPT_BYTES}。`);
    receipts.push(parseReceipt(new Uint8Array(await file.arrayBuffer())));
  }
  for (const file of held) copies.push(await hashFile(file, throttled(turn, 0, 0, file.size)));
  return { copies, receipts };
}

const problemOf = (what: Problem['what'], error: unknown): Problem => {
  if (error instanceof FormatError) return { what, en: error.en, zh: error.zh };
  return { what, en: `an error of this page (${String(error)}); use evidencekit verify`, zh: `本页面出错（${String(error)}）；请使用 evidencekit verify` };
};

/** Lets the browser paint between pieces of a large file. */
function throttled(turn: number, base: number, share: number, whole = 1): (done: number, of?: number) => void {
  let last = 0;
  return (done, of = whole) => {
    if (turn !== state.turn || performance.now() - last < 100) return;
    last = performance.now();
    progress(base + share * Math.min(1, done / Math.max(1, of)));
  };
}

async function start(): Promise<void> {
  const { file } = state;
  if (!file) return;
  state.turn += 1;
  const { turn } = state;
  Object.assign(state, { report: null, problem: null });
  render();
  progress(0);
  const outcome = await judge(file, Date.now() * 1000, turn);
  if (turn !== state.turn) return; // another file was chosen meanwhile
  Object.assign(state, outcome);
  progress(null);
  render();
  (document.getElementById('overall') ?? document.getElementById('problem'))?.scrollIntoView({ block: 'start' });
}

async function judge(file: File, now: number, turn: number): Promise<Partial<State>> {
  let terms;
  try {
    const policy = readPolicy(box('policy'));
    terms = { policy, trust: readTrust(box('signers'), box('tsas'), box('log')), at: policy.at ?? now, beside: await readBeside(turn) };
  } catch (error) {
    return { problem: problemOf('badAnchors', error) };
  }
  try {
    const value = await verifyBundle(file, { ...terms, self: byId<HTMLInputElement>('self').checked, onProgress: throttled(turn, 0, 0.8) });
    const { digests } = await hashFile(file, throttled(turn, 0.8, 0.2, file.size));
    return { report: { value, digest: digests.sha256, at: terms.at } };
  } catch (error) {
    return { problem: problemOf('unreadable', error) };
  }
}

function choose(files: FileList | null | undefined): void {
  state.file = files?.[0] ?? null;
  void start();
}

/** Anchor files are appended to their box as text; DER becomes PEM. */
async function addAnchors(input: HTMLInputElement): Promise<void> {
  const area = byId<HTMLTextAreaElement>(input.dataset.into!);
  for (const file of input.files ?? []) {
    if (file.size > MAX_ANCHOR_FILE) continue;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const label = file.name.endsWith('.crl') ? 'X509 CRL' : 'CERTIFICATE';
    const text = bytes[0] === 0x30 ? `-----BEGIN ${label}-----\n${toBase64(bytes)}\n-----END ${label}-----` : new TextDecoder().decode(bytes);
    area.value = `${area.value}${area.value && !area.value.endsWith('\n') ? '\n' : ''}${text.trim()}\n`;
  }
  input.value = '';
}

byId('language').addEventListener('click', () => {
  state.lang = state.lang === 'zh' ? 'en' : 'zh';
  render();
});
byId<HTMLInputElement>('file').addEventListener('change', (event) => choose((event.target as HTMLInputElement).files));
for (const input of document.querySelectorAll<HTMLInputElement>('input[data-into]')) input.addEventListener('change', () => void addAnchors(input));
byId('again').addEventListener('click', () => void start());
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  byId('drop').classList.add('over');
});
document.addEventListener('dragleave', () => byId('drop').classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  byId('drop').classList.remove('over');
  choose(event.dataTransfer?.files);
});
byId('own').textContent = ownDigest();
render();
