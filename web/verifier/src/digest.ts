// SHA-256 and its kin come from @noble/hashes; SM3 (GB/T 32905-2016) is ours, because no kept library streams it.

import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 as nobleSha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js';
import { concat, FormatError, toHex } from './bytes';

export interface Digests {
  readonly sha256: string;
  readonly sm3: string;
}

const START = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e];
const ROUND = Int32Array.from({ length: 64 }, (_, j) => {
  const constant = j < 16 ? 0x79cc4519 : 0x7a879d8a;
  const turn = j % 32;
  return turn ? (constant << turn) | (constant >>> (32 - turn)) : constant;
});

/** Streaming SM3: `update` any number of times, `digest` once. */
export class Sm3 {
  private readonly state = Int32Array.from(START);
  private readonly words = new Int32Array(68);
  private readonly rest = new Uint8Array(64);
  private filled = 0;
  private total = 0;

  update(data: Uint8Array): this {
    this.total += data.length;
    let at = 0;
    if (this.filled) {
      const take = Math.min(64 - this.filled, data.length);
      this.rest.set(data.subarray(0, take), this.filled);
      this.filled += take;
      at = take;
      if (this.filled < 64) return this;
      this.block(this.rest, 0);
      this.filled = 0;
    }
    for (; at + 64 <= data.length; at += 64) this.block(data, at);
    this.rest.set(data.subarray(at));
    this.filled = data.length - at;
    return this;
  }

  digest(): Uint8Array {
    const bits = this.total * 8;
    const padding = new Uint8Array(((this.filled < 56 ? 56 : 120) - this.filled) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits % 2 ** 32);
    this.update(padding);
    const out = new Uint8Array(32);
    const words = new DataView(out.buffer);
    this.state.forEach((word, i) => words.setInt32(4 * i, word));
    return out;
  }

  private block(data: Uint8Array, start: number): void {
    const w = this.words;
    const s = this.state;
    for (let t = 0, at = start; t < 16; t += 1, at += 4) {
      w[t] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
    }
    for (let t = 16; t < 68; t += 1) {
      const m = w[t - 3];
      const x = w[t - 16] ^ w[t - 9] ^ ((m << 15) | (m >>> 17));
      const n = w[t - 13];
      w[t] = x ^ ((x << 15) | (x >>> 17)) ^ ((x << 23) | (x >>> 9)) ^ ((n << 7) | (n >>> 25)) ^ w[t - 6];
    }
    let a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    for (let j = 0; j < 64; j += 1) {
      const a12 = (a << 12) | (a >>> 20);
      const sum = (a12 + e + ROUND[j]) | 0;
      const ss1 = (sum << 7) | (sum >>> 25);
      const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = (ff + d + (ss1 ^ a12) + (w[j] ^ w[j + 4])) | 0;
      const tt2 = (gg + h + ss1 + w[j]) | 0;
      d = c;
      c = (b << 9) | (b >>> 23);
      b = a;
      a = tt1;
      h = g;
      g = (f << 19) | (f >>> 13);
      f = e;
      e = tt2 ^ ((tt2 << 9) | (tt2 >>> 23)) ^ ((tt2 << 17) | (tt2 >>> 15));
    }
    s[0] ^= a; s[1] ^= b; s[2] ^= c; s[3] ^= d; s[4] ^= e; s[5] ^= f; s[6] ^= g; s[7] ^= h;
  }
}

export function sha256(...parts: Uint8Array[]): Uint8Array {
  const hasher = nobleSha256.create();
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

export const newSha256 = () => nobleSha256.create();

interface Hasher {
  update(data: Uint8Array): unknown;
  digest(): Uint8Array;
}
const STREAMS: Readonly<Record<string, () => Hasher>> = {
  sha1: () => sha1.create(), sha384: () => sha384.create(), sha512: () => sha512.create(),
  'sha3-256': () => sha3_256.create(), 'sha3-384': () => sha3_384.create(), 'sha3-512': () => sha3_512.create(),
};

/** A streaming hash function beside SHA-256 and SM3, null for unknown names. */
export const newHash = (name: string): Hasher | null => (Object.hasOwn(STREAMS, name) ? STREAMS[name]() : null);

const HASHES: Record<string, (data: Uint8Array) => Uint8Array> = {
  sha1, sha256: nobleSha256, sha384, sha512, 'sha3-256': sha3_256, 'sha3-384': sha3_384, 'sha3-512': sha3_512,
  sm3: (data) => new Sm3().update(data).digest(),
};

/** Digest by the names of `oids.HASH_NAMES`. */
export function digestBy(name: string, ...parts: Uint8Array[]): Uint8Array {
  const hash = Object.hasOwn(HASHES, name) ? HASHES[name] : undefined;
  if (!hash) throw new FormatError(`hash function ${name} is not supported`, `不支持杂凑算法 ${name}`);
  return hash(parts.length === 1 ? parts[0] : concat(...parts));
}

/** Both digests of a member in one pass. */
export class DualHasher {
  private readonly first = nobleSha256.create();
  private readonly second = new Sm3();
  size = 0;

  update(data: Uint8Array): void {
    this.first.update(data);
    this.second.update(data);
    this.size += data.length;
  }

  digests(): Digests {
    return { sha256: toHex(this.first.digest()), sm3: toHex(this.second.digest()) };
  }
}

const CRC = Array.from({ length: 8 }, () => new Int32Array(256));
for (let n = 0; n < 256; n += 1) {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  CRC[0][n] = c;
}
for (let n = 0; n < 256; n += 1) for (let k = 1; k < 8; k += 1) CRC[k][n] = (CRC[k - 1][n] >>> 8) ^ CRC[0][CRC[k - 1][n] & 255];

/** CRC-32 (ISO 3309), eight bytes a step. */
export function crc32(data: Uint8Array, before = 0): number {
  let c = ~before;
  let at = 0;
  for (; at + 8 <= data.length; at += 8) {
    c ^= data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24);
    c = CRC[7][c & 255] ^ CRC[6][(c >>> 8) & 255] ^ CRC[5][(c >>> 16) & 255] ^ CRC[4][c >>> 24] ^
      CRC[3][data[at + 4]] ^ CRC[2][data[at + 5]] ^ CRC[1][data[at + 6]] ^ CRC[0][data[at + 7]];
  }
  for (; at < data.length; at += 1) c = (c >>> 8) ^ CRC[0][(c ^ data[at]) & 255];
  return ~c >>> 0;
}
