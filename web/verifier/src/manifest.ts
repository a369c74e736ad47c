// manifest.json, capture/records.jsonl and ledger entries, field by field (docs/spec/manifest.md, records.md, entry.md).

import { FormatError, same, splitLines, toHex, utf8 } from './bytes';
import { canonical, Json, parseCanonical } from './canonical';
import type { Digests } from './digest';
import { readDeposit } from './depositfile';
import { checkVersion, Fields } from './fields';
import { saltedLeaf } from './merkle';

export const MAX_MANIFEST_BYTES = 64 << 20;
export const MAX_RECORDS_BYTES = 256 << 20;
const MAX_LINES = 1 << 20;
const MAX_PATH_CHARS = 240;
const REASONS = ['cookie', 'authorization', 'password', 'token', 'storage', 'redacted'];

export interface Page {
  readonly id: string;
  readonly requestedUrl: string;
  readonly finalUrl: string;
  readonly title: string;
  readonly status: number | null;
  readonly redirects: readonly { readonly url: string; readonly status: number }[];
  readonly started: number;
  readonly initial: number;
  readonly finished: number;
}

export interface ManifestArtifact {
  readonly path: string;
  readonly role: string;
  readonly page: string | null;
  readonly derivedFrom: readonly string[];
  readonly leaf: Uint8Array;
}

export interface CaptureStamp {
  readonly page: string;
  readonly document: string;
  readonly sha256: string;
}

export interface TokenReference {
  readonly path: string;
  readonly sha256: string;
  readonly selfIssued: boolean;
}

export type Manifest = ReturnType<typeof parseManifest>;

export function pageId(fields: Fields, name: string): string {
  const page = fields.text(name, 9);
  if (!/^[0-9]{4,9}$/.test(page)) fields.refuse(name, 'is not a page id like 0001', '不是形如 0001 的页面编号');
  return page;
}

function readPage(fields: Fields): Page {
  const page = {
    id: pageId(fields, 'id'), requestedUrl: fields.text('requested_url'), finalUrl: fields.text('final_url'), title: fields.text('title'), started: fields.time('started'), initial: fields.time('initial'),
    finished: fields.time('finished'), status: fields.optional('status', (name) => fields.integer(name, 0, 999)),
    redirects: fields.items('redirects').map((hop) => ({ url: hop.text('url'), status: hop.integer('status', 0, 999) })),
  };
  for (const name of ['content_type', 'verdict']) fields.text(name);
  for (const name of ['remote_address', 'protocol']) fields.optional(name, fields.text);
  fields.bilingual('verdict_reason');
  for (const name of ['width_px', 'height_px']) fields.integer(name, 0, 2 ** 31);
  return page;
}

function readArtifact(fields: Fields): ManifestArtifact {
  fields.text('media_type', 256);
  fields.time('hashed_at');
  return {
    path: fields.text('path', MAX_PATH_CHARS), role: fields.text('role', 64), page: fields.optional('page', (name) => pageId(fields, name)),
    derivedFrom: fields.texts('derived_from'), leaf: fields.octets('leaf', 32),
  };
}

function readOpenStamp(fields: Fields) {
  return {
    document: fields.text('document', MAX_PATH_CHARS), sha256: fields.hex('sha256', 32), pending: fields.texts('pending'),
    tokens: fields.items('tokens').map((item): TokenReference => ({ path: item.text('path', MAX_PATH_CHARS), sha256: item.hex('sha256', 32), selfIssued: item.flag('self_issued') })),
  };
}

function readOpening(fields: Fields) {
  fields.integer('attempt', 1);
  fields.bilingual('attempts_note');
  return { index: fields.integer('index'), entry: fields.octets('entry', 32), salt: fields.octets('salt', 32) };
}

const COUNTS = ['requests', 'recorded', 'partial', 'failed', 'withheld', 'not_retrievable', 'after_t_capture', 'body_bytes'] as const;
export type Completeness = Record<(typeof COUNTS)[number], number>;

function readCompleteness(fields: Fields): Completeness {
  fields.counts('reasons');
  return Object.fromEntries(COUNTS.map((name) => [name, fields.integer(name)])) as Completeness;
}

/** What this page does not use is read as well: a manifest that the library refuses is refused here. */
function readTheRest(top: Fields): void {
  const [tool, operator, signer] = [top.object('tool'), top.object('operator'), top.object('signer')];
  for (const name of ['name', 'version']) tool.text(name);
  for (const name of ['name', 'role', 'identity']) operator.text(name);
  operator.choice('relationship', RELATIONSHIPS);
  operator.choice('environment_control', CONTROLS);
  signer.flag('self_signed');
  top.optional('matter', top.text);
  top.object('times').text('source');
  top.counts('withheld');
  top.bilinguals('partial');
}

const RELATIONSHIPS = ['party', 'counsel', 'notary', 'third_party'];
const CONTROLS = ['party_host', 'notary_host', 'notary_cloud', 'third_party_cloud'];

export function parseManifest(data: Uint8Array) {
  const top = new Fields(parseCanonical(data, MAX_MANIFEST_BYTES, 'manifest.json'), 'manifest.json');
  checkVersion(top, 'manifest');
  const [times, ledger, records, worklog] = [top.object('times'), top.object('ledger'), top.object('records'), top.object('worklog')];
  const kind = top.text('kind', 64);
  if (kind !== 'capture' && kind !== 'deposit') top.refuse('kind', 'is neither a capture nor a deposit', '既非取证也非存证');
  const deposit = kind === 'deposit' ? readDeposit(top.object('deposit')) : null;
  const number = top.text('number', 64);
  if (!/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/.test(number)) top.refuse('number', 'is not a certificate number', '不是证书编号');
  const transformations = top.items('transformations').map((item) => {
    [item.time('time'), item.text('kind'), item.bilingual('detail')];
    return item.optional('page', (name) => pageId(item, name));
  });
  const manifest = {
    kind, deposit, notPerformed: top.bilinguals('not_performed'), number, captureId: top.hex('capture_id', 16), request: top.object('request').members as Json, started: times.time('started'), finished: times.time('finished'),
    open: readOpening(top.object('open')), tOpen: readOpenStamp(top.object('t_open')),
    tCapture: top.items('t_capture').map((item): CaptureStamp => ({ page: pageId(item, 'page'), document: item.text('document', MAX_PATH_CHARS), sha256: item.hex('sha256', 32) })),
    pages: top.items('pages').map(readPage), artifacts: top.items('artifacts').map(readArtifact), artifactsRoot: top.octets('artifacts_root', 32),
    records: { count: records.integer('count'), root: records.octets('root', 32) }, completeness: readCompleteness(top.object('completeness')),
    postQuantum: top.object('signer').has('post_quantum_sha256') ? top.object('signer').hex('post_quantum_sha256', 32) : null,
    worklog: { lines: worklog.integer('lines', 1), head: worklog.octets('head', 32) }, signer: top.object('signer').hex('certificate_sha256', 32),
    ledger: { origin: ledger.text('origin'), key: ledger.text('key') },
  };
  readTheRest(top);
  const pages = uniqueNames('pages', manifest.pages.map((page) => page.id));
  uniqueNames('artifacts', manifest.artifacts.map((artifact) => artifact.path));
  uniqueNames('t_capture', manifest.tCapture.map((stamp) => stamp.page));
  const named = [...manifest.artifacts.map((artifact) => artifact.page), ...manifest.tCapture.map((stamp) => stamp.page), ...transformations];
  const missing = named.find((page) => page !== null && !pages.has(page));
  if (missing) throw new FormatError(`manifest.json: page ${missing} is named but not described`, `manifest.json：提及页面 ${missing} 但未作记载`);
  return manifest;
}

function uniqueNames(field: string, names: readonly string[]): Set<string> {
  const seen = new Set(names);
  if (seen.size !== names.length) throw new FormatError(`manifest.json: ${field}: a name stands there twice`, `manifest.json：${field}：有名称重复出现`);
  return seen;
}

/** One line of records.jsonl; `name` is a path or a record id. */
export interface Opening {
  readonly kind: 'artifact' | 'record';
  readonly name: string;
  readonly leaf: Uint8Array;
  readonly opened: { readonly size: number; readonly digests: Digests; readonly salt: Uint8Array } | null;
  readonly withheld: readonly string[];
}

export interface Records {
  readonly captureId: string;
  readonly artifacts: readonly Opening[];
  readonly records: readonly Opening[];
}

/** Whether the leaf is that of the descriptor and the salt; a withheld line opens nothing. */
export function openingIsTrue({ kind, name, leaf, opened }: Opening): boolean {
  if (!opened) return false;
  const descriptor = { [kind === 'artifact' ? 'path' : 'id']: name, kind, size: opened.size, ...opened.digests };
  return same(saltedLeaf(opened.salt, utf8.encode(canonical(descriptor))), leaf);
}

function readOpeningLine(fields: Fields, kind: 'artifact' | 'record'): Opening {
  if (fields.text('kind') !== kind) fields.refuse('kind', `must be '${kind}' here`, `此处应为 '${kind}'`);
  const name = kind === 'artifact' ? fields.text('path', MAX_PATH_CHARS) : fields.text('id', 64);
  if (kind === 'record' && !/^[0-9]{6,}\.(?:request|response)(?:\.public)?$/.test(name)) fields.refuse('id', 'is not a record id', '不是记录编号');
  const leaf = fields.octets('leaf', 32);
  if (!fields.has('withheld')) return { kind, name, leaf, opened: { size: fields.integer('size'), digests: fields.digests(), salt: fields.octets('salt', 32) }, withheld: [] };
  const withheld = fields.texts('withheld');
  if (!withheld.length || withheld.some((reason) => !REASONS.includes(reason))) fields.refuse('withheld', 'must name at least one registered reason', '须至少列出一项已登记的理由');
  for (const each of ['size', 'sha256', 'sm3', 'salt']) if (fields.has(each)) fields.refuse(each, 'must not stand on a withheld line', '不得出现在已保留不公开的行中');
  return { kind, name, leaf, opened: null, withheld };
}

export function parseRecords(data: Uint8Array): Records {
  if (data.length > MAX_RECORDS_BYTES) throw new FormatError('records.jsonl: over the limit', 'records.jsonl：超过上限');
  if (data.length && data[data.length - 1] !== 10) throw new FormatError('records.jsonl: the last line is torn', 'records.jsonl：最后一行不完整');
  const found = { artifact: new Map<string, Opening>(), record: new Map<string, Opening>() };
  let head: Fields | null = null;
  let expected = [0, 0];
  let number = 0;
  for (const line of splitLines(data)) {
    if (number > MAX_LINES) throw new FormatError(`records.jsonl: over ${MAX_LINES} lines`, 'records.jsonl：行数超过上限');
    const what = `records.jsonl line ${number}`;
    const fields = new Fields(parseCanonical(line, 1 << 16, what), what);
    number += 1;
    if (!head) {
      head = fields;
      checkVersion(head, 'records');
      expected = [head.integer('artifacts'), head.integer('records')];
      continue;
    }
    const kind = found.artifact.size < expected[0] ? 'artifact' : 'record';
    const opening = readOpeningLine(fields, kind);
    if (found[kind].has(opening.name)) fields.refuse(kind === 'artifact' ? 'path' : 'id', 'stands there twice', '重复出现');
    found[kind].set(opening.name, opening);
  }
  if (!head) throw new FormatError('records.jsonl: the header is missing', 'records.jsonl：缺少首行');
  if (found.artifact.size !== expected[0] || found.record.size !== expected[1]) throw new FormatError('records.jsonl: another number of lines than the header says', 'records.jsonl：行数与首行所载不符');
  return { captureId: head.hex('capture_id', 16), artifacts: [...found.artifact.values()], records: [...found.record.values()] };
}

export interface CaptureEntry {
  readonly kind: 'capture' | 'deposit';
  readonly keyId: string;
  readonly manifest: Digests;
  readonly number: string;
  readonly open: number;
  readonly seal: Digests;
  readonly timestamp: string;
}

export interface OpenEntry {
  readonly kind: 'open';
  readonly keyId: string;
  readonly commitment: string;
}

/** A ledger entry of a kind known here. */
export function parseEntry(data: Uint8Array): CaptureEntry | OpenEntry | { readonly kind: 'abandoned' } {
  const fields = new Fields(parseCanonical(data, 4096, 'ledger entry'), 'ledger entry');
  checkVersion(fields, 'entry');
  const kind = fields.text('kind');
  if (kind === 'open') {
    fields.optional('matter', (name) => fields.hex(name, 32));
    fields.time('time');
    return { kind, keyId: fields.hex('key_id', 32), commitment: fields.hex('commitment', 32) };
  }
  if (kind === 'capture' || kind === 'deposit') {
    fields.time('time');
    return {
      kind, keyId: fields.hex('key_id', 32), manifest: fields.object('manifest').digests(), number: matching(fields, 'number', /^[A-Za-z0-9._/-]{1,64}$/),
      open: fields.integer('open'), seal: fields.object('seal').digests(), timestamp: readTimestamp(fields),
    };
  }
  if (kind !== 'abandoned') fields.refuse('kind', 'is one that this page does not know', '为本页面未知的类型');
  return { kind: 'abandoned' };
}

function readTimestamp(fields: Fields): string {
  const value = fields.value('timestamp');
  if (typeof value !== 'string') return fields.object('timestamp').hex('sha256', 32);
  if (value !== 'pending' && value !== 'none') fields.refuse('timestamp', "is neither 'pending' nor 'none'", "既不是 'pending' 也不是 'none'");
  return value;
}

function matching(fields: Fields, name: string, form: RegExp): string {
  const value = fields.text(name, 64);
  if (!form.test(value)) fields.refuse(name, 'is not of the form it must have', '形式不符');
  return value;
}

/** SHA-256(0x00 ‖ salt ‖ capture id) in hex. */
export const openCommitment = (salt: Uint8Array, captureId: string): string => toHex(saltedLeaf(salt, utf8.encode(captureId)));
