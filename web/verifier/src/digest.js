// SHA-256 (FIPS 180-4) and SM3 (GB/T 32905-2016), streaming: a member is never held in memory as a whole.

const SHA256_K = Uint32Array.from(
  ('428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5 d807aa98 12835b01 243185be 550c7dc3 ' +
    '72be5d74 80deb1fe 9bdc06a7 c19bf174 e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da ' +
    '983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967 27b70a85 2e1b2138 4d2c6dfc 53380d13 ' +
    '650a7354 766a0abb 81c2c92e 92722c85 a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070 ' +
    '19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3 748f82ee 78a5636f 84c87814 8cc70208 ' +
    '90befffa a4506ceb bef9a3f7 c67178f2').split(' ').map((word) => parseInt(word, 16)),
);
const SHA256_START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const SM3_START = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e];
const SM3_T = Int32Array.from({ length: 64 }, (_, j) => {
  const constant = j < 16 ? 0x79cc4519 : 0x7a879d8a;
  const turn = j % 32;
  return turn ? (constant << turn) | (constant >>> (32 - turn)) : constant;
});

function sha256Block(state, block, at, w) {
  for (let t = 0; t < 16; t += 1, at += 4) {
    w[t] = (block[at] << 24) | (block[at + 1] << 16) | (block[at + 2] << 8) | block[at + 3];
  }
  for (let t = 16; t < 64; t += 1) {
    const x = w[t - 15];
    const y = w[t - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[t] = (w[t - 16] + s0 + w[t - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + SHA256_K[t] + w[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  const next = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i += 1) state[i] = (state[i] + next[i]) | 0;
}

function sm3Block(state, block, at, w) {
  for (let t = 0; t < 16; t += 1, at += 4) {
    w[t] = (block[at] << 24) | (block[at + 1] << 16) | (block[at + 2] << 8) | block[at + 3];
  }
  for (let t = 16; t < 68; t += 1) {
    const m = w[t - 3];
    const x = w[t - 16] ^ w[t - 9] ^ ((m << 15) | (m >>> 17));
    const p1 = x ^ ((x << 15) | (x >>> 17)) ^ ((x << 23) | (x >>> 9));
    const n = w[t - 13];
    w[t] = p1 ^ ((n << 7) | (n >>> 25)) ^ w[t - 6];
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let j = 0; j < 64; j += 1) {
    const a12 = (a << 12) | (a >>> 20);
    const sum = (a12 + e + SM3_T[j]) | 0;
    const ss1 = (sum << 7) | (sum >>> 25);
    const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
    const tt1 = (ff + d + (ss1 ^ a12) + (w[j] ^ w[j + 4])) | 0;
    const tt2 = (gg + h + ss1 + w[j]) | 0;
    d = c; c = (b << 9) | (b >>> 23); b = a; a = tt1;
    h = g; g = (f << 19) | (f >>> 13); f = e;
    e = tt2 ^ ((tt2 << 9) | (tt2 >>> 23)) ^ ((tt2 << 17) | (tt2 >>> 15));
  }
  const next = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i += 1) state[i] ^= next[i];
}

/** A Merkle–Damgård hash over blocks of 64 bytes. */
class Hasher {
  constructor(start, compress) {
    this.state = Int32Array.from(start);
    this.compress = compress;
    this.words = new Int32Array(68);
    this.rest = new Uint8Array(128);
    this.kept = 0;
    this.size = 0;
  }

  update(data) {
    this.size += data.length;
    let at = 0;
    if (this.kept) {
      at = Math.min(64 - this.kept, data.length);
      this.rest.set(data.subarray(0, at), this.kept);
      this.kept += at;
      if (this.kept < 64) return this;
      this.compress(this.state, this.rest, 0, this.words);
      this.kept = 0;
    }
    for (; at + 64 <= data.length; at += 64) this.compress(this.state, data, at, this.words);
    this.rest.set(data.subarray(at));
    this.kept = data.length - at;
    return this;
  }

  digest() {
    const end = this.kept < 56 ? 64 : 128;
    this.rest.fill(0, this.kept, end);
    this.rest[this.kept] = 0x80;
    const view = new DataView(this.rest.buffer);
    view.setUint32(end - 8, Math.floor(this.size / 0x20000000));
    view.setUint32(end - 4, (this.size * 8) >>> 0);
    for (let at = 0; at < end; at += 64) this.compress(this.state, this.rest, at, this.words);
    const out = new DataView(new ArrayBuffer(32));
    this.state.forEach((word, i) => out.setInt32(i * 4, word));
    return new Uint8Array(out.buffer);
  }
}

const newSha256 = () => new Hasher(SHA256_START, sha256Block);
const newSm3 = () => new Hasher(SM3_START, sm3Block);
const sha256 = (...parts) => parts.reduce((hasher, part) => hasher.update(part), newSha256()).digest();
const sm3 = (...parts) => parts.reduce((hasher, part) => hasher.update(part), newSm3()).digest();

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(data, crc) {
  let c = ~crc;
  for (let i = 0; i < data.length; i += 1) c = CRC_TABLE[(c ^ data[i]) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}
