// The archive of a bundle (docs/spec/archive.md): WARC/1.1, one gzip member a record; strict, streaming, bounded.

import { concat, FormatError, toText, visible } from './bytes';
import { Digests, DualHasher } from './digest';
import { GZIP, Inflater } from './inflate';

const HEAD_BYTES = 4 << 20;
const LIMIT_BYTES = 16 * 2 ** 30;
const LIMIT_RECORDS = 1 << 21;
const GZIP_HEAD = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
const TYPES = ['warcinfo', 'request', 'response'];

export interface WarcBlock {
  readonly recordId: string | null;
  readonly warcId: string;
  readonly address: string;
  readonly declared: string | null;
  readonly size: number;
  readonly digests: Digests;
}

const bad = (en: string, zh = '归档不符合格式'): never => {
  throw new FormatError(en, zh);
};

/** Gives every record in file order; the first is `warcinfo`, ids do not repeat. */
export async function* readBlocks(stream: AsyncGenerator<Uint8Array>): AsyncGenerator<WarcBlock> {
  const source = new Source(stream);
  const seen = new Set<string>();
  for (let count = 0; ; count += 1) {
    if (!(await source.nextMember())) {
      if (!count) bad('the archive is empty', '归档为空');
      return;
    }
    if (count === LIMIT_RECORDS) bad(`the archive has more than ${LIMIT_RECORDS} records`, '归档记录过多');
    const { kind, block } = await readBlock(source);
    if ((kind === 'warcinfo') !== (count === 0)) bad(`record ${count} of the archive is of the type ${kind}, which may not stand there`);
    for (const id of [block.warcId, block.recordId]) {
      if (id === null) continue;
      if (seen.has(id)) bad(`record ${count} of the archive repeats an id`);
      seen.add(id);
    }
    yield block;
  }
}

class Source {
  private packed: Uint8Array = new Uint8Array();
  private plain: Uint8Array = new Uint8Array();
  private member = new Inflater(GZIP);
  private left = LIMIT_BYTES;
  private fed = false;
  number = -1;

  constructor(private readonly stream: AsyncGenerator<Uint8Array>) {}

  async nextMember(): Promise<boolean> {
    this.number += 1;
    while (this.packed.length < GZIP_HEAD.length && (await this.fill()));
    if (!this.packed.length) return false;
    if (GZIP_HEAD.some((byte, at) => this.packed[at] !== byte)) bad(`record ${this.number} of the archive is no plain gzip member; it was changed or damaged`);
    this.member = new Inflater(GZIP);
    this.fed = false;
    return true;
  }

  /** The header block without its empty line. */
  async head(): Promise<Uint8Array> {
    let from = 0;
    for (;;) {
      const end = endOfHead(this.plain, from);
      if (end >= 0) {
        const head = this.plain.subarray(0, end);
        this.plain = this.plain.subarray(end + 4);
        return head;
      }
      from = Math.max(0, this.plain.length - 3);
      if (this.plain.length > HEAD_BYTES || !(await this.unpack())) bad(`record ${this.number} of the archive has no end of its header block`);
    }
  }

  async* take(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0;) {
      if (!this.plain.length && !(await this.unpack())) bad(`record ${this.number} of the archive ends ${left} bytes too early`);
      const piece = this.plain.subarray(0, left);
      this.plain = this.plain.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** Demands that member and record end here. */
  async finish(): Promise<void> {
    while (this.plain.length <= 4 && (await this.unpack()));
    if (toAsciiOrEmpty(this.plain) !== '\r\n\r\n' || !this.member.ended) bad(`record ${this.number} of the archive is longer than it says`);
    this.plain = new Uint8Array();
  }

  private async fill(): Promise<boolean> {
    const { done, value } = await this.stream.next();
    if (done) return false;
    this.packed = this.packed.length ? concat(this.packed, value) : value;
    return true;
  }

  /** One step of the current member; false when it has ended. */
  private async unpack(): Promise<boolean> {
    while (!this.member.ended) {
      if (!this.fed) {
        if (!this.packed.length && !(await this.fill())) bad(`the archive ends within record ${this.number}`);
        this.member.feed(this.packed);
        this.packed = new Uint8Array();
        this.fed = true;
      }
      const out = this.member.step();
      if (this.member.ended) this.packed = this.member.rest;
      else if (!out.length) this.fed = false;
      this.left -= out.length;
      if (this.left < 0) bad('the archive unpacks to more than the limit; it is not read further', '归档解压后超过上限');
      if (out.length) {
        this.plain = this.plain.length ? concat(this.plain, out) : out;
        return true;
      }
    }
    return false;
  }
}

function endOfHead(data: Uint8Array, from: number): number {
  for (let at = data.indexOf(13, from); at >= 0; at = data.indexOf(13, at + 1)) {
    if (data[at + 1] === 10 && data[at + 2] === 13 && data[at + 3] === 10) return at;
  }
  return -1;
}

const toAsciiOrEmpty = (data: Uint8Array): string => (data.length === 4 ? String.fromCharCode(...data) : '');

async function readBlock(source: Source): Promise<{ kind: string; block: WarcBlock }> {
  const fields = parseHead(await source.head(), source.number);
  const kind = fields.get('warc-type') ?? '';
  if (!TYPES.includes(kind)) bad(`record ${source.number} of the archive has the unknown type ${visible(kind, 40)}`);
  const field = (name: string, form: RegExp): string => {
    const value = fields.get(name);
    return value !== undefined && form.test(value) ? value : bad(`record ${source.number} of the archive lacks a lawful ${name}`);
  };
  const size = Number(field('content-length', /^(?:0|[1-9]\d{0,14})$/));
  const hasher = new DualHasher();
  for await (const piece of source.take(size)) hasher.update(piece);
  await source.finish();
  const declared = fields.has('warc-block-digest') ? field('warc-block-digest', /^sha256:[0-9a-f]{64}$/).slice(7) : null;
  if (fields.has('warc-evidence-withheld')) field('warc-evidence-withheld', /^[a-z_]{1,32}(?:, [a-z_]{1,32})*$/);
  const warcId = field('warc-record-id', /^<urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}>$/);
  if (kind === 'warcinfo' && fields.has('warc-evidence-record')) bad('the warcinfo record of the archive claims to be a recorded exchange');
  const recordId = kind === 'warcinfo' ? null : field('warc-evidence-record', /^\d{6,9}\.(?:request|response)(?:\.public)?$/);
  if (recordId && recordId.split('.')[1] !== kind) bad(`the record ${recordId} of the archive is of the type ${kind}`);
  return { kind, block: { recordId, warcId, address: fields.get('warc-target-uri') ?? '', declared, size, digests: hasher.digests() } };
}

function parseHead(head: Uint8Array, number: number): Map<string, string> {
  const [first, ...lines] = toText(head, `record ${number} of the archive`).split('\r\n');
  if (first !== 'WARC/1.1') bad(`record ${number} of the archive is not WARC/1.1`);
  const fields = new Map<string, string>();
  for (const line of lines) {
    const found = /^([A-Za-z0-9-]{1,64}): ([^\u0000-\u001f\u007f]*)$/.exec(line);
    if (!found) return bad(`record ${number} of the archive has the bad header line '${visible(line, 80)}'`);
    const name = found[1].toLowerCase();
    if (fields.has(name) && name !== 'warc-protocol') bad(`record ${number} of the archive has the field ${found[1]} twice`);
    fields.set(name, found[2]);
  }
  return fields;
}
