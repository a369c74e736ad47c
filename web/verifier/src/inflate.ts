// Deflate in bounded steps by pako's port of zlib, which says where a stream ends (the browser's own does not).

import { Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, zlibInflate, zlibInflateInit2, ZStream } from 'pako';
import { FormatError } from './bytes';

const STEP = 1 << 17;
export const RAW = -15;
export const ZLIB = 15;
export const GZIP = 31;

/** One deflate stream, fed piece by piece. */
export class Inflater {
  private readonly stream = new ZStream();
  ended = false;

  constructor(windowBits: number) {
    zlibInflateInit2(this.stream, windowBits);
  }

  feed(data: Uint8Array): void {
    this.stream.input = data;
    this.stream.next_in = 0;
    this.stream.avail_in = data.length;
  }

  /** What was fed and not taken. */
  get rest(): Uint8Array {
    return this.stream.input.subarray(this.stream.next_in, this.stream.next_in + this.stream.avail_in);
  }

  /** At most 128 KiB of output, empty when more input is needed or the stream has ended; throws when it is damaged. */
  step(): Uint8Array {
    if (this.ended) return new Uint8Array();
    const out = new Uint8Array(STEP);
    this.stream.output = out;
    this.stream.next_out = 0;
    this.stream.avail_out = STEP;
    const status = zlibInflate(this.stream, Z_NO_FLUSH);
    if (status === Z_STREAM_END) this.ended = true;
    else if (status !== Z_OK && status !== Z_BUF_ERROR) throw new FormatError(`damaged deflate stream (${this.stream.msg || status})`, 'deflate 流已损坏');
    return out.subarray(0, this.stream.next_out);
  }
}

/** A member's raw stream, which must fill its place exactly and give exactly the size that is declared. */
export async function* inflateRaw(packed: AsyncGenerator<Uint8Array>, size: number, name: string): AsyncGenerator<Uint8Array> {
  const inflater = new Inflater(RAW);
  let produced = 0;
  for await (const piece of packed) {
    if (inflater.ended) throw new FormatError(`${name}: bytes follow its deflate stream`, `${name}：deflate 流之后还有其他字节`);
    inflater.feed(piece);
    for (let out = inflater.step(); out.length; out = inflater.step()) {
      produced += out.length;
      if (produced > size) throw new FormatError(`${name}: inflates to more than it declares`, `${name}：解压后超过声明的大小`);
      yield out;
    }
  }
  if (!inflater.ended || inflater.rest.length) throw new FormatError(`${name}: its deflate stream does not end where it must`, `${name}：deflate 流未在规定处结束`);
  if (produced !== size) throw new FormatError(`${name}: inflates to less than it declares`, `${name}：解压后小于声明的大小`);
}
