// A file of any size, read at places: never more than a few MiB in memory.

import { FormatError } from './bytes';

const WINDOW = 1 << 20;
export const PIECE = 4 << 20;

export class RandomFile {
  private window: Uint8Array = new Uint8Array();
  private windowStart = 0;

  constructor(readonly blob: Blob) {}

  get size(): number {
    return this.blob.size;
  }

  /** Bytes [start, end); small reads near each other cost one read of the disk. */
  async read(start: number, end: number): Promise<Uint8Array> {
    if (!(start >= 0 && end >= start && end <= this.size)) throw new FormatError('the ZIP points outside of itself', 'ZIP 指向文件之外');
    if (start >= this.windowStart && end <= this.windowStart + this.window.length) return this.window.subarray(start - this.windowStart, end - this.windowStart);
    if (end - start > WINDOW / 2) return this.load(start, end);
    this.window = await this.load(start, Math.min(this.size, start + WINDOW));
    this.windowStart = start;
    return this.window.subarray(0, end - start);
  }

  async* pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += PIECE) yield await this.read(at, Math.min(end, at + PIECE));
  }

  private async load(start: number, end: number): Promise<Uint8Array> {
    try {
      return new Uint8Array(await this.blob.slice(start, end).arrayBuffer());
    } catch {
      throw new FormatError('the browser could not read the file; choose it again', '浏览器无法读取该文件；请重新选择');
    }
  }
}
