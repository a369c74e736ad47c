// One bundle under verification: every member read and hashed once; a document that cannot be read fails its own check alone.

import { concat, FormatError, fromHex, splitLines, Text, UnknownVersionError } from './bytes';
import { digestBy, Digests, DualHasher, newHash } from './digest';
import { MAX_ITEMS_BYTES } from './depositfile';
import { InputMissing } from './findings';
import { Manifest, MAX_MANIFEST_BYTES, MAX_RECORDS_BYTES, parseManifest, parseRecords, Records } from './manifest';
import { STRONG } from './oids';
import { PATH } from './paths';
import { RandomFile } from './randomfile';
import type { Sources } from './revocation';
import { merged, ownTrust, Trust } from './trust';
import { Wacz } from './wacz';
import { Zip } from './zip';

const SMALL_BYTES = 16 << 20;
const MAX_EXCHANGES_BYTES = 256 << 20;
/** So many lists, and so many responses, are read. */
const MAX_KEPT = 16;
const PEEK_BYTES = 64 << 10;
const KEPT_TOTAL = 640 << 20;
/** What checks read whole, and how long it may be; the rest is only hashed. */
const KEPT: readonly [RegExp, number][] = [
  [/^manifest\.json$/, MAX_MANIFEST_BYTES], [/^(?:SHA256SUMS|SM3SUMS)$|^META-INF\//, 64 << 20], [/^capture\/(?:records|exchanges(?:\.redacted)?)\.jsonl$/, MAX_RECORDS_BYTES],
  [/^(?:capture\/worklog|proof\/custody)\.jsonl$/, 64 << 20], [/^(?:seal|proof|trust)\/|^mimetype$|^capture\/(?:(?:environment|corroboration|process)\.json$|film\/)/, SMALL_BYTES],
  [/^(?:capture\/network|redaction)\.json$/, 64 << 20], [/^deposit\/items\.jsonl$/, MAX_ITEMS_BYTES], [/^capture\/tls\/.+\.handshake\.json$/, 4 << 20],
  [/^capture\/pages\/\d+\/dom(?:-initial(?:\.public)?)?\.html$/, 32 << 20], [/^capture\/pages\/\d+\/painted\.json$/, SMALL_BYTES],
  [/^(?:certificate\.html|capture\/pages\/\d+\/screenshot(?:-initial)?\.png)$/, 64 << 20],
];

type Parsed<T> = { readonly value: T } | { readonly error: FormatError | InputMissing };

function attempt<T>(read: () => T): Parsed<T> {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof FormatError || error instanceof InputMissing) return { error };
    throw error;
  }
}

function demand<T>(found: Parsed<T>, what: string): T {
  if ('value' in found) return found.value;
  const { error } = found;
  if (error instanceof UnknownVersionError) throw new InputMissing('INDETERMINATE', error);
  if (error instanceof InputMissing) throw new InputMissing('NOT_PERFORMED', error.reason);
  throw new InputMissing('NOT_PERFORMED', { en: `${what} cannot be read, so this was not checked`, zh: `${what} 不可读，故未核对` });
}

function give<T>(found: Parsed<T>): T {
  if ('value' in found) return found.value;
  throw found.error;
}

export class Case {
  readonly names: readonly string[];
  readonly sizes = new Map<string, number>();
  readonly digests = new Map<string, Digests>();
  readonly broken = new Map<string, FormatError>();
  /** The address that each block of the archive states, by record id. */
  readonly addresses = new Map<string, string>();
  private readonly others = new Map<string, Uint8Array>();
  private readonly kept = new Map<string, Uint8Array>();
  private readonly versions = new Map<string, number>();
  private keptTotal = 0;
  private wacz: Promise<Wacz> | null = null;
  private inflated: Blob | null = null;
  private parsedManifest: Parsed<Manifest> | null = null;
  private parsedRecords: Parsed<Records> | null = null;
  trust: Trust;

  private constructor(readonly zip: Zip, readonly fileName: string, trust: Trust, readonly at: number) {
    this.names = [...zip.members.keys()];
    this.trust = trust;
  }

  /** Reads a bundle once. Throws FormatError when there is nothing to verify. */
  static async open(file: File, trust: Trust, at: number, onProgress: (done: number, of: number) => void): Promise<Case> {
    const zip = await Zip.open(new RandomFile(file));
    const made = new Case(zip, file.name, trust, at);
    if (!zip.members.has(PATH.manifest) && !zip.members.has(PATH.seal)) throw new FormatError('it holds neither manifest.json nor seal/manifest.p7s: it is no evidence bundle', '其中既无 manifest.json 也无 seal/manifest.p7s：不是证据包');
    let done = 0;
    for (const name of made.names) await made.hash(name, (bytes) => onProgress((done += bytes), file.size));
    return made;
  }

  /** The same bundle judged with other anchors: nothing is read again. */
  with(trust: Trust): Case {
    return Object.assign(Object.create(Case.prototype) as Case, this, { trust });
  }

  /** The web archive that is there: that of a redacted edition, or the original. */
  get archive(): string {
    return this.names.includes(PATH.archiveEdition) ? PATH.archiveEdition : PATH.archive;
  }

  /** The list of exchanges that is there, likewise. */
  get exchanges(): string {
    return this.names.includes(PATH.exchangesEdition) ? PATH.exchangesEdition : PATH.exchanges;
  }

  /** Its lines, without their LF; the last must be whole. */
  exchangeLines(): Generator<Uint8Array> {
    const data = this.data(this.exchanges, MAX_EXCHANGES_BYTES);
    if (data.length && data[data.length - 1] !== 10) throw new FormatError(`${this.exchanges}: the last line is torn`, `${this.exchanges}：最后一行不完整`);
    return splitLines(data);
  }

  /** The digest of a member by the hash function's name, null for unknown functions. */
  content(name: string): (hash: string) => Uint8Array | null {
    const known = this.digestOf(name);
    return (hash) => {
      if (hash === 'sha256' || hash === 'sm3') return fromHex(known[hash]);
      return STRONG.has(hash) ? digestBy(hash, this.data(name, 64 << 20)) : null;
    };
  }

  /** A member's digest with the named hash function; those beside SHA-256 and SM3 must have been prepared. */
  digestWith(name: string, hash: string): Uint8Array {
    const own = this.digestOf(name);
    if (hash === 'sha256' || hash === 'sm3') return fromHex(own[hash]);
    const found = this.others.get(`${hash} ${name}`);
    if (!found) throw new FormatError(`hash function ${hash} is not supported`, `不支持杂凑算法 ${hash}`);
    return found;
  }

  /** Reads every member again for each further hash function that an evidence record needs. */
  async prepare(hashes: Iterable<string>): Promise<void> {
    for (const hash of new Set(hashes)) {
      if (hash === 'sha256' || hash === 'sm3' || !newHash(hash)) continue;
      for (const name of this.digests.keys()) {
        const hasher = newHash(hash)!;
        for await (const piece of this.zip.stream(this.zip.members.get(name)!)) hasher.update(piece);
        this.others.set(`${hash} ${name}`, hasher.digest());
      }
    }
  }

  /** Lists and responses: the user's, those that a signature brings along, and those fetched when the record was signed and stamped. */
  revocations(brought: readonly Uint8Array[] = []): Sources {
    return { crls: [...this.trust.crls, ...this.keptRevocations('.crl'), ...brought], ocsp: this.keptRevocations('.ocsp') };
  }

  private keptRevocations(suffix: string): Uint8Array[] {
    const names = this.names.filter((name) => /^proof\/(?:seal|tsa)\//.test(name) && name.endsWith(suffix) && this.has(name));
    return names.sort().slice(0, MAX_KEPT).flatMap((name) => this.kept.get(name) ?? []);
  }

  withOwnAnchors(): Case {
    const files = this.names.filter((name) => name.startsWith('trust/') && this.kept.has(name)).map((name) => [name, this.kept.get(name)!] as const);
    return this.with(merged(this.trust, ownTrust(new Map(files))));
  }

  /** Why a member of `broken` cannot be read, naming it once. */
  whyBroken(name: string): Text {
    const error = this.broken.get(name)!;
    const bare = (text: string): string => (text.startsWith(name) ? text.slice(name.length).replace(/^[:：] ?/, '') : text);
    return { en: `${name} cannot be read: ${bare(error.en)}`, zh: `无法读取 ${name}：${bare(error.zh)}` };
  }

  has(name: string): boolean {
    return this.digests.has(name);
  }

  digestOf(name: string): Digests {
    return this.digests.get(name) ?? this.missing(name);
  }

  sha256(name: string): Uint8Array {
    return fromHex(this.digestOf(name).sha256);
  }

  /** The bytes of a member that has at most `limit`. */
  data(name: string, limit = SMALL_BYTES): Uint8Array {
    if (!this.has(name)) this.missing(name);
    const size = this.sizes.get(name)!;
    if (size > limit) throw new FormatError(`${name}: ${size} bytes, more than the ${limit} allowed`, `${name}：${size} 字节，超过上限 ${limit}`);
    const kept = this.kept.get(name);
    if (!kept) throw new FormatError(`${name}: this page does not keep so much in memory; use evidencekit verify`, `${name}：超出本页面的内存上限，请使用 evidencekit verify`);
    return kept;
  }

  keptData(name: string): Uint8Array | null {
    return this.kept.get(name) ?? null;
  }

  /** Members `stem-1suffix`, `stem-2suffix`, … in order, gaps passed over. */
  numbered(stem: string): string[] {
    const numberOf = (name: string) => Number(/^-([1-9][0-9]{0,2})\.tsr$/.exec(name.slice(stem.length))?.[1] ?? 0);
    return [...this.digests.keys()].filter((name) => name.startsWith(stem) && numberOf(name)).sort((a, b) => numberOf(a) - numberOf(b));
  }

  openWacz(): Promise<Wacz> {
    if (!this.has(this.archive)) this.missing(this.archive);
    const entry = this.zip.members.get(this.archive)!;
    const blob = this.inflated ?? this.zip.file.blob.slice(entry.dataStart, entry.dataStart + entry.packed);
    this.wacz ??= Wacz.open(blob);
    return this.wacz;
  }

  readManifest(): Manifest {
    return give(this.attemptManifest());
  }

  readRecords(): Records {
    return give(this.attemptRecords());
  }

  get manifest(): Manifest {
    return demand(this.attemptManifest(), PATH.manifest);
  }

  get records(): Records {
    return demand(this.attemptRecords(), PATH.records);
  }

  get namedSigner(): string | null {
    const found = this.attemptManifest();
    return 'value' in found ? found.value.signer : null;
  }

  /** Documents that state a newer major version than this page reads. */
  newer(): Map<string, Text> {
    const found = new Map<string, Text>();
    for (const [name, version] of this.versions) {
      if (version > 1) found.set(name, { en: `version ${version} needs a newer verifier`, zh: `第 ${version} 版需要更新的核验程序` });
    }
    return found;
  }

  private attemptManifest(): Parsed<Manifest> {
    this.parsedManifest ??= attempt(() => parseManifest(this.data(PATH.manifest, MAX_MANIFEST_BYTES)));
    return this.parsedManifest;
  }

  private attemptRecords(): Parsed<Records> {
    this.parsedRecords ??= attempt(() => parseRecords(this.data(PATH.records, MAX_RECORDS_BYTES)));
    return this.parsedRecords;
  }

  private async hash(name: string, advance: (bytes: number) => void): Promise<void> {
    const entry = this.zip.members.get(name)!;
    const hasher = new DualHasher();
    const limit = KEPT.find(([form]) => form.test(name))?.[1] ?? 0;
    const keep = entry.size <= limit && this.keptTotal + entry.size <= KEPT_TOTAL;
    const peek = /\.jsonl?$/.test(name) ? (name.endsWith('.json') ? SMALL_BYTES : PEEK_BYTES) : 0;
    const collect = name === this.archive && entry.method === 8;
    const [parts, blobs]: [Uint8Array[], Blob[]] = [[], []];
    let peeked = 0;
    try {
      for await (const piece of this.zip.stream(entry)) {
        hasher.update(piece);
        if (keep || peeked < peek) parts.push(piece.slice());
        peeked += piece.length;
        if (collect) blobs.push(new Blob([piece.slice()]));
        advance(piece.length);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.broken.set(name, error);
      return;
    }
    this.sizes.set(name, hasher.size);
    this.digests.set(name, hasher.digests());
    const whole = keep || (peek && hasher.size <= SMALL_BYTES) ? concat(...parts) : null;
    if (peek) this.versions.set(name, statedVersion(firstLine(whole ?? concat(...parts).subarray(0, PEEK_BYTES), name)));
    if (collect) this.inflated = new Blob(blobs);
    if (!keep || !whole) return;
    this.kept.set(name, whole);
    this.keptTotal += whole.length;
  }

  private missing(name: string): never {
    const error = this.broken.get(name);
    if (error) throw new InputMissing('FAILED', this.whyBroken(name));
    const records = name === PATH.records ? null : this.attemptRecords();
    const withheld = records && 'value' in records ? records.value.artifacts.find((line) => line.name === name)?.withheld ?? [] : [];
    if (withheld.length) throw new InputMissing('NOT_PERFORMED', { en: `WITHHELD(${withheld.join(', ')}): ${name}`, zh: `不公开（WITHHELD：${withheld.join(', ')}）：${name}` });
    throw new InputMissing('NOT_PERFORMED', { en: `${name} is not there`, zh: `缺少 ${name}` });
  }
}

function firstLine(bytes: Uint8Array, name: string): Uint8Array {
  const end = bytes.indexOf(10);
  return end < 0 || name.endsWith('.json') && end > PEEK_BYTES ? bytes : bytes.subarray(0, end);
}

function statedVersion(line: Uint8Array): number {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
    if (value === null || typeof value !== 'object' || !('format' in value) || !('version' in value)) return 0;
    return String(value.format).startsWith('evidencekit/') && Number.isInteger(value.version) ? Number(value.version) : 0;
  } catch {
    return 0; // not JSON: its own check says so
  }
}
